// SPDX-License-Identifier: MIT
#include "cli/channel-common.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "cli/command.h"
#include "cli/host-probe.h"
#include "cli/say.h"
#include "xen/store.h"

int channel_open_store(struct xs_handle **xs)
{
	int r = xen_store_get(xs);
	struct finding f;

	if (!r)
		return STATUS_DONE;
	probe_host(PROBE_XENSTORE, &f);
	return say_failure("cannot reach xenstore: %s%s%s", strerror(-r),
			   f.error ? ": " : "", f.error ? f.remedy : "");
}

int channel_find_domain(struct xs_handle *xs, const char *text,
			unsigned int *domid)
{
	int r = toolstack_find_domain(xs, text, domid);

	if (!r)
		return STATUS_DONE;
	return say_failure("domain %s: %s", text,
			   r > 0 ? toolstack_error_text(r) : strerror(-r));
}

int channel_say_result(int r, const char *what, const char *domain,
		       const char *name)
{
	if (!r)
		return STATUS_DONE;
	if (r == -EACCES)
		return say_failure("cannot %s %s of domain %s: %s; only the "
				   "control domain may",
				   what, name, domain, strerror(-r));
	return say_failure("cannot %s %s of domain %s: %s", what, name, domain,
			   r > 0 ? toolstack_error_text(r) : strerror(-r));
}

int channel_take_name(const char *command, int argc, char **argv,
		      const char **name)
{
	if (optind >= argc)
		return say_usage(command, "NAME is missing");
	if (optind + 1 < argc)
		return say_usage(command, "%s: one NAME is enough",
				 argv[optind + 1]);
	*name = argv[optind];
	return STATUS_DONE;
}
