/* SPDX-License-Identifier: MIT */
/* The command line of `vchan proxy`. */
#ifndef XENCHAN_CLI_PROXY_OPTIONS_H
#define XENCHAN_CLI_PROXY_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The local side. The first two ask for sessions, the others serve them. */
enum proxy_local {
	PROXY_STDIO,
	PROXY_LISTEN,
	PROXY_CONNECT,
	PROXY_EXEC,
};

struct proxy_options {
	bool help;
	unsigned int domain;
	const char *path; /* borrowed from argv, as all below */
	enum proxy_local local;
	const char *socket;
	char **command;
	mode_t mode;
	unsigned int max_sessions;
	int64_t timeout_ns, idle_ns; /* negative: never */
	size_t left, right;
	bool compat, verbose;
};

static inline bool proxy_serves(const struct proxy_options *o)
{
	return o->local == PROXY_CONNECT || o->local == PROXY_EXEC;
}

/* STATUS_DONE, or STATUS_USAGE after saying what is wrong. */
int proxy_options_parse(struct proxy_options *o, int argc, char **argv);

#endif
