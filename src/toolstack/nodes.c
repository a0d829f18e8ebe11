// SPDX-License-Identifier: MIT
#include "toolstack/nodes.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "console/store.h"
#include "xen/transact.h"

struct console_path toolstack_frontend(unsigned int domid, unsigned int device)
{
	struct console_path p;

	console_frontend_path(&p, domid, device, NULL);
	return p;
}

bool toolstack_is_leftover(const struct toolstack_channel *c)
{
	if (c->incomplete)
		return false; /* its name and device are taken */
	if (!c->has_frontend || !c->has_backend)
		return true;
	return !c->online && c->frontend_state == CONSOLE_STATE_CLOSED &&
	       c->backend_state == CONSOLE_STATE_CLOSED;
}

static bool is_absent(int r)
{
	return r == -ENOENT || r == -EACCES;
}

int toolstack_check_live(struct xs_handle *xs, xs_transaction_t t,
			 unsigned int backend, unsigned int domid,
			 unsigned int device, bool *live)
{
	_cleanup_free_ char *online = NULL;
	enum console_state fe, be;
	struct console_path p;
	int r;

	*live = false;
	console_frontend_path(&p, domid, device, CONSOLE_FE_STATE);
	r = console_read_state(xs, t, p.s, &fe);
	if (r)
		return is_absent(r) ? 0 : r;
	console_backend_path(&p, backend, domid, device, CONSOLE_BE_STATE);
	r = console_read_state(xs, t, p.s, &be);
	if (r && !is_absent(r))
		return r;
	console_backend_path(&p, backend, domid, device, CONSOLE_BE_ONLINE);
	online = xs_read(xs, t, p.s, NULL);
	if (!online && !is_absent(-errno))
		return -errno;
	*live = fe != CONSOLE_STATE_CLOSED || be != CONSOLE_STATE_CLOSED ||
		!online || strcmp(online, "0") != 0;
	return 0;
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

static int is_of_another(struct xs_handle *xs, xs_transaction_t t,
			 const struct console_path *be, unsigned int domid,
			 unsigned int device, bool *is)
{
	_cleanup_free_ char *backend = NULL;
	struct console_path p;

	console_libxl_path(&p, domid, device, CONSOLE_FE_BACKEND);
	backend = xs_read(xs, t, p.s, NULL);
	*is = backend && strcmp(backend, be->s) != 0;
	return backend || is_absent(-errno) ? 0 : -errno;
}

int toolstack_remove_nodes_in(struct xs_handle *xs, xs_transaction_t t,
			      unsigned int backend, unsigned int domid,
			      unsigned int device)
{
	struct console_path fe, be, copy;
	bool another;
	int r;

	console_frontend_path(&fe, domid, device, NULL);
	console_backend_path(&be, backend, domid, device, NULL);
	console_libxl_path(&copy, domid, device, NULL);
	r = is_of_another(xs, t, &be, domid, device, &another);
	if (!r)
		r = rm(xs, t, be.s);
	/* /local/domain/B/backend/console/N; /libxl/N/device/console, and up
	 * to /libxl/N, which libxl has more in if the domain is its own. */
	if (!r)
		r = prune(xs, t, be.s, 1);
	if (r || another)
		return r;
	r = rm(xs, t, fe.s);
	if (!r)
		r = rm(xs, t, copy.s);
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
