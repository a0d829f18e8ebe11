// SPDX-License-Identifier: MIT
/* vtest - move bytes both ways over a vchan (Debian's libxenvchan) and check them.
 *   vtest server|client PEER_DOMID XS_PATH BYTES
 * Each side sends BYTES of its own pseudo-random stream and checks the peer's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>
#include <poll.h>
#include <libxenvchan.h>

static uint8_t next(uint64_t *s)
{
	*s = *s * 6364136223846793005u + 1442695040888963407u;
	return *s >> 56;
}
static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	static uint8_t out[32768], in[32768];
	if (argc != 5) {
		fprintf(stderr, "usage: vtest server|client PEER PATH BYTES\n");
		return 2;
	}
	int server = !strcmp(argv[1], "server"), peer = atoi(argv[2]);
	uint64_t total = strtoull(argv[4], 0, 0), sent = 0, got = 0,
		 rx = server ? 2 : 1, tx = server ? 1 : 2;
	struct libxenvchan *v = 0;
	if (server) {
		v = libxenvchan_server_init(NULL, peer, argv[3], 65536, 65536);
	} else
		for (int i = 0; i < 300 && !v;
		     i++) { /* the server may not be there yet */
			v = libxenvchan_client_init(NULL, peer, argv[3]);
			if (!v)
				usleep(200000);
		}
	if (!v) {
		perror(argv[1]);
		return 1;
	}
	printf("%s: ready, port %u, space %d\n", argv[1], v->event_port,
	       libxenvchan_buffer_space(v));
	fflush(stdout);
	v->blocking = 1;
	while (server && libxenvchan_is_open(v) == 2)
		libxenvchan_wait(v);
	v->blocking = 0;
	double t = now();
	size_t pend = 0, off = 0;
	while (sent < total || got < total) {
		int moved = 0, n;
		if (sent < total) {
			if (!pend) {
				pend = total - sent < sizeof out ? total - sent
								 : sizeof out;
				off = 0;
				for (size_t i = 0; i < pend; i++)
					out[i] = next(&tx);
			}
			n = libxenvchan_write(v, out + off, pend);
			if (n < 0) {
				fprintf(stderr, "%s: write failed at %llu\n",
					argv[1], (unsigned long long)sent);
				return 1;
			}
			off += n;
			pend -= n;
			sent += n;
			moved += n;
		}
		if (got < total) {
			n = libxenvchan_read(v, in,
					     total - got < sizeof in
						     ? total - got
						     : sizeof in);
			if (n < 0) {
				fprintf(stderr, "%s: read failed at %llu\n",
					argv[1], (unsigned long long)got);
				return 1;
			}
			int bad = 0, first = -1, last = 0;
			for (int i = 0; i < n; i++)
				if (in[i] != next(&rx)) {
					if (first < 0)
						first = i;
					last = i;
					bad++;
				}
			if (bad) {
				fprintf(stderr,
					"%s: %d bad bytes in a read of %d at "
					"%llu: first +%d, last +%d, got %02x "
					"%02x %02x %02x\n",
					argv[1], bad, n,
					(unsigned long long)got, first, last,
					in[first], in[first + 1], in[first + 2],
					in[first + 3]);
				return 1;
			}
			got += n;
			moved += n;
		}
		if (!moved)
			libxenvchan_wait(v);
	}
	t = now() - t;
	printf("%s: %llu bytes each way ok in %.2f s = %.2f MiB/s each way, "
	       "open=%d\n",
	       argv[1], (unsigned long long)total, t, total / t / 1048576,
	       libxenvchan_is_open(v));
	fflush(stdout);
	if (server)
		while (libxenvchan_is_open(v) == 1)
			libxenvchan_wait(v); /* the client closes first */
	libxenvchan_close(v);
	return 0;
}
