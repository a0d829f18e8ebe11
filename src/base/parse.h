/* SPDX-License-Identifier: MIT */
/*
 * Strict parsers for text that others wrote: a user's arguments, a peer's
 * xenstore nodes. Each takes the whole string or nothing: no leading or
 * trailing space, no sign, no overflow. 0, or -EINVAL (not a number of this
 * form) or -ERANGE (beyond what the type or max holds); *out is written on
 * success only.
 */
#ifndef XENCHAN_BASE_PARSE_H
#define XENCHAN_BASE_PARSE_H

#include <stdint.h>

/* Decimal digits, at most max. */
int parse_u64(const char *s, uint64_t max, uint64_t *out);
int parse_u32(const char *s, uint32_t max, uint32_t *out);

/* A domain id, 0 to 32751 (DOMID_FIRST_RESERVED - 1, xen/include/public/xen.h). */
int parse_domid(const char *s, unsigned int *out);

/* Bytes: decimal digits and an optional binary suffix K, M or G. */
int parse_size(const char *s, uint64_t max, uint64_t *out);

/* Nanoseconds: decimal digits with the suffix ns, us, ms, s (the default), m. */
int parse_duration_ns(const char *s, uint64_t max, uint64_t *out);

#endif
