/* SPDX-License-Identifier: MIT */
/*
 * The sockets that libxl and xenstat speak QMP on: one client each at a time,
 * as with QEMU; the next one waits in the kernel. Nothing blocks.
 */
#ifndef XENCHAN_DM_MONITOR_H
#define XENCHAN_DM_MONITOR_H

#include <poll.h>
#include <stdint.h>

#include "dm/qmp.h"

#define MONITOR_READ_MAX 4096

struct monitor {
	const struct dm_args *args; /* borrowed */
	const char *path;           /* borrowed; of a socket that is ours */
	int listening, client;      /* owned; -1 */
	int64_t accept_ns;          /* not before: it has failed */
	struct qmp *qmp;            /* owned; as long as there is a client */
	char in[MONITOR_READ_MAX];
	size_t n_in, n_taken;
};

/*
 * Listens at path, in the place of a socket that a former process left, for
 * this user alone. 0 or a negative errno; monitor_deinit() is right either way.
 */
int monitor_init(struct monitor *m, const struct dm_args *args,
		 const char *path);
void monitor_deinit(struct monitor *m);

/* What to wait for, and then what to do. 0 or a negative errno: no memory. */
struct pollfd monitor_pollfd(const struct monitor *m);
int64_t monitor_deadline(const struct monitor *m);
int monitor_turn(struct monitor *m);

#endif
