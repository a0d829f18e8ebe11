/* SPDX-License-Identifier: MIT */
/*
 * Where a channel's clients are: a pseudo-terminal, or a socket that takes one
 * client at a time. A sink never blocks, and keeps nothing back: what it takes
 * has been given to the kernel.
 */
#ifndef XENCHAN_BACKEND_SINK_H
#define XENCHAN_BACKEND_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "backend/own-socket.h"
#include "console/schema.h"

struct fd_store;
struct pty_watch;
struct sink;

enum sink_event {
	SINK_READY,   /* what sink_want() asked for may be possible now */
	SINK_OPENED,  /* a client has come */
	SINK_CLOSED,  /* it has gone */
	SINK_REFUSED, /* a second one came, and was turned away */
};

/* Not called from within the functions below. */
typedef void (*sink_fn)(void *userdata, enum sink_event event);

struct sink_config {
	enum console_kind kind;
	const char *path; /* of a socket */
	struct socket_access access;
	struct own_socket *own; /* of a socket; borrowed, outlives the sink */
	/* Descriptors that outlive the process are known by this. */
	const char *id;
	struct fd_store *store;  /* borrowed */
	struct pty_watch *watch; /* of a pty; borrowed */
	sink_fn fn;
	void *userdata;
};

/* 0 or a negative errno. */
int sink_open(struct sink **out, uv_loop_t *loop,
	      const struct sink_config *config);

/*
 * keep: for the next process, whose it is from now on. Otherwise a client is
 * cut off, and a socket disappears. NULL is accepted.
 */
void sink_free(struct sink *s, bool keep);

bool sink_has_client(const struct sink *s);

/* What a client opens; for the `tty` key. */
const char *sink_path(const struct sink *s);

/* How many bytes the client took, or -EAGAIN: none now, or no client. */
ssize_t sink_write(struct sink *s, const void *data, size_t n);

/*
 * How many bytes sink_read() would give, at most max, and bytes that differ
 * from each of them in *before: spool.h. -EAGAIN: none now.
 */
ssize_t sink_peek(struct sink *s, uint8_t *before, size_t max);
ssize_t sink_read(struct sink *s, void *data, size_t n);

/* Of what SINK_READY is to tell. */
void sink_want(struct sink *s, bool read, bool write);

#endif
