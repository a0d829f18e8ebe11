// SPDX-License-Identifier: MIT
#include "cli/stop.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static volatile sig_atomic_t came;
static int event_fd = -1;

static void on_signal(int sig)
{
	const uint64_t one = 1;
	int saved = errno;
	ssize_t n;

	came = sig;
	n = write(event_fd, &one, sizeof(one));
	(void)n;
	errno = saved;
}

/* A signal that our parent ignores stays ignored where nohup(1) relies on it. */
static void install(int sig, bool even_if_ignored)
{
	struct sigaction sa = { .sa_handler = on_signal,
				.sa_flags = SA_RESETHAND },
			 old;

	if (!even_if_ignored && !sigaction(sig, NULL, &old) &&
	    old.sa_handler == SIG_IGN)
		return;
	sigaction(sig, &sa, NULL);
}

int stop_install(void)
{
	event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event_fd < 0)
		return -errno;
	/* A shell without job control ignores SIGINT in what it starts with
	 * "&"; whoever sends it to us by name means us. */
	install(SIGINT, true);
	install(SIGTERM, true);
	install(SIGHUP, false);
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

int stop_fd(void)
{
	return event_fd;
}

int stop_signal(void)
{
	return came;
}
