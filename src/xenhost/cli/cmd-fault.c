// SPDX-License-Identifier: MIT
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "cli.h"
#include "xenhost/board.h"

#define MAX_ERRNO 133

struct fault_args {
	const char *domid; /* NULL: not given */
	const char *error;
	uint32_t nth, count;
	uint32_t delay_us;
	const char *grants, *ports, *scatter;
};

/* ENOSPC, or its number; 0 if it is none. */
static int parse_errno(const char *text)
{
	uint32_t number;

	for (int e = 1; e <= MAX_ERRNO; e++) {
		const char *name = strerrorname_np(e);

		if (name && strcmp(name, text) == 0)
			return e;
	}
	return parse_u32(text, MAX_ERRNO, &number) == 0 ? (int)number : 0;
}

static int call(const struct cli *cli, const struct fault_args *args,
		const char *const *words, struct ctl_reply *reply)
{
	int answer, r = cli_call(cli, words, reply, &answer);

	if (r != EXIT_DONE || answer == 0)
		return r;
	if (answer == -ESRCH)
		return cli_failed(cli, "no domain %s; see `xenhost list`",
				  args->domid);
	if (answer == -ENOSPC)
		return cli_failed(
			cli,
			"domain %s has %d faults, its maximum; remove "
			"them with `xenhost fault clear -d %s`",
			args->domid, DOMAIN_N_FAULTS, args->domid);
	return cli_failed(cli, "domain %s: %s", args->domid, strerror(-answer));
}

static int fault_add(const struct cli *cli, const struct fault_args *args,
		     const char *kind_name)
{
	char first[16], last[16], error[16], delay[16];
	const char *const words[] = { "fault-add", args->domid, kind_name,
				      first,       last,        error,
				      delay,       NULL };
	static struct ctl_reply reply;
	enum fault_kind kind;
	int number = args->error ? parse_errno(args->error) : 0;

	if (!kind_name || fault_kind_parse(kind_name, &kind) < 0)
		return cli_misused(cli,
				   "add: '%s' is no kind of call; see `xenhost "
				   "fault kinds`",
				   kind_name ? kind_name : "");
	if (args->error && number == 0)
		return cli_misused(cli, "add: '%s' is no errno", args->error);
	if (number == 0 && args->delay_us == 0)
		return cli_misused(cli, "add: needs --errno or --delay");
	snprintf(first, sizeof(first), "%u", args->nth);
	snprintf(last, sizeof(last), "%u",
		 args->count == 0 || args->count > UINT32_MAX - args->nth
			 ? UINT32_MAX
			 : args->nth + args->count - 1);
	snprintf(error, sizeof(error), "%d", number);
	snprintf(delay, sizeof(delay), "%u", args->delay_us);
	return call(cli, args, words, &reply);
}

static void print_fault(const char *line)
{
	unsigned int domid, first, last, delay_us, calls;
	char kind[32];
	int error;

	if (sscanf(line, "%u %31s %u %u %d %u %u", &domid, kind, &first, &last,
		   &error, &delay_us, &calls) != 7)
		return;
	printf("%u\t%s\t%u\t", domid, kind, first);
	if (last == UINT32_MAX)
		printf("all\t");
	else
		printf("%u\t", last - first + 1);
	printf("%s\t%u\t%u\n", error ? strerrorname_np(error) : "-", delay_us,
	       calls);
}

