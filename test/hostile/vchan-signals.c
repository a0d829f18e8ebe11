// SPDX-License-Identifier: MIT
/*
 * An end of a vchan in a process that a signal interrupts every millisecond, by a
 * handler without SA_RESTART: while it is made, used and closed.
 *
 *   vchan-signals server|client DOMID SESSIONS
 *
 * Asserted, of each of so many sessions: making it never fails for a signal; what
 * waits fails with EINTR or says how much it has moved, and nothing else; and each
 * byte arrives, once, in both directions. It says how often it was interrupted.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/time.h>

#include "expect.h"
#include "libxenvchan-ext.h"

#define NAME "data/vchan/signals"
#define TOTAL 300000u /* many times the rings */
#define CHUNK 5000u
#define CONNECT_NS (60 * INT64_C(1000000000))

const char *scene = "";
uint64_t seed = 1;

static volatile sig_atomic_t n_signals;
static unsigned long n_interrupted;
static struct dice dice;
static int pipe_in, pipe_out; /* for what moves to and from descriptors */

static void count(int sig)
{
	n_signals++;
}

static void interrupt_every_ms(void)
{
	struct sigaction sa = { .sa_handler = count };
	struct itimerval ms = { { 0, 1000 }, { 0, 1000 } };

	expect(!sigaction(SIGALRM, &sa, NULL));
	expect(!setitimer(ITIMER_REAL, &ms, NULL));
}

/* The n-th byte of the stream of one direction. */
static uint8_t byte_at(uint32_t n, bool to_server)
{
	return (uint8_t)(n * 7 + n / 251 + to_server);
}

/* How much a call has moved: 0, if a signal came before. */
static uint32_t moved(long n)
{
	if (n >= 0)
		return (uint32_t)n;
	expect(errno == EINTR);
	n_interrupted++;
	return 0;
}

/* Byte i of a span. */
static uint8_t *at(const struct iovec span[2], uint32_t i)
{
	size_t first = span[0].iov_len;

	return i < first ? (uint8_t *)span[0].iov_base + i
			 : (uint8_t *)span[1].iov_base + i - first;
}

/* What is in the pipe, which is all of what was put into it, or the rest. */
static uint32_t drain(uint8_t *data)
{
	uint32_t n = 0;
	ssize_t r;

	while ((r = read(pipe_out, data + n, CHUNK - n)) > 0 ||
	       (r < 0 && errno == EINTR))
		n += r > 0 ? (uint32_t)r : 0;
	return n;
}

static uint32_t send_from_pipe(struct libxenvchan *v, const uint8_t *data,
			       uint32_t size)
{
	uint8_t rest[CHUNK + 1];
	uint32_t n;

	expect(write(pipe_in, data, size) == (ssize_t)size);
	n = moved(libxenvchan_write_from(v, pipe_out, size));
	expect(n + drain(rest) == size);
	return n;
}

static uint32_t send_some(struct libxenvchan *v, const uint8_t *data,
			  uint32_t size)
{
	struct iovec span[2];
	uint32_t n;

	switch (roll(&dice) % 4) {
	case 0:
		return moved(libxenvchan_write(v, data, size));
	case 1:
		return moved(libxenvchan_send(v, data, size % 900 + 1));
	case 2:
		return send_from_pipe(v, data, size);
	default:
		n = moved(libxenvchan_reserve(v, span, 1));
		n = n < size ? n : size;
		for (uint32_t i = 0; i < n; i++)
			*at(span, i) = data[i];
		expect(!n || !libxenvchan_commit(v, n));
		return n;
	}
}

static void send_all(struct libxenvchan *v, bool to_server)
{
	uint8_t data[CHUNK + 1];

	for (uint32_t done = 0; done < TOTAL;) {
		uint32_t size = roll(&dice) % CHUNK + 1;

		size = size < TOTAL - done ? size : TOTAL - done;
		for (uint32_t i = 0; i <= size; i++)
			data[i] = byte_at(done + i, to_server);
		/* The last piece goes byte by byte, and whole. */
		if (TOTAL - done <= 900)
			done += moved(libxenvchan_send(v, data, 1));
		else
			done += send_some(v, data, size);
	}
}

