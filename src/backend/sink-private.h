/* SPDX-License-Identifier: MIT */
#ifndef XENCHAN_BACKEND_SINK_PRIVATE_H
#define XENCHAN_BACKEND_SINK_PRIVATE_H

#include "backend/sink.h"

struct sink_ops {
	void (*free)(struct sink *s, bool keep);
	bool (*has_client)(const struct sink *s);
	const char *(*path)(const struct sink *s);
	ssize_t (*write)(struct sink *s, const void *data, size_t n);
	ssize_t (*peek)(struct sink *s, uint8_t *before, size_t max);
	ssize_t (*read)(struct sink *s, void *data, size_t n);
	void (*want)(struct sink *s, bool read, bool write);
};

/* The first member of each kind. */
struct sink {
	const struct sink_ops *ops;
};

int sink_socket_open(struct sink **out, uv_loop_t *loop,
		     const struct sink_config *config);
int sink_pty_open(struct sink **out, uv_loop_t *loop,
		  const struct sink_config *config);

#endif
