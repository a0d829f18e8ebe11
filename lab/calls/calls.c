// SPDX-License-Identifier: MIT
/*
 * vchan-calls - the calls of libxenvchan-ext.h, one end of a vchan, for tests.
 *
 *   vchan-calls serve PEER PATH N            N clients, one after the other, of the
 *                                            kind "ask"; prints how each one ended
 *   vchan-calls ask   PEER PATH BYTES HOW    its client. HOW: "first", sends, shuts down,
 *                                            and then receives; "last", the other
 *                                            way round; "dies", in the middle
 *   vchan-calls feed  ROLE PEER PATH BYTES HOW   sends, and then: "close", "die", or
 *                                            "stay" until the other end closes
 *   vchan-calls loop  ROLE PEER PATH N poll|epoll    receives from N of "feed", of
 *                                            PATH1 and so on, in an event loop
 *   vchan-calls block ROLE PEER PATH CALL    receives from "feed", or who sends nothing,
 *                                            by read, peek or poll, until the end
 *   vchan-calls limit ROLE PEER PATH         each blocking call with a time-out, against
 *                                            one that does nothing
 * ROLE is "server" or "client". Clients may come before their server. All bytes are
 * checked. $UP: the xenstore node below which it makes one of its own when it
 * is connected.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <libxenvchan-ext.h>

#include "stream.h"

#define NS_PER_MS INT64_C(1000000)
#define PATIENCE (60000 * NS_PER_MS)
#define RING 65536
#define N_MAX 16

enum { FIRST, LAST, DIES, N_HOW };
static const char *const hows[N_HOW] = { "first", "last", "dies" };

/* What "ask" begins with. */
struct header {
	uint64_t bytes;
	uint32_t seed;
	uint32_t how;
};

static uint8_t data[RING];

