// SPDX-License-Identifier: MIT
#include "cli/channel-probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "guest/channels.h"
#include "guest/kernel.h"
#include "toolstack/control.h"
#include "xen/store.h"

/* Who does not answer by then does not serve either. */
#define PATIENCE_S 5

static int count_served(FILE *in, unsigned int *n)
{
	char line[CONTROL_LINE_MAX];

	while (fgets(line, sizeof(line), in)) {
		if (!strcmp(line, "end\n"))
			return 0;
		++*n;
	}
	return errno == EAGAIN || errno == EWOULDBLOCK ? ETIMEDOUT : EPROTO;
}

static void probe_daemon(struct channel_report *report)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	int fd = toolstack_control(report->run_dir, CONTROL_STATUS);
	FILE *in;

	if (fd < 0) {
		report->daemon_error = -fd;
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	in = fdopen(fd, "r");
	if (!in) {
		report->daemon_error = errno;
		close(fd);
		return;
	}
	errno = 0;
	report->daemon_error = count_served(in, &report->n_served);
	fclose(in);
}

static void probe_own(struct channel_report *report)
{
	_cleanup_(cleanup_xen_storep) struct xs_handle *xs = NULL;
	struct channels all;
	const char *sysfs;
	int r = xen_store_get(&xs);

	if (!r)
		r = channels_read(xs, &all);
	report->own_error = -r;
	if (r)
		return;
	sysfs = kernel_sysfs(xs);
	for (unsigned int i = 0; i < all.n; i++) {
		const struct channel *c = &all.list[i];

		if (!c->name[0])
			continue;
		report->n_own++;
		report->n_qemus += c->is_qemus;
		report->n_kernels +=
			kernel_hold(sysfs, c->device) == KERNEL_HOLDS;
	}
}

void channel_probe(struct channel_report *report, const char *run_dir)
{
	*report = (struct channel_report){ .run_dir = run_dir };
	probe_daemon(report);
	probe_own(report);
}
