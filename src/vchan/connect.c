// SPDX-License-Identifier: MIT
/*
 * Connecting to a server that may not be there yet: attempts until one ends
 * otherwise than by its absence. xenstore tells an unprivileged domain nothing
 * about nodes that it may not see, so they are looked for again and again.
 */
#include <errno.h>
#include <xentoollog.h>

#include "vchan/private.h"

/* An attempt that finds no nodes is one request to xenstore. */
#define RETRY_NS INT64_C(50000000)

/* Whether the reason may pass: the server is coming, or another client going. */
static bool may_pass(const struct vchan *v, int r)
{
	switch (-r) {
	case EACCES:
		/* A node that does not exist yet; not so of a device. */
		return v->unseen;
	case EAGAIN:
	case EBUSY:
	case ECONNREFUSED:
	case EHOSTDOWN:
	case ENOENT:
		return true;
	}
	return false;
}

static void __attribute__((format(printf, 5, 0)))
say_nothing(struct xentoollog_logger *logger, xentoollog_level level, int err,
	    const char *context, const char *format, va_list al)
{
}

/* Without any logger, libxengnttab would write to standard error. */
static struct xentoollog_logger silent = { .vmessage = say_nothing };

int vchan_connect_step(struct vchan *v)
{
	struct xentoollog_logger *logger = v->report.logger;
	int64_t now = clock_now_ns();
	int r;

	if (now < v->next_attempt)
		return -EAGAIN;
	v->next_attempt = now + RETRY_NS;
	/* That it is not there yet is not worth a line, each time. */
	v->report.logger = &silent;
	r = vchan_client_start(v);
	v->report.logger = logger;
	if (!r)
		return 0;
	vchan_release(v);
	if (may_pass(v, r))
		return -EAGAIN;
	/* Once more, so that the logger learns of it. */
	r = vchan_client_start(v);
	if (!r)
		return 0;
	vchan_release(v);
	return r;
}

struct libxenvchan *libxenvchan_connect(struct xentoollog_logger *logger,
					int domain, const char *xs_path)
{
	struct report rep = { logger, __func__, (unsigned int)domain,
			      xs_path ? xs_path : "" };
	_cleanup_(cleanup_vchanp) struct vchan *v = NULL;
	int r = vchan_check_arguments(&rep, domain);

	if (!r)
		r = vchan_new(&rep, false, &v);
	if (r) {
		errno = -r;
		return NULL;
	}
	/* A server that is there is found without a wait; all else is told by
	 * libxenvchan_poll(). */
	(void)vchan_connect_step(v);
	v->next_attempt = 0;
	return &TAKE_PTR(v)->pub;
}
