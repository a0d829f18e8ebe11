// SPDX-License-Identifier: MIT
/*
 * What a client of a channel measures, whoever serves the channel. The guest's end
 * says "up" until it gets a line, then echoes.
 *
 *	channel-meter first SOCKET		connects as soon as it can; seconds from its
 *						own start to the first byte
 *	channel-meter echo SOCKET SIZE SECONDS	the median round trip, in microseconds
 *	channel-meter stream SOCKET SIZE SECONDS
 *						bytes a second that come back, of messages
 *						sent without waiting
 *	channel-meter pour BYTES		lines of 8 bytes, numbered, to standard output
 *	channel-meter lost SOCKET BYTES WAIT QUIET
 *						connects, again too; reads nothing for WAIT
 *						seconds, then until nothing comes for QUIET;
 *						how many of pour's bytes never came
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define HANG_MS 120000
#define LINE 8
#define SAMPLES_MAX 100000

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "channel-meter: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* A connection, or -1 if there is none within so many seconds. */
static int try_to_connect(const char *path, double seconds)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	double end = now() + seconds;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	do {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		if (fd < 0)
			give_up("socket");
		if (!connect(fd, (struct sockaddr *)&a, sizeof(a)))
			return fd;
		close(fd);
		nanosleep(&(struct timespec){ 0, 5000000 }, NULL);
	} while (now() < end);
	return -1;
}

static int connect_to(const char *path)
{
	int fd = try_to_connect(path, HANG_MS / 1000.0);

	if (fd < 0)
		give_up(path);
	return fd;
}

static bool is_readable(int fd, int ms)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, ms) == 1;
}

static size_t receive(int fd, uint8_t *data, size_t size)
{
	ssize_t n = is_readable(fd, HANG_MS) ? read(fd, data, size) : -1;

	if (n <= 0)
		give_up("nothing was received");
	return (size_t)n;
}

static void drain(int fd)
{
	uint8_t data[4096];

	while (is_readable(fd, 500))
		receive(fd, data, sizeof(data));
}

static int first(const char *path)
{
	double since = now();
	int fd = connect_to(path);
	uint8_t byte;

	receive(fd, &byte, 1);
	printf("%.2f\n", now() - since);
	if (write(fd, "\n", 1) != 1)
		give_up("write");
	drain(fd);
	return 0;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Bytes that change with their place, so that what is lost or repeated shows. */
static void fill(uint8_t *data, size_t size, uint64_t at)
{
	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)((at + i) * 0x9e3779b1u >> 24);
}

static void check(const uint8_t *data, size_t n, uint64_t at)
{
	for (size_t i = 0; i < n; i++) {
		if (data[i] != (uint8_t)((at + i) * 0x9e3779b1u >> 24)) {
			errno = EILSEQ;
			give_up("what came back");
		}
	}
}

static int echo(const char *path, size_t size, double seconds)
{
	static double samples[SAMPLES_MAX];
	int fd = connect_to(path);
	double end = now() + seconds;
	uint8_t out[65536], in[65536];
	uint64_t at = 0;
	size_t n = 0;

	do {
		double since = now();

		fill(out, size, at);
		if (write(fd, out, size) != (ssize_t)size)
			give_up("write");
		for (size_t got = 0; got < size;)
			got += receive(fd, in + got, size - got);
		check(in, size, at);
		at += size;
		samples[n++] = (now() - since) * 1e6;
	} while (now() < end && n < SAMPLES_MAX);
	qsort(samples, n, sizeof(*samples), compare);
	printf("%.0f\n", samples[n / 2]);
	return 0;
}

/* No more than this under way: what backends keep differs, and is not the question. */
#define WINDOW 16384

static int stream(const char *path, size_t size, double seconds)
{
	int fd = connect_to(path);
	double since = now(), end = since + seconds;
	uint8_t data[65536];
	uint64_t sent = 0, got = 0;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (now() < end || got < sent) {
		bool may_send = now() < end && sent - got + size <= WINDOW;

		if (may_send) {
			ssize_t n;

			fill(data, size, sent);
			n = write(fd, data, size);
			if (n < 0 && errno != EAGAIN)
				give_up("write");
			sent += n > 0 ? (uint64_t)n : 0;
		}
		if (is_readable(fd, may_send ? 0 : HANG_MS)) {
			size_t n = receive(fd, data, sizeof(data));

			check(data, n, got);
			got += n;
		}
	}
	printf("%.0f\n", (double)got / (now() - since));
	return 0;
}

static int pour(unsigned long bytes)
{
	for (unsigned long i = 0; i < bytes / LINE; i++)
		printf("%07lu\n", i);
	return fflush(stdout) ? 1 : 0;
}

/* Which of pour's lines have come. */
struct tally {
	unsigned long n_lines, n_seen;
	bool *seen;
	char line[LINE + 1];
	size_t n;
};

static void count(struct tally *t, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (data[i] != '\n') {
			if (t->n < LINE)
				t->line[t->n++] = (char)data[i];
			continue;
		}
		t->line[t->n] = '\0';
		if (t->n == LINE - 1) {
			unsigned long at = strtoul(t->line, NULL, 10);

			if (at < t->n_lines && !t->seen[at]) {
				t->seen[at] = true;
				t->n_seen++;
			}
		}
		t->n = 0;
	}
}

static int lost(const char *path, unsigned long bytes, int wait, double quiet)
{
	struct tally t = { .n_lines = bytes / LINE };
	int fd = connect_to(path);
	uint8_t data[65536];

	t.seen = calloc(t.n_lines, sizeof(*t.seen));
	if (!t.seen)
		give_up("memory");
	sleep((unsigned int)wait);
	while (fd >= 0 && t.n_seen < t.n_lines &&
	       is_readable(fd, (int)(quiet * 1000))) {
		ssize_t n = read(fd, data, sizeof(data));

		if (n > 0) {
			count(&t, data, (size_t)n);
			continue;
		}
		close(fd);
		fd = try_to_connect(path, quiet);
	}
	printf("%lu\n", (t.n_lines - t.n_seen) * LINE);
	free(t.seen);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "first") && argc == 3)
		return first(argv[2]);
	if (!strcmp(what, "echo") && argc == 5)
		return echo(argv[2], strtoul(argv[3], NULL, 0), atof(argv[4]));
	if (!strcmp(what, "stream") && argc == 5)
		return stream(argv[2], strtoul(argv[3], NULL, 0),
			      atof(argv[4]));
	if (!strcmp(what, "pour") && argc == 3)
		return pour(strtoul(argv[2], NULL, 0));
	if (!strcmp(what, "lost") && argc == 6)
		return lost(argv[2], strtoul(argv[3], NULL, 0), atoi(argv[4]),
			    atof(argv[5]));
	fprintf(stderr, "channel-meter: see its source\n");
	return 2;
}
