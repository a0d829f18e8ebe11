// SPDX-License-Identifier: MIT
#include "toolstack/nodes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "console/store.h"
#include "toolstack/sockets.h"
#include "xen/text.h"
#include "xen/transact.h"

int toolstack_exists(struct xs_handle *xs, xs_transaction_t t, const char *path,
		     bool *is)
{
	unsigned int n;
	_cleanup_free_ char **keys = xs_directory(xs, t, path, &n);

	*is = keys;
	return keys || errno == ENOENT || errno == EACCES ? 0 : -errno;
}

int toolstack_make_root(struct xs_handle *xs, xs_transaction_t t)
{
	struct xs_permissions only_us = { TOOLSTACK_DOMAIN, XS_PERM_NONE };
	bool exists;
	int r = toolstack_exists(xs, t, TOOLSTACK_ROOT, &exists);

	if (r || exists)
		return r;
	if (!xs_mkdir(xs, t, TOOLSTACK_ROOT) ||
	    !xs_set_permissions(xs, t, TOOLSTACK_ROOT, &only_us, 1))
		return -errno;
	return 0;
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

/* "" if there is none. */
static int read_or_empty(struct xs_handle *xs, xs_transaction_t t,
			 const char *path, char **out)
{
	int r = xen_text_read(xs, t, path, CONSOLE_VALUE_MAX, out);

	if (is_absent(r) || r == -EPROTO) {
		*out = strdup("");
		r = *out ? 0 : -ENOMEM;
	}
	return r;
}

static int is_of_another(struct xs_handle *xs, xs_transaction_t t,
			 const struct console_path *be, unsigned int domid,
			 unsigned int device, bool *is)
{
	_cleanup_free_ char *backend = NULL;
	struct console_path p;
	int r;

	console_libxl_path(&p, domid, device, CONSOLE_FE_BACKEND);
	r = read_or_empty(xs, t, p.s, &backend);
	*is = !r && backend[0] && strcmp(backend, be->s) != 0;
	return r;
}

static int release_socket(struct xs_handle *xs, xs_transaction_t t,
			  const char *be)
{
	_cleanup_free_ char *socket = NULL;
	char path[160];
	int r;

	snprintf(path, sizeof(path), "%s/%s", be, CONSOLE_BE_PATH);
	/* A claim that cannot be looked up would stay. */
	r = xen_text_read(xs, t, path, CONSOLE_VALUE_MAX, &socket);
	if (r || !socket[0])
		return r == -ENOENT || r == -EPROTO ? 0 : r;
	return toolstack_release_socket(xs, t, be, socket);
}

/* With /local/domain/B/backend/console/N, if it is empty then. */
static int remove_backend(struct xs_handle *xs, xs_transaction_t t,
			  struct console_path *be)
{
	int r = release_socket(xs, t, be->s);

	if (!r)
		r = rm(xs, t, be->s);
	return r ? r : prune(xs, t, be->s, 1);
}

int toolstack_remove_nodes_in(struct xs_handle *xs, xs_transaction_t t,
			      unsigned int backend, unsigned int domid,
			      unsigned int device)
{
	struct console_path p;
	bool another;
	int r;

	console_backend_path(&p, backend, domid, device, NULL);
	r = is_of_another(xs, t, &p, domid, device, &another);
	if (!r)
		r = remove_backend(xs, t, &p);
	if (r || another)
		return r;
	r = rm(xs, t, console_frontend_path(&p, domid, device, NULL));
	if (!r)
		r = rm(xs, t, console_libxl_path(&p, domid, device, NULL));
	/* /libxl/N/device/console, and up to /libxl/N, which libxl has more in
	 * if the domain is its own. */
	return r ? r : prune(xs, t, p.s, 3);
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

static int remove_if_dead(void *userdata, xs_transaction_t t)
{
	const struct removal *m = userdata;
	int r = toolstack_check_domain_in(m->xs, t, m->domid);

	return r == TOOLSTACK_NO_DOMAIN ? remove_in_transaction(userdata, t)
					: r;
}

int toolstack_remove_dead(struct xs_handle *xs, unsigned int backend,
			  unsigned int domid, unsigned int device)
{
	struct removal m = { xs, backend, domid, device };

	return xen_transact(xs, remove_if_dead, &m);
}

struct leftover {
	struct xs_handle *xs;
	const struct toolstack_channel *channel;
};

static int remove_leftover(void *userdata, xs_transaction_t t)
{
	const struct leftover *l = userdata;
	const struct toolstack_channel *c = l->channel;
	struct console_path p;
	bool exists, live = false;
	int r = toolstack_exists(
		l->xs, t,
		console_backend_path(&p, c->backend, c->domid, c->device, NULL),
		&exists);

	if (!r && exists)
		r = toolstack_check_live(l->xs, t, c->backend, c->domid,
					 c->device, &live);
	/* Then others have removed it, and attached another perhaps. */
	if (r || exists != c->has_backend || live)
		return r;
	return toolstack_remove_nodes_in(l->xs, t, c->backend, c->domid,
					 c->device);
}

int toolstack_remove_leftover(struct xs_handle *xs,
			      const struct toolstack_channel *c)
{
	struct leftover l = { xs, c };

	return xen_transact(xs, remove_leftover, &l);
}

static int remove_strays(void *userdata, xs_transaction_t t)
{
	const struct removal *m = userdata;

	for (unsigned int k = CONSOLE_DEVICE_MIN; k <= CONSOLE_DEVICE_MAX;
	     k++) {
		_cleanup_free_ char *backend = NULL;
		struct console_path be, p;
		int r;

		console_backend_path(&be, m->backend, m->domid, k, NULL);
		console_libxl_path(&p, m->domid, k, CONSOLE_FE_BACKEND);
		r = read_or_empty(m->xs, t, p.s, &backend);
		if (!r && strcmp(backend, be.s) != 0)
			r = remove_backend(m->xs, t, &be);
		if (r)
			return r;
	}
	return 0;
}

int toolstack_remove_strays(struct xs_handle *xs, unsigned int backend,
			    unsigned int domid)
{
	struct removal m = { xs, backend, domid, 0 };

	return xen_transact(xs, remove_strays, &m);
}
