/* SPDX-License-Identifier: MIT */
/*
 * The pages that a domain grants to others. A grant reference is the number
 * of its page in the domain's memory, a sparse memfd; a page exists while it
 * is granted. References start at 8, as those before are Xen's own.
 *
 * A page that is given up while others still map it stays theirs, and stays
 * out of reach for new grants, until the last one unmaps it.
 */
#ifndef XENCHAN_XENHOST_GRANT_TABLE_H
#define XENCHAN_XENHOST_GRANT_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#define GRANT_FIRST_REF 8u
#define GRANT_MAX_REFS (1u << 20)
#define GRANT_DEFAULT_LIMIT 1024u /* gntalloc's module parameter `limit` */

enum grant_state {
	GRANT_FREE,
	GRANT_SHARED,
	GRANT_LINGERING, /* given up, still mapped */
};

struct grant {
	uint8_t state;
	bool writable;
	uint16_t to;
	uint32_t n_mapped;
};

struct grant_table {
	int mem_fd;           /* owner */
	struct grant *grants; /* owner; by reference */
	uint32_t n_grants;    /* allocated so far */
	uint32_t lowest_free; /* none is free below */
	uint32_t n_shared;    /* what the limit is about */
	uint32_t n_mapped;    /* by anybody, lingering ones too */
	uint32_t limit;
	bool scatter; /* never two neighbours in one share */
};

int grant_table_init(struct grant_table *t);
void grant_table_deinit(struct grant_table *t);

/* -ENOSPC: over the domain's limit. The pages are zero. */
int grant_table_share(struct grant_table *t, unsigned int to, bool writable,
		      uint32_t count, uint32_t *refs);
void grant_table_unshare(struct grant_table *t, const uint32_t *refs,
			 uint32_t count);

/*
 * All of them or -EINVAL: not granted to this domain, or not for writing; or
 * -ENOENT: beyond the table.
 */
int grant_table_map(struct grant_table *t, unsigned int by, bool write,
		    const uint32_t *refs, uint32_t count);
void grant_table_unmap(struct grant_table *t, const uint32_t *refs,
		       uint32_t count);

/* Zeroes one byte of a page, for an unmap notification. */
void grant_table_clear_byte(struct grant_table *t, uint32_t ref,
			    uint32_t offset);

#endif
