// SPDX-License-Identifier: MIT
/*
 * vchan-peer - one end of a vchan, for tests; built on Xen's header alone, so that
 * it runs with whichever libxenvchan the library path gives it.
 *
 *   vchan-peer server PEER PATH RING MODE [NUMBER]
 *   vchan-peer client PEER PATH 0    MODE [NUMBER]
 *   vchan-peer clock
 *   vchan-peer kill PID...
 *
 * RING is read_min and write_min of the server (0: in the page). MODE, of both ends:
 *   stream BYTES    that many bytes each way at once, checked
 *   packet BYTES    the same, by send and recv of packets of many sizes
 *   both BYTES      one after the other
 *   pump            send without end and drop what comes, until the other end closes
 *   idle            neither, until the other end closes
 *   blocked         a blocking read until it fails, and why and when it did
 *   send BYTES      messages of BYTES bytes from the client to the server by
 *                   blocking calls
 *   echo BYTES      the same, and the server sends each one back
 *   refused         client only: it must not get in
 * A client tries again for 60 s until the server is there (not when "refused").
 * "clock" prints the time as "blocked" does; "kill" does before and after it sends
 * SIGKILL to all. $UP: the xenstore node below which an end
 * makes one of its own when it is connected.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libxenvchan.h>

#define N_BUFFER 65536
#define N_MESSAGES 200

/* One direction of a checked transfer: what comes next, and how much is left. */
struct stream {
	uint64_t random, left;
	uint8_t data[N_BUFFER];
	size_t used, filled;
};

static bool is_server;
static struct libxenvchan *chan;

static void die(const char *what)
{
	fprintf(stderr, "vchan-peer %s: %s: %s\n",
		is_server ? "server" : "client", what, strerror(errno));
	exit(1);
}

static uint8_t next_byte(struct stream *s)
{
	s->random = s->random * 6364136223846793005u + 1442695040888963407u;
	return s->random >> 56;
}

static void seed(struct stream *s, bool from_server, uint64_t n)
{
	s->random = from_server ? 1 : 2;
	s->left = n;
}

/* The bytes to send next: at most `max`, made as they are needed. */
static size_t fill(struct stream *s, size_t max)
{
	if (s->used == s->filled) {
		s->used = 0;
		s->filled = s->left < max ? s->left : max;
		for (size_t i = 0; i < s->filled; i++)
			s->data[i] = next_byte(s);
	}
	return s->filled - s->used;
}

static void check(struct stream *s, const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (data[i] != next_byte(s)) {
			fprintf(stderr, "vchan-peer: wrong byte, %llu left\n",
				(unsigned long long)(s->left - i));
			exit(1);
		}
	s->left -= n;
}

static int send_some(struct stream *s, bool packets)
{
	size_t n;
	int r;

	if (!s->left)
		return 0;
	/* The size of a packet follows from what is left: both ends know it */
	n = fill(s, packets ? 1 + s->left % 1000 : sizeof s->data);
	r = packets ? libxenvchan_send(chan, s->data, n)
		    : libxenvchan_write(chan, s->data + s->used, n);
	if (r < 0)
		die("write");
	if (packets && r && (size_t)r != n)
		die("a part of a packet");
	s->used += r;
	s->left -= r;
	return r;
}

static int receive_some(struct stream *s, bool packets)
{
	static uint8_t in[N_BUFFER];
	size_t n = packets ? 1 + s->left % 1000 : sizeof in;
	int r;

	if (!s->left)
		return 0;
	if (n > s->left)
		n = s->left;
	r = packets ? libxenvchan_recv(chan, in, n)
		    : libxenvchan_read(chan, in, n);
	if (r < 0)
		die("read");
	if (packets && r && (size_t)r != n)
		die("a part of a packet");
	check(s, in, r);
	return r;
}

static void transfer(uint64_t n_bytes, bool packets)
{
	static struct stream out, in;

	out.used = out.filled = 0;
	seed(&out, is_server, n_bytes);
	seed(&in, !is_server, n_bytes);
	chan->blocking = 0;
	while (out.left || in.left) {
		int moved = send_some(&out, packets);

		moved += receive_some(&in, packets);
		if (!moved && libxenvchan_wait(chan) < 0)
			die("wait");
	}
}

static void pump(void)
{
	static uint8_t data[N_BUFFER];
	int r, w;

	chan->blocking = 0;
	do {
		w = libxenvchan_write(chan, data, sizeof data);
		r = libxenvchan_read(chan, data, sizeof data);
		if (!w && !r)
			libxenvchan_wait(chan);
	} while (w >= 0 && r >= 0 && libxenvchan_is_open(chan) == 1);
}