static void die(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static const char *state_of(struct libxenvchan *c)
{
	static const char *const names[] = {
		[LIBXENVCHAN_CONNECTING] = "connecting",
		[LIBXENVCHAN_LISTENING] = "listening",
		[LIBXENVCHAN_OPEN] = "open",
		[LIBXENVCHAN_FINISHED] = "finished",
		[LIBXENVCHAN_CLOSED] = "closed",
		[LIBXENVCHAN_DIED] = "died",
		[LIBXENVCHAN_GONE] = "gone",
		[LIBXENVCHAN_CORRUPT] = "corrupt",
	};

	return names[libxenvchan_state(c)];
}

static void print_end(const char *what, struct libxenvchan *c, int error)
{
	printf("%s ended: %s, %s\n", what, state_of(c), strerror(error));
}

static void say_up(void)
{
	if (getenv("UP") && system("xenstore-write $UP/$$ connected"))
		die("xenstore-write");
}

/* A server that listens, or a client that connects. */
static struct libxenvchan *open_end(const char *role, int peer,
				    const char *path)
{
	struct libxenvchan *c =
		*role == 's'
			? libxenvchan_server_init(NULL, peer, path, RING, RING)
			: libxenvchan_connect(NULL, peer, path);

	if (!c)
		die(path);
	c->blocking = 1;
	libxenvchan_set_timeout(c, PATIENCE);
	return c;
}

/* By new calls alone; a client first waits too short a time. */
static void wait_until_open(struct libxenvchan *c)
{
	int r = libxenvchan_poll(c, LIBXENVCHAN_OUT, 100 * NS_PER_MS);

	if (!r) {
		printf("waited: %s\n", state_of(c));
		r = libxenvchan_poll(c, LIBXENVCHAN_OUT, PATIENCE);
	}
	while (r > 0 && libxenvchan_state(c) == LIBXENVCHAN_LISTENING)
		r = libxenvchan_wait(c) ? -1 : 1;
	if (r <= 0)
		die("no peer");
}

static struct libxenvchan *open_and_wait(char **a)
{
	struct libxenvchan *c = open_end(a[0], atoi(a[1]), a[2]);

	wait_until_open(c);
	say_up();
	return c;
}

/* In pieces of changing size, as a stream. */
static void send_stream(struct libxenvchan *c, uint64_t seed, uint64_t n)
{
	struct stream s = stream_of(seed);

	while (s.n < n) {
		size_t size = 1 + s.n * 7 % RING;

		if (size > n - s.n)
			size = n - s.n;
		stream_fill(&s, data, size);
		if (libxenvchan_write(c, data, size) != (int)size)
			die("write");
	}
}

/* Until the peer has finished or left; all that it has sent has to come first. */
static uint64_t receive_stream(struct libxenvchan *c, uint64_t seed)
{
	struct stream s = stream_of(seed);
	int r;

	while ((r = libxenvchan_read(c, data, 1 + s.n * 5 % RING)) > 0)
		stream_check(&s, data, (size_t)r);
	if (!r || errno != EPIPE)
		die("read");
	return s.n;
}

static void receive_all(struct libxenvchan *c, const struct header *h,
			uint64_t seed)
{
	uint64_t n = receive_stream(c, seed);

	if (n == h->bytes)
		return;
	printf("%llu bytes came of %llu\n", (unsigned long long)n,
	       (unsigned long long)h->bytes);
	exit(1);
}

static void send_all(struct libxenvchan *c, const struct header *h,
		     uint64_t seed)
{
	send_stream(c, seed, h->bytes);
	if (libxenvchan_shutdown(c) || libxenvchan_write(c, data, 1) != -1 ||
	    errno != EPIPE)
		die("shutdown");
}

static void serve_one(struct libxenvchan *c)
{
	struct header h;

	if (libxenvchan_recv(c, &h, sizeof(h)) != sizeof(h))
		die("header");
	switch (h.how) {
	case FIRST:
		receive_all(c, &h, h.seed);
		send_all(c, &h, ~(uint64_t)h.seed);
		break;
	case LAST:
		send_all(c, &h, ~(uint64_t)h.seed);
		receive_all(c, &h, h.seed);
		break;
	case DIES:
		if (receive_stream(c, h.seed) != h.bytes / 2)
			die("half of it");
		break;
	}
}

static int serve(char **a)
{
	struct libxenvchan *c = open_end("server", atoi(a[0]), a[1]);
	struct libxenvchan_stats stats;

	for (int i = 0; i < atoi(a[2]); i++) {
		wait_until_open(c);
		serve_one(c);
		while (libxenvchan_state(c) <= LIBXENVCHAN_FINISHED)
			libxenvchan_wait(c);
		printf("client %d %s\n", i + 1, state_of(c));
		if (libxenvchan_rearm(c))
			die("rearm");
	}
	if (libxenvchan_stats(c, &stats, sizeof(stats)) ||
	    stats.connections != (uint64_t)atoi(a[2]))
		die("stats");
	libxenvchan_close(c);
	return 0;
}

static int ask(char **a)
{
	char role[] = "client", *end[] = { role, a[0], a[1] };
	struct libxenvchan *c = open_and_wait(end);
	struct header h = { .bytes = strtoull(a[2], NULL, 0),
			    .seed = (uint32_t)getpid() };

	while (h.how < N_HOW && strcmp(a[3], hows[h.how]))
		h.how++;
	if (libxenvchan_send(c, &h, sizeof(h)) != sizeof(h))
		die("header");
	switch (h.how) {
	case FIRST:
		send_all(c, &h, h.seed);
		receive_all(c, &h, ~(uint64_t)h.seed);
		break;
	case LAST:
		receive_all(c, &h, ~(uint64_t)h.seed);
		if (libxenvchan_state(c) != LIBXENVCHAN_FINISHED)
			die(state_of(c));
		send_all(c, &h, h.seed);
		break;
	case DIES:
		send_stream(c, h.seed, h.bytes / 2);
		raise(SIGKILL);
	}
	libxenvchan_close(c);
	printf("asked\n");
	return 0;
}

static int feed(char **a)
{
	struct libxenvchan *c = open_and_wait(a);

	send_stream(c, 1, strtoull(a[3], NULL, 0));
	if (!strcmp(a[4], "die"))
		raise(SIGKILL);
	libxenvchan_set_timeout(c, LIBXENVCHAN_FOREVER);
	while (!strcmp(a[4], "stay") &&
	       libxenvchan_state(c) <= LIBXENVCHAN_FINISHED)
		libxenvchan_wait(c);
	libxenvchan_close(c);
	return 0;
}

/* One of several vchans in an event loop. */
struct member {
	struct libxenvchan *vchan;
	struct stream stream;
	bool up;
};

/* False when it has ended. */
static bool step(struct member *m, int number)
{
	char what[32];
	int r = libxenvchan_poll(m->vchan, LIBXENVCHAN_IN, 0);

	if (r < 0)
		die("poll");
	if (!m->up && libxenvchan_state(m->vchan) >= LIBXENVCHAN_OPEN) {
		m->up = true;
		m->vchan->blocking = 0;
		say_up();
	}
	while (r & LIBXENVCHAN_IN) {
		int n = libxenvchan_read(m->vchan, data, sizeof(data));

		if (n > 0)
			stream_check(&m->stream, data, (size_t)n);
		r = libxenvchan_poll(m->vchan, LIBXENVCHAN_IN, 0);
	}
	if (!(r & LIBXENVCHAN_HUP))
		return true;
	snprintf(what, sizeof(what), "loop %d, %llu bytes", number,
		 (unsigned long long)m->stream.n);
	print_end(what, m->vchan, 0);
	libxenvchan_close(m->vchan);
	return false;
}

static void loop_by_poll(struct member *m, int n)
{
	struct pollfd p[N_MAX];
	int left = n;

	for (int i = 0; i < n; i++)
		p[i] = (struct pollfd){
			.events = POLLIN, .fd = libxenvchan_event_fd(m[i].vchan)
		};
	while (left) {
		if (poll(p, n, -1) < 0)
			die("poll");
		for (int i = 0; i < n; i++) {
			if (p[i].revents && !step(&m[i], i + 1)) {
				p[i].fd = -1;
				left--;
			}
		}
	}
}

static void loop_by_epoll(struct member *m, int n)
{
	int set = epoll_create1(0), left = n;

	for (int i = 0; i < n; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.u32 = i };

		epoll_ctl(set, EPOLL_CTL_ADD, libxenvchan_event_fd(m[i].vchan),
			  &e);
	}
	while (left) {
		struct epoll_event e;

		if (epoll_wait(set, &e, 1, -1) != 1)
			die("epoll");
		if (!step(&m[e.data.u32], (int)e.data.u32 + 1))
			left--;
	}
}

