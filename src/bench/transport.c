// SPDX-License-Identifier: MIT
/* Pipes and sockets, of which the parent has made both ends. */
#include "bench/transport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/counters.h"

static const char *const names[KIND_N] = {
	[KIND_VCHAN] = "vchan",
	[KIND_PIPE] = "pipe",
	[KIND_UNIX] = "unix",
	[KIND_SEQPACKET] = "seqpacket",
	[KIND_TCP] = "tcp",
	[KIND_IDEAL] = "ideal",
	[KIND_OWN_LINES] = "own-lines",
	[KIND_ONE_LINE] = "one-line",
};

const char *kind_name(enum kind kind)
{
	return names[kind];
}

struct stream {
	int in, out;
};

static int put_stream(struct transport *t, const void *data, size_t n)
{
	const struct stream *s = t->own;
	const char *p = data;

	while (n) {
		ssize_t r = write(s->out, p, n);

		counters.syscalls++;
		if (r < 0)
			return -1;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

static ssize_t get_stream(struct transport *t, void *data, size_t n)
{
	const struct stream *s = t->own;
	ssize_t r = read(s->in, data, n);

	counters.syscalls++;
	return r > 0 ? r : -1;
}

static int get_all(struct transport *t, void *data, size_t n)
{
	char *p = data;

	while (n) {
		ssize_t r = get_stream(t, p, n);

		if (r < 0)
			return -1;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

/* A message has to fit: as large a buffer as the kernel gives. */
static void want_buffer(int fd)
{
	int size = 4 << 20;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

int stream_open(struct transport *t, const struct end_setup *setup)
{
	struct stream *s = malloc(sizeof(*s));

	if (!s)
		return -1;
	*s = (struct stream){ setup->in, setup->out };
	if (setup->kind == KIND_SEQPACKET)
		want_buffer(s->out);
	*t = (struct transport){
		.put = put_stream,
		.put_packet = put_stream,
		.get = get_stream,
		.get_packet = get_all,
		.own = s,
	};
	return 0;
}

int transport_open(struct transport *t, const struct end_setup *setup)
{
	switch (setup->kind) {
	case KIND_VCHAN:
		return vchan_open(t, setup);
	case KIND_IDEAL:
	case KIND_OWN_LINES:
	case KIND_ONE_LINE:
		return ideal_open(t, setup);
	default:
		return stream_open(t, setup);
	}
}
