// SPDX-License-Identifier: MIT
#include "cli/transfer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/say.h"
#include "cli/stop.h"
#include "cli/streams.h"

bool transfer_begin(struct transfer *t, const char *help, int argc, char **argv,
		    int *status_r)
{
	struct vchan_options *o = &t->options;
	int r;

	*status_r = vchan_options_parse(o, argc, argv);
	if (*status_r == STATUS_DONE && o->help)
		*status_r = say_text(help);
	if (*status_r != STATUS_DONE || o->help)
		return false;
	r = stop_install();
	if (r) {
		*status_r =
			say_failure("cannot catch signals: %s", strerror(-r));
		return false;
	}
	logger_init(&t->logger, o->verbose);
	progress_start(&t->progress, o->progress);
	t->deadline_ns = deadline_in(o->timeout_ns);
	return true;
}

int transfer_stopped(void)
{
	return STATUS_SIGNAL + stop_signal();
}

int transfer_say_failure(struct transfer *t, const char *what)
{
	struct vchan_options *o = &t->options;

	if (t->logger.error[0])
		return say_failure("%s: %s: %s", o->command, what,
				   t->logger.error);
	return say_failure("%s: domain %u, path %s: %s: %s", o->command,
			   o->domain, o->path, what, strerror(errno));
}

static int say_result(struct transfer *t, const struct pump *p, int r)
{
	struct vchan_options *o = &t->options;
	char bytes[32];

	switch (r) {
	case PUMP_DONE:
		return STATUS_DONE;
	case PUMP_STOPPED:
		return transfer_stopped();
	case PUMP_NO_CLIENT:
		return say_failure("%s: domain %u, path %s: no client came "
				   "within the --timeout: %s",
				   o->command, o->domain, o->path,
				   strerror(ETIMEDOUT));
	case PUMP_NO_DOMAIN:
		return say_failure("%s: domain %u, path %s: there is no such "
				   "domain, or it has ended: xl list in "
				   "domain 0 shows those that are there: %s",
				   o->command, o->domain, o->path,
				   strerror(EHOSTDOWN));
	case PUMP_UNDELIVERED:
		format_bytes(bytes, sizeof(bytes), p->sent);
		return say_failure("%s: domain %u, path %s: the peer closed or "
				   "died before it had taken everything (%s "
				   "were put into the ring); send it again: %s",
				   o->command, o->domain, o->path, bytes,
				   strerror(EPIPE));
	case PUMP_PEER_DIED:
		format_bytes(bytes, sizeof(bytes), p->received);
		return say_failure("%s: domain %u, path %s: the peer was "
				   "killed, or its domain ended: what was "
				   "received (%s) may be incomplete: %s",
				   o->command, o->domain, o->path, bytes,
				   strerror(ECONNRESET));
	case PUMP_IN_FAILED:
		return say_failure("%s: cannot read standard input: %s",
				   o->command, strerror(p->error));
	case PUMP_OUT_FAILED:
		return say_failure("%s: cannot write standard output, what "
				   "domain %u sent on %s is lost from byte "
				   "%llu on: %s",
				   o->command, o->domain, o->path,
				   (unsigned long long)p->received,
				   strerror(p->error));
	}
	errno = -r;
	return transfer_say_failure(t, "the vchan failed");
}

/* Some file systems tell of a failed write no earlier than here. */
static int close_output(struct pump *p)
{
	if (p->out < 0 || !close(p->out))
		return PUMP_DONE;
	p->error = errno;
	return PUMP_OUT_FAILED;
}

int transfer_run(struct transfer *t, struct libxenvchan *vchan)
{
	struct pump p = {
		.vchan = vchan,
		.in = STDIN_FILENO,
		.out = STDOUT_FILENO,
		.stop = stop_fd(),
		.eof = t->options.eof,
		.patient = t->options.eof_given,
		.progress = &t->progress,
	};
	int r = 0;

	streams_make_nonblocking();
	if (t->options.is_server) {
		progress_note(&t->progress, "waiting for a client in domain %u",
			      t->options.domain);
		r = pump_await_client(&p, t->deadline_ns);
	}
	if (!r) {
		progress_start(&t->progress, t->progress.on);
		r = pump_run(&p);
	}
	libxenvchan_close(vchan);
	progress_end(&t->progress, p.sent, p.received);
	streams_restore();
	if (!r)
		r = close_output(&p);
	return say_result(t, &p, r);
}
