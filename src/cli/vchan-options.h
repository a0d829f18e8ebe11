/* SPDX-License-Identifier: MIT */
/* The command lines of `vchan listen` and `vchan connect`. */
#ifndef XENCHAN_CLI_VCHAN_OPTIONS_H
#define XENCHAN_CLI_VCHAN_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/pump.h"

struct vchan_options {
	const char *command; /* "vchan listen" or "vchan connect" */
	bool is_server;

	bool help;           /* asked for: nothing else counts */
	unsigned int domain; /* the peer's */
	const char *path;    /* borrowed from argv */
	size_t left, right;  /* sizes of the rings, as server_init wants them */
	int64_t timeout_ns;  /* negative: for ever */
	enum pump_eof eof;
	bool eof_given; /* not the default */
	bool progress, verbose;
};

/*
 * Fills what lies below `help` from the arguments, and with the defaults that
 * suit standard input and standard error. STATUS_DONE, or STATUS_USAGE after
 * saying what is wrong.
 */
int vchan_options_parse(struct vchan_options *o, int argc, char **argv);

#endif
