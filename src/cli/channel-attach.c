// SPDX-License-Identifier: MIT
/* xenchan channel attach: a new channel for a domain, at any time. */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "cli/channel-common.h"
#include "cli/command.h"
#include "cli/say.h"
#include "toolstack/channel.h"
#include "xen/store.h"

#define COMMAND "channel attach"

static const char help[] =
	"usage: xenchan channel attach -d DOMAIN NAME (--pty | --socket PATH) "
	"[options]\n"
	"\n"
	"Gives DOMAIN, a number or a name, a channel called NAME. xenchanneld "
	"serves it:\n"
	"as a pseudo-terminal, or as a Unix socket that listens at PATH.\n"
	"\n"
	"  -d, --domain DOMAIN      the guest\n"
	"      --pty                a pseudo-terminal; `channel list` shows "
	"which\n"
	"      --socket PATH        a socket, for one client at a time\n"
	"      --mode MODE          permissions of the socket or terminal; "
	"default 600\n"
	"      --owner USER[:GROUP] its owner; default root\n"
	"      --limit SIZE         how much of the guest's output is kept "
	"while nobody\n"
	"                           reads it; default 1M\n"
	"      --overflow POLICY    and when it is full: block the guest "
	"(default),\n"
	"                           drop-oldest or drop-newest\n"
	"      --log FILE           append all that passes to FILE\n"
	"      --signal-client      tell the guest whether there is a client\n"
	"      --backend DOMAIN     the domain that serves it; default 0\n"
	"      --persist            attach it again whenever the guest has "
	"rebooted\n"
	"      --wait DURATION      wait until the guest has taken it up\n"
	"  -h, --help               this text\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 usage. See xenchan-channel(1).\n";

enum {
	OPTION_PTY = 0x100,
	OPTION_SOCKET,
	OPTION_MODE,
	OPTION_OWNER,
	OPTION_LIMIT,
	OPTION_OVERFLOW,
	OPTION_LOG,
	OPTION_SIGNAL,
	OPTION_BACKEND,
	OPTION_WAIT,
	OPTION_PERSIST,
};

