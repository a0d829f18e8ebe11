// SPDX-License-Identifier: MIT
#include "backend/pty-watch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <uthash.h>

#include "backend/poller.h"
#include "base/cleanup.h"

struct watched {
	UT_hash_handle hh;
	int id;
	pty_watch_fn fn;
	void *userdata;
};

struct pty_watch {
	int fd;                /* owned */
	struct poller *poller; /* owned */
	struct watched *all;   /* owned, by id */
};

static void tell_all(struct pty_watch *w)
{
	struct watched *each, *tmp;

	HASH_ITER (hh, w->all, each, tmp)
		each->fn(each->userdata, false);
}

static void tell(struct pty_watch *w, const struct inotify_event *e)
{
	struct watched *one;

	HASH_FIND_INT(w->all, &e->wd, one);
	if (e->mask & IN_Q_OVERFLOW)
		tell_all(w);
	else if (one && (e->mask & IN_OPEN))
		one->fn(one->userdata, true);
}

static void on_readable(void *userdata, int events)
{
	_Alignas(struct inotify_event) char buf[4096];
	struct pty_watch *w = userdata;
	ssize_t n = read(w->fd, buf, sizeof(buf));

	for (char *p = buf; n > 0 && p < buf + n;) {
		const struct inotify_event *e = (const void *)p;

		tell(w, e);
		p += sizeof(*e) + e->len;
	}
}

void pty_watch_free(struct pty_watch *w)
{
	struct watched *one, *tmp;

	if (!w)
		return;
	HASH_ITER (hh, w->all, one, tmp) {
		HASH_DEL(w->all, one);
		free(one);
	}
	poller_free(w->poller);
	if (w->fd >= 0)
		close(w->fd);
	free(w);
}

DEFINE_CLEANUP(struct pty_watch *, pty_watch, pty_watch_free)

int pty_watch_new(struct pty_watch **out, uv_loop_t *loop)
{
	_cleanup_(cleanup_pty_watchp) struct pty_watch *w =
		calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0)
		return -errno;
	r = poller_new(&w->poller, loop, w->fd, on_readable, w);
	if (r)
		return r;
	poller_set(w->poller, UV_READABLE);
	*out = TAKE_PTR(w);
	return 0;
}

int pty_watch_add(struct pty_watch *w, const char *path, pty_watch_fn fn,
		  void *userdata)
{
	struct watched *one = calloc(1, sizeof(*one));

	if (!one)
		return -ENOMEM;
	one->fn = fn;
	one->userdata = userdata;
	one->id = inotify_add_watch(w->fd, path, IN_OPEN);
	if (one->id < 0) {
		free(one);
		return -errno;
	}
	HASH_ADD_INT(w->all, id, one);
	return one->id;
}

void pty_watch_remove(struct pty_watch *w, int id)
{
	struct watched *one;

	HASH_FIND_INT(w->all, &id, one);
	if (!one)
		return;
	HASH_DEL(w->all, one);
	free(one);
	inotify_rm_watch(w->fd, id);
}
