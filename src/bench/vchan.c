// SPDX-License-Identifier: MIT
/* A vchan, by a library that is known only now: ours, Xen's, an older build. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/clock.h"
#include "bench/counters.h"
#include "bench/transport.h"
#include "libxenvchan-ext.h"

#define CONNECT_NS (20 * NS_PER_S)
#define RETRY_NS (5 * NS_PER_MS)

struct vchan_end {
	struct libxenvchan *vchan;
	__typeof__(libxenvchan_server_init) *server_init;
	__typeof__(libxenvchan_client_init) *client_init;
	__typeof__(libxenvchan_close) *close;
	__typeof__(libxenvchan_recv) *recv;
	__typeof__(libxenvchan_read) *read;
	__typeof__(libxenvchan_send) *send;
	__typeof__(libxenvchan_write) *write;
	__typeof__(libxenvchan_wait) *wait;
	__typeof__(libxenvchan_fd_for_select) *fd_for_select;
	int epoll; /* of the event loop */
	/* NULL in libraries that have none. */
	__typeof__(libxenvchan_reserve) *reserve;
	__typeof__(libxenvchan_commit) *commit;
	__typeof__(libxenvchan_peek) *peek;
	__typeof__(libxenvchan_consume) *consume;
};

static int put(struct transport *t, const void *data, size_t n)
{
	struct vchan_end *e = t->own;
	const char *p = data;

	while (n) {
		int r = e->write(e->vchan, p, n);

		if (r <= 0)
			return -1;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

static int put_packet(struct transport *t, const void *data, size_t n)
{
	struct vchan_end *e = t->own;

	return e->send(e->vchan, data, n) == (int)n ? 0 : -1;
}

static ssize_t get(struct transport *t, void *data, size_t n)
{
	struct vchan_end *e = t->own;
	int r = e->read(e->vchan, data, n);

	return r > 0 ? r : -1;
}

static int get_packet(struct transport *t, void *data, size_t n)
{
	struct vchan_end *e = t->own;

	return e->recv(e->vchan, data, n) == (int)n ? 0 : -1;
}

/* As a daemon with many vchans receives: none of its calls waits. */
static int loop_get_packet(struct transport *t, void *data, size_t n)
{
	struct vchan_end *e = t->own;

	for (;;) {
		struct epoll_event event;
		int r;

		e->vchan->blocking = 0;
		r = e->recv(e->vchan, data, n);
		e->vchan->blocking = 1;
		if (r)
			return r == (int)n ? 0 : -1;
		counters.syscalls++;
		if (epoll_wait(e->epoll, &event, 1, -1) != 1 ||
		    e->wait(event.data.ptr))
			return -1;
	}
}

static int watch(struct vchan_end *e, struct libxenvchan *v)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = v };

	return epoll_ctl(e->epoll, EPOLL_CTL_ADD, e->fd_for_select(v), &event);
}

/* The active vchan among idle ones, all in one event loop. */
static int start_loop(struct vchan_end *e, const struct end_setup *setup)
{
	char path[4096];

	e->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (e->epoll < 0 || watch(e, e->vchan))
		return -1;
	for (int i = 1; i < setup->idle; i++) {
		struct libxenvchan *v;

		snprintf(path, sizeof(path), "%s-idle-%d", setup->path, i);
		v = e->server_init(NULL, setup->domain, path, 1024, 2048);
		if (!v || watch(e, v)) {
			fprintf(stderr, "idle vchan %d: %s\n", i,
				strerror(errno));
			return -1;
		}
	}
	return 0;
}

static int reserve(struct transport *t, struct iovec v[2], size_t min)
{
	struct vchan_end *e = t->own;

	return e->reserve(e->vchan, v, min);
}

static int commit(struct transport *t, size_t n)
{
	struct vchan_end *e = t->own;

	return e->commit(e->vchan, n);
}

