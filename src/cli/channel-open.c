// SPDX-License-Identifier: MIT
/* xenchan channel open: a channel of this domain, by its name. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xenstore_lib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/parse.h"
#include "cli/channel-common.h"
#include "cli/command.h"
#include "cli/exec-option.h"
#include "cli/say.h"
#include "cli/stop.h"
#include "cli/streams.h"
#include "guest/kernel.h"
#include "guest/session.h"
#include "guest/tty-relay.h"
#include "guest/tty.h"
#include "xen/store.h"

#define COMMAND "channel open"

static const char help[] =
	"usage: xenchan channel open NAME [options] [--exec CMD [ARG...]]\n"
	"\n"
	"In a guest: connects standard input and output, or those of CMD, to "
	"the channel\n"
	"NAME of this domain; waits until there is one.\n"
	"\n"
	"  -t, --timeout DURATION   how long to wait until it is open: 10, "
	"500ms, 2m;\n"
	"                           default: never gives up\n"
	"      --device K           of several channels of this name, device "
	"K\n"
	"      --eof close          at the end of input, close once the host "
	"has taken it\n"
	"      --eof keep           go on receiving until the host closes\n"
	"                           default: close, unless input is /dev/null, "
	"or CMD's\n"
	"                           output: then until CMD has ended\n"
	"      --exec CMD [ARG...]  run CMD on the channel; all that follows "
	"is CMD's\n"
	"      --tty TTY            use this terminal of the kernel's; you "
	"know "
	"that it is\n"
	"                           the right one\n"
	"      --dir DIR            of the links and locks of channels; "
	"default\n"
	"                           " CHANNELS_DIRECTORY "\n"
	"  -h, --help               this text\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 usage, 128+N ended by signal N; with "
	"--exec that\n"
	"of CMD. See xenchan-channel-guest(1).\n";

enum {
	OPTION_DEVICE = 0x100,
	OPTION_EOF,
	OPTION_EXEC,
	OPTION_TTY,
	OPTION_DIR,
};

struct options {
	const char *name, *tty, *dir;
	char **command; /* NULL: standard input and output */
	unsigned int device;
	int64_t timeout_ns;
	bool keep, help;
};

static int parse_timeout(struct options *o)
{
	uint64_t ns;

	if (!strcmp(optarg, "never")) {
		o->timeout_ns = -1;
		return STATUS_DONE;
	}
	if (parse_duration_ns(optarg, INT64_MAX, &ns))
		return say_usage(COMMAND,
				 "--timeout %s: not a duration such as 10, "
				 "500ms, 2m, nor never",
				 optarg);
	o->timeout_ns = (int64_t)ns;
	return STATUS_DONE;
}

static int parse_option(struct options *o, int option, char **argv)
{
	switch (option) {
	case 't':
		return parse_timeout(o);
	case OPTION_DEVICE:
		if (console_parse_device(optarg, &o->device))
			return say_usage(COMMAND, "--device %s: not 1 to 7",
					 optarg);
		return STATUS_DONE;
	case OPTION_EOF:
		o->keep = !strcmp(optarg, "keep");
		if (!o->keep && strcmp(optarg, "close") != 0)
			return say_usage(COMMAND,
					 "--eof %s: neither close nor keep",
					 optarg);
		return STATUS_DONE;
	case OPTION_TTY:
		o->tty = optarg;
		return STATUS_DONE;
	case OPTION_DIR:
		o->dir = optarg;
		return STATUS_DONE;
	case 'h':
		o->help = true;
		return STATUS_DONE;
	default:
		return say_option(COMMAND, option, argv);
	}
}

static int parse(struct options *o, int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "timeout", required_argument, NULL, 't' },
		{ "device", required_argument, NULL, OPTION_DEVICE },
		{ "eof", required_argument, NULL, OPTION_EOF },
		{ "tty", required_argument, NULL, OPTION_TTY },
		{ "dir", required_argument, NULL, OPTION_DIR },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int end = find_exec_option(argc, argv), option, status = STATUS_DONE;

	*o = (struct options){ .timeout_ns = -1 };
	if (end < argc)
		o->command = argv + end + 1;
	/* A command is over when it has ended, not when it has said all. */
	o->keep = o->command || stream_is_null(STDIN_FILENO);
	optind = 0;
	opterr = 0;
	while (!status && (option = getopt_long(end, argv, ":t:h", long_options,
						NULL)) >= 0)
		status = parse_option(o, option, argv);
	if (status || o->help)
		return status;
	if (o->command && !o->command[0])
		return say_usage(COMMAND, "--exec wants a command");
	status = channel_take_name(COMMAND, end, argv, &o->name);
	if (!status && (!o->name[0] || strlen(o->name) > CONSOLE_NAME_MAX))
		status = say_usage(COMMAND, "NAME has 1 to 255 bytes");
	return status;
}

