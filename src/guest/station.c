// SPDX-License-Identifier: MIT
#include "guest/station.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "guest/tty.h"

/* A channel that could not be taken up, or was closed, is tried again. */
#define RETRY_NS (1 * NS_PER_S)
/* So is one whose backend does not keep to the protocol. */
#define RETRY_BROKEN_NS (60 * NS_PER_S)
/* How long a user of the terminal may take to read what the host sent before
 * it closed; and how long the host may, when the daemon ends. */
#define DRAIN_NS (5 * NS_PER_S)
/* What went into a terminal is at its other end well within this time. */
#define QUIET_NS (50 * NS_PER_MS)

void station_init(struct station *s, const struct station_env *env,
		  unsigned int device)
{
	*s = (struct station){ .env = env,
			       .device = device,
			       .lock = -1,
			       .pty = { .master = -1 },
			       .watch = -1 };
}

/* Once for each reason, until it goes well. */
static void say_error(struct station *s, const char *what, int r)
{
	if (r == s->last_error)
		return;
	s->last_error = r;
	s->env->say("%s: %s: %s; tried again every second", s->name, what,
		    strerror(-r));
}

/* All but the agent. */
static void release(struct station *s)
{
	frontend_free(s->frontend);
	s->frontend = NULL;
	if (s->watch >= 0)
		inotify_rm_watch(s->env->inotify, s->watch);
	s->watch = -1;
	pty_deinit(&s->pty);
	if (s->lock >= 0)
		close(s->lock);
	s->lock = -1;
	s->pty_open = s->announced = false;
	s->retry_ns = deadline_in(s->broken ? RETRY_BROKEN_NS : RETRY_NS);
	s->broken = false;
	/* After a hang-up it reads the end by itself. */
	if (!s->hung_up_ns)
		agent_stop(&s->agent);
	s->hung_up_ns = s->stop_ns = s->quiet_ns = s->look_ns = 0;
	s->state = s->agent.pid ? STATION_ENDING : STATION_EMPTY;
}

static int take_lock(struct station *s)
{
	struct lock_holder holder;
	int r = lock_take(&s->env->scope, s->device, &s->lock, &holder);

	if (r == -EBUSY && s->last_error != r) {
		s->env->say("%s: in use by process %u", s->name, holder.pid);
		s->last_error = r;
	}
	return r;
}

static int make_terminal(struct station *s)
{
	int r = pty_init(&s->pty, s->env->scope.dir, s->name);

	if (r)
		return r;
	s->watch = inotify_add_watch(s->env->inotify, s->pty.slave, IN_OPEN);
	return s->watch < 0 ? -errno : 0;
}

static int take_up(struct station *s, const struct channel *c)
{
	int r = take_lock(s);

	if (r)
		return r;
	r = make_terminal(s);
	if (r) {
		say_error(s, "cannot make its terminal", r);
		return r;
	}
	s->relay = (struct relay){ .in = -1, .out = -1 };
	agent_init(&s->agent, s->env->agents, s->name, s->env->delay_min_ns);
	return frontend_new(&s->frontend, s->env->xs, s->env->sysfs, c);
}

void station_offer(struct station *s, const struct channel *c)
{
	if (s->state != STATION_EMPTY || clock_now_ns() < s->retry_ns)
		return;
	if (strcmp(s->name, c->name) != 0)
		s->last_error = 0;
	strcpy(s->name, c->name);
	s->state = STATION_SERVING;
	if (take_up(s, c))
		release(s);
}

void station_forget(struct station *s)
{
	if (!s->frontend)
		s->retry_ns = 0;
}

/*
 * The terminal
 */

/* Others may use the terminal while nobody does. */
static void describe(struct station *s)
{
	lock_describe(s->lock,
		      s->announced && !s->pty_open ? s->pty.slave : NULL);
}

void station_pty_opened(struct station *s)
{
	/* Perhaps it is closed again: then reading finds what was written. */
	s->pty_open = true;
	s->relay.in = s->relay.out = s->pty.master;
	s->relay.in_ended = false;
	describe(s);
}

static void pty_closed(struct station *s)
{
	s->pty_open = false;
	s->relay.in = s->relay.out = -1;
	pty_reset(&s->pty);
	describe(s);
	if (s->frontend)
		frontend_publish_open(s->frontend, false);
}

