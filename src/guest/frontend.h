/* SPDX-License-Identifier: MIT */
/*
 * A channel's front end in user space: it shares a ring page with the backend
 * domain and goes through the states of xen-channel(7).
 *
 * frontend_step() looks at the nodes and does what is due. The owner calls it
 * once at the start, after every watch event, and when frontend_deadline()
 * passes. Nothing here blocks. One process at a time may drive a device: see
 * lock.h.
 */
#ifndef XENCHAN_GUEST_FRONTEND_H
#define XENCHAN_GUEST_FRONTEND_H

#include <stdbool.h>
#include <stdint.h>
#include <xenstore.h>

#include "base/cleanup.h"
#include "guest/channels.h"
#include "guest/endpoint.h"

/* What each phase has of ours, and what it waits for. */
enum frontend_phase {
	/* Nothing. For the device to be there to be taken. */
	FRONTEND_VACANT,
	/*
	 * Nothing; the kernel, or somebody who died, was connected. For the
	 * backend to let go of that one's ring, at state 6.
	 */
	FRONTEND_EVICTING,
	/* Nothing; our state is 1 again. For the backend to be ready. */
	FRONTEND_RENEWING,
	/* Page and port, published, state 3. For the backend to connect. */
	FRONTEND_OFFERED,
	/* Page and port, state 4: bytes flow. For one end to close. */
	FRONTEND_OPEN,
	/*
	 * Page and port, state 6, because the backend closes: what it sent can
	 * still be read. For the owner to call frontend_close().
	 */
	FRONTEND_HUNG_UP,
	/* Page and port. For the backend to let go of the page, a time-out. */
	FRONTEND_CLOSING,
	/* Nothing, for good: closed in order. */
	FRONTEND_CLOSED,
	/* Nothing, for good: the toolstack has removed the nodes, or made them
	 * anew for a channel of another name. */
	FRONTEND_GONE,
	FRONTEND_PHASE_N,
};

struct frontend;

/*
 * For this device as long as it is the channel of this name, which it has. sysfs:
 * of kernel_sysfs(). xs and sysfs are borrowed. 0, or negative errno.
 */
int frontend_new(struct frontend **out, struct xs_handle *xs, const char *sysfs,
		 const struct channel *c);

/*
 * Lets go of everything at once. After FRONTEND_OPEN the backend may still have
 * the page, which the kernel keeps for as long; the next to open the channel
 * finds it occupied by somebody who died. NULL is allowed.
 */
void frontend_free(struct frontend *f);

/*
 * 0, or negative errno after which only frontend_free() makes sense: of
 * xenstore, of sharing a page (ENOENT: no gntalloc device), of taking the
 * device from the kernel (-EACCES). -EOPNOTSUPP: QEMU serves it and somebody
 * else has it, who may not be sent away; if that is the kernel, it is connected.
 */
int frontend_step(struct frontend *f);

/* When to call frontend_step() if nothing happens; may be DEADLINE_NEVER. */
int64_t frontend_deadline(const struct frontend *f);

enum frontend_phase frontend_phase(const struct frontend *f);
const char *frontend_phase_name(enum frontend_phase phase);

/* The backend's domain; once open. */
unsigned int frontend_backend(const struct frontend *f);

/* Begins to close, in any phase. Go on with frontend_step(). */
int frontend_close(struct frontend *f);

/* Tells the host whether a program has the channel open: advice only. */
void frontend_publish_open(struct frontend *f, bool open);

/* Readable when the backend sent an event, while FRONTEND_OPEN; else -1. */
int frontend_fd(const struct frontend *f);

/* While FRONTEND_OPEN or FRONTEND_HUNG_UP. */
struct endpoint *frontend_endpoint(struct frontend *f);

DEFINE_CLEANUP(struct frontend *, frontend, frontend_free)
#define _cleanup_frontend_ _cleanup_(cleanup_frontendp)

#endif
