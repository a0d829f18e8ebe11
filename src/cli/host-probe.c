// SPDX-License-Identifier: MIT
#include "cli/host-probe.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "cli/command.h"
#include "cli/logger.h"
#include "cli/say.h"

/* Any domain may be granted a page and bound a port; this one always exists. */
#define SOME_DOMAIN 0

/* 0, or negative errno, of a call that failed. */
static int failed(void)
{
	return errno ? -errno : -EIO;
}

static int try_xenstore(struct xentoollog_logger *quiet)
{
	struct xs_handle *xs = xs_open(0);
	_cleanup_free_ char *domid = NULL;
	int r;

	if (!xs)
		return failed();
	domid = xs_read(xs, XBT_NULL, "domid", NULL);
	r = domid ? 0 : failed();
	xs_close(xs);
	return r;
}

static int try_evtchn(struct xentoollog_logger *quiet)
{
	xenevtchn_handle *event = xenevtchn_open(quiet, 0);
	int r;

	if (!event)
		return failed();
	r = xenevtchn_bind_unbound_port(event, SOME_DOMAIN) < 0 ? failed() : 0;
	xenevtchn_close(event); /* and the port */
	return r;
}

static int try_gntalloc(struct xentoollog_logger *quiet)
{
	xengntshr_handle *gntshr = xengntshr_open(quiet, 0);
	uint32_t ref;
	void *page;
	int r;

	if (!gntshr)
		return failed();
	page = xengntshr_share_pages(gntshr, SOME_DOMAIN, 1, &ref, 0);
	r = page ? 0 : failed();
	if (page)
		xengntshr_unshare(gntshr, page, 1);
	xengntshr_close(gntshr);
	return r;
}

static int try_gntdev(struct xentoollog_logger *quiet)
{
	xengnttab_handle *gnttab = xengnttab_open(quiet, 0);

	if (!gnttab)
		return failed();
	xengnttab_close(gnttab);
	return 0;
}

static const struct interface {
	int (*try)(struct xentoollog_logger *quiet);
	const char *name, *need, *detail;
	const char *module; /* as sysfs spells it */
	const char *load, *permit, *exhausted;
} interfaces[] = {
	[PROBE_XENSTORE] = {
		try_xenstore, "xenstore", "to find the peer",
		"opened, and this domain's id read", "xenfs",
		"mount -t xenfs xenfs /proc/xen (in dom0: systemctl start "
		"xenstored)",
		"chmod 0660 /dev/xen/xenbus and chgrp it to this user's "
		"group, or run as root",
		"close connections to xenstore",
	},
	[PROBE_EVTCHN] = {
		try_evtchn, "evtchn", "for both ends",
		"opened, a port allocated and freed", "xen_evtchn",
		"modprobe xen_evtchn",
		"chmod 0660 /dev/xen/evtchn and chgrp it to this user's "
		"group, or run as root",
		"close programs that hold event channels",
	},
	[PROBE_GNTALLOC] = {
		try_gntalloc, "gntalloc", "to be the server",
		"opened, a page granted and taken back", "xen_gntalloc",
		"modprobe xen_gntalloc",
		"chmod 0660 /dev/xen/gntalloc and chgrp it to this user's "
		"group, or run as root",
		"close vchans, or: echo 4096 "
		">/sys/module/xen_gntalloc/parameters/limit",
	},
	[PROBE_GNTDEV] = {
		try_gntdev, "gntdev", "to be the client", "opened",
		"xen_gntdev", "modprobe xen_gntdev",
		"chmod 0660 /dev/xen/gntdev and chgrp it to this user's "
		"group, or run as root",
		"close programs that map grants",
	},
};
static_assert(sizeof(interfaces) / sizeof(*interfaces) == PROBE_N,
	      "an interface for each probe");

/* The first line of a small file, without its end. */
static bool read_line(const char *path, char *line, int size)
{
	FILE *f = fopen(path, "re");
	bool ok;

	if (!f)
		return false;
	ok = fgets(line, size, f) != NULL;
	fclose(f);
	if (ok)
		line[strcspn(line, "\n")] = '\0';
	return ok;
}

static bool runs_on_xen(void)
{
	char type[16];

	return read_line("/sys/hypervisor/type", type, sizeof(type)) &&
	       !strcmp(type, "xen");
}

static bool is_loaded(const char *module)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s", module);
	return !access(path, F_OK);
}

static void find_remedy(const struct interface *i, struct finding *f)
{
	switch (f->error) {
	case EACCES:
	case EPERM:
		f->remedy = i->permit;
		return;
	case ENOSPC:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		f->remedy = i->exhausted;
		return;
	}
	if (!runs_on_xen()) {
		f->remedy = "this is not a domain of Xen: start it as one, or "
			    "use an emulated host: xenhost run -d 1 -- xenchan "
			    "doctor";
		return;
	}
	if (!is_loaded(i->module))
		f->missing_module = i->module;
	f->remedy = i->load;
}

void probe_host(enum probe what, struct finding *f)
{
	const struct interface *i = &interfaces[what];
	struct logger quiet;

	logger_init(&quiet, false);
	*f = (struct finding){ .error = -i->try(&quiet.xtl),
			       .name = i->name,
			       .need = i->need,
			       .detail = i->detail };
	if (f->error)
		find_remedy(i, f);
}

int host_check(const char *command, bool is_server)
{
	const enum probe needs[] = { PROBE_XENSTORE, PROBE_EVTCHN,
				     is_server ? PROBE_GNTALLOC
					       : PROBE_GNTDEV };
	struct finding f;

	for (size_t i = 0; i < sizeof(needs) / sizeof(*needs); i++) {
		probe_host(needs[i], &f);
		if (f.error)
			return say_failure("%s: %s: %s: %s", command, f.name,
					   strerror(f.error), f.remedy);
	}
	return STATUS_DONE;
}

void probe_identity(struct identity *id)
{
	struct xs_handle *xs = xs_open(0);
	_cleanup_free_ char *domid = NULL;
	_cleanup_free_ char *name = NULL;
	unsigned int n;

	*id = (struct identity){ .domid = -1 };
	if (!xs)
		return;
	domid = xs_read(xs, XBT_NULL, "domid", NULL);
	if (domid && !parse_domid(domid, &n))
		id->domid = (long)n;
	name = xs_read(xs, XBT_NULL, "name", NULL);
	if (name)
		snprintf(id->name, sizeof(id->name), "%s", name);
	xs_close(xs);
}

long long probe_parameter(const char *path)
{
	char line[32];
	uint64_t value;

	if (!read_line(path, line, sizeof(line)) ||
	    parse_u64(line, INT64_MAX, &value))
		return -1;
	return (long long)value;
}
