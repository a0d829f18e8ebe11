// SPDX-License-Identifier: MIT
/*
 * xenchan-dm: the device model of guests that have channels and need no QEMU.
 *
 * libxl starts it in QEMU's place, with QEMU's command line (args.c). It gives
 * the channels in it to xenchanneld, by their nodes in xenstore (handover.c),
 * and waits until that serves them. Then it becomes QEMU, if the guest has
 * something else that needs it; if not, it answers libxl's few questions
 * (monitor.c, qmp.c) until SIGHUP, libxl's way to say that the guest is gone.
 *
 * Standard error is the log that xl names when this fails.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "dm/args.h"
#include "dm/handover.h"
#include "dm/monitor.h"
#include "xen/store.h"

#define EXIT_USAGE 2
#define NODES_MS 10000
#define SERVED_MS 10000 /* libxl gives up after 60 s */

static const char help[] =
	"usage: xenchan-dm -xen-domid N [QEMU's options, as libxl has them]\n"
	"\n"
	"For device_model_override in xl.cfg: the guest's channels are served "
	"by\n"
	"xenchanneld, without a QEMU. See xenchan-dm(8).\n";

static int say(int status, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int say(int status, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "xenchan-dm: %s\n", text);
	return status;
}

DEFINE_CLEANUP(struct xs_handle *, xs, xs_close)

/*
 * To QEMU, when it is needed
 */

static const char *const qemus[] = {
	"/usr/libexec/xen-qemu-system-i386",         /* Debian */
	"/usr/libexec/xen-qemu-system-i386.distrib", /* diverted */
	"/usr/lib/xen/bin/qemu-system-i386",         /* Xen's own build */
	"/usr/libexec/xen/bin/qemu-system-i386",
	"/usr/local/lib/xen/bin/qemu-system-i386",
	"/usr/bin/qemu-system-i386",
};

/* At QEMU's own place, by a diversion or a link, there may be this program. */
static bool is_this(const char *path)
{
	struct stat this, that;

	return !stat("/proc/self/exe", &this) && !stat(path, &that) &&
	       this.st_dev == that.st_dev && this.st_ino == that.st_ino;
}

static const char *find_qemu(void)
{
	const char *given = getenv("XENCHAN_DM_QEMU");

	if (given)
		return is_this(given) ? NULL : given;
	for (size_t i = 0; i < sizeof(qemus) / sizeof(qemus[0]); i++) {
		if (!access(qemus[i], X_OK) && !is_this(qemus[i]))
			return qemus[i];
	}
	return NULL;
}

static int become_qemu(const char *const *argv, const char *reason)
{
	const char *qemu = find_qemu();
	const char **args;

	if (!qemu)
		return say(EXIT_FAILURE,
			   "the guest needs QEMU for %s, and there is none: "
			   "install it, or name it in XENCHAN_DM_QEMU",
			   reason);
	args = dm_args_for_qemu(qemu, argv);
	if (!args)
		return say(EXIT_FAILURE, "no memory");
	say(0, "the guest needs QEMU for %s: executing %s", reason, qemu);
	/* It takes them as char *, and changes none. */
	execv(qemu, (char *const *)args);
	say(EXIT_FAILURE, "cannot execute %s: %s", qemu, strerror(errno));
	free(args);
	return EXIT_FAILURE;
}

/*
 * In QEMU's place
 */

struct server {
	struct monitor monitors[DM_MONITORS_MAX];
	size_t n;
	int signals; /* owned */
};

static void server_deinit(struct server *s)
{
	for (size_t i = 0; i < s->n; i++)
		monitor_deinit(&s->monitors[i]);
	if (s->signals >= 0)
		close(s->signals);
}

static int server_init(struct server *s, const struct dm_args *args)
{
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGHUP);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	s->signals = signalfd(-1, &ends, SFD_CLOEXEC);
	if (s->signals < 0)
		return say(EXIT_FAILURE, "signalfd: %s", strerror(errno));
	for (; s->n < args->n_monitors; s->n++) {
		const char *path = args->monitors[s->n];
		int r = monitor_init(&s->monitors[s->n], args, path);

		if (!r)
			continue;
		monitor_deinit(&s->monitors[s->n]);
		return say(EXIT_FAILURE, "cannot listen at %s: %s", path,
			   strerror(-r));
	}
	return EXIT_SUCCESS;
}

