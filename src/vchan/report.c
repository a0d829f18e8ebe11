// SPDX-License-Identifier: MIT
#include "vchan/report.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <xentoollog.h>

static const char *const what[] = {
	[STEP_ARGUMENTS] = "arguments refused",
	[STEP_MEMORY] = "cannot allocate memory",
	[STEP_OPEN_GNTALLOC] = "cannot open the grant allocator",
	[STEP_OPEN_GNTDEV] = "cannot open the grant device",
	[STEP_OPEN_EVTCHN] = "cannot open the event channel device",
	[STEP_OPEN_XENSTORE] = "cannot connect to xenstore",
	[STEP_SHARE] = "cannot share the ring",
	[STEP_PORT] = "cannot allocate an event channel",
	[STEP_PUBLISH] = "cannot write the xenstore nodes",
	[STEP_FIND] = "cannot read the server's xenstore nodes",
	[STEP_MAP] = "cannot map the server's ring",
	[STEP_SERVER_GONE] = "the server has gone",
	[STEP_PAGE] = "the shared page is not a vchan's",
	[STEP_BIND] = "cannot bind the server's event channel",
};
static_assert(sizeof(what) / sizeof(*what) == STEP_N, "a text for each step");

/*
 * What each failure means and how to mend it: from the host's errno (0: any) to
 * the caller's (0: the same). The first row that matches counts.
 */
static const struct remedy {
	enum report_step step;
	int from, to;
	const char *text;
} remedies[] = {
	{ STEP_ARGUMENTS, ENAMETOOLONG, 0,
	  "a path may have 2034 bytes, an absolute one 3058" },
	{ STEP_ARGUMENTS, 0, 0,
	  "the domain is 0 to 32751, a ring at most 1048576 bytes, the path "
	  "not empty" },
	{ STEP_OPEN_GNTALLOC, EACCES, 0,
	  "this user needs read and write access to /dev/xen/gntalloc" },
	{ STEP_OPEN_GNTALLOC, ENOENT, ENODEV,
	  "load xen_gntalloc: modprobe xen_gntalloc" },
	{ STEP_OPEN_GNTALLOC, ENXIO, ENODEV,
	  "load xen_gntalloc: modprobe xen_gntalloc" },
	{ STEP_OPEN_GNTALLOC, ENODEV, 0,
	  "load xen_gntalloc: modprobe xen_gntalloc" },
	{ STEP_OPEN_GNTDEV, EACCES, 0,
	  "this user needs read and write access to /dev/xen/gntdev" },
	{ STEP_OPEN_GNTDEV, ENOENT, ENODEV,
	  "load xen_gntdev: modprobe xen_gntdev" },
	{ STEP_OPEN_GNTDEV, ENXIO, ENODEV,
	  "load xen_gntdev: modprobe xen_gntdev" },
	{ STEP_OPEN_GNTDEV, ENODEV, 0, "load xen_gntdev: modprobe xen_gntdev" },
	{ STEP_OPEN_EVTCHN, EACCES, 0,
	  "this user needs read and write access to /dev/xen/evtchn" },
	{ STEP_OPEN_EVTCHN, ENOENT, ENODEV,
	  "load xen_evtchn: modprobe xen_evtchn" },
	{ STEP_OPEN_EVTCHN, ENXIO, ENODEV,
	  "load xen_evtchn: modprobe xen_evtchn" },
	{ STEP_OPEN_EVTCHN, ENODEV, 0, "load xen_evtchn: modprobe xen_evtchn" },
	{ STEP_OPEN_XENSTORE, ECONNREFUSED, ENOENT,
	  "is xenstored running? Its socket is left over" },
	{ STEP_OPEN_XENSTORE, EACCES, 0,
	  "this user needs read and write access to /dev/xen/xenbus" },
	{ STEP_OPEN_XENSTORE, 0, 0,
	  "is this a Xen domain, with /dev/xen/xenbus or a running "
	  "xenstored?" },
	{ STEP_SHARE, ENOSPC, 0,
	  "close vchans, use smaller rings, or raise "
	  "/sys/module/xen_gntalloc/parameters/limit" },
	{ STEP_PORT, ENOSPC, 0, "close vchans: the domain has no port left" },
	{ STEP_PUBLISH, EACCES, 0,
	  "this domain may not write there: use a path below its own data/, or "
	  "let the toolstack make one" },
	{ STEP_PUBLISH, EINVAL, 0,
	  "a path has letters, digits and -_/@, and no // nor / at its end" },
	{ STEP_PUBLISH, ENOSPC, 0,
	  "remove nodes: the domain's xenstore quota is used up" },
	{ STEP_PUBLISH, ENOENT, 0,
	  "the domain's own id (the node domid) cannot be read" },
	{ STEP_PUBLISH, EAGAIN, 0,
	  "too many others change xenstore: try again" },
	{ STEP_FIND, EACCES, 0,
	  "there is no server yet, or it is not for this domain: wait for it, "
	  "or check the path and the server's peer domain" },
	{ STEP_FIND, ENOENT, 0,
	  "there is no server yet: start it first, or check the path" },
	{ STEP_FIND, EINVAL, 0,
	  "a path has letters, digits and -_/@, and no // nor / at its end" },
	{ STEP_FIND, EPROTO, 0,
	  "ring-ref and event-channel there are not a vchan's" },
	{ STEP_FIND, EAGAIN, 0, "the server is being replaced: try again" },
	{ STEP_MAP, ENOSPC, 0,
	  "close vchans, or raise the limit of mapped grants of xen_gntdev" },
	{ STEP_MAP, ENOMEM, 0, "out of memory" },
	{ STEP_MAP, EMFILE, 0, "close descriptors, or raise ulimit -n" },
	{ STEP_MAP, 0, ECONNREFUSED,
	  "its nodes are left over, or it shares with another domain: restart "
	  "the server" },
	{ STEP_SERVER_GONE, 0, 0,
	  "it has closed or was killed, and its nodes are left over: restart "
	  "it" },
	{ STEP_PAGE, EBUSY, 0,
	  "another client is connected: one client at a time" },
	{ STEP_PAGE, 0, 0,
	  "the server is of another kind, or hostile: see xenvchan(7)" },
	{ STEP_BIND, ESRCH, EHOSTDOWN, "the server's domain is gone" },
	{ STEP_BIND, ENOSPC, 0, "close vchans: the domain has no port left" },
	{ STEP_BIND, EINVAL, EBUSY,
	  "another client is connected: one client at a time" },
};

