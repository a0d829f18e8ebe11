// SPDX-License-Identifier: MIT
#include "guest/frontend.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "guest/frontend-private.h"
#include "guest/kernel.h"

/* sysfs tells nobody when it changes. */
#define SYSFS_INTERVAL (50 * NS_PER_MS)
/* How long a new device may be unknown to the kernel's driver; beyond that the
 * driver does not want it. */
#define SETTLE_TIME (1 * NS_PER_S)
/* How long a backend may take to let go of a ring. */
#define LET_GO_TIME (5 * NS_PER_S)
/* One that has none, to notice that it shall not take one. */
#define NOTICE_TIME (1 * NS_PER_S)

static const char *const phase_names[] = {
	[FRONTEND_VACANT] = "vacant",     [FRONTEND_EVICTING] = "evicting",
	[FRONTEND_RENEWING] = "renewing", [FRONTEND_OFFERED] = "offered",
	[FRONTEND_OPEN] = "open",         [FRONTEND_HUNG_UP] = "hung-up",
	[FRONTEND_CLOSING] = "closing",   [FRONTEND_CLOSED] = "closed",
	[FRONTEND_GONE] = "gone",
};
static_assert(sizeof(phase_names) / sizeof(*phase_names) == FRONTEND_PHASE_N,
	      "a name for each phase");

const char *frontend_phase_name(enum frontend_phase phase)
{
	return phase_names[phase];
}

int frontend_new(struct frontend **out, struct xs_handle *xs, const char *sysfs,
		 const struct channel *c)
{
	struct frontend *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	strcpy(f->name, c->name);
	f->xs = xs;
	f->sysfs = sysfs;
	f->device = c->device;
	snprintf(f->token, sizeof(f->token), "%p", (void *)f);
	f->since_ns = clock_now_ns();
	f->deadline_ns = DEADLINE_NEVER;
	*out = f;
	return 0;
}

static void unwatch(struct frontend *f)
{
	if (f->watched[0])
		xs_unwatch(f->xs, f->watched, f->token);
	f->watched[0] = '\0';
}

void frontend_free(struct frontend *f)
{
	if (!f)
		return;
	endpoint_deinit(&f->endpoint);
	unwatch(f);
	free(f);
}

static void enter(struct frontend *f, enum frontend_phase phase)
{
	if (phase != f->phase)
		f->since_ns = clock_now_ns();
	f->phase = phase;
}

static bool has_waited(const struct frontend *f, int64_t ns)
{
	return clock_now_ns() - f->since_ns >= ns;
}

static void look_again_in(struct frontend *f, int64_t ns)
{
	int64_t t = deadline_in(ns);

	if (t < f->deadline_ns)
		f->deadline_ns = t;
}

/* A new watch fires at once, so that no change before it is missed. */
static int watch_backend(struct frontend *f, const struct channel *c)
{
	if (!strcmp(c->backend_path, f->watched))
		return 0;
	unwatch(f);
	if (!xs_watch(f->xs, c->backend_path, f->token))
		return failed_errno();
	strcpy(f->watched, c->backend_path);
	return 0;
}

static int offer(struct frontend *f, const struct channel *c)
{
	int r;

	f->backend = c->backend;
	r = endpoint_init(&f->endpoint, c->backend);
	if (!r)
		r = frontend_publish_ring(f);
	if (!r)
		r = frontend_set_state(f, CONSOLE_STATE_INITIALISED);
	if (!r)
		enter(f, FRONTEND_OFFERED);
	else
		endpoint_deinit(&f->endpoint);
	return r;
}

/* A backend that may be offered a ring now. */
static bool is_ready(const struct channel *c)
{
	return c->backend_state >= CONSOLE_STATE_INITIALISING &&
	       c->backend_state <= CONSOLE_STATE_INITIALISED;
}

/*
 * One function a phase. Each gets what the nodes say, and the device exists.
 */

static int begin_eviction(struct frontend *f, const struct channel *c,
			  enum kernel_hold hold)
{
	int r = endpoint_check();

	f->former = c->state;
	/* Better now than after the kernel's tty has been hung up. */
	if (!r && hold == KERNEL_HOLDS)
		r = kernel_check_release(f->sysfs);
	if (!r && c->state != CONSOLE_STATE_CLOSING &&
	    c->state != CONSOLE_STATE_CLOSED)
		r = frontend_set_state(f, CONSOLE_STATE_CLOSING);
	if (!r) {
		enter(f, FRONTEND_EVICTING);
		look_again_in(f, 0);
	}
	return r;
}

/*
 * QEMU's: nobody is sent away, only what nobody has is taken. The kernel's
 * terminal is of use once it is connected.
 */
