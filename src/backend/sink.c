// SPDX-License-Identifier: MIT
#include "backend/sink-private.h"

int sink_open(struct sink **out, uv_loop_t *loop,
	      const struct sink_config *config)
{
	return config->kind == CONSOLE_SOCKET
		       ? sink_socket_open(out, loop, config)
		       : sink_pty_open(out, loop, config);
}

void sink_free(struct sink *s, bool keep)
{
	if (s)
		s->ops->free(s, keep);
}

bool sink_has_client(const struct sink *s)
{
	return s->ops->has_client(s);
}

const char *sink_path(const struct sink *s)
{
	return s->ops->path(s);
}

ssize_t sink_write(struct sink *s, const void *data, size_t n)
{
	return s->ops->write(s, data, n);
}

ssize_t sink_peek(struct sink *s, uint8_t *before, size_t max)
{
	return s->ops->peek(s, before, max);
}

ssize_t sink_read(struct sink *s, void *data, size_t n)
{
	return s->ops->read(s, data, n);
}

void sink_want(struct sink *s, bool read, bool write)
{
	s->ops->want(s, read, write);
}
