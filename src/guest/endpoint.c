// SPDX-License-Identifier: MIT
#include "guest/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"

/* When to send an event again that could not be sent. */
#define OWED_INTERVAL (100 * NS_PER_MS)

static int64_t boot_time_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* Only the one clock goes on while the domain is a file. */
static struct asleep measure_sleep(void)
{
	int64_t before = clock_now_ns(), boot = boot_time_ns();

	return (struct asleep){ boot - clock_now_ns(), boot - before };
}

static bool has_slept_since(const struct asleep *then)
{
	return measure_sleep().min_ns > then->max_ns;
}

/* Who ends a service kills all that is in its control group. */
static void leave_control_group(void)
{
	int fd = open("/sys/fs/cgroup/cgroup.procs", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "0", 1) != 1)
		return; /* then it is killed, and the kernel complains */
}

/* A pipe that is held open would keep its reader waiting for ever. */
static void close_all_but_first(void)
{
	/* Linux: since 5.9 */
	if (!syscall(SYS_close_range, 1, ~0U, 0))
		return;
	for (int fd = (int)sysconf(_SC_OPEN_MAX); fd > 0; fd--)
		close(fd);
}

/* Nothing but the descriptor, and nothing that could end it by accident. */
static _Noreturn void hold(int fd)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	setsid();
	leave_control_group();
	prctl(PR_SET_NAME, "xenchan-restore");
	if (chdir("/") || dup2(fd, 0) < 0)
		_exit(1);
	close_all_but_first();
	for (;;)
		pause();
}

/* By a grandchild, which nobody has to wait for. */
static void leave_to_holder(int fd)
{
	pid_t pid = fork();

	if (!pid) {
		if (!fork())
			hold(fd);
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int endpoint_init(struct endpoint *e, unsigned int backend)
{
	xenevtchn_port_or_error_t port;

	*e = (struct endpoint){ .gntshr = xengntshr_open(NULL, 0),
				.asleep = measure_sleep() };
	if (!e->gntshr)
		return failed_errno();
	e->page = xengntshr_share_pages(e->gntshr, backend, 1, &e->ref, 1);
	if (!e->page)
		return failed_errno();
	e->evtchn = xenevtchn_open(NULL, 0);
	if (!e->evtchn)
		return failed_errno();
	port = xenevtchn_bind_unbound_port(e->evtchn, backend);
	if (port < 0)
		return failed_errno();
	e->port = (evtchn_port_t)port;
	console_ring_create(&e->ring, e->page);
	return 0;
}

int endpoint_check(void)
{
	struct endpoint e = { .gntshr = xengntshr_open(NULL, 0) };
	int r = e.gntshr ? 0 : failed_errno();

	if (!r) {
		e.evtchn = xenevtchn_open(NULL, 0);
		r = e.evtchn ? 0 : failed_errno();
	}
	endpoint_deinit(&e);
	return r;
}

void endpoint_deinit(struct endpoint *e)
{
	/* Without the unshare the close would keep it, until we end. */
	if (e->page)
		xengntshr_unshare(e->gntshr, e->page, 1);
	if (e->gntshr)
		xengntshr_close(e->gntshr);
	if (e->port && has_slept_since(&e->asleep))
		leave_to_holder(xenevtchn_fd(e->evtchn));
	else if (e->port)
		xenevtchn_unbind(e->evtchn, e->port);
	if (e->evtchn)
		xenevtchn_close(e->evtchn);
	*e = (struct endpoint){ 0 };
}

int endpoint_fd(const struct endpoint *e)
{
	return xenevtchn_fd(e->evtchn);
}

int endpoint_take_event(struct endpoint *e)
{
	xenevtchn_port_or_error_t port = xenevtchn_pending(e->evtchn);

	if (port < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : failed_errno();
	return xenevtchn_unmask(e->evtchn, (evtchn_port_t)port) ? failed_errno()
								: 0;
}

void endpoint_notify(struct endpoint *e)
{
	/* Also if the backend's domain is gone: the states tell of that. */
	e->owed = xenevtchn_notify(e->evtchn, e->port) != 0;
}

void endpoint_notify_again(struct endpoint *e)
{
	if (e->owed)
		endpoint_notify(e);
}

int64_t endpoint_deadline(const struct endpoint *e)
{
	return e->owed ? deadline_in(OWED_INTERVAL) : DEADLINE_NEVER;
}
