// SPDX-License-Identifier: MIT
/*
 * Which channels there are. What another domain than the toolstack's serves is
 * believed only where libxl's copy names it: the directory of a driver domain is
 * its own, and could hold channels of guests that it has nothing to do with.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "toolstack/nodes.h"
#include "xen/text.h"

#define DEVICE_ANY 9999u /* what others may have made */

/* *keys: NULL if there is no such directory, or it is not for us. */
static int read_directory(struct xs_handle *xs, const char *path, char ***keys,
			  unsigned int *n)
{
	*n = 0;
	*keys = xs_directory(xs, XBT_NULL, path, n);
	return *keys || errno == ENOENT || errno == EACCES ? 0 : -errno;
}

static int has_directory(struct xs_handle *xs, const char *path, bool *has)
{
	_cleanup_free_ char **keys = NULL;
	unsigned int n;
	int r = read_directory(xs, path, &keys, &n);

	*has = keys;
	return r;
}

/*
 * The backend that libxl's copy names. 0; -ENOENT: none, or none of this
 * device.
 */
static int read_copy(struct xs_handle *xs, unsigned int domid,
		     unsigned int device, struct console_backend_id *id)
{
	_cleanup_free_ char *backend = NULL;
	struct console_path p;
	int r = xen_text_read(
		xs, XBT_NULL,
		console_libxl_path(&p, domid, device, CONSOLE_FE_BACKEND),
		CONSOLE_VALUE_MAX, &backend);

	if (r)
		return r == -EACCES || r == -EPROTO ? -ENOENT : r;
	if (console_parse_backend_path(backend, id) || id->domid != domid ||
	    id->device != device || *id->key)
		return -ENOENT;
	return 0;
}

/*
 * With a domain that dies all goes that is its own: of the channels that it
 * served, the toolstack's copy is left. If the domain lives, then somebody was
 * killed who was making the nodes anew.
 */
static int add_without_backend(struct xs_handle *xs,
			       struct toolstack_list *list,
			       struct toolstack_channel *c)
{
	struct console_backend_id id;
	int r = toolstack_check_domain(xs, c->backend);

	if (r < 0)
		return r;
	c->incomplete = r != TOOLSTACK_NO_DOMAIN;
	/* Or it is being removed just now. */
	r = read_copy(xs, c->domid, c->device, &id);
	if (r || id.backend != c->backend)
		return r == -ENOENT ? 0 : r;
	return toolstack_list_add(xs, list, c);
}

static int scan_copy(struct xs_handle *xs, struct toolstack_list *list,
		     unsigned int domid, unsigned int device)
{
	struct console_backend_id id;
	struct console_path p;
	int r = read_copy(xs, domid, device, &id);
	struct toolstack_channel c = { .domid = domid, .device = device };

	if (r)
		return r == -ENOENT ? 0 : r;
	c.backend = id.backend;
	r = has_directory(
		xs, console_backend_path(&p, c.backend, domid, device, NULL),
		&c.has_backend);
	if (r)
		return r;
	return c.has_backend ? toolstack_list_add(xs, list, &c)
			     : add_without_backend(xs, list, &c);
}

static int scan_copies(struct xs_handle *xs, struct toolstack_list *list,
		       unsigned int domid)
{
	_cleanup_free_ char **devices = NULL;
	char path[48];
	unsigned int n;
	int r;

	snprintf(path, sizeof(path), "/libxl/%u/device/console", domid);
	r = read_directory(xs, path, &devices, &n);
	for (unsigned int i = 0; i < n && !r; i++) {
		uint32_t device;

		/* Device 0 is the console. */
		if (!parse_u32(devices[i], DEVICE_ANY, &device) && device)
			r = scan_copy(xs, list, domid, device);
	}
	return r;
}

static bool is_listed(const struct toolstack_list *list, unsigned int domid,
		      unsigned int device)
{
	for (size_t i = list->n_channels; i-- > 0;) {
		const struct toolstack_channel *c = &list->channels[i];

		if (c->domid != domid)
			break;
		if (c->device == device && c->backend == TOOLSTACK_DOMAIN)
			return true;
	}
	return false;
}

/* What has no copy: no toolstack but libxl and ours makes one. */
static int scan_own(struct xs_handle *xs, struct toolstack_list *list,
		    unsigned int domid)
{
	_cleanup_free_ char **devices = NULL;
	struct console_path root, path;
	unsigned int n;
	int r;

	snprintf(path.s, sizeof(path.s), "%.80s/%u",
		 console_backend_root(&root, TOOLSTACK_DOMAIN), domid);
	r = read_directory(xs, path.s, &devices, &n);
	for (unsigned int i = 0; i < n && !r; i++) {
		uint32_t device;
		const struct toolstack_channel c = {
			.backend = TOOLSTACK_DOMAIN,
			.domid = domid,
			.device = parse_u32(devices[i], DEVICE_ANY, &device)
					  ? 0
					  : device,
			.has_backend = true,
		};

		if (c.device && !is_listed(list, domid, c.device))
			r = toolstack_list_add(xs, list, &c);
	}
	return r;
}

