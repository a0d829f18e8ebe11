// SPDX-License-Identifier: MIT
#include "guest/serve.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "guest/process.h"

/* The lock of the daemon itself: no channel is device 0. */
#define DAEMON_LOCK 0

#define N_STATIONS CONSOLE_DEVICE_MAX

/* A directory of agents that is not there is looked for again. */
#define AGENTS_INTERVAL (2 * NS_PER_S)

enum {
	FD_STORE,
	FD_STOP,
	FD_CHILDREN,
	FD_INOTIFY,
	FD_STATIONS,                        /* their event channels */
	FD_PTYS = FD_STATIONS + N_STATIONS, /* their terminals */
	FD_N = FD_PTYS + N_STATIONS,
};

struct serve {
	struct serve_options *o; /* borrowed */
	struct station stations[N_STATIONS];
	int lock, children, inotify;
	int agents_watch;      /* -1: the directory is not there */
	int64_t agents_due_ns; /* when to look for it */
	bool stopping;
	unsigned int bad_names; /* devices whose names were complained of */
};

static int open_inotify(struct serve *s)
{
	s->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (s->inotify < 0)
		return -errno;
	s->o->env.inotify = s->inotify;
	return 0;
}

static void check_agents(struct serve *s)
{
	for (unsigned int i = 0; i < N_STATIONS; i++)
		station_check_agent(&s->stations[i]);
}

/* It need not be there, may be removed, and another be put in its place. */
static void watch_agents(struct serve *s)
{
	if (s->agents_watch >= 0 || clock_now_ns() < s->agents_due_ns)
		return;
	s->agents_watch = inotify_add_watch(s->inotify, s->o->env.agents,
					    IN_CLOSE_WRITE | IN_MOVED_TO |
						    IN_CREATE | IN_ATTRIB |
						    IN_MOVE_SELF | IN_ONLYDIR);
	s->agents_due_ns = s->agents_watch < 0 ? deadline_in(AGENTS_INTERVAL)
					       : DEADLINE_NEVER;
	if (s->agents_watch >= 0)
		check_agents(s); /* what has come before the watch */
}

/* The directory is another one, or gone. */
static void forget_agents(struct serve *s, const struct inotify_event *e)
{
	if (e->mask & IN_MOVE_SELF)
		inotify_rm_watch(s->inotify, s->agents_watch);
	s->agents_watch = -1;
	s->agents_due_ns = 0;
}

/* A name that can be a file's. A leading dot is for the files of our own. */
static bool is_usable(struct serve *s, const struct channel *c)
{
	if (!console_check_name(c->name) && c->name[0] != '.')
		return true;
	if (!(s->bad_names & 1u << c->device))
		s->o->env.say("device %u: its name can be no file's: left "
			      "alone",
			      c->device);
	s->bad_names |= 1u << c->device;
	return false;
}

/* Of several devices of one name, the lowest has it. */
static bool is_first(const struct channels *all, const struct channel *c)
{
	const struct channel *first;

	(void)channels_find(all, c->name, 0, &first);
	return first == c;
}

static int look(struct serve *s)
{
	unsigned int present = 0;
	struct channels all;
	int r = channels_read(s->o->env.xs, &all);

	if (r)
		return r;
	for (unsigned int i = 0; i < all.n && !s->stopping; i++) {
		const struct channel *c = &all.list[i];

		present |= 1u << c->device;
		/* Without a name it is a console, with its getty. */
		if (c->name[0] && is_usable(s, c) && is_first(&all, c))
			station_offer(&s->stations[c->device - 1], c);
	}
	for (unsigned int i = 0; i < N_STATIONS; i++) {
		if (!(present & 1u << s->stations[i].device))
			station_forget(&s->stations[i]);
		station_step(&s->stations[i]);
	}
	return 0;
}

static void take_inotify_event(struct serve *s, const struct inotify_event *e)
{
	/* Too many for the kernel to keep: each may have been among them. */
	bool lost = e->mask & IN_Q_OVERFLOW;

	if (lost || e->wd == s->agents_watch)
		check_agents(s);
	if (!lost && e->wd == s->agents_watch &&
	    (e->mask & (IN_MOVE_SELF | IN_IGNORED)))
		forget_agents(s, e);
	for (unsigned int i = 0; i < N_STATIONS; i++) {
		struct station *st = &s->stations[i];

		if (st->watch >= 0 &&
		    (lost || (e->wd == st->watch && (e->mask & IN_OPEN))))
			station_pty_opened(st);
	}
}

static void take_inotify(struct serve *s)
{
	char buffer[4096]
		__attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(s->inotify, buffer, sizeof(buffer));

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const void *)(buffer + at);

		at += (ssize_t)(sizeof(*e) + e->len);
		take_inotify_event(s, e);
	}
}

