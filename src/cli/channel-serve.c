// SPDX-License-Identifier: MIT
/* xenchan channel serve: the guest's daemon. */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <xenstore_lib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/parse.h"
#include "cli/channel-common.h"
#include "cli/command.h"
#include "cli/say.h"
#include "cli/stop.h"
#include "guest/kernel.h"
#include "guest/serve.h"
#include "xen/store.h"

#define COMMAND "channel serve"
#define AGENTS_DIRECTORY "/etc/xen-channel/agents"

static const char help[] =
	"usage: xenchan channel serve [options]\n"
	"\n"
	"In a guest: gives each channel of this domain a terminal by its name, "
	"and runs the\n"
	"agents that are there for them. Stays in the foreground.\n"
	"\n"
	"      --dir DIR            where the terminals are to be: DIR/NAME; "
	"default\n"
	"                           " CHANNELS_DIRECTORY "\n"
	"      --agents DIR         the agent of the channel NAME is the "
	"executable file\n"
	"                           DIR/NAME; default " AGENTS_DIRECTORY "\n"
	"      --restart-delay DURATION\n"
	"                           before an agent that has ended is started "
	"again; twice\n"
	"                           as long each time that it ends early; "
	"default 1\n"
	"  -h, --help               this text\n"
	"\n"
	"Exit status: 0 stopped by a signal, 1 failed, 2 usage. See\n"
	"xenchan-channel-guest(1).\n";

enum {
	OPTION_DIR = 0x100,
	OPTION_AGENTS,
	OPTION_RESTART_DELAY,
};

static int parse_delay(struct station_env *env)
{
	uint64_t ns;

	if (parse_duration_ns(optarg, AGENT_DELAY_MAX_NS, &ns) || !ns)
		return say_usage(COMMAND,
				 "--restart-delay %s: not a duration up to 1m",
				 optarg);
	env->delay_min_ns = (int64_t)ns;
	return STATUS_DONE;
}

static int parse(struct station_env *env, bool *wants_help, int argc,
		 char **argv)
{
	static const struct option long_options[] = {
		{ "dir", required_argument, NULL, OPTION_DIR },
		{ "agents", required_argument, NULL, OPTION_AGENTS },
		{ "restart-delay", required_argument, NULL,
		  OPTION_RESTART_DELAY },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option, status = STATUS_DONE;

	optind = 0;
	opterr = 0;
	while (!status && (option = getopt_long(argc, argv, ":h", long_options,
						NULL)) >= 0) {
		if (option == OPTION_DIR)
			env->scope.dir = optarg;
		else if (option == OPTION_AGENTS)
			env->agents = optarg;
		else if (option == OPTION_RESTART_DELAY)
			status = parse_delay(env);
		else if (option == 'h')
			*wants_help = true;
		else
			status = say_option(COMMAND, option, argv);
	}
	if (!status && optind < argc)
		status = say_usage(COMMAND, "%s: no arguments are wanted",
				   argv[optind]);
	return status;
}

static int prepare(struct serve_options *o, struct xs_handle *xs)
{
	struct lock_scope *scope = &o->env.scope;
	int r;

	o->env.xs = xs;
	o->env.sysfs = kernel_sysfs(xs);
	scope->store = xs_daemon_socket();
	r = xen_store_domid(xs, &scope->domid);
	if (r)
		return say_failure("cannot learn this domain's id from "
				   "xenstore: %s",
				   strerror(-r));
	r = lock_make_dir(scope->dir);
	if (r)
		return say_failure("cannot use the directory %s: %s; choose "
				   "another one by --dir",
				   scope->dir, strerror(-r));
	r = stop_install();
	if (r)
		return say_failure("cannot catch signals: %s", strerror(-r));
	o->stop = stop_fd();
	return STATUS_DONE;
}

int command_channel_serve(int argc, char **argv)
{
	_cleanup_(cleanup_xen_storep) struct xs_handle *xs = NULL;
	struct serve_options o = { .env = { .scope.dir = CHANNELS_DIRECTORY,
					    .agents = AGENTS_DIRECTORY,
					    .delay_min_ns = NS_PER_S,
					    .say = say_note } };
	struct lock_holder holder = { 0 };
	bool wants_help = false;
	int r, status = parse(&o.env, &wants_help, argc, argv);

	if (status)
		return status;
	if (wants_help)
		return say_text(help);
	status = channel_open_store(&xs);
	if (!status)
		status = prepare(&o, xs);
	if (status)
		return status;
	r = serve_run(&o, &holder);
	if (r == -EBUSY)
		return say_failure("%s is served by process %u already",
				   o.env.scope.dir, holder.pid);
	if (r)
		return say_failure("cannot serve %s: %s", o.env.scope.dir,
				   strerror(-r));
	return STATUS_DONE;
}
