// SPDX-License-Identifier: MIT
/* up and down */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli.h"
#include "host-dir.h"
#include "xenhost/hostd/host.h"

/* Runs until `down`; tells ready_fd the errno, or 0 once it serves. */
static int serve(const struct cli *cli, int lock_fd, int ready_fd)
{
	struct host *host = NULL;
	int r;

	r = host_new(&host, cli->dir);
	if (ready_fd >= 0) {
		(void)!write(ready_fd, &r, sizeof(r));
		close(ready_fd);
	}
	if (r < 0)
		return r;
	host_run(host);
	host_free(host);
	host_dir_remove(cli);
	close(lock_fd);
	return 0;
}

/* Closes all but standard streams, lock and pipe, whatever their numbers. */
static void close_others(int lock_fd, int ready_fd)
{
	int low = lock_fd < ready_fd ? lock_fd : ready_fd;
	int high = lock_fd < ready_fd ? ready_fd : lock_fd;

	if (low > 3)
		close_range(3, low - 1, 0);
	if (high > low + 1)
		close_range(low + 1, high - 1, 0);
	close_range(high + 1, ~0U, 0);
}

/* A process of its own, that holds nothing of its parent's open. */
static void become_daemon(const struct cli *cli, int lock_fd, int ready_fd)
{
	char path[CLI_MAX_PATH];
	int null = open("/dev/null", O_RDWR), log;
	sigset_t none;

	setsid();
	host_dir_path(cli, "log", path);
	log = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(null, 0);
	dup2(null, 1);
	dup2(log >= 0 ? log : null, 2);
	close_others(lock_fd, ready_fd);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	(void)!chdir("/");
}

static int start_daemon(const struct cli *cli, int lock_fd)
{
	int ready[2], r = -EPIPE;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return cli_failed(cli, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		/* Twice: nobody has to wait for the daemon. */
		if (fork() != 0)
			_exit(EXIT_DONE);
		become_daemon(cli, lock_fd, ready[1]);
		serve(cli, lock_fd, ready[1]);
		exit(EXIT_DONE);
	}
	close(ready[1]);
	if (pid > 0) {
		waitpid(pid, NULL, 0);
		if (read(ready[0], &r, sizeof(r)) != sizeof(r))
			r = -EPIPE;
	}
	close(ready[0]);
	if (r < 0)
		return cli_failed(cli, "the host in %s did not start: %s",
				  cli->dir, strerror(-r));
	return EXIT_DONE;
}

/* Somebody has the lock: up, or on its way up or down. */
static bool wait_until_up(const struct cli *cli)
{
	const char *const words[] = { "ping", NULL };
	static struct ctl_reply reply;
	_cleanup_close_ int fd = -1;

	return ctl_connect(cli->dir, &fd) == 0 &&
	       ctl_call(fd, words, &reply) == 0;
}

int cli_start_host(const struct cli *cli, bool foreground)
{
	for (int tries = 0; tries < 1000; tries++) {
		_cleanup_close_ int lock_fd = -1;
		int r = host_dir_make(cli);

		if (r != EXIT_DONE)
			return r;
		r = host_dir_lock(cli, &lock_fd);
		if (r == -ENOTEMPTY)
			return cli_failed(cli,
					  "%s has files that are no host's; "
					  "choose another with --dir",
					  cli->dir);
		if (r == 0)
			host_dir_renew(cli);
		if (r == 0 && foreground)
			return serve(cli, TAKE_FD(lock_fd), -1) < 0
				       ? EXIT_FAILED
				       : EXIT_DONE;
		if (r == 0)
			return start_daemon(cli, lock_fd);
		if (r != -EWOULDBLOCK && r != -ESTALE)
			return cli_failed(cli, "%s/lock: %s", cli->dir,
					  strerror(-r));
		if (r == -EWOULDBLOCK && wait_until_up(cli))
			return EXIT_DONE;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	return cli_failed(cli,
			  "the host in %s neither starts nor ends; see who "
			  "holds %s/lock",
			  cli->dir, cli->dir);
}

int cmd_up(struct cli *cli, int argc, char **argv)
{
	bool foreground = argc == 2 && strcmp(argv[1], "--foreground") == 0;

	if (argc != 1 && !foreground)
		return cli_misused(cli, "takes --foreground or nothing");
	return cli_start_host(cli, foreground);
}

/*
 * The end of its connection, and then of its lock, is the host's end. The lock was
 * opened while the host was there: its name goes before the directory does.
 */
static int wait_until_down(int fd, int lock_fd)
{
	static struct ctl_reply reply;

	while (read(fd, &reply, sizeof(reply)) > 0)
		;
	if (lock_fd >= 0)
		flock(lock_fd, LOCK_EX);
	return EXIT_DONE;
}

int cmd_down(struct cli *cli, int argc, char **argv)
{
	const char *const words[] = { "down", NULL };
	static struct ctl_reply reply;
	_cleanup_close_ int fd = -1, lock_fd = -1;
	char path[CLI_MAX_PATH];
	int r;

	if (argc != 1)
		return cli_misused(cli, "takes no arguments");
	host_dir_path(cli, "lock", path);
	r = ctl_connect(cli->dir, &fd);
	if (r == 0) {
		_cleanup_close_ int held_fd = open(path, O_RDWR | O_CLOEXEC);

		r = ctl_call(fd, words, &reply);
		if (r == 0)
			return wait_until_down(fd, held_fd);
	}
	if (access(cli->dir, F_OK) < 0)
		return EXIT_DONE; /* it is down */
	if (r != -ENOENT && r != -ECONNREFUSED && r != -EPIPE)
		return cli_failed(cli, "the host in %s: %s", cli->dir,
				  strerror(-r));
	/* A host that was killed: what it left goes, if it is a host's. */
	if (access(path, F_OK) < 0 || host_dir_lock(cli, &lock_fd) < 0)
		return EXIT_DONE;
	processes_kill_left(cli->dir);
	host_dir_remove(cli);
	return EXIT_DONE;
}
