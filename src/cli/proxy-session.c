// SPDX-License-Identifier: MIT
#include "cli/proxy-session.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/proxy-socket.h"

/* A full queue, a command that has not ended: no event tells of their change. */
#define RETRY (20 * NS_PER_MS)

/* How long a command has for its end, before SIGTERM and then SIGKILL. */
#define GRACE (5 * NS_PER_S)

static void close_local(struct proxy_session *s)
{
	if (s->in > STDERR_FILENO)
		close(s->in);
	if (s->out > STDERR_FILENO && s->out != s->in)
		close(s->out);
	s->in = s->out = -1;
}

static void close_all(struct proxy_session *s)
{
	libxenvchan_close(TAKE_PTR(s->vchan));
	close_local(s);
}

static void finish(struct proxy_session *s, enum proxy_session_end end,
		   int error)
{
	close_all(s);
	s->end = end;
	s->error = error;
	s->state = PROXY_SESSION_OVER;
	s->deadline_ns = s->retry_ns = DEADLINE_NEVER;
	if (!s->pid)
		return;
	s->state = PROXY_SESSION_REAPING;
	s->stage = 0;
	s->deadline_ns = deadline_in(GRACE);
	/* As a terminal does whose other end has gone. */
	if (end != PROXY_SESSION_DONE)
		kill(-s->pid, SIGHUP);
}

static struct proxy_session *make(const struct proxy_options *o,
				  struct xentoollog_logger *logger)
{
	struct proxy_session *s = malloc(sizeof(*s));

	if (!s)
		return NULL;
	/* The buffers are not touched before they are used. */
	s->options = o;
	s->logger = logger;
	s->end = PROXY_SESSION_DONE;
	s->error = 0;
	s->nonce = s->id = 0;
	s->told = false;
	s->deadline_ns = deadline_in(o->timeout_ns);
	s->retry_ns = DEADLINE_NEVER;
	s->stage = 0;
	s->vchan = NULL;
	s->in = s->out = -1;
	s->pid = 0;
	s->at_vchan = s->at_in = s->at_out = -1;
	list_init(&s->link);
	return s;
}

struct proxy_session *proxy_session_new(const struct proxy_options *o,
					struct xentoollog_logger *logger,
					int in, int out)
{
	struct proxy_session *s = make(o, logger);

	if (!s)
		return NULL;
	s->state = PROXY_SESSION_ASKING;
	s->in = in;
	s->out = out;
	return s;
}

struct proxy_session *proxy_session_new_server(const struct proxy_options *o,
					       struct xentoollog_logger *logger,
					       const char *path)
{
	struct proxy_session *s = make(o, logger);

	if (!s)
		return NULL;
	s->vchan = libxenvchan_server_init(logger, (int)o->domain, path,
					   o->left, o->right);
	if (!s->vchan || libxenvchan_event_fd(s->vchan) < 0) {
		int err = errno;

		proxy_session_free(s);
		errno = err;
		return NULL;
	}
	s->state = PROXY_SESSION_WAITING;
	return s;
}

void proxy_session_connect(struct proxy_session *s, const char *path)
{
	s->vchan =
		libxenvchan_connect(s->logger, (int)s->options->domain, path);
	if (!s->vchan || libxenvchan_event_fd(s->vchan) < 0) {
		finish(s, PROXY_SESSION_NO_VCHAN, errno);
		return;
	}
	s->state = PROXY_SESSION_CONNECTING;
	s->retry_ns = 0;
}

void proxy_session_ask_again(struct proxy_session *s)
{
	if (s->state != PROXY_SESSION_ASKING &&
	    s->state != PROXY_SESSION_CONNECTING)
		return;
	libxenvchan_close(TAKE_PTR(s->vchan));
	s->state = PROXY_SESSION_ASKING;
	s->told = false;
	s->id = 0;
}

void proxy_session_refuse(struct proxy_session *s, int error)
{
	finish(s, PROXY_SESSION_NO_VCHAN, error);
}

