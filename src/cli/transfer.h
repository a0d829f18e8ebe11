/* SPDX-License-Identifier: MIT */
/* What `vchan listen` and `vchan connect` share: all but how the vchan comes up. */
#ifndef XENCHAN_CLI_TRANSFER_H
#define XENCHAN_CLI_TRANSFER_H

#include "cli/logger.h"
#include "cli/progress.h"
#include "cli/vchan-options.h"

struct transfer {
	struct vchan_options options;
	struct logger logger;
	struct progress progress;
	int64_t deadline_ns; /* for a peer to come */
};

/*
 * Parses the arguments (print `help` if they ask for it) and prepares signals
 * and logger. STATUS_DONE: go on; else *status_r is the exit status.
 */
bool transfer_begin(struct transfer *t, const char *help, int argc, char **argv,
		    int *status_r);

/* Standard input and output over the vchan, which is closed at the end. The
 * exit status, after saying what went wrong. */
int transfer_run(struct transfer *t, struct libxenvchan *vchan);

/* Says why there is no vchan: what the library said, or errno. */
int transfer_say_failure(struct transfer *t, const char *what);

/* The exit status after a signal asked to stop. */
int transfer_stopped(void);

#endif