static uint32_t receive_some(struct libxenvchan *v, uint8_t *data,
			     uint32_t size)
{
	struct iovec span[2];
	uint32_t n;

	switch (roll(&dice) % 6) {
	case 0:
		return moved(libxenvchan_read(v, data, size));
	case 1:
		size = size < 900 ? size : 900;
		return moved(libxenvchan_recv(v, data, size));
	case 2:
		n = moved(libxenvchan_peek(v, span, 1));
		n = n < size ? n : size;
		for (uint32_t i = 0; i < n; i++)
			data[i] = *at(span, i);
		expect(!n || !libxenvchan_consume(v, n));
		return n;
	case 3:
		n = moved(libxenvchan_read_to(v, pipe_in, size));
		expect(drain(data) == n);
		return n;
	case 4:
		while (!libxenvchan_data_ready(v))
			(void)moved(libxenvchan_wait(v));
		return moved(libxenvchan_read(v, data, size));
	default:
		(void)moved(libxenvchan_poll(v, LIBXENVCHAN_IN,
					     LIBXENVCHAN_FOREVER));
		return moved(libxenvchan_read(v, data, size));
	}
}

static void receive_all(struct libxenvchan *v, bool to_server)
{
	uint8_t data[CHUNK];

	for (uint32_t done = 0; done < TOTAL;) {
		uint32_t size = roll(&dice) % CHUNK + 1, n;

		size = size < TOTAL - done ? size : TOTAL - done;
		n = receive_some(v, data, size);
		for (uint32_t i = 0; i < n; i++)
			expect(data[i] == byte_at(done + i, to_server));
		done += n;
	}
}

static void expect_end(struct libxenvchan *v)
{
	char c;

	for (;;) {
		int n = libxenvchan_read(v, &c, 1);

		expect(n < 0);
		if (errno == EPIPE)
			return;
		(void)moved(n);
	}
}

/*
 * Each session has a path of its own: a client that is quick would find the last
 * session's server, which may not have seen yet that its client has left.
 */
static void serve(int peer, int session)
{
	char path[64];
	struct libxenvchan *v;

	snprintf(path, sizeof(path), NAME "/%d", session);
	v = libxenvchan_server_init(NULL, peer, path, 0, 0);
	expect(v);
	v->blocking = 1;
	receive_all(v, true);
	expect_end(v); /* half of it */
	send_all(v, false);
	while (libxenvchan_state(v) == LIBXENVCHAN_FINISHED)
		(void)moved(libxenvchan_poll(v, 0, LIBXENVCHAN_FOREVER));
	expect(!libxenvchan_rearm(v));
	expect(libxenvchan_state(v) == LIBXENVCHAN_LISTENING);
	libxenvchan_close(v);
}

/* In turn by the call that waits for the server, and by the one that does not. */
static struct libxenvchan *client_of(int peer, const char *path, bool waits)
{
	struct libxenvchan *v;

	while (!waits) {
		v = libxenvchan_client_init(NULL, peer, path);
		if (v)
			return v;
		expect(errno == ENOENT || errno == EACCES || errno == EAGAIN);
	}
	v = libxenvchan_connect(NULL, peer, path);
	expect(v);
	while (libxenvchan_state(v) == LIBXENVCHAN_CONNECTING)
		(void)moved(libxenvchan_poll(v, 0, CONNECT_NS));
	return v;
}

static void join(int peer, int session)
{
	char path[64];
	struct libxenvchan *v;

	snprintf(path, sizeof(path), "/local/domain/%d/" NAME "/%d", peer,
		 session);
	v = client_of(peer, path, session % 2);
	v->blocking = 1;
	send_all(v, true);
	expect(libxenvchan_shutdown(v) == 0);
	receive_all(v, false);
	libxenvchan_close(v);
}

static void open_pipe(void)
{
	int fds[2];

	expect(!pipe2(fds, O_CLOEXEC | O_NONBLOCK));
	pipe_out = fds[0];
	pipe_in = fds[1];
}

int main(int argc, char **argv)
{
	int sessions = argc == 4 ? atoi(argv[3]) : 0;

	if (argc != 4)
		return 2;
	scene = argv[1];
	dice.state = dice_state((uint64_t)argv[1][0]);
	open_pipe();
	interrupt_every_ms();
	for (int i = 0; i < sessions; i++) {
		if (!strcmp(argv[1], "server"))
			serve(atoi(argv[2]), i);
		else
			join(atoi(argv[2]), i);
	}
	printf("%s: %ld signals, %lu calls interrupted\n", argv[1],
	       (long)n_signals, n_interrupted);
	return 0;
}