static int scan_domain(struct xs_handle *xs, struct toolstack_list *list,
		       unsigned int domid)
{
	int r = scan_copies(xs, list, domid);

	return r ? r : scan_own(xs, list, domid);
}

struct domains {
	unsigned int *ids; /* owned */
	size_t n;
};

static void domains_deinit(struct domains *d)
{
	free(d->ids);
}

static int add_domains_of(struct xs_handle *xs, const char *path,
			  struct domains *d)
{
	_cleanup_free_ char **keys = NULL;
	unsigned int n, *grown;
	int r = read_directory(xs, path, &keys, &n);

	if (r || !n)
		return r;
	grown = reallocarray(d->ids, d->n + n, sizeof(*d->ids));
	if (!grown)
		return -ENOMEM;
	d->ids = grown;
	for (unsigned int i = 0; i < n; i++) {
		if (!parse_domid(keys[i], &d->ids[d->n]))
			d->n++;
	}
	return 0;
}

static int by_number(const void *pa, const void *pb)
{
	unsigned int a = *(const unsigned int *)pa;
	unsigned int b = *(const unsigned int *)pb;

	return a < b ? -1 : a > b;
}

/* Those that are dead may have left channels behind. */
static int scan_all(struct xs_handle *xs, struct toolstack_list *list)
{
	_cleanup_(domains_deinit) struct domains d = { 0 };
	struct console_path root;
	int r = add_domains_of(xs, "/libxl", &d);

	if (!r)
		r = add_domains_of(
			xs, console_backend_root(&root, TOOLSTACK_DOMAIN), &d);
	if (r || !d.n)
		return r;
	qsort(d.ids, d.n, sizeof(*d.ids), by_number);
	for (size_t i = 0; i < d.n && !r; i++) {
		if (i == 0 || d.ids[i] != d.ids[i - 1])
			r = scan_domain(xs, list, d.ids[i]);
	}
	return r;
}

static int by_address(const void *pa, const void *pb)
{
	const struct toolstack_channel *a = pa, *b = pb;

	if (a->domid != b->domid)
		return a->domid < b->domid ? -1 : 1;
	if (a->device != b->device)
		return a->device < b->device ? -1 : 1;
	return a->backend < b->backend ? -1 : a->backend > b->backend;
}

int toolstack_list(struct xs_handle *xs, int domid, struct toolstack_list *out)
{
	_cleanup_(toolstack_list_deinit) struct toolstack_list list = { 0 };
	int r = domid < 0 ? scan_all(xs, &list)
			  : scan_domain(xs, &list, (unsigned int)domid);

	if (r)
		return r;
	if (list.n_channels)
		qsort(list.channels, list.n_channels, sizeof(*list.channels),
		      by_address);
	*out = list;
	list = (struct toolstack_list){ 0 };
	return 0;
}

/* Only the paths are read: this is done for each of many attachments. */
static int find_path_of_domain(struct xs_handle *xs, unsigned int backend,
			       unsigned int domid, const char *path,
			       bool *found)
{
	_cleanup_free_ char **devices = NULL;
	struct console_path root, p;
	unsigned int n;
	int r;

	snprintf(p.s, sizeof(p.s), "%.80s/%u",
		 console_backend_root(&root, backend), domid);
	r = read_directory(xs, p.s, &devices, &n);
	for (unsigned int i = 0; i < n && !r && !*found; i++) {
		_cleanup_free_ char *taken = NULL;
		uint32_t device;

		if (parse_u32(devices[i], DEVICE_ANY, &device) || !device)
			continue;
		console_backend_path(&p, backend, domid, device,
				     CONSOLE_BE_PATH);
		r = xen_text_read(xs, XBT_NULL, p.s, CONSOLE_VALUE_MAX, &taken);
		if (!r && !strcmp(taken, path))
			r = toolstack_check_live(xs, XBT_NULL, backend, domid,
						 device, found);
		else if (r == -ENOENT || r == -EACCES || r == -EPROTO)
			r = 0;
	}
	return r;
}

int toolstack_find_path(struct xs_handle *xs, unsigned int backend,
			const char *path, bool *found)
{
	_cleanup_free_ char **domains = NULL;
	struct console_path root;
	unsigned int n;
	int r;

	*found = false;
	console_backend_root(&root, backend);
	r = read_directory(xs, root.s, &domains, &n);
	for (unsigned int i = 0; i < n && !r && !*found; i++) {
		unsigned int domid;

		if (!parse_domid(domains[i], &domid))
			r = find_path_of_domain(xs, backend, domid, path,
						found);
	}
	return r;
}
