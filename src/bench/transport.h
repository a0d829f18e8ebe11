/* SPDX-License-Identifier: MIT */
/*
 * One end of what is measured: a vchan by any library, a pipe, a socket, or a
 * ring in plain shared memory. All calls block.
 */
#ifndef XENCHAN_BENCH_TRANSPORT_H
#define XENCHAN_BENCH_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Of a ring in plain memory: what is before the data. */
#define IDEAL_CONTROL 4096

enum kind {
	KIND_VCHAN,
	KIND_PIPE,
	KIND_UNIX,
	KIND_SEQPACKET,
	KIND_TCP,
	KIND_IDEAL, /* this and the next two: ideal.c */
	KIND_OWN_LINES,
	KIND_ONE_LINE,
	KIND_N,
};

/* What an end is told on its command line. */
struct end_setup {
	bool is_server;
	enum kind kind;
	const char *library; /* of a vchan */
	int domain;          /* the peer's */
	const char *path;
	size_t ring; /* size, for a vchan and the rings in plain memory */
	int idle; /* other vchans, of a server that waits in epoll(7); 0: blocks */
	int in, out; /* of a pipe or socket; out is the memory of the ring */
};

struct transport {
	/* Sends all of it, as a stream or as one packet. 0, or -1. */
	int (*put)(struct transport *t, const void *data, size_t n);
	int (*put_packet)(struct transport *t, const void *data, size_t n);
	/* Receives 1 to n bytes. How many, or -1. */
	ssize_t (*get)(struct transport *t, void *data, size_t n);
	/* Receives n. 0, or -1. */
	int (*get_packet)(struct transport *t, void *data, size_t n);
	/*
	 * Zero copy, NULL where there is none: up to two spans of at least min
	 * bytes; how many, or -1. Then how much of them was used.
	 */
	int (*reserve)(struct transport *t, struct iovec v[2], size_t min);
	int (*commit)(struct transport *t, size_t n);
	int (*peek)(struct transport *t, struct iovec v[2], size_t min);
	int (*consume)(struct transport *t, size_t n);

	void *own; /* of the kind */
};

/* The name of a kind: "pipe". */
const char *kind_name(enum kind kind);

/*
 * Opens, and connects within some seconds; says on standard error why not.
 * 0, or -1.
 */
int transport_open(struct transport *t, const struct end_setup *setup);

/* The openers by kind. */
int vchan_open(struct transport *t, const struct end_setup *setup);
/* One more server beside the first; it remains. 0, or -1. */
int vchan_open_another(struct transport *t, const struct end_setup *setup);
int stream_open(struct transport *t, const struct end_setup *setup);
int ideal_open(struct transport *t, const struct end_setup *setup);

#endif