static void begin_moving(struct proxy_session *s)
{
	proxy_relay_begin(&s->relay, s->vchan, s->in, s->out,
			  s->options->compat);
	s->state = PROXY_SESSION_MOVING;
	s->deadline_ns = deadline_in(s->options->idle_ns);
	s->retry_ns = DEADLINE_NEVER;
}

static void connect_on(struct proxy_session *s)
{
	s->retry_ns = DEADLINE_NEVER;
	if (libxenvchan_poll(s->vchan, 0, 0) < 0 && errno != EINTR)
		finish(s, PROXY_SESSION_NO_VCHAN, errno);
	else if (libxenvchan_state(s->vchan) != LIBXENVCHAN_CONNECTING)
		begin_moving(s);
}

static int open_local(struct proxy_session *s)
{
	const struct proxy_options *o = s->options;

	return o->local == PROXY_EXEC ? proxy_run(o->command, &s->pid)
				      : proxy_dial(o->socket);
}

static void dial(struct proxy_session *s)
{
	int fd = open_local(s);

	if (fd >= 0) {
		s->in = s->out = fd;
		begin_moving(s);
	} else if (fd == -EAGAIN) {
		s->retry_ns = deadline_in(RETRY);
	} else {
		finish(s, PROXY_SESSION_NO_LOCAL, -fd);
	}
}

static void wait_on(struct proxy_session *s)
{
	enum libxenvchan_state state;

	if (libxenvchan_poll(s->vchan, 0, 0) < 0 && errno != EINTR) {
		finish(s, PROXY_SESSION_NO_VCHAN, errno);
		return;
	}
	state = libxenvchan_state(s->vchan);
	if (state == LIBXENVCHAN_LISTENING)
		return;
	if (state == LIBXENVCHAN_GONE) {
		finish(s, PROXY_SESSION_PEER_DIED, 0);
		return;
	}
	s->state = PROXY_SESSION_DIALING;
	s->deadline_ns = deadline_in(s->options->timeout_ns);
	dial(s);
}

static void look_for_hang_up(struct proxy_session *s, const struct pollfd *fds)
{
	int at = s->at_out >= 0 ? s->at_out : s->at_in;

	/* What it has sent before is still to be read. */
	if (at >= 0 && s->relay.in_ended &&
	    (fds[at].revents & (POLLHUP | POLLERR)))
		proxy_relay_hung_up(&s->relay);
}

static void move(struct proxy_session *s, const struct pollfd *fds)
{
	static const enum proxy_session_end ends[] = {
		[PROXY_RELAY_DONE] = PROXY_SESSION_DONE,
		[PROXY_RELAY_UNDELIVERED] = PROXY_SESSION_UNDELIVERED,
		[PROXY_RELAY_REFUSED] = PROXY_SESSION_REFUSED,
		[PROXY_RELAY_PEER_DIED] = PROXY_SESSION_PEER_DIED,
		[PROXY_RELAY_FAILED] = PROXY_SESSION_NO_VCHAN,
	};
	uint64_t before = s->relay.moved;
	enum proxy_relay_result r;

	if (s->at_vchan >= 0 && fds[s->at_vchan].revents)
		proxy_relay_take_event(&s->relay);
	look_for_hang_up(s, fds);
	r = proxy_relay_step(&s->relay);
	s->out = s->in == s->out ? s->out : s->relay.out;
	if (r != PROXY_RELAY_GOES_ON)
		finish(s, ends[r], s->relay.error);
	else if (s->relay.moved != before)
		s->deadline_ns = deadline_in(s->options->idle_ns);
}

/* The command, and what it has started. */
static void reap(struct proxy_session *s)
{
	static const int signals[] = { SIGTERM, SIGKILL };

	s->retry_ns = deadline_in(RETRY);
	if (waitpid(s->pid, NULL, WNOHANG) != 0) {
		s->pid = 0;
		s->state = PROXY_SESSION_OVER;
	} else if (clock_now_ns() >= s->deadline_ns) {
		kill(-s->pid, signals[s->stage]);
		s->stage = 1;
		s->deadline_ns = deadline_in(GRACE);
	}
}

