/* SPDX-License-Identifier: MIT */
/*
 * Channels that libxl made for QEMU become xenchanneld's: they get its mark, and
 * a type that no QEMU takes. All return 0 or a negative errno.
 */
#ifndef XENCHAN_DM_HANDOVER_H
#define XENCHAN_DM_HANDOVER_H

#include <xenstore.h>

#include "dm/args.h"

/*
 * own: this domain. Waits for the nodes at most timeout_ms; -ETIMEDOUT and
 * *missing: the device that has none. A channel that another domain serves is
 * removed from args.
 */
int handover_give(struct xs_handle *xs, unsigned int own, struct dm_args *args,
		  unsigned int timeout_ms, unsigned int *missing);

/*
 * Until all are served; the same. What keeps clients from one, a socket that
 * cannot be bound, is in *problem (owned by the caller), and in *missing which.
 */
int handover_await_served(struct xs_handle *xs, unsigned int own,
			  const struct dm_args *args, unsigned int timeout_ms,
			  unsigned int *missing, char **problem);

/*
 * Has the guest a device that QEMU serves, from this domain? *type is the kind
 * of the first one, or NULL.
 */
int handover_find_qemu_device(struct xs_handle *xs, unsigned int own,
			      unsigned int domid, const char **type);

/* Tells libxl that the device model runs. */
int handover_say_running(struct xs_handle *xs, unsigned int domid);

#endif
