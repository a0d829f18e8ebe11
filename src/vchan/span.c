// SPDX-License-Identifier: MIT
/*
 * Spans: bytes are made and used where they lie in the ring, and moved between
 * it and a descriptor without a copy in between.
 *
 * Nothing that a peer does changes where a span is or how long: both come from
 * private indices and were checked when they were fetched. What is in it is
 * another matter; <libxenvchan-ext.h> says what a span promises.
 */
#include <errno.h>
#include <sys/uio.h>

#include "vchan/move.h"

/* n bytes from our index on, in one or two pieces. */
static void point_at(const struct bytering *r, uint32_t n, struct iovec v[2])
{
	struct shm_byte *p;
	uint32_t first = bytering_span(r, 0, n, &p);

	v[0] = (struct iovec){ shm_expose(p), first };
	v[1] = (struct iovec){ shm_expose(r->data), n - first };
}

/* What a closed vchan holds can be received. */
static bool has_no_ring(enum vchan_state state)
{
	return state == VCHAN_CONNECTING || state == VCHAN_CORRUPT;
}

static int fail(int r)
{
	errno = -r;
	return -1;
}

/*
 * What the program wrote for a client that has left: the ring was zeroed then,
 * but the program may have gone on writing. The next client must not see it.
 */
static int drop_lost_span(struct vchan *v)
{
	uint32_t n = v->tx_span;

	if (!v->tx_span_lost)
		return 0;
	v->tx_span_lost = false;
	if (!n)
		return 0;
	bytering_zero(&v->tx, n);
	v->tx_span = 0;
	return -EPIPE;
}

static int reserve(struct vchan *v, enum vchan_state state,
		   struct iovec span[2], size_t min)
{
	uint32_t n = 0;
	int r;

	(void)drop_lost_span(v);
	v->tx_span = 0;
	/* Without a peer yet, there is no ring to be larger than. */
	r = vchan_state_error(state);
	if (!r && min > v->tx.size)
		r = -EMSGSIZE;
	if (!r)
		r = vchan_tx_wait(v, state, min ? (uint32_t)min : 1, &n);
	if (r || n < min || !n)
		return r;
	v->tx_span = n;
	point_at(&v->tx, n, span);
	return (int)n;
}

int libxenvchan_reserve(struct libxenvchan *ctrl, struct iovec span[2],
			size_t min)
{
	struct vchan *v = vchan_of(ctrl);
	int r = reserve(v, vchan_tx_enter(v), span, min);

	vchan_tx_leave(v);
	return r < 0 ? fail(r) : r;
}

static int commit(struct vchan *v, enum vchan_state state, size_t size)
{
	int r = drop_lost_span(v);

	if (!r)
		r = v->finished ? -EPIPE : vchan_state_error(state);
	if (!r && size > v->tx_span)
		r = -EINVAL;
	if (r || !size)
		return r;
	v->tx_span -= (uint32_t)size;
	vchan_tx_done(v, (uint32_t)size);
	stats_add(&v->stats->sent.calls, 1);
	return 0;
}

int libxenvchan_commit(struct libxenvchan *ctrl, size_t size)
{
	struct vchan *v = vchan_of(ctrl);
	int r = commit(v, vchan_tx_enter(v), size);

	vchan_tx_leave(v);
	return r < 0 ? fail(r) : 0;
}

int libxenvchan_peek(struct libxenvchan *ctrl, struct iovec span[2], size_t min)
{
	struct vchan *v = vchan_of(ctrl);
	enum vchan_state state = vchan_state(v);
	uint32_t n = 0;
	int r;

	v->rx_span = 0;
	if (has_no_ring(state))
		return fail(vchan_state_error(state));
	if (min > v->rx.size)
		return fail(-EMSGSIZE);
	r = vchan_rx_wait(v, min ? (uint32_t)min : 1, &n);
	if (r)
		return fail(r);
	if (n < min || !n)
		return 0;
	v->rx_span = n;
	point_at(&v->rx, n, span);
	return (int)n;
}

int libxenvchan_consume(struct libxenvchan *ctrl, size_t size)
{
	struct vchan *v = vchan_of(ctrl);
	enum vchan_state state = vchan_state(v);

	if (has_no_ring(state))
		return fail(vchan_state_error(state));
	if (size > v->rx_span)
		return fail(-EINVAL);
	if (!size)
		return 0;
	v->rx_span -= (uint32_t)size;
	vchan_rx_done(v, (uint32_t)size);
	stats_add(&v->stats->received.calls, 1);
	return 0;
}

/*
 * The first `most` bytes of a span, and not more than a piece, so that the peer
 * copies while the next one is read or written. How many iovecs that are.
 */
static int cut(struct iovec v[2], const struct bytering *r, size_t most)
{
	size_t piece = vchan_piece(r);

	if (most > piece)
		most = piece;
	if (v[0].iov_len > most)
		v[0].iov_len = most;
	if (v[1].iov_len > most - v[0].iov_len)
		v[1].iov_len = most - v[0].iov_len;
	return v[1].iov_len ? 2 : 1;
}

ssize_t libxenvchan_write_from(struct libxenvchan *ctrl, int fd, size_t size)
{
	struct vchan *v = vchan_of(ctrl);
	struct iovec span[2];
	int n = libxenvchan_reserve(ctrl, span, 1);
	ssize_t r;

	if (n <= 0)
		return n < 0 ? -1 : fail(-ENOBUFS);
	r = readv(fd, span, cut(span, &v->tx, size));
	if (r <= 0)
		return r;
	return libxenvchan_commit(ctrl, (size_t)r) ? -1 : r;
}

ssize_t libxenvchan_read_to(struct libxenvchan *ctrl, int fd, size_t size)
{
	struct vchan *v = vchan_of(ctrl);
	struct iovec span[2];
	int n = libxenvchan_peek(ctrl, span, 1);
	ssize_t r;

	if (n <= 0)
		return n < 0 ? -1 : fail(-ENODATA);
	r = writev(fd, span, cut(span, &v->rx, size));
	if (r <= 0)
		return r;
	return libxenvchan_consume(ctrl, (size_t)r) ? -1 : r;
}