static void take_children(struct serve *s)
{
	struct signalfd_siginfo info;

	/* Several may have ended by one signal: all are asked. */
	while (read(s->children, &info, sizeof(info)) > 0)
		;
	check_agents(s);
}

static int64_t next_deadline(struct serve *s)
{
	int64_t t = s->agents_due_ns;

	for (unsigned int i = 0; i < N_STATIONS; i++) {
		const struct station *st = &s->stations[i];
		int64_t d = station_deadline(st);

		/* An empty one has nothing to wait for but the channel. */
		if (st->state == STATION_EMPTY && d <= clock_now_ns())
			continue;
		t = d < t ? d : t;
	}
	return t;
}

static int wait(struct serve *s, struct pollfd *fds, int64_t deadline)
{
	fds[FD_STORE] = (struct pollfd){ xs_fileno(s->o->env.xs), POLLIN, 0 };
	fds[FD_STOP] =
		(struct pollfd){ s->stopping ? -1 : s->o->stop, POLLIN, 0 };
	fds[FD_CHILDREN] = (struct pollfd){ s->children, POLLIN, 0 };
	fds[FD_INOTIFY] = (struct pollfd){ s->inotify, POLLIN, 0 };
	for (unsigned int i = 0; i < N_STATIONS; i++) {
		struct station *st = &s->stations[i];
		short events;
		int fd = station_pty_fd(st, &events);

		fds[FD_PTYS + i] = (struct pollfd){ fd, events, 0 };
		fds[FD_STATIONS + i] =
			(struct pollfd){ station_event_fd(st), POLLIN, 0 };
	}
	if (poll(fds, FD_N, deadline_poll_ms(deadline, -1)) >= 0)
		return 0;
	return errno == EINTR ? 0 : -errno;
}

static void begin_stop(struct serve *s)
{
	s->stopping = true;
	for (unsigned int i = 0; i < N_STATIONS; i++)
		station_close(&s->stations[i]);
}

static bool is_over(const struct serve *s)
{
	for (unsigned int i = 0; i < N_STATIONS; i++) {
		if (s->stations[i].state != STATION_EMPTY)
			return false;
	}
	return s->stopping;
}

static int turn(struct serve *s)
{
	struct pollfd fds[FD_N];
	int64_t deadline = next_deadline(s);
	int r = wait(s, fds, deadline);

	if (r)
		return r;
	if (fds[FD_STOP].revents)
		begin_stop(s);
	if (fds[FD_STORE].revents)
		r = channels_take_events(s->o->env.xs);
	if (r)
		return r;
	for (unsigned int i = 0; i < N_STATIONS; i++) {
		if (fds[FD_STATIONS + i].revents)
			station_take_event(&s->stations[i]);
	}
	if (fds[FD_INOTIFY].revents)
		take_inotify(s);
	if (fds[FD_CHILDREN].revents)
		take_children(s);
	watch_agents(s);
	for (unsigned int i = 0; i < N_STATIONS; i++)
		station_move(&s->stations[i]);
	/* After the bytes, which change no node, only if something else may. */
	if (fds[FD_STORE].revents || fds[FD_CHILDREN].revents ||
	    fds[FD_STOP].revents || clock_now_ns() >= deadline)
		r = look(s);
	return r;
}

static int set_up(struct serve *s, struct lock_holder *holder_r)
{
	int r = lock_take(&s->o->env.scope, DAEMON_LOCK, &s->lock, holder_r);

	if (r)
		return r;
	pty_remove_stale(s->o->env.scope.dir);
	r = process_watch_children(&s->children);
	if (!r)
		r = open_inotify(s);
	if (!r)
		r = channels_watch(s->o->env.xs);
	for (unsigned int i = 0; i < N_STATIONS; i++)
		station_init(&s->stations[i], &s->o->env, i + 1);
	if (!r)
		watch_agents(s);
	return r;
}

static void tear_down(struct serve *s)
{
	for (int *fd = (int[]){ s->lock, s->children, s->inotify, -2 };
	     *fd != -2; fd++) {
		if (*fd >= 0)
			close(*fd);
	}
}

/* As far as the host lets us: the backend is to give back what it has of ours. */
static void close_all(struct serve *s)
{
	if (!s->stopping)
		begin_stop(s);
	while (!is_over(s) && !turn(s))
		;
}

int serve_run(struct serve_options *o, struct lock_holder *holder_r)
{
	struct serve s = { .o = o,
			   .lock = -1,
			   .children = -1,
			   .inotify = -1,
			   .agents_watch = -1 };
	int r = set_up(&s, holder_r);

	if (!r) {
		r = look(&s);
		while (!r && !is_over(&s))
			r = turn(&s);
		if (r)
			close_all(&s);
	}
	tear_down(&s);
	return r;
}