/* The logger's own function is all that this takes of libxentoollog. */
static void __attribute__((format(printf, 4, 5)))
say(const struct report *rep, xentoollog_level level, int err, const char *fmt,
    ...)
{
	va_list ap;

	if (!rep->logger)
		return;
	va_start(ap, fmt);
	rep->logger->vmessage(rep->logger, level, err, "xenvchan", fmt, ap);
	va_end(ap);
}

static const struct remedy *find_remedy(enum report_step step, int err)
{
	const struct remedy *end =
		remedies + sizeof(remedies) / sizeof(*remedies);

	for (const struct remedy *m = remedies; m < end; m++) {
		if (m->step == step && (!m->from || m->from == err))
			return m;
	}
	return NULL;
}

/*
 * The host's errno as the caller gets it: one of those that the manual lists,
 * where each means one thing. So what only we say of a server (EBUSY, EPROTO)
 * is not told for something that the host meant otherwise.
 */
static int told_errno(enum report_step step, int err)
{
	switch (err) {
	case EPERM:
		return EACCES;
	case EACCES:
	case EINVAL:
	case EMFILE:
	case ENAMETOOLONG:
	case ENFILE:
	case ENODEV:
	case ENOENT:
	case ENOMEM:
	case ENOSPC:
		return err;
	case EAGAIN:
		return step == STEP_PUBLISH || step == STEP_FIND ? err : EIO;
	case EBUSY:
	case ECONNREFUSED:
		return step == STEP_PAGE || step == STEP_SERVER_GONE ? err
								     : EIO;
	case EPROTO:
		return step == STEP_PAGE || step == STEP_FIND ? err : EIO;
	}
	return EIO;
}

int report_failure(const struct report *rep, enum report_step step, int err)
{
	const struct remedy *m = find_remedy(step, err == EPERM ? EACCES : err);
	int told = m && m->to ? m->to : told_errno(step, err);

	/* The logger is told the host's own errno, too, where it is no more. */
	say(rep, XTL_ERROR, told == EIO ? err : told,
	    "%s: domain %u, path %s: %s%s%s", rep->call, rep->domain, rep->path,
	    what[step], m ? "; " : "", m ? m->text : "");
	return -told;
}

void report_broken(const struct report *rep, const char *how)
{
	say(rep, XTL_ERROR, EPROTO,
	    "%s: domain %u, path %s: closed for good: the peer %s", rep->call,
	    rep->domain, rep->path, how);
}

void report_swap(const struct report *rep)
{
	say(rep, XTL_WARN, -1,
	    "%s: domain %u, path %s: a new client came before the last one was "
	    "seen to leave; what that had not read was zeroed",
	    rep->call, rep->domain, rep->path);
}