/*
 * Where the locks are: what was asked for, or where everybody looks, or what a
 * user without rights can have.
 */
static int prepare_scope(struct session *s, const struct options *o,
			 char (*own)[64])
{
	struct lock_scope *scope = &s->scope;
	int r;

	scope->store = xs_daemon_socket();
	scope->dir = o->dir ? o->dir : CHANNELS_DIRECTORY;
	r = xen_store_domid(s->xs, &scope->domid);
	if (r)
		return say_failure("cannot learn this domain's id from "
				   "xenstore: %s",
				   strerror(-r));
	r = lock_make_dir(scope->dir);
	if (!o->dir && (r || access(scope->dir, W_OK))) {
		snprintf(*own, sizeof(*own), "/tmp/xen-channel-%u",
			 (unsigned int)geteuid());
		scope->dir = *own;
		r = lock_make_dir(scope->dir);
	}
	if (r)
		return say_failure("cannot use the directory %s: %s",
				   scope->dir, strerror(-r));
	return STATUS_DONE;
}

static int say_not_found(const struct session *s)
{
	char names[512] = "none";
	size_t n = 0;

	for (unsigned int i = 0; i < s->channels.n; i++) {
		const char *name = s->channels.list[i].name;

		if (name[0] && n < sizeof(names))
			n += (size_t)snprintf(names + n, sizeof(names) - n,
					      "%s%s", n ? ", " : "", name);
	}
	return say_failure("%s: this domain has no such channel within the "
			   "--timeout; it has: %s",
			   s->name, names);
}

static int say_in_use(const struct session *s)
{
	if (s->holder.pid)
		return say_failure("%s: in use by process %u", s->name,
				   s->holder.pid);
	return say_failure("%s: in use by another process", s->name);
}

static int say_result(const struct session *s, int r)
{
	switch (r) {
	case SESSION_DONE:
		return STATUS_DONE;
	case SESSION_STOPPED:
		return STATUS_SIGNAL + stop_signal();
	case SESSION_NO_CHANNEL:
		return say_not_found(s);
	case SESSION_SEVERAL:
		return say_failure("%s: several channels have this name; say "
				   "which one by --device (xenchan channel "
				   "names lists them)",
				   s->name);
	case SESSION_NO_BACKEND:
		return say_failure("%s: the host did not connect within the "
				   "--timeout; does its backend run "
				   "(xenchanneld in domain %u)?",
				   s->name, s->channel->backend);
	case SESSION_IN_USE:
		return say_in_use(s);
	case SESSION_UNDELIVERED:
		return say_failure("%s: the host closed the channel before it "
				   "had taken everything",
				   s->name);
	case SESSION_CORRUPT:
		return say_failure("%s: the host broke the channel's ring",
				   s->name);
	case SESSION_IN_FAILED:
		return say_failure("%s: cannot read %s: %s", s->name, "input",
				   strerror(s->relay.error));
	case SESSION_OUT_FAILED:
		return say_failure("%s: cannot write output: %s", s->name,
				   strerror(s->relay.error));
	}
	return say_failure("%s: %s", s->name, strerror(-r));
}

/* The exit status of all is that of the command, unless we failed. */
static int run_command(struct session *s, const struct options *o, int tty)
{
	struct command c;
	int r = command_start(&c, o->command, o->name), status;

	if (r) {
		command_finish(&c, -1);
		if (tty < 0)
			(void)session_close(s);
		return say_failure("cannot run %s: %s", o->command[0],
				   strerror(-r));
	}
	s->relay = (struct relay){ .in = c.out, .out = c.in, .command = &c };
	r = tty < 0 ? session_run(s)
		    : tty_relay_run(&s->relay, tty, s->stop, s->keep);
	status = say_result(s, r);
	s->relay.command = NULL;
	r = command_finish(&c, stop_fd());
	return status == STATUS_DONE ? r : status;
}

