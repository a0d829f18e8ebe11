/* SPDX-License-Identifier: MIT */
/*
 * Permissions of a node: a list of domains, each with what it may do. The
 * first entry is the owner, who may do everything; its bits are for all
 * domains that have no entry.
 */
#ifndef XENCHAN_XENSTORED_PERM_H
#define XENCHAN_XENSTORED_PERM_H

#include <stdbool.h>
#include <stddef.h>

struct xenstored_perm {
	unsigned int domid;
	unsigned int bits;
};

enum {
	XENSTORED_PERM_NONE = 0,
	XENSTORED_PERM_READ = 1,
	XENSTORED_PERM_WRITE = 2,
	/* What only owner and domain 0 have; never part of an entry. */
	XSD_PERM_OWNER = 8,
	/* The entry names a domain that is gone: shown, but without effect. */
	XSD_PERM_IGNORE = 16,
};

#define XSD_PERM_ALL \
	(XENSTORED_PERM_READ | XENSTORED_PERM_WRITE | XSD_PERM_OWNER)

/* "n1", "r2", "b4294967295": the letter, the digits, the NUL. */
#define XSD_PERM_TEXT 13

/*
 * n NUL-terminated texts in a row, as clients write them. The number is
 * strtol()'s idea of one, as in xenstored 4.17: clients get away with "r0x1f".
 * 0 or -EINVAL.
 */
int xsd_perms_parse(const char *text, struct xenstored_perm *perms, size_t n);

/* Writes one entry as text and NUL; returns the bytes written. */
size_t xsd_perm_format(const struct xenstored_perm *perm,
		       char out[XSD_PERM_TEXT]);

#endif
