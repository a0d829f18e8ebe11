// SPDX-License-Identifier: MIT
#include "cli/proxy-options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "cli/command.h"
#include "cli/exec-option.h"
#include "cli/say.h"
#include "cli/vchan-options.h"

#define COMMAND "vchan proxy"

/*
 * The pages of 64 sessions with these rings are 576 of the 1024 that a domain
 * has to share, so that another proxy fits in.
 */
#define RING_DEFAULT (16u << 10)
#define SESSIONS_DEFAULT 64
#define SESSIONS_MAX 1000
#define TIMEOUT_DEFAULT (10 * NS_PER_S)

enum {
	OPTION_LISTEN = 0x100,
	OPTION_CONNECT,
	OPTION_STDIO,
	OPTION_EXEC,
	OPTION_MODE,
	OPTION_MAX_SESSIONS,
	OPTION_IDLE,
	OPTION_RING,
	OPTION_COMPAT,
};

static const struct option long_options[] = {
	{ "domain", required_argument, NULL, 'd' },
	{ "timeout", required_argument, NULL, 't' },
	{ "listen", required_argument, NULL, OPTION_LISTEN },
	{ "connect", required_argument, NULL, OPTION_CONNECT },
	{ "stdio", no_argument, NULL, OPTION_STDIO },
	{ "mode", required_argument, NULL, OPTION_MODE },
	{ "max-sessions", required_argument, NULL, OPTION_MAX_SESSIONS },
	{ "idle", required_argument, NULL, OPTION_IDLE },
	{ "ring", required_argument, NULL, OPTION_RING },
	{ "compat", no_argument, NULL, OPTION_COMPAT },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* What has been given, for what does not go together. */
struct given {
	unsigned int n_locals;
	bool domain, mode, max_sessions, ring;
};

static int parse_mode(struct proxy_options *o)
{
	char *end;
	unsigned long mode = strtoul(optarg, &end, 8);

	if (*optarg < '0' || *optarg > '7' || *end || mode > 0777)
		return say_usage(COMMAND, "--mode %s: not 0 to 777, octal",
				 optarg);
	o->mode = (mode_t)mode;
	return STATUS_DONE;
}

static int parse_sessions(struct proxy_options *o)
{
	if (!parse_u32(optarg, SESSIONS_MAX, &o->max_sessions) &&
	    o->max_sessions)
		return STATUS_DONE;
	return say_usage(COMMAND, "--max-sessions %s: not 1 to 1000", optarg);
}

static int take_local(struct proxy_options *o, struct given *g,
		      enum proxy_local local)
{
	g->n_locals++;
	o->local = local;
	o->socket = optarg;
	return STATUS_DONE;
}

static int parse_option(struct proxy_options *o, struct given *g, int option,
			char **argv)
{
	switch (option) {
	case 'd':
		g->domain = true;
		return vchan_parse_domain(COMMAND, optarg, &o->domain);
	case 't':
		return vchan_parse_duration(COMMAND, "--timeout", optarg,
					    &o->timeout_ns);
	case OPTION_IDLE:
		return vchan_parse_duration(COMMAND, "--idle", optarg,
					    &o->idle_ns);
	case OPTION_LISTEN:
		return take_local(o, g, PROXY_LISTEN);
	case OPTION_CONNECT:
		return take_local(o, g, PROXY_CONNECT);
	case OPTION_STDIO:
		return take_local(o, g, PROXY_STDIO);
	case OPTION_MODE:
		g->mode = true;
		return parse_mode(o);
	case OPTION_MAX_SESSIONS:
		g->max_sessions = true;
		return parse_sessions(o);
	case OPTION_RING:
		g->ring = true;
		return vchan_parse_rings(COMMAND, optarg, &o->left, &o->right);
	case OPTION_COMPAT:
		o->compat = true;
		return STATUS_DONE;
	case 'v':
		o->verbose = true;
		return STATUS_DONE;
	case 'h':
		o->help = true;
		return STATUS_DONE;
	default:
		return say_option(COMMAND, option, argv);
	}
}

static int check(const struct proxy_options *o, const struct given *g)
{
	if (!g->domain)
		return say_usage(COMMAND, "which domain is the peer? "
					  "-d DOMAIN");
	if (g->n_locals != 1)
		return say_usage(COMMAND, "one of --listen, --connect, --stdio "
					  "and --exec is wanted");
	if (o->local == PROXY_EXEC && !o->command[0])
		return say_usage(COMMAND, "--exec wants a command");
	if (g->mode && o->local != PROXY_LISTEN)
		return say_usage(COMMAND, "--mode goes with --listen only");
	if (g->ring && !proxy_serves(o))
		return say_usage(COMMAND, "--ring goes with --connect and "
					  "--exec: the server chooses");
	if (g->max_sessions && o->compat)
		return say_usage(COMMAND, "--compat has one session at a time");
	return STATUS_DONE;
}

static int take_path(struct proxy_options *o, int argc, char **argv)
{
	if (optind >= argc)
		return say_usage(COMMAND, "PATH is missing");
	if (optind + 1 < argc)
		return say_usage(COMMAND, "one PATH only, not also %s",
				 argv[optind + 1]);
	o->path = argv[optind];
	return STATUS_DONE;
}

int proxy_options_parse(struct proxy_options *o, int argc, char **argv)
{
	int end = find_exec_option(argc, argv), option, status = STATUS_DONE;
	struct given g = { .n_locals = end < argc };

	*o = (struct proxy_options){ .mode = 0600,
				     .max_sessions = SESSIONS_DEFAULT,
				     .timeout_ns = TIMEOUT_DEFAULT,
				     .idle_ns = -1,
				     .left = RING_DEFAULT,
				     .right = RING_DEFAULT };
	if (end < argc) {
		o->local = PROXY_EXEC;
		o->command = argv + end + 1;
	}
	opterr = 0;
	optind = 0;
	while (!status && !o->help &&
	       (option = getopt_long(end, argv, ":d:t:vh", long_options,
				     NULL)) >= 0)
		status = parse_option(o, &g, option, argv);
	if (status || o->help)
		return status;
	status = check(o, &g);
	if (!status)
		status = take_path(o, end, argv);
	if (o->compat || o->local == PROXY_STDIO)
		o->max_sessions = 1;
	return status;
}
