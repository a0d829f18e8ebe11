// SPDX-License-Identifier: MIT
/*
 * vchan-peer - one end of a vchan, for tests; built on Xen's header alone, so that
 * it runs with whichever libxenvchan the library path gives it.
 *
 *   vchan-peer server PEER PATH RING MODE [NUMBER]
 *   vchan-peer client PEER PATH 0    MODE [NUMBER]
 *
 * RING is read_min and write_min of the server (0: in the page). MODE, of both ends:
 *   stream BYTES    that many bytes each way at once, checked
 *   packet BYTES    the same, by send and recv of packets of many sizes
 *   pump            send without end and drop what comes, until the other end closes
 *   idle            neither, until the other end closes
 *   send BYTES      BYTES bytes a message, 200 messages, from the client to the
 *                   server by blocking calls
 *   refused         client only: it must not get in
 * A client tries again for 60 s until the server is there (not when "refused").
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

	seed(&out, is_server, n_bytes);
	seed(&in, !is_server, n_bytes);
	chan->blocking = 0;
	while (out.left || in.left) {
		int moved = send_some(&out, packets);

		moved += receive_some(&in, packets);
		if (!moved && libxenvchan_wait(chan) < 0)
			die("wait");
	}
	/* The client leaves first, once the server has everything */
	while (is_server && libxenvchan_is_open(chan) == 1)
		libxenvchan_wait(chan);
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

static void send_messages(size_t size)
{
	uint8_t *data = calloc(1, size);

	chan->blocking = 1;
	for (int i = 0; i < N_MESSAGES; i++) {
		size_t done = 0;
		int r;

		while (done < size) {
			r = is_server
				    ? libxenvchan_read(chan, data, size - done)
				    : libxenvchan_write(chan, data, size);
			if (r <= 0)
				die("message");
			done += r;
		}
	}
	free(data);
	if (is_server)
		return;
	while (libxenvchan_is_open(chan) == 1) /* the reader leaves first */
		libxenvchan_wait(chan);
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

int main(int argc, char **argv)
{
	const char *mode = argc > 5 ? argv[5] : "";
	unsigned long number = argc > 6 ? strtoul(argv[6], NULL, 0) : 0;
	bool refused = !strcmp(mode, "refused");

	if (argc < 6)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
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

	if (!strcmp(mode, "stream") || !strcmp(mode, "packet"))
		transfer(number, !strcmp(mode, "packet"));
	else if (!strcmp(mode, "pump"))
		pump();
	else if (!strcmp(mode, "idle"))
		idle();
	else if (!strcmp(mode, "send"))
		send_messages(number);
	else
		return 2;
	printf("%s: done, open %d\n", argv[1], libxenvchan_is_open(chan));
	libxenvchan_close(chan);
	return 0;
}
