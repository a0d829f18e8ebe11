/* SPDX-License-Identifier: MIT */
/*
 * A record of what passed through a channel, for people: a line a chunk,
 *
 *	2026-01-31T12:34:56.789Z out hello\n
 *
 * "out" of the guest or "in"to it; bytes that are not printable ASCII, and the
 * backslash, as in C. Only regular files are written to.
 */
#ifndef XENCHAN_BACKEND_TRAFFIC_LOG_H
#define XENCHAN_BACKEND_TRAFFIC_LOG_H

#include <stddef.h>

struct traffic_log {
	char *path; /* owned; NULL: there is no log */
	int fd;     /* owned; -1: none, or it cannot be opened */
};

#define TRAFFIC_LOG_NONE ((struct traffic_log){ NULL, -1 })

/* 0 or a negative errno; then nothing is logged until a reopening succeeds. */
int traffic_log_open(struct traffic_log *l, const char *path);
int traffic_log_reopen(struct traffic_log *l);
void traffic_log_close(struct traffic_log *l);

void traffic_log_write(struct traffic_log *l, const char *direction,
		       const void *data, size_t n);

#endif
