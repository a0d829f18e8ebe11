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
 * Values of options, for other commands too. STATUS_DONE, or STATUS_USAGE after
 * saying what is wrong. rings: SIZE or LEFT,RIGHT; a duration: -1: never.
 */
int vchan_parse_rings(const char *command, const char *arg, size_t *left_r,
		      size_t *right_r);
int vchan_parse_domain(const char *command, const char *arg,
		       unsigned int *domain);
int vchan_parse_duration(const char *command, const char *option,
			 const char *arg, int64_t *ns_r);

/* A path below the home of the domain, or as it is; to be freed. NULL: ENOMEM */
char *vchan_absolute_path(unsigned int domain, const char *path);

/*
 * Fills what lies below `help` from the arguments, and with the defaults that
 * suit standard input and standard error. STATUS_DONE, or STATUS_USAGE after
 * saying what is wrong.
 */
int vchan_options_parse(struct vchan_options *o, int argc, char **argv);

#endif
