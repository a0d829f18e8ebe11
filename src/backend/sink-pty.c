// SPDX-License-Identifier: MIT
/*
 * A pseudo-terminal. Of it we hold the master alone: then the kernel says, as a
 * hang-up of the master, whether anybody has the terminal open, which no counting
 * of events could, after a restart least of all. That somebody has come is told
 * by inotify; that the last one has gone, by the hang-up.
 *
 * What a reader left unread stays in the kernel, and so do the terminal's
 * settings: they are made raw again when nobody has it open.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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
	char name[64]; /* the master's, in the store */

	int master;               /* owned */
	struct poller *on_master; /* owned */
	struct pty_watch *watch;  /* borrowed */
	int watch_id;             /* in it; -1: none */
	bool has_reader;
	bool want_read, want_write;
};

static struct pty_sink *of(struct sink *s)
{
	return (struct pty_sink *)s;
}

/* Also moves what writers left on its way to where it can be read. */
static bool is_open(const struct pty_sink *s)
{
	struct pollfd p = { .fd = s->master };

	return poll(&p, 1, 0) <= 0 || !(p.revents & POLLHUP);
}

/* Of the master, which is the same as of the terminal. */
static int make_raw(int master)
{
	struct termios t;

	if (tcgetattr(master, &t))
		return -errno;
	cfmakeraw(&t);
	return tcsetattr(master, TCSANOW, &t) ? -errno : 0;
}

/*
 * A hang-up that has been seen would be told for ever. UV_PRIORITIZED: for the
 * hang-up alone, as in sink-socket.c.
 */
static void update(struct pty_sink *s)
{
	int events = UV_PRIORITIZED;

	if (s->want_read)
		events |= UV_READABLE;
	if (s->want_write)
		events |= UV_WRITABLE;
	poller_set(s->on_master, s->has_reader ? events : 0);
}

static void set_reader(struct pty_sink *s, bool has_reader)
{
	s->has_reader = has_reader;
	if (!has_reader)
		make_raw(s->master);
	update(s);
	s->fn(s->userdata, has_reader ? SINK_OPENED : SINK_CLOSED);
}

static void on_master(void *userdata, int events)
{
	struct pty_sink *s = userdata;

	if (s->has_reader && !is_open(s))
		set_reader(s, false);
	else
		s->fn(s->userdata, SINK_READY);
}

/* Who came may have gone already, and left something to be read. */
static void on_opened(void *userdata, bool surely)
{
	struct pty_sink *s = userdata;

	if (!s->has_reader && (surely || is_open(s)))
		set_reader(s, true);
	on_master(s, 0);
}

static bool pty_has_client(const struct sink *sink)
{
	return ((const struct pty_sink *)sink)->has_reader;
}

static const char *pty_path(const struct sink *sink)
{
	return ((const struct pty_sink *)sink)->path;
}

static ssize_t pty_write(struct sink *sink, const void *data, size_t n)
{
	struct pty_sink *s = of(sink);
	ssize_t done;

	if (!s->has_reader)
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

	/* Nothing will tell of what comes later. */
	if (!s->has_reader)
		(void)is_open(s);
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
	if (!keep)
		fd_store_drop(s->store, s->name);
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

static int set_access(int slave, const struct socket_access *a)
{
	if (fchmod(slave, a->mode))
		return -errno;
	if ((a->uid >= 0 || a->gid >= 0) &&
	    fchown(slave, (uid_t)a->uid, (gid_t)a->gid))
		return -errno;
	return 0;
}

/* Opened and closed again: from then on nobody's having it open is a hang-up. */
static int prepare_slave(struct pty_sink *s, const struct socket_access *access)
{
	_cleanup_close_ int slave =
		open(s->path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	return slave < 0 ? -errno : set_access(slave, access);
}

static int open_new(struct pty_sink *s, const struct socket_access *access)
{
	s->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (s->master < 0 || grantpt(s->master) || unlockpt(s->master) ||
	    ptsname_r(s->master, s->path, sizeof(s->path)))
		return -errno;
	return prepare_slave(s, access);
}

/* A former process's, with what is in it and perhaps with a reader. */
static bool take_former(struct pty_sink *s)
{
	s->master = fd_store_take(s->store, s->name);
	if (s->master >= 0 && !ptsname_r(s->master, s->path, sizeof(s->path)))
		return true;
	if (s->master >= 0)
		close(TAKE_FD(s->master));
	return false;
}

/* The mode of a reader that is there is its own; of one that has left, nobody's. */
static int watch(struct pty_sink *s)
{
	s->watch_id = pty_watch_add(s->watch, s->path, on_opened, s);
	if (s->watch_id < 0)
		return s->watch_id;
	s->has_reader = is_open(s);
	return s->has_reader ? 0 : make_raw(s->master);
}

static void cleanup_sinkp(struct pty_sink **s)
{
	if (*s)
		pty_free(&(*s)->sink, true);
}

static struct pty_sink *new_sink(uv_loop_t *loop,
				 const struct sink_config *config)
{
	struct pty_sink *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->sink.ops = &pty_ops;
	s->loop = loop;
	s->store = config->store;
	s->fn = config->fn;
	s->userdata = config->userdata;
	s->master = s->watch_id = -1;
	s->watch = config->watch;
	snprintf(s->name, sizeof(s->name), "master.%.40s", config->id);
	return s;
}

int sink_pty_open(struct sink **out, uv_loop_t *loop,
		  const struct sink_config *config)
{
	_cleanup_(cleanup_sinkp) struct pty_sink *s = new_sink(loop, config);
	bool former;
	int r;

	if (!s)
		return -ENOMEM;
	former = take_former(s);
	r = former ? 0 : open_new(s, &config->access);
	if (!r)
		r = watch(s);
	if (!r)
		r = poller_new(&s->on_master, loop, s->master, on_master, s);
	/* For the next attempt, which else would make another one. */
	if (r && former)
		fd_store_return(s->store, s->name, TAKE_FD(s->master));
	if (r)
		return r;
	if (!former)
		fd_store_keep(s->store, s->name, s->master);
	update(s);
	*out = &TAKE_PTR(s)->sink;
	return 0;
}
