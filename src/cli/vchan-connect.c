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

/* How often to look for a server that is not there yet. */
#define RETRY_MS 50

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
	"      --eof close          at the end of input, close once the server "
	"has taken it\n"
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

/* Names the same nodes as the server's own relative path. */
static char *absolute_path(const struct vchan_options *o)
{
	char *path;
	int n = *o->path == '/' ? asprintf(&path, "%s", o->path)
				: asprintf(&path, "/local/domain/%u/%s",
					   o->domain, o->path);

	return n < 0 ? NULL : path;
}

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

static bool may_come_later(int err)
{
	return err == EACCES || err == ENOENT || err == ECONNREFUSED ||
	       err == EAGAIN;
}

/* NULL and errno: ETIMEDOUT at the deadline, EINTR for a signal. */
static struct libxenvchan *connect_by(struct transfer *t, const char *path)
{
	struct vchan_options *o = &t->options;
	struct pollfd stop = { stop_fd(), POLLIN, 0 };
	bool checked = false;

	for (;;) {
		struct libxenvchan *vchan = libxenvchan_client_init(
			&t->logger.xtl, (int)o->domain, path);
		int err = errno, wait_ms;

		if (vchan)
			return vchan;
		if (may_come_later(err) && !checked)
			checked = host_works();
		errno = err;
		if (!may_come_later(err) || !checked)
			return NULL;
		wait_ms = deadline_poll_ms(t->deadline_ns, RETRY_MS);
		if (wait_ms == 0) {
			errno = ETIMEDOUT;
			return NULL;
		}
		progress_note(&t->progress, "waiting for a server in domain %u",
			      o->domain);
		if (poll(&stop, 1, wait_ms) != 0 && stop_signal()) {
			errno = EINTR;
			return NULL;
		}
	}
}

int command_vchan_connect(int argc, char **argv)
{
	struct transfer t = { .options = { .command = "vchan connect" } };
	_cleanup_free_ char *path = NULL;
	struct libxenvchan *vchan;
	bool timed_out;
	int status;

	if (!transfer_begin(&t, help, argc, argv, &status))
		return status;
	path = absolute_path(&t.options);
	vchan = path ? connect_by(&t, path) : NULL;
	if (vchan)
		return transfer_run(&t, vchan);
	timed_out = errno == ETIMEDOUT;
	progress_abandon(&t.progress);
	if (stop_signal())
		return transfer_stopped();
	return transfer_say_failure(
		&t, timed_out ? "no server came within the --timeout"
			      : "cannot connect");
}
