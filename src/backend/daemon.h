/* SPDX-License-Identifier: MIT */
/* The process of the daemon, between its arguments and its server. */
#ifndef XENCHAN_BACKEND_DAEMON_H
#define XENCHAN_BACKEND_DAEMON_H

#include <stdbool.h>

struct daemon_options {
	const char *run_dir;
	bool all_types;
	bool debug;
};

/* Serves until SIGTERM or SIGINT. The exit status. */
int daemon_run(const struct daemon_options *o);

#endif