/* Bytes, by whichever way the channel was opened: tty is -1, or a terminal. */
static int run(struct session *s, const struct options *o, int tty)
{
	int r;

	s->keep = o->keep;
	if (o->command)
		return run_command(s, o, tty);
	s->relay = (struct relay){ .in = STDIN_FILENO, .out = STDOUT_FILENO };
	streams_make_nonblocking();
	r = tty < 0 ? session_run(s)
		    : tty_relay_run(&s->relay, tty, s->stop, s->keep);
	streams_restore();
	return say_result(s, r);
}

/* Somebody else on the same terminal would take our bytes, and we theirs. */
static int run_on_open_tty(struct session *s, const struct options *o, int tty)
{
	int r = tty_lock(tty);

	s->holder.pid = 0; /* it only passes bytes on */
	if (r == -EBUSY)
		return say_in_use(s);
	return r ? say_result(s, r) : run(s, o, tty);
}

static int say_no_tty(const struct session *s, int why, int r)
{
	const char *what = why == -EOPNOTSUPP
				   ? "QEMU serves it, and takes no second "
				     "front end"
				   : strerror(-why);

	if (r == -ENOTUNIQ)
		return say_failure("%s: cannot drive it ourselves (%s), and "
				   "which of the kernel's terminals it is "
				   "cannot be told: %sname it by --tty",
				   s->name, what,
				   why == -EOPNOTSUPP
					   ? ""
					   : "run as root with xen_gntalloc "
					     "loaded, or ");
	if (why == -EOPNOTSUPP)
		return say_failure("%s: QEMU serves it, and the kernel's "
				   "terminal cannot be opened: %s",
				   s->name, strerror(-r));
	return say_failure(
		"%s: cannot drive it: %s; it wants root, xen_gntalloc "
		"and xen_evtchn (see xenchan doctor)",
		s->name, what);
}

/*
 * The front end could not be ours, for want of rights or of a device, or because
 * of QEMU: perhaps the kernel's terminal will do. What it cannot do is to be the
 * wrong one.
 */
static int run_on_kernel_tty(struct session *s, const struct options *o,
			     int why)
{
	_cleanup_close_ int tty = -1;
	unsigned int device = s->channel->device;
	struct tty_path path;
	struct channels all;
	int r = channels_read(s->xs, &all);

	if (!r)
		r = tty_open_kernel("/dev", s->sysfs, &all, device, &path,
				    &tty);
	if (!r)
		return run_on_open_tty(s, o, tty);
	return say_no_tty(s, why, r);
}

static int run_on_tty(struct session *s, const struct options *o,
		      const char *path)
{
	_cleanup_close_ int tty = -1;
	int r = tty_open(path, &tty);

	if (r)
		return say_failure("%s: cannot open %s: %s", s->name, path,
				   strerror(-r));
	return run_on_open_tty(s, o, tty);
}

static int open_and_run(struct session *s, const struct options *o)
{
	int r = session_open(s);

	if (r == SESSION_DONE)
		return run(s, o, -1);
	if (r == SESSION_IN_USE && s->holder.tty[0])
		return run_on_tty(s, o, s->holder.tty);
	if (r < 0 && s->channel)
		return run_on_kernel_tty(s, o, r);
	return say_result(s, r);
}

int command_channel_open(int argc, char **argv)
{
	_cleanup_(cleanup_xen_storep) struct xs_handle *xs = NULL;
	struct session s = { .lock = -1 };
	struct options o;
	char own_dir[64];
	int status = parse(&o, argc, argv);

	if (status)
		return status;
	if (o.help)
		return say_text(help);
	status = stop_install();
	if (status)
		return say_failure("cannot catch signals: %s",
				   strerror(-status));
	s.name = o.name;
	s.stop = stop_fd();
	if (o.tty)
		return run_on_tty(&s, &o, o.tty);
	status = channel_open_store(&xs);
	if (status)
		return status;
	s.xs = xs;
	s.sysfs = kernel_sysfs(xs);
	s.device = o.device;
	s.deadline_ns = deadline_in(o.timeout_ns);
	status = prepare_scope(&s, &o, &own_dir);
	if (status)
		return status;
	status = open_and_run(&s, &o);
	session_deinit(&s);
	return status;
}
