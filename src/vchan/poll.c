// SPDX-License-Identifier: MIT
/*
 * Waiting for anything at all, with one call or one descriptor.
 *
 * The descriptor is an epoll set of the event channel and a timer: the timer
 * stands for what no event tells, the appearance of a server and the end of a
 * domain.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "vchan/private.h"
#include "xen/peer.h"

/* While connecting there is no event to wait for: time passes. */
static int sleep_until(int64_t t)
{
	int64_t now = clock_now_ns();
	struct timespec left = { 0 };

	if (t > now) {
		left.tv_sec = (t - now) / NS_PER_S;
		left.tv_nsec = (t - now) % NS_PER_S;
	}
	if (!ppoll(NULL, 0, &left, NULL))
		return 0;
	return errno != EINTR || gate_signals_interrupt() ? -errno : 0;
}

/* 0: connected; -ETIMEDOUT; or why it cannot be. */
static int connect_until(struct vchan *v, int64_t deadline)
{
	for (;;) {
		int64_t next;
		int r = vchan_connect_step(v);

		if (r != -EAGAIN)
			return r;
		if (clock_now_ns() >= deadline)
			return -ETIMEDOUT;
		next = v->next_attempt < deadline ? v->next_attempt : deadline;
		r = sleep_until(next);
		if (r)
			return r;
	}
}

/* What is so of what is wanted, the peer being asked to tell of the rest. */
static int look_for(struct vchan *v, int want, int *found)
{
	uint32_t n = 0;
	int r = 0;

	*found = 0;
	if (want & LIBXENVCHAN_IN)
		r = vchan_look_incoming(v, &n);
	if (!r && n)
		*found |= LIBXENVCHAN_IN;
	if (!r && (want & LIBXENVCHAN_OUT)) {
		(void)vchan_tx_enter(v);
		r = vchan_look_outgoing(v, &n);
		vchan_tx_leave(v);
		if (!r && n && !v->finished)
			*found |= LIBXENVCHAN_OUT;
	}
	return r;
}

/* FIN and HUP, after which there is no more to wait for. */
static int look_for_end(struct vchan *v, int *found)
{
	enum vchan_state state = vchan_look(v);
	uint32_t n = 0;
	int r = 0;

	if (state == VCHAN_CORRUPT)
		return -EPROTO;
	if (vchan_state_has_ended(state))
		*found |= LIBXENVCHAN_HUP;
	if (vchan_peer_has_finished(v, state)) {
		r = vchan_look_incoming(v, &n);
		if (!r && !n)
			*found |= LIBXENVCHAN_FIN;
	}
	return r;
}

static int poll_until(struct vchan *v, int want, int64_t deadline)
{
	int r = 0;

	if (vchan_state(v) == VCHAN_CONNECTING) {
		r = connect_until(v, deadline);
	} else if (!vchan_state_error(vchan_state(v))) {
		r = gate_drain(&v->gate);
	}
	while (!r) {
		uint64_t seen = gate_seen(&v->gate);
		int found;

		r = look_for(v, want, &found);
		if (!r)
			r = look_for_end(v, &found);
		if (r || found)
			return r ? r : found;
		r = vchan_wait_for_anything(v, seen, deadline);
		/* Events without end do not put it off: one look more. */
		if (deadline && clock_now_ns() >= deadline)
			deadline = 0;
	}
	return r;
}

/*
 * When the timer is due: at the next attempt to connect, at the next look for
 * the peer's domain, and for good once there is nothing more to wait for.
 */
static int64_t timer_due(struct vchan *v)
{
	enum vchan_state state = vchan_state(v);

	if (state == VCHAN_CONNECTING)
		return v->next_attempt;
	if (vchan_state_error(state))
		return 0;
	/* What was missed once is looked for again soon. */
	return xen_peer_next_probe(atomic_load(&v->misses.n)
					   ? XEN_PEER_PROBE_NS
					   : XEN_PEER_LOOP_PROBE_NS);
}

/* Setting it also forgets that it was due before. */
static void set_timer(struct vchan *v)
{
	int64_t due = timer_due(v);
	/* A time of 0 would disarm it. */
	struct itimerspec t = { .it_value = { due / NS_PER_S,
					      due % NS_PER_S + 1 } };

	timerfd_settime(v->timer, TFD_TIMER_ABSTIME, &t, NULL);
}

static int watch_descriptor(struct vchan *v, int fd)
{
	struct epoll_event e = { .events = EPOLLIN };

	return epoll_ctl(v->epoll, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

static int open_event_fd(struct vchan *v)
{
	_cleanup_close_ int timer = -1;
	_cleanup_close_ int epoll = epoll_create1(EPOLL_CLOEXEC);
	int r;

	if (epoll < 0)
		return -errno;
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (timer < 0)
		return -errno;
	v->epoll = epoll;
	r = watch_descriptor(v, timer);
	if (!r && v->event)
		r = watch_descriptor(v, xenevtchn_fd(v->event));
	if (r) {
		v->epoll = -1;
		return r;
	}
	v->timer = TAKE_FD(timer);
	TAKE_FD(epoll);
	set_timer(v);
	return 0;
}

int libxenvchan_event_fd(struct libxenvchan *ctrl)
{
	struct vchan *v = vchan_of(ctrl);
	int r = v->epoll >= 0 ? 0 : open_event_fd(v);

	if (!r)
		return v->epoll;
	errno = -r;
	return -1;
}

int libxenvchan_poll(struct libxenvchan *ctrl, int want, int64_t timeout_ns)
{
	struct vchan *v = vchan_of(ctrl);
	bool was_connecting = vchan_state(v) == VCHAN_CONNECTING;
	int r = poll_until(v, want, timeout_ns ? deadline_in(timeout_ns) : 0);

	if (v->epoll >= 0) {
		if (was_connecting && v->event)
			(void)watch_descriptor(v, xenevtchn_fd(v->event));
		set_timer(v);
	}
	if (r >= 0)
		return r;
	if (r == -ETIMEDOUT)
		return 0;
	errno = -r;
	return -1;
}
