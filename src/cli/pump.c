// SPDX-License-Identifier: MIT
#include "cli/pump.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* A whole ring of the size that `listen` makes by default. */
#define BUFFER_SIZE ((size_t)256 << 10)

/* How often to look whether the peer's domain is there: no event tells. */
#define LOOK_MS 500

/* libxenvchan_is_open() of a server that no client has come to */
#define NO_CLIENT_YET 2

static bool buffer_empty(const struct pump_buffer *b)
{
	return b->from == b->to;
}

/* Whether read(2) or write(2) failed only because it would have waited. */
static bool is_transient(int err)
{
	return err == EAGAIN || err == EWOULDBLOCK || err == EINTR;
}

/* Whether this is how calls say that the peer has gone, in whatever way. */
static bool is_end(int err)
{
	return err == EPIPE || err == EHOSTDOWN;
}

/* Takes the event that made the vchan's descriptor readable. Without one, it
 * only looks whether the peer's domain is there, if the time-out is 0. */
static int take_event(struct pump *p)
{
	if (!libxenvchan_wait(p->vchan) || errno == EINTR || errno == ETIMEDOUT)
		return 0;
	return -errno;
}

int pump_await_client(struct pump *p, int64_t deadline_ns)
{
	struct pollfd fds[] = {
		{ libxenvchan_fd_for_select(p->vchan), POLLIN, 0 },
		{ p->stop, POLLIN, 0 },
	};
	int r = 0;

	libxenvchan_set_timeout(p->vchan, 0);
	while (!r && libxenvchan_is_open(p->vchan) == NO_CLIENT_YET) {
		int n = poll(fds, 2, deadline_poll_ms(deadline_ns, LOOK_MS));

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0 && clock_now_ns() >= deadline_ns)
			return PUMP_NO_CLIENT;
		if (n > 0 && fds[1].revents)
			return PUMP_STOPPED;
		if (n >= 0)
			r = take_event(p);
	}
	if (!r && libxenvchan_state(p->vchan) == LIBXENVCHAN_GONE &&
	    libxenvchan_data_ready(p->vchan) <= 0)
		return PUMP_NO_DOMAIN;
	return r;
}

static int fill_from_input(struct pump *p)
{
	ssize_t n;

	if (p->in_ended || !buffer_empty(&p->tx))
		return 0;
	n = read(p->in, p->tx.data, BUFFER_SIZE);
	if (n < 0 && !is_transient(errno)) {
		p->error = errno;
		return PUMP_IN_FAILED;
	}
	p->in_ended = n == 0;
	p->tx.from = 0;
	p->tx.to = n > 0 ? (size_t)n : 0;
	return 0;
}

static int send_some(struct pump *p)
{
	int n, r = fill_from_input(p);

	if (r || buffer_empty(&p->tx))
		return r;
	n = libxenvchan_write(p->vchan, p->tx.data + p->tx.from,
			      p->tx.to - p->tx.from);
	if (n < 0) /* of an end, the receiving direction tells */
		return is_end(errno) ? 0 : -errno;
	p->tx.from += (size_t)n;
	p->sent += (uint64_t)n;
	return 0;
}

/*
 * A short read is followed by another one. The peer may have closed right after
 * what it sent, and the one event for both may have been taken already.
 */
static int fill_from_vchan(struct pump *p)
{
	int n;

	if (p->rx_ended || !buffer_empty(&p->rx))
		return 0;
	n = libxenvchan_read(p->vchan, p->rx.data, BUFFER_SIZE);
	p->rx_behind = n > 0;
	p->rx.from = 0;
	p->rx.to = n > 0 ? (size_t)n : 0;
	if (n >= 0)
		return 0;
	if (!is_end(errno))
		return -errno;
	p->rx_ended = true;
	return 0;
}

static int receive_some(struct pump *p)
{
	ssize_t n;
	int r = fill_from_vchan(p);

	if (r || buffer_empty(&p->rx))
		return r;
	n = write(p->out, p->rx.data + p->rx.from, p->rx.to - p->rx.from);
	if (n < 0) {
		if (is_transient(errno))
			return 0;
		p->error = errno;
		return PUMP_OUT_FAILED;
	}
	p->rx.from += (size_t)n;
	p->received += (uint64_t)n;
	return 0;
}

/* Nothing more will be written: whoever reads there may wait for the end. */
static int close_output(struct pump *p)
{
	if (p->out < 0 || !close(TAKE_FD(p->out)))
		return 0;
	p->error = errno;
	return PUMP_OUT_FAILED;
}

/* Whether the peer has taken everything out of the ring; if not, there will be
 * an event when it takes some. */
