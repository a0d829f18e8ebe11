// SPDX-License-Identifier: MIT
/* xenchan vchan proxy: the command; proxy.h has what it does. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>
#include <xenstore.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "cli/command.h"
#include "cli/hold.h"
#include "cli/host-probe.h"
#include "cli/proxy.h"
#include "cli/say.h"
#include "cli/stop.h"
#include "cli/streams.h"
#include "cli/vchan-options.h"
#include "xen/store.h"

#define COMMAND "vchan proxy"

/* A session has two for its event channel and grants, two for its events, two
 * local ones; what the process has itself besides. */
#define FDS_PER_SESSION 6
#define FDS_BESIDES 32

static const char help[] =
	"usage: xenchan vchan proxy -d DOMAIN [options] PATH --listen SOCKET\n"
	"       xenchan vchan proxy -d DOMAIN [options] PATH --stdio\n"
	"       xenchan vchan proxy -d DOMAIN [options] PATH --connect SOCKET\n"
	"       xenchan vchan proxy -d DOMAIN [options] PATH --exec CMD "
	"[ARG...]\n"
	"\n"
	"Carries connections to another domain, many at once, each on a vchan "
	"of its own\n"
	"below the xenstore path PATH. The first two forms ask for "
	"connections, the last\n"
	"two serve them: one of each makes a pair. PATH is relative to the "
	"home of the\n"
	"domain that serves, or absolute.\n"
	"\n"
	"  -d, --domain DOMAIN      the domain of the other proxy\n"
	"      --listen SOCKET      a Unix socket: each client is a session\n"
	"      --stdio              standard input and output: one session\n"
	"      --connect SOCKET     connect each session to a Unix socket\n"
	"      --exec CMD [ARG...]  run CMD for each session; all that follows "
	"is CMD's\n"
	"      --mode MODE          of SOCKET, octal; default 600\n"
	"      --max-sessions N     at most so many at once, 1 to 1000; "
	"default 64\n"
	"  -t, --timeout DURATION   how long a session waits for the other "
	"end: 10, 500ms,\n"
	"                           2m, never; default 10\n"
	"      --idle DURATION      end a session in which nothing moves for "
	"so long;\n"
	"                           default never\n"
	"      --ring SIZE[,SIZE]   of the rings from and to the proxy that "
	"asks; default\n"
	"                           16K\n"
	"      --compat             the other end is Xen's "
	"vchan-socket-proxy\n"
	"  -v, --verbose            say how each session ends, and what the "
	"Xen libraries say\n"
	"  -h, --help               this text\n"
	"\n"
	"Exit status: 0 or 1 with --stdio, as the session ended; 1 failed at "
	"the start, 2\n"
	"usage, 128+N ended by signal N. See xenchan-vchan-proxy(1).\n";

/* What a killed proxy has left below PATH; and PATH itself, which is not kept
 * unless somebody had made it before. */
static void remove_old_sessions(struct proxy *p)
{
	_cleanup_(cleanup_xen_storep) struct xs_handle *xs = NULL;
	_cleanup_free_ char **keys = NULL;
	unsigned int n = 0;
	uint32_t id;

	if (xen_store_get(&xs))
		return;
	keys = xs_directory(xs, XBT_NULL, p->base, &n);
	p->keeps_base = keys && !n;
	for (unsigned int i = 0; keys && i < n; i++) {
		_cleanup_free_ char *path = NULL;

		if (!parse_u32(keys[i], UINT32_MAX, &id) &&
		    asprintf(&path, "%s/%s", p->base, keys[i]) >= 0)
			xs_rm(xs, XBT_NULL, path);
	}
}

static void remove_base(struct proxy *p)
{
	_cleanup_(cleanup_xen_storep) struct xs_handle *xs = NULL;
	_cleanup_free_ char **keys = NULL;
	unsigned int n = 0;

	if (p->options.compat || p->keeps_base || p->name < 0 ||
	    xen_store_get(&xs))
		return;
	keys = xs_directory(xs, XBT_NULL, p->base, &n);
	if (keys && !n)
		xs_rm(xs, XBT_NULL, p->base);
}

static int hold_base(struct proxy *p)
{
	p->name = hold_path(p->options.path);
	if (p->name == -EADDRINUSE)
		return say_failure(COMMAND ": path %s: another server of this "
					   "domain is there: stop it, or "
					   "choose another PATH",
				   p->options.path);
	if (!p->options.compat)
		remove_old_sessions(p);
	return STATUS_DONE;
}