static int step_vacant_qemus(struct frontend *f, const struct channel *c,
			     enum kernel_hold hold)
{
	if (hold != KERNEL_HOLDS && c->state == CONSOLE_STATE_INITIALISING)
		return is_ready(c) ? offer(f, c) : 0;
	if (hold == KERNEL_HOLDS && c->state != CONSOLE_STATE_CONNECTED)
		return 0;
	return -EOPNOTSUPP;
}

static int step_vacant(struct frontend *f, const struct channel *c)
{
	enum kernel_hold hold = kernel_hold(f->sysfs, f->device);

	if (!c->has_backend || !c->online ||
	    c->backend_state == CONSOLE_STATE_UNKNOWN)
		return 0;
	/*
	 * The kernel takes a new device in a moment, and would overwrite our
	 * offer: let it. It may also be looking at it right now.
	 */
	if (c->state == CONSOLE_STATE_INITIALISING && hold != KERNEL_NONE &&
	    !has_waited(f, SETTLE_TIME)) {
		look_again_in(f, SYSFS_INTERVAL);
		return 0;
	}
	if (c->is_qemus)
		return step_vacant_qemus(f, c, hold);
	if (c->state == CONSOLE_STATE_INITIALISING && hold != KERNEL_HOLDS) {
		if (is_ready(c))
			return offer(f, c);
		if (c->backend_state == CONSOLE_STATE_CLOSED) {
			enter(f, FRONTEND_RENEWING);
			return 0;
		}
	}
	return begin_eviction(f, c, hold);
}

/* Nobody will map the last one's ring any more, nor has it mapped. */
static bool is_evicted(const struct frontend *f, const struct channel *c,
		       enum kernel_hold hold)
{
	if (c->backend_state == CONSOLE_STATE_CLOSED ||
	    c->backend_state == CONSOLE_STATE_UNKNOWN)
		return true;
	/*
	 * A backend that was not connected may not care to say so. This is not
	 * certain enough for a page that the kernel would free.
	 */
	return is_ready(c) && hold != KERNEL_HOLDS &&
	       has_waited(f, NOTICE_TIME);
}

static int step_evicting(struct frontend *f, const struct channel *c)
{
	enum kernel_hold hold = kernel_hold(f->sysfs, f->device);
	int r = 0;

	if (c->backend_state == CONSOLE_STATE_CLOSING &&
	    c->state != CONSOLE_STATE_CLOSED)
		return frontend_set_state(f, CONSOLE_STATE_CLOSED);
	if (!is_evicted(f, c, hold)) {
		/*
		 * Not what we wrote: nodes made anew, which the kernel has taken
		 * since. Nobody was asked to let go of those.
		 */
		if (c->state != CONSOLE_STATE_CLOSING &&
		    c->state != CONSOLE_STATE_CLOSED) {
			enter(f, FRONTEND_VACANT);
			look_again_in(f, 0);
			return 0;
		}
		if (is_ready(c))
			look_again_in(f, NOTICE_TIME);
		return 0;
	}
	if (!c->online)
		return 0; /* the nodes will go */
	/* After this the kernel writes no state any more. */
	if (hold == KERNEL_HOLDS)
		r = kernel_release(f->sysfs, f->device);
	if (!r)
		r = frontend_set_state(f, CONSOLE_STATE_INITIALISING);
	if (!r) {
		enter(f, FRONTEND_RENEWING);
		look_again_in(f, 0);
	}
	return r;
}

static int step_renewing(struct frontend *f, const struct channel *c)
{
	if (c->state != CONSOLE_STATE_INITIALISING) {
		enter(f, FRONTEND_VACANT);
		look_again_in(f, 0);
		return 0;
	}
	return is_ready(c) && c->has_backend && c->online ? offer(f, c) : 0;
}

/* Somebody else wrote there, or the nodes are new: not our ring any more. */
static bool is_displaced(const struct frontend *f, const struct channel *c)
{
	return c->ring_ref != f->endpoint.ref || c->port != f->endpoint.port;
}

static bool backend_closes(const struct channel *c)
{
	return c->backend_state == CONSOLE_STATE_CLOSING ||
	       c->backend_state == CONSOLE_STATE_CLOSED;
}

static int hang_up(struct frontend *f)
{
	enter(f, FRONTEND_HUNG_UP);
	return frontend_set_state(f, CONSOLE_STATE_CLOSED);
}

static int step_offered(struct frontend *f, const struct channel *c)
{
	int r = 0;

	if (is_displaced(f, c)) {
		endpoint_deinit(&f->endpoint);
		enter(f, FRONTEND_VACANT);
		look_again_in(f, 0);
	} else if (backend_closes(c)) {
		r = hang_up(f);
	} else if (c->backend_state == CONSOLE_STATE_CONNECTED) {
		r = frontend_set_state(f, CONSOLE_STATE_CONNECTED);
		enter(f, FRONTEND_OPEN);
	}
	return r;
}

