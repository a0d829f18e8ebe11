// SPDX-License-Identifier: MIT
#include "guest/tty-relay.h"

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "guest/session.h"

#define QUEUE_LOOK_MS 20

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

enum {
	FILLED = 0, /* or there is something left, or no descriptor */
	FILL_END,
	FILL_NOTHING_NOW,
};

/* One of these, or negative errno. */
static int fill(struct buffer *b, int fd)
{
	ssize_t n;

	if (fd < 0 || !is_empty(b))
		return FILLED;
	n = read(fd, b->data, sizeof(b->data));
	if (n == 0 || (n < 0 && errno == EIO))
		return FILL_END;
	if (n < 0 && errno == EINTR)
		return FILLED;
	if (n < 0)
		return is_transient(errno) ? FILL_NOTHING_NOW : -errno;
	b->from = 0;
	b->to = (size_t)n;
	return FILLED;
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
	bool queued; /* the terminal has not passed on yet all that it took */
	struct buffer tx, rx;
};

static int failed(struct relay *r, int err, int result)
{
	r->error = -err;
	return result;
}

static int take_input(struct tty_relay *t)
{
	struct relay *r = t->r;
	int n = r->in_ended ? FILLED : fill(&t->tx, r->in);

	if (n < 0)
		return failed(r, n, SESSION_IN_FAILED);
	/* The children of a command that has ended may still hold the pipe. */
	r->in_ended |= n == FILL_END ||
		       (n == FILL_NOTHING_NOW && relay_command_is_over(r));
	return 0;
}

/*
 * tcdrain(3) would wait in spite of a signal that came just before, and nothing
 * tells when the queue is empty: it is asked. A pseudo-terminal has none.
 */
static void look_at_queue(struct tty_relay *t)
{
	int n = 0;

	if (!t->queued || t->hung_up)
		return;
	if (!ioctl(t->tty, TIOCOUTQ, &n))
		t->queued = n > 0;
	else
		t->hung_up = errno == EIO;
}

static int serve_tty(struct tty_relay *t)
{
	struct relay *r = t->r;
	uint64_t sent = r->sent;
	int n;

	if (t->hung_up)
		return 0;
	n = empty(&t->tx, t->tty, &r->sent);
	t->queued |= r->sent != sent;
	look_at_queue(t);
	/* What nobody reads any more holds the host back. */
	if (!n && r->out >= 0)
		n = fill(&t->rx, t->tty);
	if (n < 0 && n != -EIO)
		return n;
	t->hung_up |= n == -EIO || n == FILL_END;
	return 0;
}

static int give_output(struct tty_relay *t)
{
	struct relay *r = t->r;
	int n = empty(&t->rx, r->out, &r->received);

	if (n == -EPIPE && r->command)
		r->out = -1;
	else if (n)
		return failed(r, n, SESSION_OUT_FAILED);
	if (r->out < 0)
		t->rx.from = t->rx.to;
	return 0;
}

static int move(struct tty_relay *t)
{
	int n = take_input(t);

	if (!n)
		n = serve_tty(t);
	return n ? n : give_output(t);
}

static int pause_relay(struct tty_relay *t, int stop)
{
	struct relay *r = t->r;
	bool reads_in = !r->in_ended && is_empty(&t->tx);
	bool reads_tty = r->out >= 0 && is_empty(&t->rx);
	short events = (short)((reads_tty ? POLLIN : 0) |
			       (is_empty(&t->tx) ? 0 : POLLOUT));
	struct pollfd fds[] = {
		{ stop, POLLIN, 0 },
		{ t->hung_up ? -1 : t->tty, events, 0 },
		{ reads_in ? r->in : -1, POLLIN, 0 },
		{ is_empty(&t->rx) ? -1 : r->out, POLLOUT, 0 },
		{ relay_command_fd(r), POLLIN, 0 },
	};
	int wait_ms = deadline_poll_ms(
		relay_command_deadline(r),
		t->queued && is_empty(&t->tx) ? QUEUE_LOOK_MS : -1);

	if (reads_in && relay_must_read(r))
		wait_ms = 0;
	if (poll(fds, sizeof(fds) / sizeof(*fds), wait_ms) < 0 &&
	    errno != EINTR)
		return -errno;
	if (fds[0].revents)
		return SESSION_STOPPED;
	/* Otherwise reading tells. Linux: what is not read by then is gone. */
	t->hung_up |= !reads_tty && (fds[1].revents & POLLHUP);
	if (fds[4].revents)
		relay_look_at_command(r);
	return 0;
}

int tty_relay_run(struct relay *r, int tty, int stop, bool keep)
{
	struct tty_relay t = { .r = r, .tty = tty };

	for (;;) {
		bool hung_up = t.hung_up, sent;
		int result = move(&t);

		if (result)
			return result;
		sent = is_empty(&t.tx) && !t.queued;
		if (t.hung_up && (is_empty(&t.rx) || relay_hang_up(r)))
			return sent ? SESSION_DONE : SESSION_UNDELIVERED;
		if (relay_is_over(r, keep) && sent && is_empty(&t.rx))
			return SESSION_DONE;
		/* Nobody tells of a hang-up that was found just now. */
		result = hung_up == t.hung_up ? pause_relay(&t, stop) : 0;
		if (result)
			return result;
	}
}