static bool ring_is_empty(struct pump *p)
{
	int size = 1 << p->vchan->write.order;

	return libxenvchan_buffer_space(p->vchan) == size;
}

/* Whether the peer, which sends no more, goes on receiving. */
static bool peer_receives(struct pump *p)
{
	return libxenvchan_state(p->vchan) == LIBXENVCHAN_FINISHED;
}

static bool closes_at_end(const struct pump *p)
{
	return p->rx_ended || p->eof == PUMP_EOF_CLOSE ||
	       (p->eof == PUMP_EOF_AUTO && p->sent > 0);
}

static bool has_put_all(struct pump *p)
{
	return p->in_ended && closes_at_end(p) && buffer_empty(&p->tx) &&
	       libxenvchan_is_open(p->vchan) != NO_CLIENT_YET;
}

/* Says so, to a peer that can hear it. */
static int finish_sending(struct pump *p)
{
	int r;

	if (p->finished || !has_put_all(p))
		return 0;
	r = libxenvchan_shutdown(p->vchan);
	p->finished = r == 0;
	return r < 0 && !is_end(errno) ? -errno : 0;
}

static bool is_done_sending(struct pump *p)
{
	return has_put_all(p) && ring_is_empty(p);
}

/* Nothing has come to be sent, and nobody said that something would. */
static bool has_nothing_to_send(const struct pump *p)
{
	return !p->patient && p->sent == 0 && buffer_empty(&p->tx);
}

/* Nothing is left to be received for now. sent_all: nor was there to send. */
static bool is_over(struct pump *p, bool sent_all)
{
	if (p->rx_ended)
		return has_nothing_to_send(p) || is_done_sending(p);
	return sent_all && !p->finished;
}

/* The peer has gone. Was there more that it should have got, or given? */
static int judge_close(struct pump *p)
{
	enum libxenvchan_state state = libxenvchan_state(p->vchan);
	int r = fill_from_input(p);

	if (r)
		return r;
	if (!buffer_empty(&p->tx) || !ring_is_empty(p))
		return PUMP_UNDELIVERED;
	return state == LIBXENVCHAN_DIED || state == LIBXENVCHAN_GONE
		       ? PUMP_PEER_DIED
		       : PUMP_DONE;
}

/* Sleeps until one of the places where bytes are stuck moves on. */
static int pause_pump(struct pump *p)
{
	bool reads_in = !p->in_ended && buffer_empty(&p->tx);
	bool writes_out = !buffer_empty(&p->rx);
	struct pollfd fds[] = {
		{ libxenvchan_fd_for_select(p->vchan), POLLIN, 0 },
		{ p->stop, POLLIN, 0 },
		{ reads_in ? p->in : -1, POLLIN, 0 },
		{ writes_out ? p->out : -1, POLLOUT, 0 },
	};
	int timeout = p->progress->on ? PROGRESS_INTERVAL_MS : LOOK_MS;
	int n;

	if (p->rx_behind && !writes_out)
		timeout = 0;
	n = poll(fds, sizeof(fds) / sizeof(*fds), timeout);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[1].revents)
		return PUMP_STOPPED;
	return (n == 0 && timeout) || fds[0].revents ? take_event(p) : 0;
}

static int run(struct pump *p)
{
	for (;;) {
		bool sent_all;
		int r = send_some(p);

		if (!r)
			r = finish_sending(p);
		if (r)
			return r;
		/* Asked before the ring is read for, perhaps, the last time:
		 * what came before the peer took our last byte is received. */
		sent_all = is_done_sending(p);
		r = receive_some(p);
		if (r)
			return r;
		progress_show(p->progress, p->sent, p->received);
		if (buffer_empty(&p->rx) && !p->rx_behind) {
			if (p->rx_ended && !peer_receives(p))
				return judge_close(p);
			if (is_over(p, sent_all))
				return PUMP_DONE;
			if (p->rx_ended)
				r = close_output(p);
		}
		if (!r)
			r = pause_pump(p);
		if (r)
			return r;
	}
}

int pump_run(struct pump *p)
{
	_cleanup_free_ char *tx = malloc(BUFFER_SIZE);
	_cleanup_free_ char *rx = malloc(BUFFER_SIZE);
	int r;

	if (!tx || !rx)
		return -ENOMEM;
	p->tx = (struct pump_buffer){ .data = tx };
	p->rx = (struct pump_buffer){ .data = rx };
	libxenvchan_set_timeout(p->vchan, 0);
	r = run(p);
	p->tx.data = p->rx.data = NULL;
	return r;
}