static int loop(char **a)
{
	static struct member members[N_MAX];
	int n = atoi(a[3]);

	for (int i = 0; i < n; i++) {
		char path[256];

		snprintf(path, sizeof(path), "%s%d", a[2], i + 1);
		members[i].vchan = open_end(a[0], atoi(a[1]), path);
		members[i].stream = stream_of(1);
		/* The first step asks for events. */
		step(&members[i], i + 1);
	}
	if (!strcmp(a[4], "poll"))
		loop_by_poll(members, n);
	else
		loop_by_epoll(members, n);
	return 0;
}

static int receive_by(struct libxenvchan *c, const char *call)
{
	struct iovec span[2];
	int r;

	if (!strcmp(call, "poll")) {
		r = libxenvchan_poll(c, LIBXENVCHAN_IN, LIBXENVCHAN_FOREVER);
		if (r < 0 || !(r & LIBXENVCHAN_IN))
			return r < 0 ? -1 : 0;
	}
	if (strcmp(call, "peek"))
		return libxenvchan_read(c, data, sizeof(data));
	r = libxenvchan_peek(c, span, 1);
	if (r > 0) {
		r = (int)span[0].iov_len;
		memcpy(data, span[0].iov_base, span[0].iov_len);
		libxenvchan_consume(c, (size_t)r);
	}
	return r;
}

