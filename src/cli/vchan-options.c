// SPDX-License-Identifier: MIT
#include "cli/vchan-options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"
#include "cli/command.h"
#include "cli/say.h"
#include "cli/streams.h"

/*
 * Measured on an emulated host: half of it is at half the speed, twice and four
 * times gain up to a fifth. A domain has 1024 pages to share, and these two
 * rings take 129.
 */
#define RING_DEFAULT (256u << 10)
#define RING_MAX (1u << 20) /* of the wire format */

enum {
	OPTION_RING = 0x100,
	OPTION_EOF,
	OPTION_PROGRESS,
	OPTION_NO_PROGRESS,
};

static const struct option long_options[] = {
	{ "domain", required_argument, NULL, 'd' },
	{ "timeout", required_argument, NULL, 't' },
	{ "ring", required_argument, NULL, OPTION_RING },
	{ "eof", required_argument, NULL, OPTION_EOF },
	{ "progress", no_argument, NULL, OPTION_PROGRESS },
	{ "no-progress", no_argument, NULL, OPTION_NO_PROGRESS },
	{ "quiet", no_argument, NULL, 'q' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int parse_ring_size(const char *s, size_t *out)
{
	uint64_t v;
	int r = parse_size(s, RING_MAX, &v);

	if (!r)
		*out = v;
	return r;
}

int vchan_parse_rings(const char *command, const char *arg, size_t *left_r,
		      size_t *right_r)
{
	const char *comma = strchr(arg, ',');
	char left[32];
	int r;

	snprintf(left, sizeof(left), "%.*s",
		 comma ? (int)(comma - arg) : (int)strlen(arg), arg);
	r = parse_ring_size(left, left_r);
	if (!r)
		r = parse_ring_size(comma ? comma + 1 : left, right_r);
	if (!r)
		return STATUS_DONE;
	return say_usage(command,
			 "--ring %s: not a size, or two with a comma, of at "
			 "most 1M each",
			 arg);
}

static int parse_ring(struct vchan_options *o, const char *arg)
{
	if (!o->is_server)
		return say_usage(o->command,
				 "--ring: the server chooses the rings");
	return vchan_parse_rings(o->command, arg, &o->left, &o->right);
}

int vchan_parse_domain(const char *command, const char *arg,
		       unsigned int *domain)
{
	if (!parse_domid(arg, domain))
		return STATUS_DONE;
	return say_usage(command, "-d %s: not a domain id, 0 to 32751", arg);
}

int vchan_parse_duration(const char *command, const char *option,
			 const char *arg, int64_t *ns_r)
{
	uint64_t ns;

	if (!strcmp(arg, "never")) {
		*ns_r = -1;
		return STATUS_DONE;
	}
	if (parse_duration_ns(arg, INT64_MAX, &ns))
		return say_usage(command,
				 "%s %s: not a duration such as 10, 500ms, 2m, "
				 "nor never",
				 option, arg);
	*ns_r = (int64_t)ns;
	return STATUS_DONE;
}

char *vchan_absolute_path(unsigned int domain, const char *path)
{
	char *full;
	int n = *path == '/'
			? asprintf(&full, "%s", path)
			: asprintf(&full, "/local/domain/%u/%s", domain, path);

	return n < 0 ? NULL : full;
}

static int parse_eof(struct vchan_options *o, const char *arg)
{
	if (!strcmp(arg, "close"))
		o->eof = PUMP_EOF_CLOSE;
	else if (!strcmp(arg, "keep"))
		o->eof = PUMP_EOF_KEEP;
	else
		return say_usage(o->command, "--eof %s: neither close nor keep",
				 arg);
	o->eof_given = true;
	return STATUS_DONE;
}

static int parse_option(struct vchan_options *o, int option, char **argv)
{
	switch (option) {
	case 'd':
		return vchan_parse_domain(o->command, optarg, &o->domain);
	case 't':
		return vchan_parse_duration(o->command, "--timeout", optarg,
					    &o->timeout_ns);
	case OPTION_RING:
		return parse_ring(o, optarg);
	case OPTION_EOF:
		return parse_eof(o, optarg);
	case OPTION_PROGRESS:
		o->progress = true;
		return STATUS_DONE;
	case 'q':
	case OPTION_NO_PROGRESS:
		o->progress = false;
		return STATUS_DONE;
	case 'v':
		o->verbose = true;
		return STATUS_DONE;
	case 'h':
		o->help = true;
		return STATUS_DONE;
	default:
		return say_option(o->command, option, argv);
	}
}

/*
 * A file sent from either end shall arrive and end both commands. So an end
 * that has something to send is done when that has been taken, and the other
 * one is done when the peer closes. The null device is nothing to send: it is
 * what background commands of scripts have.
 */
static enum pump_eof default_eof(bool is_server)
{
	if (stream_is_null(STDIN_FILENO))
		return PUMP_EOF_KEEP;
	/* A server may be there to receive with any input; a client that came
	 * with an empty one has nothing to wait for. */
	if (is_server && !stream_is_file(STDIN_FILENO))
		return PUMP_EOF_AUTO;
	return PUMP_EOF_CLOSE;
}

static void set_defaults(struct vchan_options *o)
{
	o->left = o->right = RING_DEFAULT;
	o->timeout_ns = -1;
	o->eof = default_eof(o->is_server);
	o->progress = isatty(STDERR_FILENO);
}

int vchan_options_parse(struct vchan_options *o, int argc, char **argv)
{
	bool has_domain = false;
	int option, status;

	set_defaults(o);
	opterr = 0;
	optind = 0;
	while ((option = getopt_long(argc, argv, ":d:t:qvh", long_options,
				     NULL)) >= 0) {
		status = parse_option(o, option, argv);
		if (status != STATUS_DONE || o->help)
			return status;
		has_domain |= option == 'd';
	}
	if (!has_domain)
		return say_usage(o->command,
				 "which domain is the peer? -d DOMAIN");
	if (optind >= argc)
		return say_usage(o->command, "PATH is missing");
	if (optind + 1 < argc)
		return say_usage(o->command, "one PATH only, not also %s",
				 argv[optind + 1]);
	o->path = argv[optind];
	return STATUS_DONE;
}
