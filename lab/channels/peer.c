// SPDX-License-Identifier: MIT
/*
 * What the tests of channels on a real Xen need at either end.
 *
 *	channel-peer ping FILE BYTES [NAME]	waits for the line NAME, sends BYTES
 *						to a socket or terminal, and checks
 *						what comes back
 *	channel-peer drain FILE SECONDS BYTES	connects, reads nothing for SECONDS,
 *						then BYTES of what pour sends
 *	channel-peer pour BYTES			writes them to standard output
 *	channel-peer ticks SECONDS		how late a timer of 10 ms is
 *	channel-peer refused FILE		connects; 0 if that is closed again before
 *						anything comes, or 1 after 2 s
 *
 * Of what is received, up to 2 KiB may come again, as after a kill of the
 * backend: that is counted. Anything else that is wrong is an error.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define HANG_MS 60000
#define CHUNK 2048
#define SURE 16 /* bytes by which a place in the stream is known */

static int failed(const char *what)
{
	fprintf(stderr, "channel-peer: %s: %s\n", what, strerror(errno));
	return 1;
}

/* The stream: a byte for each position. */
static uint8_t byte_at(uint64_t i)
{
	uint64_t x = (i / 8 + 1) * 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return (uint8_t)((x ^ x >> 31) >> i % 8 * 8);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int open_socket(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (fd < 0 || !connect(fd, (struct sockaddr *)&a, sizeof(a)))
		return fd;
	close(fd);
	return -1;
}

static int open_terminal(const char *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY);
	struct termios t;

	if (fd >= 0 && !tcgetattr(fd, &t)) {
		cfmakeraw(&t);
		tcsetattr(fd, TCSANOW, &t);
	}
	return fd;
}

/* How long it is not there is told: a restarted daemon shall not be noticed. */
static int open_end(const char *path)
{
	double since = now();
	struct stat st;
	int fd = -1;

	while (fd < 0 && now() - since < 20) {
		fd = !stat(path, &st) && S_ISSOCK(st.st_mode)
			     ? open_socket(path)
			     : open_terminal(path);
		if (fd < 0)
			nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
	}
	if (fd >= 0 && now() - since > 0.1)
		printf("%s: connected after %.1f s\n", path, now() - since);
	return fd;
}

struct receiver {
	uint64_t at;
	unsigned int repeated;
	uint8_t held[SURE]; /* too little to know its place by */
	size_t n_held;
};

static bool matches(uint64_t at, const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (data[i] != byte_at(at + i))
			return false;
	}
	return true;
}

/* Goes back to where the data came from before. */
static bool step_back(struct receiver *r, const uint8_t *data)
{
	for (uint64_t back = 1; back <= CHUNK && back <= r->at; back++) {
		if (matches(r->at - back, data, SURE)) {
			r->at -= back;
			r->repeated++;
			return true;
		}
	}
	return false;
}

static bool take(struct receiver *r, const uint8_t *data, size_t n)
{
	uint8_t all[65536 + SURE];

	memcpy(all, r->held, r->n_held);
	memcpy(all + r->n_held, data, n);
	n += r->n_held;
	r->n_held = 0;
	for (size_t i = 0; i < n; i++) {
		if (all[i] == byte_at(r->at)) {
			r->at++;
		} else if (n - i < SURE) {
			r->n_held = n - i;
			memcpy(r->held, all + i, r->n_held);
			return true;
		} else if (step_back(r, all + i)) {
			i--;
		} else {
			fprintf(stderr, "channel-peer: wrong after %llu\n",
				(unsigned long long)r->at);
			return false;
		}
	}
	return true;
}

static int receive(int fd, struct receiver *r)
{
	uint8_t data[65536];
	ssize_t n = read(fd, data, sizeof(data));

	if (n <= 0) {
		fprintf(stderr, "channel-peer: ended after %llu bytes: %s\n",
			(unsigned long long)r->at, n ? strerror(errno) : "EOF");
		return 1;
	}
	return take(r, data, (size_t)n) ? 0 : 1;
}

