/* SPDX-License-Identifier: MIT */
/*
 * Reading values that others wrote in xenstore. A value is bytes and may hold
 * a NUL, after which a C string would hide the rest: such a value is refused.
 *
 * All return 0; -EPROTO: the value is not of the form asked for; or the errno
 * of xenstore, negative: -ENOENT, or -EACCES where an unprivileged domain is
 * not told whether it is absent or forbidden.
 */
#ifndef XENCHAN_XEN_TEXT_H
#define XENCHAN_XEN_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <xenstore.h>

/* At most max bytes; to be freed by the caller. */
int xen_text_read(struct xs_handle *xs, xs_transaction_t t, const char *path,
		  size_t max, char **out);

/* A decimal number from min to max. */
int xen_text_read_u32(struct xs_handle *xs, xs_transaction_t t,
		      const char *path, uint32_t min, uint32_t max,
		      uint32_t *out);

/* Writes a string without its NUL. 0, or the errno of xenstore, negative. */
int xen_text_write(struct xs_handle *xs, xs_transaction_t t, const char *path,
		   const char *text);

#endif
