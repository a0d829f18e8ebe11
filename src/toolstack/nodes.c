// SPDX-License-Identifier: MIT
#include "toolstack/nodes.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "xen/transact.h"

struct console_path toolstack_frontend(unsigned int domid, unsigned int device)
{
	struct console_path p;

	console_frontend_path(&p, domid, device, NULL);
	return p;
}

bool toolstack_is_leftover(const struct toolstack_channel *c)
{
	if (!c->has_frontend || !c->has_backend)
		return true;
	return !c->online && c->frontend_state == CONSOLE_STATE_CLOSED &&
	       c->backend_state == CONSOLE_STATE_CLOSED;
}

/* 0, also if it was not there. */
static int rm(struct xs_handle *xs, xs_transaction_t t, const char *path)
{
	if (xs_rm(xs, t, path) || errno == ENOENT)
		return 0;
	return -errno;
}

/*
 * Removes a directory that we may have made and that nobody needs when it is
 * empty, then those above it, at most n of them.
 */
static int prune(struct xs_handle *xs, xs_transaction_t t, char *path, int n)
{
	for (; n > 0; n--) {
		_cleanup_free_ char **keys = NULL;
		unsigned int n_keys;
		int r;

		*strrchr(path, '/') = '\0';
		keys = xs_directory(xs, t, path, &n_keys);
		if (!keys && errno != ENOENT)
			return -errno;
		if (!keys)
			continue;
		if (n_keys)
			return 0;
		r = rm(xs, t, path);
		if (r)
			return r;
	}
	return 0;
}

int toolstack_remove_nodes_in(struct xs_handle *xs, xs_transaction_t t,
			      unsigned int backend, unsigned int domid,
			      unsigned int device)
{
	struct console_path fe, be, copy;
	int r;

	console_frontend_path(&fe, domid, device, NULL);
	console_backend_path(&be, backend, domid, device, NULL);
	console_libxl_path(&copy, domid, device, NULL);
	r = rm(xs, t, fe.s);
	if (!r)
		r = rm(xs, t, be.s);
	if (!r)
		r = rm(xs, t, copy.s);
	/* /local/domain/B/backend/console/N; /libxl/N/device/console, and up
	 * to /libxl/N, which libxl has more in if the domain is its own. */
	if (!r)
		r = prune(xs, t, be.s, 1);
	if (!r)
		r = prune(xs, t, copy.s, 3);
	return r;
}

struct removal {
	struct xs_handle *xs;
	unsigned int backend, domid, device;
};

static int remove_in_transaction(void *userdata, xs_transaction_t t)
{
	const struct removal *m = userdata;

	return toolstack_remove_nodes_in(m->xs, t, m->backend, m->domid,
					 m->device);
}

int toolstack_remove_nodes(struct xs_handle *xs, unsigned int backend,
			   unsigned int domid, unsigned int device)
{
	struct removal m = { xs, backend, domid, device };

	return xen_transact(xs, remove_in_transaction, &m);
}
