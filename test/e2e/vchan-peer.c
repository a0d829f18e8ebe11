// SPDX-License-Identifier: MIT
/*
 * One end of a vchan, on whatever libxenvchan it is linked with (the twelve
 * calls that all of them have).
 *
 *   vchan-peer server|client move  DOMID PATH BYTES [RING]
 *       BYTES from the client to the server, then as many back, checked
 *   vchan-peer server|client hold  DOMID PATH
 *       stays until the other end is gone; "open" once both are there
 *   vchan-peer server|client stay  DOMID PATH
 *       stays until killed; "open" once both are there
 *   vchan-peer server cycle DOMID PATH N [RING]
 *       N times: set up, close
 *   vchan-peer client try   DOMID PATH
 *       one attempt, without waiting for a server; errno's text on failure
 *
 * Each says what it does on stdout; 0, or 1 and a reason on stderr.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <libxenvchan.h>

#define CHUNK 4096

static bool is_server;

static int failed(const char *what)
{
	fprintf(stderr, "vchan-peer %s: %s: %s\n",
		is_server ? "server" : "client", what, strerror(errno));
	return 1;
}

/* The byte at position i of what one end sends, different for each end. */
static uint8_t pattern(uint64_t i, bool from_server)
{
	uint64_t x = (i >> 3) * 0x9e3779b97f4a7c15u + from_server;

	return (uint8_t)((x ^ x >> 29) >> (i & 7) * 4);
}

static struct libxenvchan *open_end(int domid, const char *path, size_t ring,
				    bool wait)
{
	struct libxenvchan *v = NULL;

	if (is_server) {
		v = libxenvchan_server_init(NULL, domid, path, ring, ring);
	} else {
		for (int i = 0; !v && i < (wait ? 3000 : 1); i++) {
			v = libxenvchan_client_init(NULL, domid, path);
			if (!v && wait)
				nanosleep(
					&(struct timespec){ .tv_nsec =
								    10000000 },
					NULL);
		}
	}
	if (v)
		v->blocking = 1; /* 4.17's leaves it as malloc gave it */
	return v;
}

static int send_all(struct libxenvchan *v, uint64_t bytes)
{
	uint8_t buf[CHUNK];

	for (uint64_t done = 0; done < bytes;) {
		size_t n = bytes - done < CHUNK ? bytes - done : CHUNK;

		for (size_t i = 0; i < n; i++)
			buf[i] = pattern(done + i, is_server);
		if (libxenvchan_write(v, buf, n) != (int)n)
			return failed("write");
		done += n;
	}
	return 0;
}

static int receive_all(struct libxenvchan *v, uint64_t bytes)
{
	uint8_t buf[CHUNK];

	for (uint64_t done = 0; done < bytes;) {
		size_t want = bytes - done < CHUNK ? bytes - done : CHUNK;
		int n = libxenvchan_read(v, buf, want);

		if (n <= 0)
			return failed("read");
		for (int i = 0; i < n; i++) {
			if (buf[i] == pattern(done + i, !is_server))
				continue;
			fprintf(stderr, "wrong byte at %llu\n",
				(unsigned long long)done + (unsigned int)i);
			return 1;
		}
		done += n;
	}
	return 0;
}

static int move(struct libxenvchan *v, uint64_t bytes)
{
	int r = is_server ? receive_all(v, bytes) : send_all(v, bytes);

	if (r == 0)
		r = is_server ? send_all(v, bytes) : receive_all(v, bytes);
	/* The server closes last: its close takes the nodes away. */
	while (r == 0 && is_server && libxenvchan_is_open(v) == 1)
		libxenvchan_wait(v);
	return r;
}

static int wait_for(struct libxenvchan *v, int state)
{
	while (libxenvchan_is_open(v) != state) {
		if (state == 1 && libxenvchan_is_open(v) == 0)
			return failed("closed before it was open");
		if (libxenvchan_wait(v) < 0)
			return failed("wait");
	}
	return 0;
}

static int stay(struct libxenvchan *v, bool until_closed)
{
	int r = wait_for(v, 1);

	if (r != 0)
		return r;
	puts("open");
	fflush(stdout);
	if (!until_closed)
		for (;;)
			pause();
	r = wait_for(v, 0);
	if (r == 0)
		puts("closed");
	return r;
}

static int cycle(int domid, const char *path, long n, size_t ring)
{
	for (long i = 0; i < n; i++) {
		struct libxenvchan *v = open_end(domid, path, ring, false);

		if (!v)
			return failed("server_init");
		libxenvchan_close(v);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *action = argc > 4 ? argv[2] : "";
	uint64_t number = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;
	size_t ring = argc > 6 ? strtoull(argv[6], NULL, 10) : 0;
	struct libxenvchan *v;
	int domid, r = 2;

	if (argc < 5)
		return 2;
	is_server = strcmp(argv[1], "server") == 0;
	domid = atoi(argv[3]);
	if (strcmp(action, "cycle") == 0)
		return cycle(domid, argv[4], (long)number, ring);
	v = open_end(domid, argv[4], ring, strcmp(action, "try") != 0);
	if (!v)
		return failed("init");
	if (strcmp(action, "move") == 0)
		r = move(v, number);
	else if (strcmp(action, "hold") == 0)
		r = stay(v, true);
	else if (strcmp(action, "stay") == 0)
		r = stay(v, false);
	else if (strcmp(action, "try") == 0)
		r = 0;
	libxenvchan_close(v);
	return r;
}
