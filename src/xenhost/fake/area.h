/* SPDX-License-Identifier: MIT */
/* What a process has shared or mapped: consecutive addresses, one call each. */
#ifndef XENCHAN_XENHOST_FAKE_AREA_H
#define XENCHAN_XENHOST_FAKE_AREA_H

#include "base/cleanup.h"
#include "xenhost/fake/private.h"

struct fake_notification {
	uint32_t offset; /* FAKE_PAGE_SIZE or more: none */
	struct fake_port *port;
};

struct fake_area {
	struct list link;   /* process->areas, or the leftovers of the dead */
	const void *handle; /* that it was made through: identity only */
	bool shared;        /* else: mapped */
	bool apart;         /* not at the pages' own place */
	char *addr;         /* NULL: nothing of it is in use yet */
	unsigned int count;
	struct fake_notification notify;
	uint32_t pages[];
};

struct fake_area *fake_area_new(bool shared, unsigned int count);
/* Gives its pages back; accepts NULL. */
void fake_area_free(struct fake_area *a);
DEFINE_CLEANUP(struct fake_area *, fake_area, fake_area_free)

/* 0, or -EINVAL: the port is not one of the domain. -1 is no port. */
int fake_area_set_notify(struct fake_area *a, struct fake_domain *d,
			 uint32_t offset, evtchn_port_t port);

/* Unmaps or unshares; p is NULL for a dead process's. 0, or -EINVAL: it is
 * not an area as a whole. */
int fake_area_end(struct fake_process *p, const void *handle, const void *addr,
		  unsigned int count, bool shared);

#endif
