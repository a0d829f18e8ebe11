// SPDX-License-Identifier: MIT
/*
 * To be preloaded: the program that $STORM names gets a signal every millisecond, by a
 * handler without SA_RESTART, so that each call that can be interrupted is. After the
 * hundredth it adds a line to the file $STORM_LOG.
 *
 * SIGURG, and a timer that ends at execve(2): they harm none of its children.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *log_path;

static void tell(void)
{
	static const char line[] = "a storm\n";
	int fd =
		open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, line, strlen(line)) < 0)
		abort();
	close(fd);
}

static void on_signal(int sig)
{
	static volatile sig_atomic_t n;
	int err = errno;

	(void)sig;
	if (n < 100 && ++n == 100)
		tell();
	errno = err;
}

static void __attribute__((constructor)) begin(void)
{
	const char *name = getenv("STORM");
	struct sigaction sa = { .sa_handler = on_signal };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
				  .sigev_signo = SIGURG };
	struct itimerspec ms = { { 0, 1000000 }, { 0, 1000000 } };
	timer_t timer;

	if (!name || strcmp(name, program_invocation_short_name) != 0)
		return;
	log_path = getenv("STORM_LOG");
	if (!log_path || sigaction(SIGURG, &sa, NULL) ||
	    timer_create(CLOCK_MONOTONIC, &event, &timer) ||
	    timer_settime(timer, 0, &ms, NULL))
		abort();
}
