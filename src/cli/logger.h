/* SPDX-License-Identifier: MIT */
/*
 * The logger that the Xen libraries and ours get. It prints what they say, if
 * the user wants to see it, and keeps their last error for the one line that
 * explains a failure.
 */
#ifndef XENCHAN_CLI_LOGGER_H
#define XENCHAN_CLI_LOGGER_H

#include <stdbool.h>
#include <xentoollog.h>

struct logger {
	struct xentoollog_logger xtl; /* to be passed to the libraries */
	bool verbose;                 /* set by the owner */
	char error[4096];             /* the last one, or "" */
	char printed[4096];           /* the last line: not to be repeated */
};

void logger_init(struct logger *l, bool verbose);

#endif