/*
 * A backend whose nodes are removed, or that goes through its states anew after
 * a restart, goes on with the same ring.
 */
static int step_open(struct frontend *f, const struct channel *c)
{
	if (is_displaced(f, c)) {
		endpoint_deinit(&f->endpoint);
		enter(f, FRONTEND_CLOSED);
		return 0;
	}
	return backend_closes(c) ? hang_up(f) : 0;
}

static int step_closing(struct frontend *f, const struct channel *c)
{
	bool unmapped = c->backend_state == CONSOLE_STATE_CLOSED ||
			c->backend_state == CONSOLE_STATE_UNKNOWN;
	int64_t patience = is_ready(c) ? NOTICE_TIME : LET_GO_TIME;

	if (!unmapped && !has_waited(f, patience)) {
		look_again_in(f, patience);
		return c->backend_state == CONSOLE_STATE_CLOSING &&
				       c->state != CONSOLE_STATE_CLOSED
			       ? frontend_set_state(f, CONSOLE_STATE_CLOSED)
			       : 0;
	}
	endpoint_deinit(&f->endpoint);
	enter(f, FRONTEND_CLOSED);
	/* Fresh for whoever comes next; the backend then goes to 2. */
	return (unmapped || is_ready(c)) && c->online && c->has_backend &&
			       !c->is_qemus
		       ? frontend_set_state(f, CONSOLE_STATE_INITIALISING)
		       : 0;
}

static int step_nothing(struct frontend *f, const struct channel *c)
{
	return 0;
}

static int (*const steps[])(struct frontend *, const struct channel *) = {
	[FRONTEND_VACANT] = step_vacant,
	[FRONTEND_EVICTING] = step_evicting,
	[FRONTEND_RENEWING] = step_renewing,
	[FRONTEND_OFFERED] = step_offered,
	[FRONTEND_OPEN] = step_open,
	[FRONTEND_HUNG_UP] = step_nothing,
	[FRONTEND_CLOSING] = step_closing,
	[FRONTEND_CLOSED] = step_nothing,
	[FRONTEND_GONE] = step_nothing,
};
static_assert(sizeof(steps) / sizeof(*steps) == FRONTEND_PHASE_N,
	      "a step for each phase");

/* Without nodes of its name there is no closing; but what has come can still be read. */
static void vanish(struct frontend *f)
{
	if (f->phase == FRONTEND_OPEN)
		enter(f, FRONTEND_HUNG_UP);
	if (f->phase == FRONTEND_HUNG_UP)
		return;
	endpoint_deinit(&f->endpoint);
	enter(f, FRONTEND_GONE);
}

int frontend_step(struct frontend *f)
{
	struct channel c;
	int r;

	f->deadline_ns = DEADLINE_NEVER;
	r = channel_read(f->xs, f->device, &c);
	if (r == -ENOENT || (!r && strcmp(c.name, f->name) != 0)) {
		vanish(f);
		return 0;
	}
	if (!r && c.has_backend)
		r = watch_backend(f, &c);
	return r ? r : steps[f->phase](f, &c);
}

/*
 * An eviction that came to nothing. A backend that is not there does not see the
 * state that we wrote; whoever was connected shall be so when it is back.
 */
static int give_back(struct frontend *f)
{
	struct channel c;
	int r = channel_read(f->xs, f->device, &c);

	enter(f, FRONTEND_CLOSED);
	if (r || strcmp(c.name, f->name) != 0 || backend_closes(&c) ||
	    c.state != CONSOLE_STATE_CLOSING)
		return r == -ENOENT ? 0 : r;
	return frontend_set_state(f, f->former);
}

int frontend_close(struct frontend *f)
{
	bool hung_up = f->phase == FRONTEND_HUNG_UP;

	if (f->phase == FRONTEND_EVICTING)
		return give_back(f);
	if (f->phase < FRONTEND_OFFERED)
		enter(f, FRONTEND_CLOSED);
	if (f->phase > FRONTEND_HUNG_UP)
		return 0;
	frontend_publish_open(f, false);
	enter(f, FRONTEND_CLOSING);
	look_again_in(f, 0);
	return hung_up ? 0 : frontend_set_state(f, CONSOLE_STATE_CLOSING);
}

int64_t frontend_deadline(const struct frontend *f)
{
	return f->deadline_ns;
}

enum frontend_phase frontend_phase(const struct frontend *f)
{
	return f->phase;
}

unsigned int frontend_backend(const struct frontend *f)
{
	return f->backend;
}

int frontend_fd(const struct frontend *f)
{
	return f->phase == FRONTEND_OPEN ? endpoint_fd(&f->endpoint) : -1;
}

struct endpoint *frontend_endpoint(struct frontend *f)
{
	return &f->endpoint;
}
