// SPDX-License-Identifier: MIT
#include "backend/poller.h"

#include <errno.h>
#include <stdlib.h>

#define PAUSE_MS 100

struct poller {
	uv_poll_t handle;
	uv_timer_t pause;       /* active: reports nothing */
	unsigned int n_handles; /* of these, that are still closing */
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
	struct poller *p = handle->data;

	if (--p->n_handles == 0)
		free(p);
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
	uv_timer_init(loop, &p->pause);
	p->handle.data = p->pause.data = p;
	*out = p;
	return 0;
}

static void apply(struct poller *p)
{
	if (p->events && !uv_is_active((uv_handle_t *)&p->pause))
		uv_poll_start(&p->handle, p->events, on_poll);
	else
		uv_poll_stop(&p->handle);
}

void poller_set(struct poller *p, int events)
{
	if (!p || p->events == events)
		return;
	p->events = events;
	apply(p);
}

static void on_pause_over(uv_timer_t *pause)
{
	apply(pause->data);
}

void poller_pause(struct poller *p)
{
	if (!p)
		return;
	uv_timer_start(&p->pause, on_pause_over, PAUSE_MS, 0);
	apply(p);
}

void poller_free(struct poller *p)
{
	if (!p)
		return;
	uv_poll_stop(&p->handle);
	p->n_handles = 2;
	uv_close((uv_handle_t *)&p->handle, on_close);
	uv_close((uv_handle_t *)&p->pause, on_close);
}
