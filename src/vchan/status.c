// SPDX-License-Identifier: MIT
/* Asking how a vchan is, and waiting for that to change. */
#include <errno.h>

#include "vchan/private.h"

int libxenvchan_is_open(struct libxenvchan *ctrl)
{
	struct vchan *v = vchan_of(ctrl);
	enum vchan_state state = vchan_look(v);

	switch (state) {
	case VCHAN_WAITING:
		return v->pub.server_persist ? 1 : 2;
	case VCHAN_OPEN:
		return 1;
	case VCHAN_CLOSED:
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
	if (state == VCHAN_CLOSED)
		return !v->is_server || !atomic_exchange(&v->end_told, true);
	return state == VCHAN_CORRUPT;
}

int libxenvchan_wait(struct libxenvchan *ctrl)
{
	struct vchan *v = vchan_of(ctrl);
	uint64_t seen = gate_seen(&v->gate);
	int r;

	if (is_over(v, vchan_look(v)))
		r = gate_drain(&v->gate);
	else
		r = gate_wait(&v->gate, seen, GATE_NO_DEADLINE);
	if (!r)
		return 0;
	errno = -r;
	return -1;
}

int libxenvchan_fd_for_select(struct libxenvchan *ctrl)
{
	return xenevtchn_fd(vchan_of(ctrl)->event);
}