static int block(char **a)
{
	struct libxenvchan *c = open_and_wait(a);
	struct stream s = stream_of(1);
	int r;

	libxenvchan_set_timeout(c, LIBXENVCHAN_FOREVER);
	while ((r = receive_by(c, a[3])) > 0)
		stream_check(&s, data, (size_t)r);
	print_end(a[3], c, r ? errno : 0);
	libxenvchan_close(c);
	return 0;
}

/* 0 if the call has failed with ETIMEDOUT after 200 ms at least. */
#define TIMES_OUT(call)                                                       \
	({                                                                    \
		struct timespec t0, t1;                                       \
		int64_t took;                                                 \
		int r_;                                                       \
                                                                              \
		errno = 0;                                                    \
		clock_gettime(CLOCK_MONOTONIC, &t0);                          \
		r_ = (call);                                                  \
		clock_gettime(CLOCK_MONOTONIC, &t1);                          \
		took = (t1.tv_sec - t0.tv_sec) * 1000 * NS_PER_MS +           \
		       t1.tv_nsec - t0.tv_nsec;                               \
		if (r_ != -1 || errno != ETIMEDOUT || took < 200 * NS_PER_MS) \
			printf("%s: %d, %s, %lld ns\n", #call, r_,            \
			       strerror(errno), (long long)took);             \
		r_ == -1 && errno == ETIMEDOUT &&took >= 200 * NS_PER_MS ? 0  \
									 : 1; \
	})

static int limit(char **a)
{
	struct libxenvchan *c = open_and_wait(a);
	struct iovec span[2];
	int bad = 0, n;

	libxenvchan_set_timeout(c, 200 * NS_PER_MS);
	bad += TIMES_OUT(libxenvchan_read(c, data, 10));
	bad += TIMES_OUT(libxenvchan_recv(c, data, 10));
	bad += TIMES_OUT(libxenvchan_peek(c, span, 10));
	bad += TIMES_OUT(libxenvchan_read_to(c, 1, 10));
	bad += libxenvchan_poll(c, LIBXENVCHAN_IN, 200 * NS_PER_MS) != 0;
	/* What has been written before the time was up is told. */
	memset(data, 1, sizeof(data));
	n = libxenvchan_write(c, data, sizeof(data) - 1000);
	bad += n != (int)sizeof(data) - 1000;
	n = libxenvchan_write(c, data, sizeof(data));
	bad += n != 1000;
	/* and then that it was */
	bad += libxenvchan_write(c, data, 10) != -1 || errno != ETIMEDOUT;
	bad += TIMES_OUT(libxenvchan_write(c, data, 10));
	bad += TIMES_OUT(libxenvchan_send(c, data, 10));
	bad += TIMES_OUT(libxenvchan_reserve(c, span, 10));
	bad += TIMES_OUT(libxenvchan_write_from(c, 0, 10));
	bad += libxenvchan_poll(c, LIBXENVCHAN_OUT, 200 * NS_PER_MS) != 0;
	printf("%d of 13 are wrong, %s\n", bad, state_of(c));
	libxenvchan_close(c);
	return bad != 0;
}

static const struct {
	const char *name;
	int n_arguments;
	int (*run)(char **a);
} commands[] = {
	{ "serve", 3, serve }, { "ask", 4, ask },     { "feed", 5, feed },
	{ "loop", 5, loop },   { "block", 4, block }, { "limit", 3, limit },
};

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (argc - 2 == commands[i].n_arguments &&
		    !strcmp(argv[1], commands[i].name))
			return commands[i].run(argv + 2);
	}
	return 2;
}