/* Reading found nobody; but has somebody come since? */
static void look_at_pty(struct station *s)
{
	struct pollfd fd = { s->pty.master, POLLIN, 0 };

	if (!s->relay.in_ended)
		return;
	pty_closed(s);
	if (poll(&fd, 1, 0) >= 0 && !(fd.revents & POLLHUP))
		station_pty_opened(s);
	else
		station_check_agent(s);
}

/*
 * The front end
 */

static void announce(struct station *s)
{
	s->announced = true;
	s->last_error = 0;
	describe(s);
	s->env->say("%s: open, at %s", s->name, s->pty.link);
	station_check_agent(s);
}

static void begin_closing(struct station *s)
{
	s->look_ns = 0;
	if (frontend_close(s->frontend))
		release(s);
	else
		s->state = STATION_CLOSING;
}

/* Until `quiet` holds for a while, or the time is over: false, look again. */
static bool has_drained(struct station *s, bool quiet, int64_t since_ns)
{
	int64_t now = clock_now_ns();

	if (!quiet)
		s->quiet_ns = 0;
	else if (!s->quiet_ns)
		s->quiet_ns = now;
	s->look_ns = now + QUIET_NS;
	return (quiet && now - s->quiet_ns >= QUIET_NS) ||
	       now - since_ns >= DRAIN_NS;
}

/* The host closes; what came is still for the terminal, for a while. */
static void drain(struct station *s)
{
	struct endpoint *e = frontend_endpoint(s->frontend);

	if (!s->hung_up_ns) {
		s->hung_up_ns = clock_now_ns();
		agent_await(&s->agent, s->hung_up_ns + DRAIN_NS);
	}
	if (!s->pty_open || relay_receive(&s->relay, e) != RELAY_DONE ||
	    has_drained(s,
			!relay_wants_output(&s->relay, e) &&
				pty_is_read(&s->pty),
			s->hung_up_ns))
		begin_closing(s);
}

/* The daemon ends; what was written is still for the host, for a while. */
static void drain_to_host(struct station *s)
{
	struct pollfd fd = { s->pty.master, POLLIN, 0 };
	bool quiet = !s->agent.pid &&
		     relay_is_taken(frontend_endpoint(s->frontend)) &&
		     poll(&fd, 1, 0) >= 0 && !(fd.revents & POLLIN);

	if (has_drained(s, quiet, s->stop_ns))
		begin_closing(s);
}

static void follow(struct station *s)
{
	bool gone;

	switch (frontend_phase(s->frontend)) {
	case FRONTEND_OPEN:
		if (!s->announced)
			announce(s);
		break;
	case FRONTEND_HUNG_UP:
		drain(s);
		break;
	case FRONTEND_CLOSED:
	case FRONTEND_GONE:
		if (s->announced)
			s->env->say("%s: closed", s->name);
		gone = frontend_phase(s->frontend) == FRONTEND_GONE;
		release(s);
		if (gone)
			s->retry_ns = 0; /* the next one is another */
		break;
	default:
		break;
	}
}

/*
 * The kernel's terminal
 */

static void say_unknown(struct station *s)
{
	if (s->last_error != -ENOTUNIQ)
		s->env->say("%s: QEMU serves it, and which of /dev/hvc* it is "
			    "cannot be told: left alone",
			    s->name);
	s->last_error = -ENOTUNIQ;
}

static int borrow(struct station *s)
{
	_cleanup_close_ int fd = -1;
	struct tty_path path;
	struct channels all;
	int r = channels_read(s->env->xs, &all);

	if (!r)
		r = tty_open_kernel("/dev", s->env->sysfs, &all, s->device,
				    &path, &fd);
	if (r)
		return r;
	pty_deinit(&s->pty);
	r = pty_adopt(&s->pty, s->env->scope.dir, s->name, path.s, TAKE_FD(fd));
	if (r)
		return r;
	frontend_free(s->frontend);
	s->frontend = NULL;
	s->state = STATION_BORROWING;
	s->announced = true;
	s->last_error = 0;
	describe(s);
	s->env->say("%s: open, at %s: QEMU's, by the kernel's %s", s->name,
		    s->pty.link, path.s);
	station_check_agent(s);
	return 0;
}

