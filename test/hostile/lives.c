// SPDX-License-Identifier: MIT
#include "lives.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "expect.h"

/* Whether standard input is at its end, after at most so long. */
static bool is_over(int ms)
{
	struct pollfd p = { STDIN_FILENO, POLLIN, 0 };
	char c;

	return poll(&p, 1, ms) > 0 && read(STDIN_FILENO, &c, 1) <= 0;
}

/* False: that life has found what it must not. */
static bool live_as_process(int (*live)(uint64_t n), uint64_t n)
{
	pid_t child = fork();
	int status, ended = 0;

	expect(child >= 0);
	if (!child)
		_exit(live(n));
	while (!ended && !is_over(1))
		ended = waitpid(child, &status, WNOHANG);
	if (!ended) {
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status)) {
		printf("life %" PRIu64 ": status %d\n", n, WEXITSTATUS(status));
		return false;
	}
	return true;
}

int lives_run(int (*live)(uint64_t n))
{
	bool good = true;
	uint64_t n = 0;

	while (good && !is_over(0))
		good = live_as_process(live, n++);
	printf("%" PRIu64 " lives, ", n);
	return good ? 0 : 1;
}
