// SPDX-License-Identifier: MIT
#include "cli/proxy-relay.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* How often both directions may move before it is another session's turn. */
#define ROUNDS 8

static bool is_empty(const struct proxy_relay_buffer *b)
{
	return b->from == b->to;
}

static bool is_transient(int err)
{
	return err == EAGAIN || err == EWOULDBLOCK || err == EINTR;
}

static bool is_end(int err)
{
	return err == EPIPE || err == EHOSTDOWN;
}

void proxy_relay_begin(struct proxy_relay *r, struct libxenvchan *vchan, int in,
		       int out, bool whole)
{
	r->vchan = vchan;
	r->in = in;
	r->out = out;
	r->whole = whole;
	r->moved = 0;
	r->error = 0;
	r->up.from = r->up.to = r->down.from = r->down.to = 0;
	r->in_ended = r->finished = false;
	r->down_ended = r->peer_gone = r->out_ended = false;
	r->refused = r->lost = false;
	r->again = true;
}

void proxy_relay_take_event(struct proxy_relay *r)
{
	/* An end or a failure is found by reading, after what came before. */
	(void)libxenvchan_poll(r->vchan, 0, 0);
}

/* Each of the four: how many bytes it moved, or negative errno of the vchan. */

static int read_in(struct proxy_relay *r)
{
	ssize_t n;

	if (r->in_ended || !is_empty(&r->up))
		return 0;
	n = read(r->in, r->up.data, PROXY_RELAY_BUFFER);
	if (n < 0 && is_transient(errno))
		return 0;
	/* A local end that failed has ended: it cannot be told apart for the
	 * peer, which knows ends only. */
	r->in_ended = n <= 0;
	if (n <= 0)
		return 0;
	r->up.from = 0;
	r->up.to = (size_t)n;
	return (int)n;
}

static int write_vchan(struct proxy_relay *r)
{
	int n;

	if (is_empty(&r->up) || r->peer_gone)
		return 0;
	n = libxenvchan_write(r->vchan, r->up.data + r->up.from,
			      r->up.to - r->up.from);
	if (n < 0) /* of an end, reading tells */
		return is_end(errno) ? 0 : -errno;
	r->up.from += (size_t)n;
	r->moved += (uint64_t)n;
	return n;
}

static int read_vchan(struct proxy_relay *r)
{
	int n;

	if (r->down_ended || !is_empty(&r->down))
		return 0;
	n = libxenvchan_read(r->vchan, r->down.data, PROXY_RELAY_BUFFER);
	if (n < 0 && !is_end(errno))
		return -errno;
	if (n < 0) {
		r->down_ended = true;
		r->peer_gone =
			libxenvchan_state(r->vchan) != LIBXENVCHAN_FINISHED;
		return 0;
	}
	r->down.from = 0;
	r->down.to = (size_t)n;
	r->moved += (uint64_t)n;
	return n;
}

void proxy_relay_hung_up(struct proxy_relay *r)
{
	r->refused = true;
	r->lost = r->lost || !is_empty(&r->down);
	r->down.from = r->down.to;
}

static int write_out(struct proxy_relay *r)
{
	ssize_t n;

	if (is_empty(&r->down))
		return 0;
	if (r->refused) {
		r->lost = true;
		r->down.from = r->down.to;
		return 1;
	}
	n = write(r->out, r->down.data + r->down.from,
		  r->down.to - r->down.from);
	if (n < 0) {
		if (!is_transient(errno))
			proxy_relay_hung_up(r);
		return 0;
	}
	r->down.from += (size_t)n;
	return (int)n;
}

/* Passes the end of each direction on. 0, or negative errno of the vchan. */
static int pass_ends(struct proxy_relay *r)
{
	int told;

	if (r->in_ended && is_empty(&r->up) && !r->finished && !r->whole &&
	    !r->peer_gone) {
		told = libxenvchan_shutdown(r->vchan);
		if (told < 0 && !is_end(errno))
			return -errno;
		r->finished = told == 0;
		r->whole = told > 0;
	}
	if (r->down_ended && is_empty(&r->down) && !r->out_ended) {
		r->out_ended = true;
		if (shutdown(r->out, SHUT_WR) && errno == ENOTSOCK) {
			/* Some file systems tell of a failed write only now. */
			r->lost |= close(r->out) != 0;
			r->out = -1;
		}
	}
	return 0;
}

/* So that a library that looks but once after a close loses nothing. */
static bool ring_is_empty(struct proxy_relay *r)
{
	return libxenvchan_buffer_space(r->vchan) == 1 << r->vchan->write.order;
}

static enum proxy_relay_result judge(struct proxy_relay *r)
{
	enum libxenvchan_state state = libxenvchan_state(r->vchan);
	bool up_ended = r->in_ended && is_empty(&r->up);

	if (!is_empty(&r->down))
		return PROXY_RELAY_GOES_ON;
	if (r->peer_gone) {
		if (state == LIBXENVCHAN_DIED || state == LIBXENVCHAN_GONE)
			return PROXY_RELAY_PEER_DIED;
		if (!is_empty(&r->up) || !ring_is_empty(r))
			return PROXY_RELAY_UNDELIVERED;
	} else if (!up_ended) {
		return PROXY_RELAY_GOES_ON;
	} else if (!r->down_ended &&
		   (!(r->refused || r->whole) || !ring_is_empty(r))) {
		return PROXY_RELAY_GOES_ON;
	}
	return r->lost ? PROXY_RELAY_REFUSED : PROXY_RELAY_DONE;
}

static int move(struct proxy_relay *r)
{
	static int (*const moves[])(struct proxy_relay *) = {
		read_in, write_vchan, read_vchan, write_out
	};
	int moved = 0;

	for (size_t i = 0; i < sizeof(moves) / sizeof(*moves); i++) {
		int n = moves[i](r);

		if (n < 0)
			return n;
		moved |= n;
	}
	return moved;
}

enum proxy_relay_result proxy_relay_step(struct proxy_relay *r)
{
	int n = 1;

	for (int i = 0; n > 0 && i < ROUNDS; i++)
		n = move(r);
	r->again = n > 0;
	if (n >= 0)
		n = pass_ends(r) ?: n;
	if (n >= 0)
		return r->again ? PROXY_RELAY_GOES_ON : judge(r);
	r->error = -n;
	return PROXY_RELAY_FAILED;
}

struct proxy_relay_wish proxy_relay_wish(const struct proxy_relay *r)
{
	struct proxy_relay_wish w = { -1, -1, !r->peer_gone };

	if (!r->in_ended && is_empty(&r->up))
		w.in = POLLIN;
	if (!is_empty(&r->down))
		w.out = POLLOUT;
	else if (r->in_ended && !r->out_ended && !r->refused)
		w.out = 0;
	return w;
}
