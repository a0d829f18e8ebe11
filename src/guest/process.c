// SPDX-License-Identifier: MIT
#include "guest/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define PATIENCE (5 * NS_PER_S)
#define LOOK_MS 20

int process_watch_children(int *fd_r)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	if (signal(SIGCHLD, SIG_DFL) == SIG_ERR ||
	    sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	*fd_r = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *fd_r < 0 ? -errno : 0;
}

/* What the parent has changed for itself; a caught signal is default again by
 * the exec. */
static void reset_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The descriptors may be 0 and 1 already, in any order. */
static bool place(int in, int out)
{
	int spare = out == STDIN_FILENO ? dup(out) : out;

	return spare >= 0 && dup2(in, STDIN_FILENO) == STDIN_FILENO &&
	       dup2(spare, STDOUT_FILENO) == STDOUT_FILENO;
}

/* The child: nothing that takes a lock, until the exec. */
static void become(char *const argv[], int in, int out, bool apart, int report)
{
	ssize_t n;
	int err;

	if (apart)
		setsid();
	reset_signals();
	if (place(in, out))
		execvp(argv[0], argv);
	err = errno;
	n = write(report, &err, sizeof(err));
	(void)n;
	_exit(127);
}

int process_start(char *const argv[], int in, int out, const char *channel,
		  bool apart, pid_t *pid_r)
{
	int report[2], err;
	ssize_t n;
	pid_t pid;

	if ((channel && setenv("XEN_CHANNEL", channel, 1)) ||
	    pipe2(report, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid == 0)
		become(argv, in, out, apart, report[1]);
	err = errno;
	close(report[1]);
	if (pid > 0) {
		/* End of file: the exec has closed it. */
		do
			n = read(report[0], &err, sizeof(err));
		while (n < 0 && errno == EINTR);
		if (n == 0)
			err = 0;
		else
			waitpid(pid, NULL, 0);
	}
	close(report[0]);
	if (!err)
		*pid_r = pid;
	return -err;
}

int process_status(int wait_status)
{
	return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status)
				      : 128 + WTERMSIG(wait_status);
}

int process_finish(pid_t pid, int stop, int64_t deadline)
{
	static const int signals[] = { 0, SIGTERM, SIGKILL };
	unsigned int stage = 0;
	int status;

	for (;;) {
		struct pollfd fd = { stage ? -1 : stop, POLLIN, 0 };
		pid_t r = waitpid(pid, &status, WNOHANG);

		if (r == pid)
			return process_status(status);
		if (r < 0 && errno != EINTR)
			return 128; /* somebody else has waited for it */
		poll(&fd, 1, LOOK_MS);
		if (!fd.revents && clock_now_ns() < deadline)
			continue;
		stage += stage < 2;
		kill(pid, signals[stage]);
		deadline = deadline_in(PATIENCE);
	}
}
