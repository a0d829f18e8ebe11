// SPDX-License-Identifier: MIT
/* A station's agent: when it is run, and on what. */
#include "guest/station.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "guest/tty.h"

/* When a terminal of the kernel's that somebody has locked is tried again. */
#define BUSY_NS (1 * NS_PER_S)

static void say_agent_error(struct station *s, int r)
{
	if (r == s->agent_error)
		return;
	s->agent_error = r;
	if (r == -EPERM)
		s->env->say("%s: not run: others can change it", s->agent.path);
	else if (r == -EBUSY)
		s->env->say("%s: waits until nobody else has the terminal open",
			    s->agent.path);
	else if (r && r != -ENOENT)
		s->env->say("%s: cannot be run: %s", s->agent.path,
			    strerror(-r));
}

/* A terminal that nobody else uses: two would take each other's bytes. */
static int open_terminal(struct station *s, int *fd_r)
{
	int r;

	if (s->state == STATION_SERVING && s->pty_open)
		return -EBUSY;
	/* The last one may have left the kernel's as it liked it. */
	r = s->state == STATION_BORROWING ? pty_reset(&s->pty) : 0;
	if (!r)
		r = pty_open_slave(&s->pty, fd_r);
	return r ? r : tty_lock(*fd_r);
}

/* When to try again if nothing happens before. */
static int64_t next_try(const struct station *s, int r)
{
	switch (r) {
	case -ENOENT: /* the directory tells */
	case -EACCES:
	case -EPERM:
		return DEADLINE_NEVER;
	case -EBUSY: /* so does the terminal, as long as it is ours */
		return s->pty_open ? DEADLINE_NEVER : deadline_in(BUSY_NS);
	}
	return s->agent.next_ns;
}

static void start_agent(struct station *s)
{
	_cleanup_close_ int terminal = -1;
	int r = agent_check(&s->agent);

	if (!r)
		r = open_terminal(s, &terminal);
	if (!r)
		r = agent_start(&s->agent, s->name, terminal);
	if (r > 0) {
		s->env->say("%s: agent started, process %d", s->name,
			    (int)s->agent.pid);
	}
	say_agent_error(s, r > 0 ? 0 : r);
	s->agent.next_ns = next_try(s, r);
}

bool station_wants_agent(const struct station *s)
{
	return s->state == STATION_BORROWING ||
	       (s->state == STATION_SERVING && s->announced && !s->hung_up_ns &&
		!s->stop_ns);
}

void station_check_agent(struct station *s)
{
	bool ended = agent_reap(&s->agent);
	int64_t wait_ns = s->agent.next_ns - clock_now_ns();

	if (s->state == STATION_ENDING && !s->agent.pid)
		s->state = STATION_EMPTY;
	if (!station_wants_agent(s))
		return;
	if (ended) {
		s->env->say("%s: agent ended with status %d, started again in "
			    "%lld ms",
			    s->name, s->agent.status,
			    (long long)(wait_ns / NS_PER_MS));
	}
	if (s->agent.next_ns == DEADLINE_NEVER)
		s->agent.next_ns = 0;
	if (!s->agent.pid && clock_now_ns() >= s->agent.next_ns)
		start_agent(s);
}
