// SPDX-License-Identifier: MIT
#include "guest/tty-relay.h"

#include <errno.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include "guest/session.h"

/* Bytes on their way from one descriptor to another. */
struct buffer {
	char data[CONSOLE_RING_OUT_SIZE];
	size_t from, to;
};

static bool is_empty(const struct buffer *b)
{
	return b->from == b->to;
}

static bool is_transient(int err)
{
	return err == EAGAIN || err == EWOULDBLOCK || err == EINTR;
}

/* 0: nothing now, or some; 1: the end; negative errno. */
static int fill(struct buffer *b, int fd)
{
	ssize_t n;

	if (fd < 0 || !is_empty(b))
		return 0;
	n = read(fd, b->data, sizeof(b->data));
	if (n == 0 || (n < 0 && errno == EIO))
		return 1;
	b->from = 0;
	b->to = n > 0 ? (size_t)n : 0;
	return n < 0 && !is_transient(errno) ? -errno : 0;
}

static int empty(struct buffer *b, int fd, uint64_t *count)
{
	ssize_t n;

	if (fd < 0 || is_empty(b))
		return 0;
	n = write(fd, b->data + b->from, b->to - b->from);
	if (n < 0)
		return is_transient(errno) ? 0 : -errno;
	b->from += (size_t)n;
	*count += (uint64_t)n;
	return 0;
}

struct tty_relay {
	struct relay *r;
	int tty;
	bool hung_up;
	struct buffer tx, rx;
};

static int failed(struct relay *r, int err, int result)
{
	r->error = -err;
	return result;
}

static int move(struct tty_relay *t)
{
	struct relay *r = t->r;
	int n = r->in_ended ? 0 : fill(&t->tx, r->in);

	if (n < 0)
		return failed(r, n, SESSION_IN_FAILED);
	r->in_ended |= n > 0;
	n = t->hung_up ? 0 : empty(&t->tx, t->tty, &r->sent);
	if (!n && !t->hung_up)
		n = fill(&t->rx, t->tty);
	if (n == 1 || n == -EIO)
		t->hung_up = true;
	else if (n)
		return n;
	n = empty(&t->rx, r->out, &r->received);
	if (n == -EPIPE && r->out_may_close)
		r->out = -1;
	else if (n)
		return failed(r, n, SESSION_OUT_FAILED);
	return 0;
}

static int pause_relay(struct tty_relay *t, int stop)
{
	struct relay *r = t->r;
	bool reads_in = !r->in_ended && is_empty(&t->tx);
	short events = (short)((is_empty(&t->rx) ? POLLIN : 0) |
			       (is_empty(&t->tx) ? 0 : POLLOUT));
	struct pollfd fds[] = {
		{ stop, POLLIN, 0 },
		{ t->hung_up || !events ? -1 : t->tty, events, 0 },
		{ reads_in ? r->in : -1, POLLIN, 0 },
		{ is_empty(&t->rx) ? -1 : r->out, POLLOUT, 0 },
	};

	if (poll(fds, sizeof(fds) / sizeof(*fds), -1) < 0 && errno != EINTR)
		return -errno;
	return fds[0].revents ? SESSION_STOPPED : 0;
}

int tty_relay_run(struct relay *r, int tty, int stop, bool keep)
{
	struct tty_relay t = { .r = r, .tty = tty };

	for (;;) {
		int result = move(&t);

		if (result)
			return result;
		if (t.hung_up && is_empty(&t.rx))
			return is_empty(&t.tx) ? SESSION_DONE
					       : SESSION_UNDELIVERED;
		if (r->in_ended && !keep && is_empty(&t.tx) &&
		    is_empty(&t.rx)) {
			/* What the terminal has not passed on yet. */
			return tcdrain(tty) && errno != EIO ? -errno : 0;
		}
		result = pause_relay(&t, stop);
		if (result)
			return result;
	}
}
