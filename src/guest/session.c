// SPDX-License-Identifier: MIT
#include "guest/session.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"

/* A backend that refuses us is not asked again at once. */
#define RETRY_INTERVAL (1 * NS_PER_S)

/* Sleeps until there is a watch event, which it takes, or the deadline. */
static int wait_for_nodes(struct session *s, int64_t deadline_ns)
{
	struct pollfd fds[] = {
		{ xs_fileno(s->xs), POLLIN, 0 },
		{ s->stop, POLLIN, 0 },
	};

	if (poll(fds, 2, deadline_poll_ms(deadline_ns, -1)) < 0 &&
	    errno != EINTR)
		return -errno;
	if (fds[1].revents)
		return SESSION_STOPPED;
	return fds[0].revents ? channels_take_events(s->xs) : 0;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int find(struct session *s)
{
	for (;;) {
		int r = channels_read(s->xs, &s->channels);

		if (r)
			return r;
		r = channels_find(&s->channels, s->name, s->device,
				  &s->channel);
		if (r == -ENOTUNIQ)
			return SESSION_SEVERAL;
		if (!r)
			return 0;
		if (clock_now_ns() >= s->deadline_ns)
			return SESSION_NO_CHANNEL;
		r = wait_for_nodes(s, s->deadline_ns);
		if (r)
			return r;
	}
}

/* Until it is open: 0; it came to an end: -EAGAIN. */
static int connect_found(struct session *s)
{
	for (;;) {
		int r = frontend_step(s->frontend);

		if (r)
			return r;
		if (frontend_phase(s->frontend) == FRONTEND_OPEN)
			return 0;
		if (frontend_phase(s->frontend) > FRONTEND_OPEN)
			return -EAGAIN;
		if (clock_now_ns() >= s->deadline_ns)
			return SESSION_NO_BACKEND;
		r = wait_for_nodes(s, earlier(s->deadline_ns,
					      frontend_deadline(s->frontend)));
		if (r)
			return r;
	}
}

int session_close(struct session *s)
{
	int r = frontend_close(s->frontend);

	while (!r && frontend_phase(s->frontend) == FRONTEND_CLOSING) {
		r = frontend_step(s->frontend);
		if (!r && frontend_phase(s->frontend) == FRONTEND_CLOSING)
			r = wait_for_nodes(s, frontend_deadline(s->frontend));
		/* Asked to stop, we close; the second signal ends us. */
		if (r == SESSION_STOPPED)
			s->stop = -1;
		if (r > 0)
			r = 0;
	}
	return r;
}

static int open_once(struct session *s)
{
	int r = find(s);

	if (r)
		return r;
	r = lock_take(&s->scope, s->channel->device, &s->lock, &s->holder);
	if (r)
		return r == -EBUSY ? SESSION_IN_USE : r;
	r = frontend_new(&s->frontend, s->xs, s->sysfs, s->channel);
	return r ? r : connect_found(s);
}

int session_open(struct session *s)
{
	int r;

	s->lock = -1;
	s->frontend = NULL;
	r = channels_watch(s->xs);
	if (r)
		return r;
	for (;;) {
		r = open_once(s);
		if (r != -EAGAIN)
			break;
		r = session_close(s);
		session_deinit(s);
		if (!r)
			r = wait_for_nodes(
				s, earlier(s->deadline_ns,
					   deadline_in(RETRY_INTERVAL)));
		if (r)
			break;
	}
	if (r && s->frontend)
		(void)session_close(s);
	if (!r)
		frontend_publish_open(s->frontend, true);
	return r;
}

static int result_of_relay(int r)
{
	static const int results[RELAY_RESULT_N] = {
		[RELAY_DONE] = SESSION_DONE,
		[RELAY_IN_FAILED] = SESSION_IN_FAILED,
		[RELAY_OUT_FAILED] = SESSION_OUT_FAILED,
		[RELAY_CORRUPT] = SESSION_CORRUPT,
	};

	return results[r];
}

static int pause_session(struct session *s)
{
	struct frontend *f = s->frontend;
	struct endpoint *e = frontend_endpoint(f);
	bool reads = frontend_phase(f) == FRONTEND_OPEN &&
		     relay_wants_input(&s->relay, e);
	struct pollfd fds[] = {
		{ xs_fileno(s->xs), POLLIN, 0 },
		{ s->stop, POLLIN, 0 },
		{ frontend_fd(f), POLLIN, 0 },
		{ reads ? s->relay.in : -1, POLLIN, 0 },
		{ relay_wants_output(&s->relay, e) ? s->relay.out : -1, POLLOUT,
		  0 },
		{ relay_command_fd(&s->relay), POLLIN, 0 },
	};
	int64_t deadline = earlier(frontend_deadline(f),
				   relay_command_deadline(&s->relay));
	int r = 0;

	endpoint_notify_again(e);
	deadline = earlier(deadline, endpoint_deadline(e));
	if (reads && relay_must_read(&s->relay))
		deadline = 0;
	if (poll(fds, sizeof(fds) / sizeof(*fds),
		 deadline_poll_ms(deadline, -1)) < 0 &&
	    errno != EINTR)
		return -errno;
	if (fds[1].revents)
		return SESSION_STOPPED;
	if (fds[5].revents)
		relay_look_at_command(&s->relay);
	if (fds[2].revents)
		r = endpoint_take_event(e);
	if (!r && fds[0].revents)
		r = channels_take_events(s->xs);
	if (!r && (fds[0].revents || clock_now_ns() >= frontend_deadline(f)))
		r = frontend_step(f);
	return r;
}

static bool has_sent_all(const struct session *s)
{
	return relay_is_over(&s->relay, s->keep) &&
	       relay_is_taken(frontend_endpoint(s->frontend));
}

/* The host has closed. Did it take all, and have we? */
static int judge_hang_up(struct session *s)
{
	struct endpoint *e = frontend_endpoint(s->frontend);

	return relay_is_taken(e) ? SESSION_DONE : SESSION_UNDELIVERED;
}

static int run(struct session *s)
{
	for (;;) {
		struct endpoint *e = frontend_endpoint(s->frontend);
		bool open = frontend_phase(s->frontend) == FRONTEND_OPEN;
		bool ended = s->relay.in_ended, sent_all, given_up;
		int r;

		if (!open && frontend_phase(s->frontend) != FRONTEND_HUNG_UP)
			return SESSION_UNDELIVERED; /* displaced */
		/* Asked before the last look into the ring: what came before
		 * the host took our last byte is received. */
		sent_all = open && has_sent_all(s);
		given_up = !open && relay_hang_up(&s->relay);
		r = open ? relay_move(&s->relay, e)
			 : relay_receive(&s->relay, e);
		if (r)
			return result_of_relay(r);
		if (given_up || !relay_wants_output(&s->relay, e)) {
			if (!open)
				return judge_hang_up(s);
			if (sent_all)
				return SESSION_DONE;
		}
		/* Nobody tells of an end that was found just now. */
		r = ended == s->relay.in_ended ? pause_session(s) : 0;
		if (r)
			return r;
	}
}

int session_run(struct session *s)
{
	int r = run(s), closed = session_close(s);

	return r ? r : closed;
}

void session_deinit(struct session *s)
{
	frontend_free(s->frontend);
	s->frontend = NULL;
	if (s->lock >= 0)
		close(s->lock);
	s->lock = -1;
}