static int peek(struct transport *t, struct iovec v[2], size_t min)
{
	struct vchan_end *e = t->own;

	return e->peek(e->vchan, v, min);
}

static int consume(struct transport *t, size_t n)
{
	struct vchan_end *e = t->own;

	return e->consume(e->vchan, n);
}

static const struct symbol {
	const char *name;
	size_t offset;
	bool may_lack;
} symbols[] = {
#define SYMBOL(what, may_lack)                                          \
	{                                                               \
		"libxenvchan_" #what, offsetof(struct vchan_end, what), \
			may_lack                                        \
	}
	SYMBOL(server_init, false),   SYMBOL(client_init, false),
	SYMBOL(close, false),         SYMBOL(recv, false),
	SYMBOL(read, false),          SYMBOL(send, false),
	SYMBOL(write, false),         SYMBOL(wait, false),
	SYMBOL(fd_for_select, false), SYMBOL(reserve, true),
	SYMBOL(commit, true),         SYMBOL(peek, true),
	SYMBOL(consume, true),
};

static int load(struct vchan_end *e, const char *library)
{
	void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);

	if (!handle) {
		fprintf(stderr, "%s\n", dlerror());
		return -1;
	}
	for (size_t i = 0; i < sizeof(symbols) / sizeof(*symbols); i++) {
		void *found = dlsym(handle, symbols[i].name);

		if (!found && !symbols[i].may_lack) {
			fprintf(stderr, "%s: not a libxenvchan: no %s\n",
				library, symbols[i].name);
			return -1;
		}
		memcpy((char *)e + symbols[i].offset, &found, sizeof(found));
	}
	return 0;
}

/* Until the server is there. */
static struct libxenvchan *join(struct vchan_end *e,
				const struct end_setup *setup)
{
	int64_t deadline = deadline_in(CONNECT_NS);
	struct timespec pause = { 0, RETRY_NS };

	for (;;) {
		struct libxenvchan *v =
			e->client_init(NULL, setup->domain, setup->path);

		if (v || clock_now_ns() >= deadline)
			return v;
		nanosleep(&pause, NULL);
	}
}

static void say_why_not(const struct end_setup *setup)
{
	const char *why = strerror(errno);

	if (setup->is_server)
		fprintf(stderr,
			"xenchan: vchan bench: %s: libxenvchan_server_init: "
			"domain %d, path %s: %s\n",
			setup->library, setup->domain, setup->path, why);
	else
		fprintf(stderr,
			"xenchan: vchan bench: %s: no server came within %d s: "
			"domain %d, path %s: run --serve there, with the same "
			"-c and -r: %s\n",
			setup->library, (int)(CONNECT_NS / NS_PER_S),
			setup->domain, setup->path, why);
}

int vchan_open(struct transport *t, const struct end_setup *setup)
{
	struct vchan_end *e = calloc(1, sizeof(*e));

	if (!e || load(e, setup->library))
		return -1;
	e->vchan = setup->is_server
			   ? e->server_init(NULL, setup->domain, setup->path,
					    setup->ring, setup->ring)
			   : join(e, setup);
	if (!e->vchan) {
		say_why_not(setup);
		return -1;
	}
	e->vchan->blocking = 1;
	*t = (struct transport){
		.put = put,
		.put_packet = put_packet,
		.get = get,
		.get_packet = get_packet,
		.own = e,
	};
	if (setup->is_server && setup->idle) {
		if (start_loop(e, setup))
			return -1;
		t->get_packet = loop_get_packet;
	}
	if (e->reserve && e->peek) {
		t->reserve = reserve;
		t->commit = commit;
		t->peek = peek;
		t->consume = consume;
	}
	return 0;
}

int vchan_open_another(struct transport *t, const struct end_setup *setup)
{
	struct vchan_end *e = t->own;
	char path[4096];

	snprintf(path, sizeof(path), "%s-another", setup->path);
	return e->server_init(NULL, setup->domain, path, 1024, 1024) ? 0 : -1;
}
