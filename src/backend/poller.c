// SPDX-License-Identifier: MIT
#include "backend/poller.h"

#include <errno.h>
#include <stdlib.h>

struct poller {
	uv_poll_t handle;
	poller_fn fn;
	void *userdata;
	int events;
};

static void on_poll(uv_poll_t *handle, int status, int events)
{
	struct poller *p = handle->data;

	/* libuv has stopped it: poller_set() is to start it again. */
	if (status < 0)
		p->events = 0;
	p->fn(p->userdata, status < 0 ? 0 : events);
}

static void on_close(uv_handle_t *handle)
{
	free(handle->data);
}

int poller_new(struct poller **out, uv_loop_t *loop, int fd, poller_fn fn,
	       void *userdata)
{
	struct poller *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->fn = fn;
	p->userdata = userdata;
	r = uv_poll_init(loop, &p->handle, fd);
	if (r) {
		free(p);
		return r;
	}
	p->handle.data = p;
	*out = p;
	return 0;
}

void poller_set(struct poller *p, int events)
{
	if (!p || p->events == events)
		return;
	p->events = events;
	if (events)
		uv_poll_start(&p->handle, events, on_poll);
	else
		uv_poll_stop(&p->handle);
}

void poller_free(struct poller *p)
{
	if (!p)
		return;
	uv_poll_stop(&p->handle);
	uv_close((uv_handle_t *)&p->handle, on_close);
}