static int open_listener(struct proxy *p)
{
	const char *path = p->options.socket;
	int r = proxy_listen(&p->listener, path, p->options.mode);

	switch (r) {
	case 0:
		return STATUS_DONE;
	case -EADDRINUSE:
		return say_failure(COMMAND ": --listen %s: somebody listens "
					   "there already: stop it, or choose "
					   "another SOCKET",
				   path);
	case -EBUSY:
		return say_failure(COMMAND ": --listen %s: process %d holds a "
					   "lock on its directory",
				   path, (int)p->listener.holder);
	case -EEXIST:
		return say_failure(COMMAND ": --listen %s: there is something "
					   "that is no socket: remove it, or "
					   "choose another SOCKET",
				   path);
	case -ENAMETOOLONG:
		return say_failure(COMMAND
				   ": --listen %s: the path of a socket "
				   "has 1 to 107 bytes",
				   path);
	}
	return say_failure(COMMAND ": --listen %s: %s", path, strerror(-r));
}

/* The first vchan tells whether PATH can be used at all. */
static int open_first(struct proxy *p)
{
	const struct proxy_options *o = &p->options;
	int r = 0;

	if (!proxy_serves(o))
		return STATUS_DONE;
	if (o->compat) {
		r = proxy_serve_compat(p);
	} else {
		(void)control_step(&p->control);
		r = p->control.vchan ? 0 : p->control.error;
	}
	if (r == ESRCH)
		say_note(COMMAND ": there is no domain %u yet: waiting for it",
			 o->domain);
	if (!r || r == ESRCH)
		return STATUS_DONE;
	return say_failure(COMMAND ": cannot serve: %s", p->logger.error);
}

static int prepare(struct proxy *p)
{
	const struct proxy_options *o = &p->options;
	uint32_t start = 0;
	int status;

	p->base = proxy_serves(o) ? strdup(o->path)
				  : vchan_absolute_path(o->domain, o->path);
	if (p->base && asprintf(&p->control_path, "%s/control", p->base) < 0)
		p->control_path = NULL;
	p->fds = calloc(PROXY_AT_SESSIONS +
				PROXY_SESSION_FDS * (size_t)o->max_sessions,
			sizeof(*p->fds));
	if (!p->control_path || !p->fds)
		return say_failure(COMMAND ": %s", strerror(ENOMEM));
	/* Answers to a former proxy are not taken for ours. */
	(void)!getrandom(&start, sizeof(start), GRND_NONBLOCK);
	p->next_nonce = (uint64_t)start << 32;
	p->next_id = 1;
	p->control.serves = proxy_serves(o);
	p->control.domain = o->domain;
	p->control.path = p->control_path;
	p->control.logger = &p->logger.xtl;
	/* What would fail for each session is said at once. */
	status = host_check(COMMAND, proxy_serves(o));
	if (!status && proxy_serves(o))
		status = hold_base(p);
	if (!status && o->local == PROXY_LISTEN)
		status = open_listener(p);
	if (!status)
		status = open_first(p);
	return status;
}

static void raise_limit(const struct proxy_options *o)
{
	rlim_t wanted = FDS_BESIDES + FDS_PER_SESSION * o->max_sessions;
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) || l.rlim_cur >= wanted)
		return;
	l.rlim_cur = wanted < l.rlim_max ? wanted : l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
}

static int say_result(const struct proxy *p)
{
	const struct proxy_options *o = &p->options;

	if (stop_signal())
		return STATUS_SIGNAL + stop_signal();
	if (p->result == PROXY_SESSION_DONE)
		return STATUS_DONE;
	return say_failure(COMMAND ": domain %u, path %s: %s%s%s", o->domain,
			   o->path, proxy_end_text(p->result),
			   p->logger.error[0] ? ": " : "", p->logger.error);
}

static void deinit(struct proxy *p)
{
	struct list *l, *next;

	proxy_unlisten(&p->listener);
	list_for_each_safe (l, next, &p->sessions)
		proxy_session_free(list_entry(l, struct proxy_session, link));
	control_deinit(&p->control);
	remove_base(p);
	if (p->name >= 0)
		close(p->name);
	free(p->base);
	free(p->control_path);
	free(p->fds);
}

static int proxy(struct proxy *p)
{
	int status = prepare(p);

	if (status)
		return status;
	if (p->options.local == PROXY_STDIO) {
		streams_make_nonblocking();
		if (!proxy_take_client(p, STDIN_FILENO, STDOUT_FILENO))
			return say_failure(COMMAND ": %s", strerror(ENOMEM));
	}
	proxy_run_sessions(p);
	streams_restore();
	return say_result(p);
}

int command_vchan_proxy(int argc, char **argv)
{
	struct proxy p = { .listener.fd = -1, .name = -1 };
	int status = proxy_options_parse(&p.options, argc, argv);

	if (status)
		return status;
	if (p.options.help)
		return say_text(help);
	status = stop_install();
	if (status)
		return say_failure("cannot catch signals: %s",
				   strerror(-status));
	list_init(&p.sessions);
	logger_init(&p.logger, p.options.verbose);
	raise_limit(&p.options);
	status = proxy(&p);
	deinit(&p);
	return status;
}
