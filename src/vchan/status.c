// SPDX-License-Identifier: MIT
/* Asking how a vchan is, and waiting for that to change. */
#include <errno.h>

#include "vchan/private.h"

int libxenvchan_is_open(struct libxenvchan *ctrl)
{
	struct vchan *v = vchan_of(ctrl);
	enum vchan_state state = vchan_look(v);

	switch (state) {
	case VCHAN_CONNECTING:
		return 2;
	case VCHAN_WAITING:
		return v->pub.server_persist ? 1 : 2;
	case VCHAN_OPEN:
		/* The old calls know of a close only: for them it is one. */
		return v->pub.server_persist ||
		       !vchan_peer_has_finished(v, state);
	case VCHAN_CLOSED:
	case VCHAN_DIED:
	case VCHAN_GONE:
	case VCHAN_CORRUPT:
		break;
	}
	return 0;
}

/*
 * Whether an event can still come: not after a client's server has left, and a
 * server whose client has left is told once, so that who has missed the event
 * does not sleep, and then has to wait for the next client.
 */
static bool is_over(struct vchan *v, enum vchan_state state)
{
	if (state == VCHAN_CLOSED || state == VCHAN_DIED)
		return !v->is_server || !atomic_exchange(&v->end_told, true);
	return state == VCHAN_GONE || state == VCHAN_CORRUPT;
}

int libxenvchan_wait(struct libxenvchan *ctrl)
{
	struct vchan *v = vchan_of(ctrl);
	uint64_t seen = gate_seen(&v->gate);
	int r;

	if (vchan_state(v) == VCHAN_CONNECTING)
		r = -ENOTCONN;
	else if (is_over(v, vchan_look(v)))
		r = gate_drain(&v->gate);
	else
		r = vchan_wait_for_anything(v, seen,
					    deadline_in(v->timeout_ns));
	if (!r)
		return 0;
	errno = -r;
	return -1;
}

int libxenvchan_fd_for_select(struct libxenvchan *ctrl)
{
	struct vchan *v = vchan_of(ctrl);

	if (v->event)
		return xenevtchn_fd(v->event);
	errno = ENOTCONN;
	return -1;
}

enum libxenvchan_state libxenvchan_state(struct libxenvchan *ctrl)
{
	struct vchan *v = vchan_of(ctrl);
	enum vchan_state state = vchan_look(v);

	switch (state) {
	case VCHAN_CONNECTING:
		return LIBXENVCHAN_CONNECTING;
	case VCHAN_WAITING:
		return LIBXENVCHAN_LISTENING;
	case VCHAN_OPEN:
		return vchan_peer_has_finished(v, state) ? LIBXENVCHAN_FINISHED
							 : LIBXENVCHAN_OPEN;
	case VCHAN_CLOSED:
		return LIBXENVCHAN_CLOSED;
	case VCHAN_DIED:
		return LIBXENVCHAN_DIED;
	case VCHAN_GONE:
		return LIBXENVCHAN_GONE;
	case VCHAN_CORRUPT:
		break;
	}
	return LIBXENVCHAN_CORRUPT;
}

void libxenvchan_set_timeout(struct libxenvchan *ctrl, int64_t timeout_ns)
{
	vchan_of(ctrl)->timeout_ns = timeout_ns;
}

void libxenvchan_set_spin(struct libxenvchan *ctrl, int64_t spin_ns)
{
	vchan_of(ctrl)->spin_ns = spin_ns;
}
