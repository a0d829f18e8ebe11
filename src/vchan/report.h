/* SPDX-License-Identifier: MIT */
/*
 * What went wrong, in one line, through the logger that the caller gave: the
 * call, the domain, the path, the step, errno's text, and what to do about it.
 */
#ifndef XENCHAN_VCHAN_REPORT_H
#define XENCHAN_VCHAN_REPORT_H

struct xentoollog_logger;

struct report {
	struct xentoollog_logger *logger; /* borrowed, or NULL: say nothing */
	const char *call;
	unsigned int domain;
	const char *path; /* borrowed */
};

/* The steps of an init that can fail. */
enum report_step {
	STEP_ARGUMENTS,
	STEP_MEMORY,
	STEP_OPEN_GNTALLOC,
	STEP_OPEN_GNTDEV,
	STEP_OPEN_EVTCHN,
	STEP_OPEN_XENSTORE,
	STEP_SHARE,
	STEP_PORT,
	STEP_PUBLISH,
	STEP_FIND,
	STEP_MAP,
	STEP_SERVER_GONE,
	STEP_PAGE,
	STEP_BIND,
	STEP_N,
};

/*
 * Reports that a step failed with err (a positive errno), and returns the errno
 * that callers are to see, negative: the host's codes are not always the ones
 * that say what is wrong.
 */
int report_failure(const struct report *rep, enum report_step step, int err);

/* The peer broke the protocol; said once for each vchan. */
void report_broken(const struct report *rep, const char *how);

/* A persistent server's client was replaced by another before it was seen. */
void report_swap(const struct report *rep);

#endif