static int fault_list(const struct cli *cli, const struct fault_args *args)
{
	const char *const words[] = { "fault-list", args->domid, NULL };
	static struct ctl_reply reply;
	char *save = NULL;
	int r = call(cli, args, words, &reply);

	if (r != EXIT_DONE)
		return r;
	puts("id\tkind\tnth\tcount\terrno\tdelay_us\tcalls_seen");
	for (char *line = strtok_r(reply.text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		print_fault(line);
	return EXIT_DONE;
}

static int fault_limit(const struct cli *cli, const struct fault_args *args)
{
	const char *const words[] = { "limit",     args->domid,   args->grants,
				      args->ports, args->scatter, NULL };
	static struct ctl_reply reply;

	return call(cli, args, words, &reply);
}

static int fault_kinds(void)
{
	for (unsigned int k = 0; k < FAULT_KIND_N; k++)
		puts(fault_kind_name(k));
	return EXIT_DONE;
}

static int parse_number(const struct cli *cli, const char *text, uint32_t max,
			uint32_t *number_r)
{
	if (parse_u32(text, max, number_r) < 0)
		return cli_misused(cli, "'%s' is no number up to %u", text,
				   max);
	return EXIT_DONE;
}

static int parse_option(const struct cli *cli, int c, struct fault_args *args)
{
	uint64_t delay_ns;
	unsigned int domid;
	uint32_t number;

	switch (c) {
	case 'd':
		args->domid = optarg;
		return cli_parse_domid(cli, optarg, &domid);
	case 'e':
		args->error = optarg;
		return EXIT_DONE;
	case 'n':
		return parse_number(cli, optarg, UINT32_MAX - 1, &args->nth);
	case 'c':
		if (strcmp(optarg, "all") == 0) {
			args->count = 0;
			return EXIT_DONE;
		}
		return parse_number(cli, optarg, UINT32_MAX - 1, &args->count);
	case 'y':
		if (parse_duration_ns(optarg, 3600000000000, &delay_ns) < 0)
			return cli_misused(cli, "'%s' is no time up to 60m",
					   optarg);
		args->delay_us = delay_ns / 1000;
		return EXIT_DONE;
	case 'g':
		args->grants = optarg;
		return parse_number(cli, optarg, 262144, &number);
	case 'p':
		args->ports = optarg;
		return parse_number(cli, optarg, 131071, &number);
	case 's':
		args->scatter = strcmp(optarg, "on") == 0    ? "1"
				: strcmp(optarg, "off") == 0 ? "0"
							     : NULL;
		return args->scatter
			       ? EXIT_DONE
			       : cli_misused(cli, "--scatter takes on or off");
	default:
		return EXIT_USAGE;
	}
}

int cmd_fault(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "domain", required_argument, NULL, 'd' },
		{ "errno", required_argument, NULL, 'e' },
		{ "nth", required_argument, NULL, 'n' },
		{ "count", required_argument, NULL, 'c' },
		{ "delay", required_argument, NULL, 'y' },
		{ "grants", required_argument, NULL, 'g' },
		{ "ports", required_argument, NULL, 'p' },
		{ "scatter", required_argument, NULL, 's' },
		{ 0 },
	};
	struct fault_args args = {
		.nth = 1,
		.count = 1,
		.grants = "-",
		.ports = "-",
		.scatter = "-",
	};
	const char *action = argc > 1 ? argv[1] : "";
	static struct ctl_reply reply;
	int c, r;

	if (strcmp(action, "kinds") == 0)
		return fault_kinds();
	while ((c = getopt_long(argc, argv, "d:e:n:", options, NULL)) != -1) {
		r = parse_option(cli, c, &args);
		if (r != EXIT_DONE)
			return r;
	}
	/* Options are moved behind the rest: argv[optind] is the action. */
	action = optind < argc ? argv[optind] : "";
	if (!args.domid)
		return cli_misused(cli, "needs -d DOMAIN");
	if (args.nth == 0)
		return cli_misused(cli, "calls count from --nth 1");
	if (strcmp(action, "add") == 0 && argc - optind <= 2)
		return fault_add(cli, &args, argv[optind + 1]);
	if (argc - optind != 1)
		return cli_misused(cli, "add, list, clear, limit or kinds?");
	if (strcmp(action, "list") == 0)
		return fault_list(cli, &args);
	if (strcmp(action, "limit") == 0)
		return fault_limit(cli, &args);
	if (strcmp(action, "clear") == 0)
		return call(cli, &args,
			    (const char *const[]){ "fault-clear", args.domid,
						   NULL },
			    &reply);
	return cli_misused(cli, "no action '%s'", action);
}