static void step_borrowed(struct station *s)
{
	struct channel c;
	int r = channel_read(s->env->xs, s->device, &c);

	if (!r && c.state == CONSOLE_STATE_CONNECTED &&
	    !strcmp(c.name, s->name)) {
		station_check_agent(s);
		return;
	}
	s->env->say("%s: closed", s->name);
	release(s);
	if (r == -ENOENT)
		s->retry_ns = 0;
}

void station_step(struct station *s)
{
	enum frontend_phase before;
	int r = 0;

	agent_poll(&s->agent);
	if (s->state == STATION_BORROWING)
		step_borrowed(s);
	if (s->state == STATION_SERVING)
		station_check_agent(s);
	/* Each phase may make the next one due. */
	do {
		if (!s->frontend)
			return;
		before = frontend_phase(s->frontend);
		r = frontend_step(s->frontend);
		if (!r)
			follow(s);
	} while (!r && s->frontend && frontend_phase(s->frontend) != before);
	if (r == -EOPNOTSUPP)
		r = borrow(s);
	if (r == -ENOTUNIQ)
		say_unknown(s);
	else if (r)
		say_error(s, "cannot drive it", r);
	if (r)
		release(s);
}

void station_take_event(struct station *s)
{
	int r = endpoint_take_event(frontend_endpoint(s->frontend));

	if (r) {
		say_error(s, "cannot take an event", r);
		release(s);
	}
}

/* The channel is of no use any more; the next one may be. */
static void give_up(struct station *s, int result)
{
	s->broken = true;
	s->env->say("%s: %s", s->name,
		    result == RELAY_CORRUPT ? "the host broke the ring"
					    : strerror(s->relay.error));
	begin_closing(s);
}

void station_move(struct station *s)
{
	int r;

	if (s->state != STATION_SERVING)
		return;
	endpoint_notify_again(frontend_endpoint(s->frontend));
	if (frontend_phase(s->frontend) == FRONTEND_HUNG_UP)
		drain(s);
	else if (frontend_phase(s->frontend) == FRONTEND_OPEN && s->pty_open) {
		frontend_publish_open(s->frontend, true);
		r = relay_move(&s->relay, frontend_endpoint(s->frontend));
		look_at_pty(s);
		if (r)
			give_up(s, r);
	}
	if (s->stop_ns && s->state == STATION_SERVING)
		drain_to_host(s);
}

void station_close(struct station *s)
{
	agent_stop(&s->agent);
	if (s->state == STATION_BORROWING)
		release(s);
	if (s->state != STATION_SERVING)
		return;
	s->stop_ns = clock_now_ns();
	if (frontend_phase(s->frontend) != FRONTEND_OPEN)
		begin_closing(s);
}

int station_event_fd(const struct station *s)
{
	return s->frontend && s->state == STATION_SERVING
		       ? frontend_fd(s->frontend)
		       : -1;
}

int station_pty_fd(struct station *s, short *events_r)
{
	enum frontend_phase phase =
		s->frontend ? frontend_phase(s->frontend) : FRONTEND_VACANT;
	struct endpoint *e;

	*events_r = 0;
	if (s->state != STATION_SERVING || !s->pty_open ||
	    (phase != FRONTEND_OPEN && phase != FRONTEND_HUNG_UP))
		return -1;
	e = frontend_endpoint(s->frontend);
	if (phase == FRONTEND_OPEN && relay_wants_input(&s->relay, e))
		*events_r |= POLLIN;
	if (relay_wants_output(&s->relay, e))
		*events_r |= POLLOUT;
	/* Linux: a hang-up is told even if nothing is asked for. */
	return *events_r ? s->pty.master : -1;
}

int64_t station_deadline(const struct station *s)
{
	int64_t t = DEADLINE_NEVER, agent = agent_deadline(&s->agent);
	int64_t owed;

	if (s->state == STATION_EMPTY)
		return s->retry_ns ? s->retry_ns : DEADLINE_NEVER;
	if (s->frontend)
		t = frontend_deadline(s->frontend);
	if (s->frontend && s->state == STATION_SERVING) {
		owed = endpoint_deadline(frontend_endpoint(s->frontend));
		t = owed < t ? owed : t;
	}
	if (s->look_ns && s->state == STATION_SERVING && s->look_ns < t)
		t = s->look_ns;
	if ((station_wants_agent(s) || s->agent.stopping) && agent < t)
		t = agent;
	return t;
}