static void be_late(struct proxy_session *s)
{
	switch (s->state) {
	case PROXY_SESSION_ASKING:
	case PROXY_SESSION_CONNECTING:
	case PROXY_SESSION_WAITING:
	case PROXY_SESSION_DIALING:
		finish(s, PROXY_SESSION_TOO_LATE, ETIMEDOUT);
		break;
	case PROXY_SESSION_MOVING:
		finish(s, PROXY_SESSION_IDLE, ETIMEDOUT);
		break;
	case PROXY_SESSION_REAPING:
	case PROXY_SESSION_OVER:
		break;
	}
}

/* Whether something that it waits for has come, or it does not know yet what to
 * wait for. */
static bool is_ready(const struct proxy_session *s, const struct pollfd *fds)
{
	const int at[PROXY_SESSION_FDS] = { s->at_vchan, s->at_in, s->at_out };
	bool polled = false;

	for (int i = 0; i < PROXY_SESSION_FDS; i++) {
		polled = polled || at[i] >= 0;
		if (at[i] >= 0 && fds[at[i]].revents)
			return true;
	}
	return !polled || (s->state == PROXY_SESSION_MOVING && s->relay.again);
}

static void step(struct proxy_session *s, const struct pollfd *fds)
{
	switch (s->state) {
	case PROXY_SESSION_CONNECTING:
		connect_on(s);
		break;
	case PROXY_SESSION_WAITING:
		wait_on(s);
		break;
	case PROXY_SESSION_DIALING:
		dial(s);
		break;
	case PROXY_SESSION_MOVING:
		move(s, fds);
		break;
	case PROXY_SESSION_REAPING:
		reap(s);
		break;
	case PROXY_SESSION_ASKING:
	case PROXY_SESSION_OVER:
		break;
	}
}

void proxy_session_step(struct proxy_session *s, const struct pollfd *fds)
{
	if (is_ready(s, fds))
		step(s, fds);
	s->at_vchan = s->at_in = s->at_out = -1;
	if (clock_now_ns() >= s->deadline_ns)
		be_late(s);
}

static int add(struct pollfd *fds, int *n, int fd, int events)
{
	fds[*n] = (struct pollfd){ fd, (short)events, 0 };
	return (*n)++;
}

static int poll_local(struct proxy_session *s, struct pollfd *fds, int n)
{
	struct proxy_relay_wish w = proxy_relay_wish(&s->relay);

	if (w.vchan)
		s->at_vchan =
			add(fds, &n, libxenvchan_event_fd(s->vchan), POLLIN);
	if (w.in >= 0 && w.out >= 0 && s->in == s->out) {
		s->at_in = add(fds, &n, s->in, w.in | w.out);
		return n;
	}
	if (w.in >= 0)
		s->at_in = add(fds, &n, s->in, w.in);
	if (w.out >= 0)
		s->at_out = add(fds, &n, s->out, w.out);
	return n;
}

static void bring_forward(int64_t *due, int64_t t)
{
	if (t < *due)
		*due = t;
}

int proxy_session_poll(struct proxy_session *s, struct pollfd *fds, int n,
		       int64_t *due)
{
	s->at_vchan = s->at_in = s->at_out = -1;
	if (s->state == PROXY_SESSION_CONNECTING ||
	    s->state == PROXY_SESSION_WAITING)
		s->at_vchan =
			add(fds, &n, libxenvchan_event_fd(s->vchan), POLLIN);
	if (s->state == PROXY_SESSION_MOVING)
		n = poll_local(s, fds, n);
	if (s->state == PROXY_SESSION_MOVING && s->relay.again)
		bring_forward(due, 0);
	bring_forward(due, s->deadline_ns);
	bring_forward(due, s->retry_ns);
	return n;
}

void proxy_session_free(struct proxy_session *s)
{
	if (!s)
		return;
	close_all(s);
	if (s->pid)
		kill(-s->pid, SIGTERM);
	free(s);
}
