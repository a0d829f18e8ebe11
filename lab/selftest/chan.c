// SPDX-License-Identifier: MIT
/* chan - one end of a PV channel: a tty (raw) or a Unix socket.
 *   chan echo FILE BYTES    send back what arrives
 *   chan ping FILE BYTES    send BYTES pseudo-random bytes, check the echo */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>
#include <poll.h>
#include <termios.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

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

static int attach(const char *name)
{
	struct stat st;
	if (!stat(name, &st) && S_ISSOCK(st.st_mode)) {
		struct sockaddr_un a = { .sun_family = AF_UNIX };
		strncpy(a.sun_path, name, sizeof a.sun_path - 1);
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		return connect(fd, (void *)&a, sizeof a) ? -1 : fd;
	}
	int fd = open(name, O_RDWR | O_NOCTTY);
	struct termios t;
	if (fd >= 0 && !tcgetattr(fd, &t)) {
		cfmakeraw(&t);
		tcsetattr(fd, TCSANOW, &t);
	}
	return fd;
}

int main(int argc, char **argv)
{
	static uint8_t b[256];
	if (argc != 4)
		return 2;
	int ping = !strcmp(argv[1], "ping"), fd = attach(argv[2]);
	uint64_t total = strtoull(argv[3], 0, 0), sent = 0, got = 0, tx = 1,
		 rx = 1;
	if (fd < 0) {
		perror(argv[2]);
		return 1;
	}
	double t = now();
	while (got < total) {
		/* at most 512 bytes in flight, so that no ring or tty buffer overruns */
		if (ping && sent < total && sent - got < 512) {
			size_t n = total - sent < sizeof b ? total - sent
							   : sizeof b;
			for (size_t i = 0; i < n; i++)
				b[i] = next(&tx);
			if (write(fd, b, n) != (ssize_t)n) {
				perror("write");
				return 1;
			}
			sent += n;
			continue;
		}
		struct pollfd p = { fd, POLLIN, 0 };
		if (poll(&p, 1, 20000) <= 0) {
			fprintf(stderr,
				"%s %s: nothing for 20 s after %llu bytes\n",
				argv[1], argv[2], (unsigned long long)got);
			return 1;
		}
		ssize_t n = read(fd, b, sizeof b);
		if (n <= 0) {
			perror("read");
			return 1;
		}
		if (ping) {
			for (ssize_t i = 0; i < n; i++)
				if (b[i] != next(&rx)) {
					fprintf(stderr,
						"ping %s: bad byte at %llu\n",
						argv[2],
						(unsigned long long)got + i);
					return 1;
				}
		} else
			for (ssize_t o = 0, m; o < n; o += m)
				if ((m = write(fd, b + o, n - o)) <= 0) {
					perror("write");
					return 1;
				}
		got += n;
	}
	t = now() - t;
	printf("%s %s: %llu bytes ok, %.0f bytes/s\n", argv[1], argv[2],
	       (unsigned long long)total, total / t);
	if (!ping)
		tcdrain(fd);
	return 0;
}