static int server_run(struct server *s)
{
	struct pollfd fds[DM_MONITORS_MAX + 1];

	for (;;) {
		int64_t deadline = DEADLINE_NEVER;

		for (size_t i = 0; i < s->n; i++) {
			int64_t t = monitor_deadline(&s->monitors[i]);

			fds[i] = monitor_pollfd(&s->monitors[i]);
			deadline = t < deadline ? t : deadline;
		}
		fds[s->n] = (struct pollfd){ s->signals, POLLIN, 0 };
		if (poll(fds, s->n + 1, deadline_poll_ms(deadline, -1)) < 0 &&
		    errno != EINTR)
			return say(EXIT_FAILURE, "poll: %s", strerror(errno));
		if (fds[s->n].revents)
			return EXIT_SUCCESS;
		for (size_t i = 0; i < s->n; i++) {
			/* No memory for a client: it was dropped. */
			if (fds[i].revents)
				monitor_turn(&s->monitors[i]);
		}
	}
}

static int serve(struct xs_handle *xs, const struct dm_args *args)
{
	_cleanup_(server_deinit) struct server s = { .signals = -1 };
	int status = server_init(&s, args), r;

	if (status)
		return status;
	r = handover_say_running(xs, args->domid);
	if (r)
		return say(EXIT_FAILURE,
			   "cannot tell libxl that this runs: xenstore: %s",
			   strerror(-r));
	return server_run(&s);
}

static int say_not_given(int r, unsigned int domid, unsigned int device)
{
	if (r == -ETIMEDOUT)
		return say(EXIT_FAILURE,
			   "libxl has made no nodes for channel %u of domain "
			   "%u, as /libxl/%u/device/console/%u shows",
			   device, domid, domid, device);
	return say(EXIT_FAILURE,
		   "cannot hand channel %u of domain %u to xenchanneld: "
		   "xenstore: %s",
		   device, domid, strerror(-r));
}

static int say_not_served(int r, unsigned int domid, unsigned int device)
{
	if (r == -ETIMEDOUT)
		return say(EXIT_FAILURE,
			   "nobody serves channel %u of domain %u: xenchanneld "
			   "has to run in this domain; start it (systemctl "
			   "start xenchanneld) and create the guest again",
			   device, domid);
	return say(EXIT_FAILURE, "channel %u of domain %u: xenstore: %s",
		   device, domid, strerror(-r));
}

static int run(struct xs_handle *xs, struct dm_args *args,
	       const char *const *argv)
{
	_cleanup_free_ char *problem = NULL;
	const char *device = NULL;
	unsigned int own, k = 0;
	int r = xen_store_domid(xs, &own);

	if (!r)
		r = handover_find_qemu_device(xs, own, args->domid, &device);
	if (r)
		return say(EXIT_FAILURE, "xenstore: %s", strerror(-r));
	if (args->has_lost_channel)
		say(0, "libxl has lost the first entry of channel=, which it "
		       "makes device 0, the console: no matter if that is one "
		       "that nobody needs; else put such a one before it");
	r = handover_give(xs, own, args, NODES_MS, &k);
	if (r)
		return say_not_given(r, args->domid, k);
	r = handover_await_served(xs, own, args, SERVED_MS, &k, &problem);
	if (r)
		return say_not_served(r, args->domid, k);
	if (problem)
		return say(EXIT_FAILURE, "channel %u of domain %u: %s", k,
			   args->domid, problem);
	if (device || args->for_qemu)
		return become_qemu(argv, device ? device : args->for_qemu);
	return serve(xs, args);
}

int main(int argc, char **argv)
{
	_cleanup_(dm_args_deinit) struct dm_args args = { 0 };
	_cleanup_(cleanup_xsp) struct xs_handle *xs = NULL;
	const char *wrong = NULL;
	int r;

	if (argc == 2 && !strcmp(argv[1], "--help"))
		return fputs(help, stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	if (argc == 2 && !strcmp(argv[1], "--version"))
		return puts("xenchan-dm " XENCHAN_VERSION) < 0 ? EXIT_FAILURE
							       : EXIT_SUCCESS;
	r = dm_args_parse(&args, (const char *const *)argv, &wrong);
	if (r == -ERANGE)
		return say(EXIT_USAGE,
			   "%s: channels beyond device %d cannot be served",
			   wrong, CONSOLE_DEVICE_MAX);
	if (r)
		return say(EXIT_USAGE, "%s: %s", wrong, strerror(-r));
	xs = xs_open(0);
	if (!xs)
		return say(EXIT_FAILURE, "cannot reach xenstore: %s",
			   strerror(errno));
	return run(xs, &args, (const char *const *)argv);
}
