// SPDX-License-Identifier: MIT
/* xenchan vchan connect: a client, which waits for its server to appear. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/command.h"
#include "cli/host-probe.h"
#include "cli/stop.h"
#include "cli/transfer.h"

static const char help[] =
	"usage: xenchan vchan connect -d DOMAIN [options] PATH\n"
	"\n"
	"Connects standard input and output to the vchan that a server in "
	"DOMAIN offers\n"
	"at the xenstore path PATH, relative to that domain's home or "
	"absolute.\n"
	"\n"
	"  -d, --domain DOMAIN      the domain of the server\n"
	"  -t, --timeout DURATION   how long to wait for it: 10, 500ms, 2m, 0; "
	"default never\n"
	"                           gives up\n"
	"      --eof close          at the end of input, say so, and close "
	"once "
	"the\n"
	"                           server has ended too\n"
	"      --eof keep           go on receiving until the server closes\n"
	"                           default: close if there was input, else "
	"keep\n"
	"      --progress           show progress; default on a terminal\n"
	"      --no-progress, -q, --quiet\n"
	"  -v, --verbose            show what the Xen libraries say\n"
	"  -h, --help               this text\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 usage, 128+N ended by signal N. See "
	"xenchan-vchan(1).\n";

/*
 * Whether this domain can have clients at all. The errors that mean "no server
 * yet" are also those of a machine without Xen and of a user without rights.
 */
static bool host_works(void)
{
	static const enum probe needs[] = { PROBE_XENSTORE, PROBE_EVTCHN,
					    PROBE_GNTDEV };
	struct finding f = { 0 };

	for (size_t i = 0; !f.error && i < sizeof(needs) / sizeof(*needs); i++)
		probe_host(needs[i], &f);
	return !f.error;
}

/* Until it is there; 0, -ETIMEDOUT, -EINTR, or why it cannot be. */
static int wait_for_server(struct transfer *t, struct libxenvchan *vchan)
{
	struct pollfd fds[] = { { libxenvchan_event_fd(vchan), POLLIN, 0 },
				{ stop_fd(), POLLIN, 0 } };

	while (libxenvchan_state(vchan) == LIBXENVCHAN_CONNECTING) {
		int wait_ms = deadline_poll_ms(t->deadline_ns, -1);

		if (fds[0].fd < 0)
			return -EMFILE;
		if (wait_ms == 0)
			return -ETIMEDOUT;
		progress_note(&t->progress, "waiting for a server in domain %u",
			      t->options.domain);
		if (poll(fds, 2, wait_ms) > 0 && fds[0].revents &&
		    libxenvchan_poll(vchan, 0, 0) < 0 && errno != EINTR)
			return -errno;
		if (stop_signal())
			return -EINTR;
	}
	return 0;
}

/* NULL and errno, or what the logger heard; *late: at the deadline. */
static struct libxenvchan *connect_by(struct transfer *t, const char *path,
				      bool *late)
{
	int domain = (int)t->options.domain, r = -ENODEV;
	struct libxenvchan *vchan =
		libxenvchan_connect(&t->logger.xtl, domain, path);

	if (!vchan)
		return NULL;
	if (libxenvchan_state(vchan) != LIBXENVCHAN_CONNECTING || host_works())
		r = wait_for_server(t, vchan);
	if (!r)
		return vchan;
	libxenvchan_close(vchan);
	*late = r == -ETIMEDOUT;
	/* While it waits it does not say why; a last attempt does. */
	if (*late || r == -ENODEV)
		return libxenvchan_client_init(&t->logger.xtl, domain, path);
	errno = -r;
	return NULL;
}

int command_vchan_connect(int argc, char **argv)
{
	struct transfer t = { .options = { .command = "vchan connect" } };
	_cleanup_free_ char *path = NULL;
	struct libxenvchan *vchan;
	bool late = false;
	int status;

	if (!transfer_begin(&t, help, argc, argv, &status))
		return status;
	/* Names the same nodes as the server's own relative path. */
	path = vchan_absolute_path(t.options.domain, t.options.path);
	vchan = path ? connect_by(&t, path, &late) : NULL;
	if (vchan)
		return transfer_run(&t, vchan);
	progress_abandon(&t.progress);
	if (stop_signal())
		return transfer_stopped();
	return transfer_say_failure(&t,
				    late ? "no server came within the --timeout"
					 : "cannot connect");
}