static const struct option long_options[] = {
	{ "domain", required_argument, NULL, 'd' },
	{ "pty", no_argument, NULL, OPTION_PTY },
	{ "socket", required_argument, NULL, OPTION_SOCKET },
	{ "mode", required_argument, NULL, OPTION_MODE },
	{ "owner", required_argument, NULL, OPTION_OWNER },
	{ "limit", required_argument, NULL, OPTION_LIMIT },
	{ "overflow", required_argument, NULL, OPTION_OVERFLOW },
	{ "log", required_argument, NULL, OPTION_LOG },
	{ "signal-client", no_argument, NULL, OPTION_SIGNAL },
	{ "backend", required_argument, NULL, OPTION_BACKEND },
	{ "persist", no_argument, NULL, OPTION_PERSIST },
	{ "wait", required_argument, NULL, OPTION_WAIT },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct options {
	struct toolstack_spec spec;
	const char *domain, *backend;
	bool help, pty, wait;
	unsigned int wait_ms;
};

static int parse_id(const char *text, long *id)
{
	uint32_t v;

	if (parse_u32(text, INT32_MAX, &v))
		return -EINVAL;
	*id = v;
	return 0;
}

static int find_user(const char *text, long *uid)
{
	const struct passwd *pw;

	if (!parse_id(text, uid))
		return 0;
	pw = getpwnam(text);
	if (!pw)
		return -ENOENT;
	*uid = (long)pw->pw_uid;
	return 0;
}

static int find_group(const char *text, long *gid)
{
	const struct group *gr;

	if (!parse_id(text, gid))
		return 0;
	gr = getgrnam(text);
	if (!gr)
		return -ENOENT;
	*gid = (long)gr->gr_gid;
	return 0;
}

/* USER, USER:GROUP or :GROUP */
static int parse_owner(struct options *o, const char *arg)
{
	_cleanup_free_ char *user = strdup(arg);
	char *group;

	if (!user)
		return say_failure("%s", strerror(ENOMEM));
	group = strchr(user, ':');
	if (group)
		*group++ = '\0';
	if (*user && find_user(user, &o->spec.uid))
		return say_usage(COMMAND, "--owner %s: no user %s", arg, user);
	if (group && find_group(group, &o->spec.gid))
		return say_usage(COMMAND, "--owner %s: no group %s", arg,
				 group);
	return STATUS_DONE;
}

static int parse_limit(struct options *o, const char *arg)
{
	uint64_t v;

	if (parse_size(arg, CONSOLE_LIMIT_MAX, &v) || v < CONSOLE_LIMIT_MIN)
		return say_usage(COMMAND, "--limit %s: not a size of 4K to 1G",
				 arg);
	o->spec.limit = (unsigned int)v;
	return STATUS_DONE;
}

static int parse_overflow(struct options *o, const char *arg)
{
	if (console_parse_overflow(arg, &o->spec.overflow))
		return say_usage(COMMAND,
				 "--overflow %s: not block, drop-oldest or "
				 "drop-newest",
				 arg);
	return STATUS_DONE;
}

static int parse_mode(struct options *o, const char *arg)
{
	unsigned int mode;

	if (console_parse_mode(arg, &mode))
		return say_usage(COMMAND,
				 "--mode %s: not three octal digits of "
				 "permissions",
				 arg);
	o->spec.mode = arg;
	return STATUS_DONE;
}

static int parse_wait(struct options *o, const char *arg)
{
	uint64_t ns;

	if (parse_duration_ns(arg, UINT32_MAX * UINT64_C(1000000), &ns))
		return say_usage(COMMAND,
				 "--wait %s: not a duration such as 10, 500ms, "
				 "2m",
				 arg);
	o->wait = true;
	o->wait_ms = (unsigned int)(ns / 1000000);
	return STATUS_DONE;
}

static int parse_option(struct options *o, int option, char **argv)
{
	switch (option) {
	case 'd':
		o->domain = optarg;
		return STATUS_DONE;
	case OPTION_PTY:
		o->pty = true;
		return STATUS_DONE;
	case OPTION_SOCKET:
		o->spec.kind = CONSOLE_SOCKET;
		o->spec.path = optarg;
		return STATUS_DONE;
	case OPTION_MODE:
		return parse_mode(o, optarg);
	case OPTION_OWNER:
		return parse_owner(o, optarg);
	case OPTION_LIMIT:
		return parse_limit(o, optarg);
	case OPTION_OVERFLOW:
		return parse_overflow(o, optarg);
	case OPTION_LOG:
		o->spec.log = optarg;
		return STATUS_DONE;
	case OPTION_SIGNAL:
		o->spec.signal_client = true;
		return STATUS_DONE;
	case OPTION_BACKEND:
		o->backend = optarg;
		return STATUS_DONE;
	case OPTION_PERSIST:
		o->spec.persist = true;
		return STATUS_DONE;
	case OPTION_WAIT:
		return parse_wait(o, optarg);
	case 'h':
		o->help = true;
		return STATUS_DONE;
	default:
		return say_option(COMMAND, option, argv);
	}
}

static int parse(struct options *o, int argc, char **argv)
{
	int option, status = STATUS_DONE;

	*o = (struct options){ .spec = { .uid = -1, .gid = -1 } };
	optind = 1;
	opterr = 0;
	while (!status && (option = getopt_long(argc, argv, ":d:h",
						long_options, NULL)) != -1)
		status = parse_option(o, option, argv);
	if (status || o->help)
		return status;
	if (!o->domain)
		return say_usage(COMMAND, "-d DOMAIN is missing");
	if (o->pty == (o->spec.kind == CONSOLE_SOCKET))
		return say_usage(COMMAND, "either --pty or --socket PATH");
	if (o->spec.persist && o->backend)
		return say_usage(COMMAND,
				 "--persist: not with --backend, whose "
				 "number may change too");
	return channel_take_name(COMMAND, argc, argv, &o->spec.name);
}

static int attach(struct xs_handle *xs, struct options *o)
{
	unsigned int device;
	int r = toolstack_attach(xs, &o->spec, &device);

	if (!r && o->wait)
		r = toolstack_await_guest(xs, &o->spec, device, o->wait_ms);
	return channel_say_result(r, "attach", o->domain, o->spec.name);
}

int command_channel_attach(int argc, char **argv)
{
	_cleanup_(cleanup_xen_storep) struct xs_handle *xs = NULL;
	struct options o;
	int status = parse(&o, argc, argv);

	if (status)
		return status;
	if (o.help)
		return say_text(help);
	status = channel_open_store(&xs);
	if (!status)
		status = channel_find_domain(xs, o.domain, &o.spec.domid);
	if (!status && o.backend)
		status = channel_find_domain(xs, o.backend, &o.spec.backend);
	return status ? status : attach(xs, &o);
}
