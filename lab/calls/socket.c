// SPDX-License-Identifier: MIT
/*
 * socket-echo - a client of a Unix socket behind which all that is sent comes back.
 *
 *   socket-echo PATH BYTES        sends, finishes, and checks what comes back
 *   socket-echo PATH BYTES dies   sends half of it and is killed
 *   socket-echo PATH BYTES once   does not finish: for who ends with the first
 *   socket-echo PATH serve        is behind it: sends back what comes, for many clients
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "stream.h"

#define SEED 7

static int fd;
static uint64_t n_bytes;
static bool finishes = true;

static void die(const char *what)
{
	printf("socket: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void send_all(uint64_t n)
{
	struct stream s = stream_of(SEED);
	uint8_t data[8192];

	while (s.n < n) {
		size_t size = n - s.n < sizeof(data) ? n - s.n : sizeof(data);

		stream_fill(&s, data, size);
		for (size_t done = 0; done < size;) {
			ssize_t r = write(fd, data + done, size - done);

			if (r <= 0)
				die("write");
			done += (size_t)r;
		}
	}
}

static void *sender(void *arg)
{
	send_all(n_bytes);
	if (finishes)
		shutdown(fd, SHUT_WR);
	return arg;
}

static void receive_all(void)
{
	struct stream s = stream_of(SEED);
	uint8_t data[8192];
	ssize_t r = 0;

	while (finishes || s.n < n_bytes) {
		r = read(fd, data, sizeof(data));
		if (r < 0)
			die("read");
		if (!r)
			break;
		stream_check(&s, data, (size_t)r);
	}
	if (s.n != n_bytes) {
		printf("socket: %llu bytes came back\n",
		       (unsigned long long)s.n);
		exit(1);
	}
}

static void echo(int client)
{
	char data[8192];
	ssize_t n;

	while ((n = read(client, data, sizeof(data))) > 0) {
		for (ssize_t done = 0, r; done < n; done += r) {
			r = write(client, data + done, (size_t)(n - done));
			if (r <= 0)
				return;
		}
	}
}

static int serve(const struct sockaddr_un *a)
{
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	signal(SIGCHLD, SIG_IGN);
	if (listener < 0 ||
	    bind(listener, (const struct sockaddr *)a, sizeof(*a)) ||
	    listen(listener, 10))
		die(a->sun_path);
	for (;;) {
		int client = accept(listener, NULL, NULL);

		if (!fork()) {
			echo(client);
			_exit(0);
		}
		close(client);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	pthread_t thread;

	if (argc < 3)
		return 2;
	strncpy(a.sun_path, argv[1], sizeof(a.sun_path) - 1);
	if (!strcmp(argv[2], "serve"))
		return serve(&a);
	n_bytes = strtoull(argv[2], NULL, 0);
	finishes = argc < 4;
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		die(argv[1]);
	if (argc > 3 && !strcmp(argv[3], "dies")) {
		send_all(n_bytes / 2);
		raise(SIGKILL);
	}
	if (pthread_create(&thread, NULL, sender, NULL))
		die("thread");
	receive_all();
	pthread_join(thread, NULL);
	printf("socket: %llu bytes there and back\n",
	       (unsigned long long)n_bytes);
	return 0;
}
