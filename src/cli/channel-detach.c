// SPDX-License-Identifier: MIT
/* xenchan channel detach and xenchan channel log: changes of one channel. */
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "cli/channel-common.h"
#include "cli/command.h"
#include "cli/say.h"
#include "toolstack/persist.h"
#include "xen/store.h"

static const char detach_help[] =
	"usage: xenchan channel detach -d DOMAIN NAME [options]\n"
	"\n"
	"Closes the channel NAME of DOMAIN and removes it, once guest and "
	"backend have let\n"
	"go of it.\n"
	"\n"
	"  -d, --domain DOMAIN      the guest\n"
	"  -t, --timeout DURATION   how long to wait for them; default 15\n"
	"      --force              remove it then all the same: right if no "
	"xenchanneld\n"
	"                           runs; otherwise the guest may crash\n"
	"  -h, --help               this text\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 usage. See xenchan-channel(1).\n";

static const char log_help[] =
	"usage: xenchan channel log -d DOMAIN NAME (--to FILE | --off)\n"
	"\n"
	"Begins or ends the traffic log of a channel: all bytes of both "
	"directions are\n"
	"appended to FILE, in the domain that serves the channel.\n"
	"\n"
	"  -d, --domain DOMAIN      the guest\n"
	"      --to FILE            an absolute path\n"
	"      --off                no log any more\n"
	"  -h, --help               this text\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 usage. See xenchan-channel(1).\n";

enum {
	OPTION_FORCE = 0x100,
	OPTION_TO,
	OPTION_OFF,
};

struct options {
	const char *command;
	const struct option *long_options;
	const char *domain, *name, *log;
	bool help, force, off;
	unsigned int timeout_ms;
};

static int parse_timeout(struct options *o, const char *arg)
{
	uint64_t ns;

	if (parse_duration_ns(arg, UINT32_MAX * UINT64_C(1000000), &ns))
		return say_usage(o->command,
				 "--timeout %s: not a duration such as 10, "
				 "500ms, 2m",
				 arg);
	o->timeout_ms = (unsigned int)(ns / 1000000);
	return STATUS_DONE;
}

static int parse_option(struct options *o, int option, char **argv)
{
	switch (option) {
	case 'd':
		o->domain = optarg;
		return STATUS_DONE;
	case 't':
		return parse_timeout(o, optarg);
	case OPTION_FORCE:
		o->force = true;
		return STATUS_DONE;
	case OPTION_TO:
		o->log = optarg;
		return STATUS_DONE;
	case OPTION_OFF:
		o->off = true;
		return STATUS_DONE;
	case 'h':
		o->help = true;
		return STATUS_DONE;
	default:
		return say_option(o->command, option, argv);
	}
}

static int parse(struct options *o, const char *letters, int argc, char **argv)
{
	int option, status = STATUS_DONE;

	optind = 1;
	opterr = 0;
	while (!status && (option = getopt_long(argc, argv, letters,
						o->long_options, NULL)) != -1)
		status = parse_option(o, option, argv);
	if (status || o->help)
		return status;
	if (!o->domain)
		return say_usage(o->command, "-d DOMAIN is missing");
	return channel_take_name(o->command, argc, argv, &o->name);
}

int command_channel_detach(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "domain", required_argument, NULL, 'd' },
		{ "timeout", required_argument, NULL, 't' },
		{ "force", no_argument, NULL, OPTION_FORCE },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	_cleanup_(cleanup_xen_storep) struct xs_handle *xs = NULL;
	struct options o = { .command = "channel detach",
			     .long_options = long_options,
			     .timeout_ms = 15000 };
	unsigned int domid;
	int r, status = parse(&o, ":d:t:h", argc, argv);

	if (status)
		return status;
	if (o.help)
		return say_text(detach_help);
	status = channel_open_store(&xs);
	if (!status)
		status = channel_find_domain(xs, o.domain, &domid);
	if (status)
		return status;
	/* First, so that nobody attaches it again. */
	r = toolstack_forget(xs, domid, o.name);
	if (!r)
		r = toolstack_detach(xs, domid, o.name, o.timeout_ms, o.force);
	return channel_say_result(r, "detach", o.domain, o.name);
}

int command_channel_log(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "domain", required_argument, NULL, 'd' },
		{ "to", required_argument, NULL, OPTION_TO },
		{ "off", no_argument, NULL, OPTION_OFF },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	_cleanup_(cleanup_xen_storep) struct xs_handle *xs = NULL;
	struct options o = { .command = "channel log",
			     .long_options = long_options };
	unsigned int domid;
	int status = parse(&o, ":d:h", argc, argv);

	if (status)
		return status;
	if (o.help)
		return say_text(log_help);
	if (o.off == (o.log != NULL))
		return say_usage(o.command, "either --to FILE or --off");
	status = channel_open_store(&xs);
	if (!status)
		status = channel_find_domain(xs, o.domain, &domid);
	if (status)
		return status;
	return channel_say_result(toolstack_set_log(xs, domid, o.name, o.log),
				  "change the log of", o.domain, o.name);
}