static void idle(void)
{
	while (libxenvchan_is_open(chan) == 1)
		libxenvchan_wait(chan);
}

/* The time of day is Xen's, and so the same in all domains. */
static void print_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	printf("at %lld.%06ld\n", (long long)t.tv_sec, t.tv_nsec / 1000);
}

static void kill_all(char **pids)
{
	print_time();
	for (; *pids; pids++)
		kill(atoi(*pids), SIGKILL);
	print_time();
}

static void blocked(void)
{
	char c = 0;
	int r;

	chan->blocking = 1;
	if (libxenvchan_write(chan, &c, 1) != 1)
		die("write");
	do
		r = libxenvchan_read(chan, &c, 1);
	while (r > 0);
	printf("%s: read failed: %s ", is_server ? "server" : "client",
	       r < 0 ? strerror(errno) : "0 bytes");
	print_time();
}

static void move_all(uint8_t *data, size_t size, bool out)
{
	for (size_t done = 0; done < size;) {
		int r = out ? libxenvchan_write(chan, data + done, size - done)
			    : libxenvchan_read(chan, data + done, size - done);

		if (r <= 0)
			die("message");
		done += r;
	}
}

static void send_messages(size_t size, bool echo)
{
	uint8_t *data = calloc(1, size);

	chan->blocking = 1;
	for (int i = 0; i < N_MESSAGES; i++) {
		move_all(data, size, !is_server);
		if (echo)
			move_all(data, size, is_server);
	}
	free(data);
}

/* The client leaves first, once the server has everything. */
static void take_leave(void)
{
	char c = 0;

	chan->blocking = 1;
	if (is_server) {
		if (libxenvchan_write(chan, &c, 1) != 1)
			die("leave");
		idle();
	} else if (libxenvchan_read(chan, &c, 1) != 1) {
		die("leave");
	}
}

static void connect_client(int peer, const char *path, bool may_retry)
{
	for (int i = 0; i < 600 && !chan; i++) {
		chan = libxenvchan_client_init(NULL, peer, path);
		if (chan || !may_retry)
			return;
		if (!i)
			printf("client: not yet: %s\n", strerror(errno));
		usleep(100000);
	}
}

/* The modes that end by themselves. */
static bool exchange(const char *mode, unsigned long number)
{
	bool both = !strcmp(mode, "both");

	if (both || !strcmp(mode, "stream"))
		transfer(number, false);
	if (both || !strcmp(mode, "packet"))
		transfer(number, true);
	else if (!strcmp(mode, "send") || !strcmp(mode, "echo"))
		send_messages(number, *mode == 'e');
	else if (strcmp(mode, "stream"))
		return false;
	take_leave();
	return true;
}

static bool run(const char *mode, unsigned long number)
{
	if (!strcmp(mode, "pump"))
		pump();
	else if (!strcmp(mode, "idle"))
		idle();
	else if (!strcmp(mode, "blocked"))
		blocked();
	else
		return exchange(mode, number);
	return true;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 5 ? argv[5] : "";
	unsigned long number = argc > 6 ? strtoul(argv[6], NULL, 0) : 0;
	bool refused = !strcmp(mode, "refused");

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 && !strcmp(argv[1], "clock")) {
		print_time();
		return 0;
	}
	if (argc > 2 && !strcmp(argv[1], "kill")) {
		kill_all(argv + 2);
		return 0;
	}
	if (argc < 6)
		return 2;
	is_server = !strcmp(argv[1], "server");
	if (is_server)
		chan = libxenvchan_server_init(NULL, atoi(argv[2]), argv[3],
					       atoi(argv[4]), atoi(argv[4]));
	else
		connect_client(atoi(argv[2]), argv[3], !refused);
	if (refused) {
		printf("client: %s\n", chan ? "got in" : strerror(errno));
		return chan ? 1 : 0;
	}
	if (!chan)
		die("init");
	printf("%s: ready\n", argv[1]);
	while (is_server && libxenvchan_is_open(chan) == 2)
		libxenvchan_wait(chan);
	if (getenv("UP") && system("xenstore-write $UP/$$ connected"))
		die("xenstore-write");
	if (!run(mode, number))
		return 2;
	printf("%s: done, open %d\n", argv[1], libxenvchan_is_open(chan));
	libxenvchan_close(chan);
	return 0;
}
