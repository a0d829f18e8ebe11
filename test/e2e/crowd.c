// SPDX-License-Identifier: MIT
/*
 * Many vchans of one process, for both ends of a crowd:
 *
 *   crowd server PEER N    N vchans at data/crowd/0...
 *   crowd client PEER N    connects to all, sends each its number, and reads
 *                          it back
 *   crowd fill PEER N      as server, until one fails or there are N; closes
 *
 * "ready" on stdout, or what was in the way, with how many there are and how many
 * descriptors the process has for them. The server echoes a number on each, all of them in one poll loop, and ends
 * when all clients have.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <libxenvchan.h>

static struct libxenvchan **vchans;
static struct pollfd *fds;
static int n_vchans;

static int n_descriptors(void)
{
	struct rlimit limit;
	int n = 0;

	getrlimit(RLIMIT_NOFILE, &limit);
	for (int fd = 0; fd < (int)limit.rlim_cur && fd < 65536; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int failed(const char *what, int i)
{
	fprintf(stderr, "crowd: %s %d: ", what, i);
	perror("");
	return 1;
}

/* How many; if it is fewer than there should be, errno says why. */
static int open_all(int peer, int is_server)
{
	char path[64];

	for (int i = 0; i < n_vchans; i++) {
		if (!is_server)
			snprintf(path, sizeof(path),
				 "/local/domain/%d/data/crowd/%d", peer, i);
		else
			snprintf(path, sizeof(path), "data/crowd/%d", i);
		vchans[i] = is_server
				    ? libxenvchan_server_init(NULL, peer, path,
							      0, 0)
				    : libxenvchan_client_init(NULL, peer, path);
		if (!vchans[i])
			return i;
		vchans[i]->blocking = !is_server;
		fds[i].fd = libxenvchan_fd_for_select(vchans[i]);
		fds[i].events = POLLIN;
	}
	return n_vchans;
}

static int echo(int i)
{
	uint32_t number;

	libxenvchan_wait(vchans[i]);
	if (libxenvchan_data_ready(vchans[i]) >= (int)sizeof(number) &&
	    (libxenvchan_recv(vchans[i], &number, sizeof(number)) < 0 ||
	     libxenvchan_send(vchans[i], &number, sizeof(number)) < 0))
		return failed("echo", i);
	if (libxenvchan_is_open(vchans[i]) == 0)
		fds[i].fd = -1;
	return 0;
}

static int serve(void)
{
	int left = n_vchans;

	while (left > 0) {
		poll(fds, n_vchans, -1);
		for (int i = 0; i < n_vchans; i++) {
			if (fds[i].fd < 0 || !fds[i].revents)
				continue;
			if (echo(i) != 0)
				return 1;
			left -= fds[i].fd < 0;
		}
	}
	return 0;
}

static int ask(void)
{
	for (int i = 0; i < n_vchans; i++)
		if (libxenvchan_send(vchans[i], &i, sizeof(i)) < 0)
			return failed("send", i);
	for (int i = 0; i < n_vchans; i++) {
		int answer = -1;

		if (libxenvchan_recv(vchans[i], &answer, sizeof(answer)) < 0 ||
		    answer != i)
			return failed("answer", i);
	}
	return 0;
}

int main(int argc, char **argv)
{
	int is_client = argc == 4 && strcmp(argv[1], "client") == 0, r = 0;
	int is_full = argc == 4 && strcmp(argv[1], "fill") == 0, n, before, err;
	struct rlimit limit;

	if (argc != 4)
		return 2;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	n_vchans = atoi(argv[3]);
	vchans = calloc(n_vchans, sizeof(struct libxenvchan *));
	fds = calloc(n_vchans, sizeof(*fds));
	before = n_descriptors();
	n = open_all(atoi(argv[2]), !is_client);
	err = errno;
	if (n < n_vchans && !is_full)
		return failed("init", n);
	printf("%s %d %d\n", n < n_vchans ? strerrorname_np(err) : "ready", n,
	       n_descriptors() - before);
	fflush(stdout);
	if (!is_full)
		r = is_client ? ask() : serve();
	for (int i = 0; i < n; i++)
		libxenvchan_close(vchans[i]);
	free(vchans);
	free(fds);
	return r;
}
