// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "console/store.h"
#include "toolstack/channel.h"
#include "toolstack/nodes.h"
#include "xen/text.h"
#include "xen/transact.h"

#define LOOK_MS 20

struct closing {
	struct xs_handle *xs;
	const struct toolstack_channel *channel;
	bool removed;
};

static const char *backend_key(struct console_path *p,
			       const struct toolstack_channel *c,
			       const char *key)
{
	return console_backend_path(p, c->backend, c->domid, c->device, key);
}

/*
 * Asks the backend to close. One that has never looked at the device (state 1)
 * has nothing of the guest's: its nodes go at once, in the same transaction, so
 * that it cannot begin meanwhile.
 */
static int begin(void *userdata, xs_transaction_t t)
{
	struct closing *closing = userdata;
	const struct toolstack_channel *c = closing->channel;
	struct console_path p;
	enum console_state be;
	int r = console_read_state(closing->xs, t,
				   backend_key(&p, c, CONSOLE_BE_STATE), &be);

	closing->removed = !r && (be == CONSOLE_STATE_INITIALISING ||
				  be == CONSOLE_STATE_CLOSED);
	if (closing->removed)
		return toolstack_remove_nodes_in(closing->xs, t, c->backend,
						 c->domid, c->device);
	if (!r)
		r = xen_text_write(closing->xs, t,
				   backend_key(&p, c, CONSOLE_BE_ONLINE), "0");
	if (!r)
		r = xen_text_write(closing->xs, t,
				   backend_key(&p, c, CONSOLE_BE_STATE),
				   console_state_text(CONSOLE_STATE_CLOSING));
	return r;
}

static int await_closed(struct xs_handle *xs, const struct toolstack_channel *c,
			unsigned int timeout_ms)
{
	for (unsigned int ms = 0;; ms += LOOK_MS) {
		struct console_path p;
		enum console_state be;
		int r = console_read_state(xs, XBT_NULL,
					   backend_key(&p, c, CONSOLE_BE_STATE),
					   &be);

		if (r == -ENOENT)
			return 0; /* the domain died, and its nodes with it */
		if (r || be == CONSOLE_STATE_CLOSED)
			return r;
		if (ms >= timeout_ms)
			return TOOLSTACK_NO_ANSWER;
		clock_sleep_ms(LOOK_MS);
	}
}

static int close_channel(struct xs_handle *xs,
			 const struct toolstack_channel *c,
			 unsigned int timeout_ms, bool force)
{
	struct closing closing = { xs, c, false };
	int r;

	/* A backend that sees the guest's nodes vanish gives its page back. */
	if (!toolstack_is_leftover(c) && !c->incomplete) {
		r = xen_transact(xs, begin, &closing);
		if (r || closing.removed)
			return r;
		r = await_closed(xs, c, timeout_ms);
		if (r && !(r == TOOLSTACK_NO_ANSWER && force))
			return r;
	}
	return toolstack_remove_nodes(xs, c->backend, c->domid, c->device);
}

/* The list owns what *c points to. */
static int find(struct xs_handle *xs, unsigned int domid, const char *name,
		struct toolstack_list *list, const struct toolstack_channel **c)
{
	int r = toolstack_check_domain(xs, domid);

	if (r)
		return r;
	r = toolstack_list(xs, (int)domid, list);
	if (r)
		return r;
	*c = toolstack_list_find(list, domid, name);
	if (!*c)
		return TOOLSTACK_NO_CHANNEL;
	return (*c)->ours ? 0 : TOOLSTACK_NOT_OURS;
}

int toolstack_detach(struct xs_handle *xs, unsigned int domid, const char *name,
		     unsigned int timeout_ms, bool force)
{
	_cleanup_(toolstack_list_deinit) struct toolstack_list list = { 0 };
	const struct toolstack_channel *c;
	int r = find(xs, domid, name, &list, &c);

	return r ? r : close_channel(xs, c, timeout_ms, force);
}

struct log_change {
	struct xs_handle *xs;
	const struct toolstack_channel *channel;
	const char *log;
};

static int change_log(void *userdata, xs_transaction_t t)
{
	const struct log_change *l = userdata;
	const struct toolstack_channel *c = l->channel;
	struct xs_permissions perms[2] = { { c->backend, XS_PERM_NONE },
					   { c->domid, XS_PERM_READ } };
	struct console_path p;
	int r;

	backend_key(&p, c, CONSOLE_BE_LOG);
	if (!l->log)
		return xs_rm(l->xs, t, p.s) || errno == ENOENT ? 0 : -errno;
	r = xen_text_write(l->xs, t, p.s, l->log);
	if (r)
		return r;
	return xs_set_permissions(l->xs, t, p.s, perms, 2) ? 0 : -errno;
}

int toolstack_set_log(struct xs_handle *xs, unsigned int domid,
		      const char *name, const char *log)
{
	_cleanup_(toolstack_list_deinit) struct toolstack_list list = { 0 };
	struct log_change change = { .xs = xs, .log = log };
	int r;

	if (log && console_check_path(log, CONSOLE_VALUE_MAX))
		return TOOLSTACK_BAD_PATH;
	r = find(xs, domid, name, &list, &change.channel);
	return r ? r : xen_transact(xs, change_log, &change);
}