static int send_some(int fd, uint64_t *at, uint64_t total)
{
	uint8_t data[512];
	size_t n = total - *at < sizeof(data) ? (size_t)(total - *at)
					      : sizeof(data);
	ssize_t done;

	for (size_t i = 0; i < n; i++)
		data[i] = byte_at(*at + i);
	done = write(fd, data, n);
	if (done < 0 && errno != EAGAIN)
		return failed("write");
	*at += done > 0 ? (uint64_t)done : 0;
	return 0;
}

/* Sends `send` bytes, and receives until `total` have come. */
static int exchange(int fd, uint64_t send, uint64_t total)
{
	struct receiver r = { 0 };
	uint64_t sent = 0;
	double since = now();
	int err = 0;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (r.at < total && !err) {
		struct pollfd p = { fd, POLLIN, 0 };

		if (sent < send)
			p.events |= POLLOUT;
		if (poll(&p, 1, HANG_MS) <= 0) {
			fprintf(stderr, "channel-peer: nothing after %llu\n",
				(unsigned long long)r.at);
			return 1;
		}
		if (p.revents & POLLOUT)
			err = send_some(fd, &sent, send);
		if (!err && (p.revents & ~POLLOUT))
			err = receive(fd, &r);
	}
	if (!err)
		printf("%llu bytes, %u repeated, %.0f bytes/s\n",
		       (unsigned long long)total, r.repeated,
		       (double)total / (now() - since));
	return err;
}

static int pour(uint64_t total)
{
	uint64_t at = 0;

	while (at < total) {
		if (send_some(STDOUT_FILENO, &at, total))
			return 1;
	}
	return 0;
}

static int ticks(double seconds)
{
	double end = now() + seconds, worst = 0;
	unsigned int n = 0, n_late = 0;

	for (double due = now(); due < end; n++) {
		double late;

		due += 0.01;
		while (now() < due)
			nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
		late = now() - due;
		worst = late > worst ? late : worst;
		n_late += late > 0.02;
		if (late > 0.01)
			due = now();
	}
	printf("%u ticks, %u more than 20 ms late, the worst %.0f ms late\n", n,
	       n_late, worst * 1000);
	return 0;
}

/* The line that the other end begins with. */
static bool is_greeted(int fd, const char *name)
{
	char line[256];
	struct pollfd p = { fd, POLLIN, 0 };
	size_t n = 0;

	while (n < sizeof(line) - 1 && poll(&p, 1, HANG_MS) == 1 &&
	       read(fd, line + n, 1) == 1 && line[n] != '\n')
		n++;
	line[n] = '\0';
	if (!strcmp(line, name))
		return true;
	fprintf(stderr, "channel-peer: this is %s, not %s\n", line, name);
	return false;
}

static int ping(int fd, const char *bytes, const char *name)
{
	uint64_t n = strtoull(bytes, NULL, 0);

	return name && !is_greeted(fd, name) ? 1 : exchange(fd, n, n);
}

static int refused(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };
	char c;

	return poll(&p, 1, 2000) == 1 && read(fd, &c, 1) <= 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int fd;

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	if (!strcmp(what, "pour") && argc == 3)
		return pour(strtoull(argv[2], NULL, 0));
	if (!strcmp(what, "ticks") && argc == 3)
		return ticks(atof(argv[2]));
	if (!(!strcmp(what, "ping") && (argc == 4 || argc == 5)) &&
	    !(!strcmp(what, "drain") && argc == 5) &&
	    !(!strcmp(what, "refused") && argc == 3))
		return 2;
	fd = open_end(argv[2]);
	if (fd < 0)
		return failed(argv[2]);
	if (what[0] == 'r')
		return refused(fd);
	if (what[0] == 'p')
		return ping(fd, argv[3], argv[4]);
	sleep((unsigned int)atoi(argv[3]));
	return exchange(fd, 0, strtoull(argv[4], NULL, 0));
}
