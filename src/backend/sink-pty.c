// SPDX-License-Identifier: MIT
/*
 * A pseudo-terminal. We hold its slave open, so that it stays raw and keeps
 * what nobody has read yet while readers come and go. Their coming and going
 * is seen by inotify: with the slave open, the master never hangs up.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "backend/fd-store.h"
#include "backend/poller.h"
#include "backend/pty-watch.h"
#include "backend/sink-private.h"
#include "base/cleanup.h"

struct pty_sink {
	struct sink sink;
	uv_loop_t *loop;        /* borrowed */
	struct fd_store *store; /* borrowed */
	sink_fn fn;
	void *userdata;
	char path[32];
	char master_name[64], slave_name[64];

	int master, slave;        /* owned */
	struct poller *on_master; /* owned */
	struct pty_watch *watch;  /* borrowed */
	int watch_id;             /* in it; -1: none */
	unsigned int n_open;
	bool want_read, want_write;
};

static struct pty_sink *of(struct sink *s)
{
	return (struct pty_sink *)s;
}

static void update(struct pty_sink *s)
{
	poller_set(s->on_master,
		   (s->want_read ? UV_READABLE : 0) |
			   (s->want_write && s->n_open ? UV_WRITABLE : 0));
}

static void on_master(void *userdata, int events)
{
	struct pty_sink *s = userdata;

	s->fn(s->userdata, SINK_READY);
}

static void on_change(void *userdata, int change)
{
	struct pty_sink *s = userdata;
	bool before = s->n_open;

	if (change > 0)
		s->n_open++;
	else if (change < 0 && s->n_open)
		s->n_open--;
	else if (!change && !s->n_open)
		s->n_open = 1; /* better one too many: nothing is held back */
	update(s);
	if (before != (s->n_open > 0))
		s->fn(s->userdata, s->n_open ? SINK_OPENED : SINK_CLOSED);
}

static bool pty_has_client(const struct sink *sink)
{
	return ((const struct pty_sink *)sink)->n_open;
}

static const char *pty_path(const struct sink *sink)
{
	return ((const struct pty_sink *)sink)->path;
}

static ssize_t pty_write(struct sink *sink, const void *data, size_t n)
{
	struct pty_sink *s = of(sink);
	ssize_t done;

	if (!s->n_open)
		return -EAGAIN;
	done = write(s->master, data, n);
	return done <= 0 ? -EAGAIN : done;
}

/*
 * A terminal cannot be peeked at. What is to come will hardly be a row of bytes
 * that text never has; if it is, and we are killed within the read, it is lost.
 */
static ssize_t pty_peek(struct sink *sink, uint8_t *before, size_t max)
{
	struct pty_sink *s = of(sink);
	int n = 0;

	if (ioctl(s->master, FIONREAD, &n) || n <= 0)
		return -EAGAIN;
	if ((size_t)n > max)
		n = (int)max;
	memset(before, 0xff, (size_t)n);
	return n;
}

static ssize_t pty_read(struct sink *sink, void *data, size_t n)
{
	ssize_t got = read(of(sink)->master, data, n);

	return got <= 0 ? -EAGAIN : got;
}

static void pty_want(struct sink *sink, bool read, bool write)
{
	struct pty_sink *s = of(sink);

	s->want_read = read;
	s->want_write = write;
	update(s);
}

static void pty_free(struct sink *sink, bool keep)
{
	struct pty_sink *s = of(sink);

	poller_free(s->on_master);
	if (s->watch_id >= 0)
		pty_watch_remove(s->watch, s->watch_id);
	if (s->master >= 0)
		close(s->master);
	if (s->slave >= 0)
		close(s->slave);
	if (!keep) {
		fd_store_drop(s->store, s->master_name);
		fd_store_drop(s->store, s->slave_name);
	}
	free(s);
}

static const struct sink_ops pty_ops = {
	.free = pty_free,
	.has_client = pty_has_client,
	.path = pty_path,
	.write = pty_write,
	.peek = pty_peek,
	.read = pty_read,
	.want = pty_want,
};

static int make_raw(int slave)
{
	struct termios t;

	if (tcgetattr(slave, &t))
		return -errno;
	cfmakeraw(&t);
	return tcsetattr(slave, TCSANOW, &t) ? -errno : 0;
}

static int set_access(int slave, const struct socket_access *a)
{
	if (fchmod(slave, a->mode))
		return -errno;
	if ((a->uid >= 0 || a->gid >= 0) &&
	    fchown(slave, (uid_t)a->uid, (gid_t)a->gid))
		return -errno;
	return 0;
}

static int open_new(struct pty_sink *s, const struct socket_access *access)
{
	int r;

	s->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (s->master < 0 || grantpt(s->master) || unlockpt(s->master) ||
	    ptsname_r(s->master, s->path, sizeof(s->path)))
		return -errno;
	s->slave = open(s->path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (s->slave < 0)
		return -errno;
	r = make_raw(s->slave);
	if (!r)
		r = set_access(s->slave, access);
	if (!r) {
		fd_store_keep(s->store, s->master_name, s->master);
		fd_store_keep(s->store, s->slave_name, s->slave);
	}
	return r;
}

/*
 * A former process's, with its slave and what is in them. Who has opened it
 * meanwhile is not known; that somebody has is the harmless assumption.
 */
static bool take_former(struct pty_sink *s)
{
	s->master = fd_store_take(s->store, s->master_name);
	s->slave = fd_store_take(s->store, s->slave_name);
	if (s->master >= 0 && s->slave >= 0 &&
	    !ptsname_r(s->master, s->path, sizeof(s->path))) {
		s->n_open = 1;
		return true;
	}
	if (s->master >= 0)
		close(TAKE_FD(s->master));
	if (s->slave >= 0)
		close(TAKE_FD(s->slave));
	return false;
}

static int watch(struct pty_sink *s)
{
	s->watch_id = pty_watch_add(s->watch, s->path, on_change, s);
	return s->watch_id < 0 ? s->watch_id : 0;
}

static void cleanup_sinkp(struct pty_sink **s)
{
	if (*s)
		pty_free(&(*s)->sink, true);
}

int sink_pty_open(struct sink **out, uv_loop_t *loop,
		  const struct sink_config *config)
{
	_cleanup_(cleanup_sinkp) struct pty_sink *s = calloc(1, sizeof(*s));
	int r = 0;

	if (!s)
		return -ENOMEM;
	s->sink.ops = &pty_ops;
	s->loop = loop;
	s->store = config->store;
	s->fn = config->fn;
	s->userdata = config->userdata;
	s->master = s->slave = s->watch_id = -1;
	s->watch = config->watch;
	snprintf(s->master_name, sizeof(s->master_name), "master.%.40s",
		 config->id);
	snprintf(s->slave_name, sizeof(s->slave_name), "slave.%.40s",
		 config->id);
	if (!take_former(s))
		r = open_new(s, &config->access);
	if (!r)
		r = watch(s);
	if (!r)
		r = poller_new(&s->on_master, loop, s->master, on_master, s);
	if (r)
		return r;
	*out = &TAKE_PTR(s)->sink;
	return 0;
}
