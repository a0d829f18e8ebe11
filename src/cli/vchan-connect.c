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

/* While it waits the library does not say why; a last attempt does. */
static int try_last(struct transfer *t, const char *path,
		    struct libxenvchan **out)
{
	*out = libxenvchan_client_init(&t->logger.xtl, (int)t->options.domain,
				       path);
	if (*out)
		return STATUS_DONE;
	return transfer_say_failure(t, "no server came within the --timeout");
}

/* STATUS_DONE and the vchan, or the exit status after saying why not. */
static int connect_by(struct transfer *t, const char *path,
		      struct libxenvchan **out)
{
	struct libxenvchan *vchan = libxenvchan_connect(
		&t->logger.xtl, (int)t->options.domain, path);
	int r = 0;

	if (!vchan)
		return transfer_say_failure(t, "cannot connect");
	/* "No server yet" is also what a machine without Xen looks like. */
	if (libxenvchan_state(vchan) == LIBXENVCHAN_CONNECTING)
		r = host_check(t->options.command, false);
	if (r) {
		libxenvchan_close(vchan);
		return r;
	}
	r = wait_for_server(t, vchan);
	if (!r) {
		*out = vchan;
		return STATUS_DONE;
	}
	libxenvchan_close(vchan);
	progress_abandon(&t->progress);
	if (stop_signal())
		return transfer_stopped();
	if (r == -ETIMEDOUT)
		return try_last(t, path, out);
	errno = -r;
	return transfer_say_failure(t, "cannot connect");
}

int command_vchan_connect(int argc, char **argv)
{
	struct transfer t = { .options = { .command = "vchan connect" } };
	_cleanup_free_ char *path = NULL;
	struct libxenvchan *vchan = NULL;
	int status;

	if (!transfer_begin(&t, help, argc, argv, &status))
		return status;
	/* Names the same nodes as the server's own relative path. */
	path = vchan_absolute_path(t.options.domain, t.options.path);
	if (!path)
		return transfer_say_failure(&t, "cannot connect");
	status = connect_by(&t, path, &vchan);
	return status ? status : transfer_run(&t, vchan);
}
