// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "console/store.h"
#include "toolstack/channel.h"
#include "toolstack/nodes.h"
#include "xen/text.h"

static void channel_deinit(struct toolstack_channel *c)
{
	free(c->name);
	free(c->path);
	free(c->type);
	free(c->log);
	free(c->error);
}

void toolstack_list_deinit(struct toolstack_list *list)
{
	for (size_t i = 0; i < list->n_channels; i++)
		channel_deinit(&list->channels[i]);
	free(list->channels);
	*list = (struct toolstack_list){ 0 };
}

/* *out: the value, or "" if there is none or none that can be believed. */
static int read_or_empty(struct xs_handle *xs, const char *path, char **out)
{
	int r = xen_text_read(xs, XBT_NULL, path, CONSOLE_VALUE_MAX, out);

	if (r == -ENOENT || r == -EACCES || r == -EPROTO) {
		*out = strdup("");
		r = *out ? 0 : -ENOMEM;
	}
	return r;
}

static int read_backend(struct xs_handle *xs, struct toolstack_channel *c,
			const char *key, char **out)
{
	struct console_path p;

	if (c->has_backend)
		console_backend_path(&p, c->backend, c->domid, c->device, key);
	else
		console_libxl_path(&p, c->domid, c->device, key);
	return read_or_empty(xs, p.s, out);
}

static int read_frontend(struct xs_handle *xs, struct toolstack_channel *c,
			 const char *key, char **out)
{
	struct console_path p;

	console_frontend_path(&p, c->domid, c->device, key);
	return read_or_empty(xs, p.s, out);
}

static int read_kind_and_path(struct xs_handle *xs, struct toolstack_channel *c)
{
	_cleanup_free_ char *connection = NULL, *kind = NULL;
	int r = read_backend(xs, c, CONSOLE_BE_CONNECTION, &connection);

	if (!r)
		r = read_backend(xs, c, CONSOLE_BE_KIND, &kind);
	if (r)
		return r;
	c->has_kind = !console_parse_kind(connection, &c->kind) ||
		      !console_parse_kind(kind, &c->kind);
	if (c->has_kind && c->kind == CONSOLE_SOCKET)
		return read_backend(xs, c, CONSOLE_BE_PATH, &c->path);
	return read_frontend(xs, c, CONSOLE_FE_TTY, &c->path);
}

static int read_states(struct xs_handle *xs, struct toolstack_channel *c)
{
	_cleanup_free_ char *online = NULL;
	struct console_path p;
	int r = read_backend(xs, c, CONSOLE_BE_ONLINE, &online);

	if (r)
		return r;
	c->online = strcmp(online, "0") != 0;
	r = console_read_state(xs, XBT_NULL,
			       console_backend_path(&p, c->backend, c->domid,
						    c->device,
						    CONSOLE_BE_STATE),
			       &c->backend_state);

	if (r && r != -ENOENT && r != -EACCES)
		return r;
	if (!c->has_backend)
		c->backend_state = CONSOLE_STATE_UNKNOWN;
	r = console_read_state(xs, XBT_NULL,
			       console_frontend_path(&p, c->domid, c->device,
						     CONSOLE_FE_STATE),
			       &c->frontend_state);
	c->has_frontend = !r;
	return r == -ENOENT || r == -EACCES ? 0 : r;
}

static int read_settings(struct xs_handle *xs, struct toolstack_channel *c)
{
	_cleanup_free_ char *overflow = NULL, *limit = NULL, *mark = NULL;
	struct console_path p;
	uint32_t bytes = 0;
	int r = read_backend(xs, c, CONSOLE_BE_OVERFLOW, &overflow);

	if (!r)
		r = read_backend(xs, c, CONSOLE_BE_LIMIT, &limit);
	if (r)
		return r;
	if (console_parse_overflow(overflow, &c->overflow))
		c->overflow = CONSOLE_BLOCK;
	if (parse_u32(limit, CONSOLE_LIMIT_MAX, &bytes) || !bytes)
		bytes = CONSOLE_LIMIT_DEFAULT;
	c->limit = bytes;
	mark = xs_read(xs, XBT_NULL,
		       console_backend_path(&p, c->backend, c->domid, c->device,
					    CONSOLE_BE_OURS),
		       NULL);
	/* Whose backend is dead is served by nobody: it is for us to remove. */
	c->ours = mark || !strcmp(c->type, "xenconsoled") || !c->has_backend;
	return 0;
}

static int read_error(struct xs_handle *xs, struct toolstack_channel *c)
{
	char text[48];

	if (c->has_backend)
		return read_backend(xs, c, CONSOLE_BE_ERROR, &c->error);
	snprintf(text, sizeof(text), "its backend domain %u is gone",
		 c->backend);
	c->error = strdup(text);
	return c->error ? 0 : -ENOMEM;
}

static int read_guest_open(struct xs_handle *xs, struct toolstack_channel *c)
{
	_cleanup_free_ char *open = NULL;
	int r = read_frontend(xs, c, CONSOLE_FE_OPEN, &open);

	c->guest_open = !r && !strcmp(open, "1");
	c->has_guest_open = !r && (c->guest_open || !strcmp(open, "0"));
	return r;
}

static int read_channel(struct xs_handle *xs, struct toolstack_channel *c)
{
	int r = read_backend(xs, c, CONSOLE_BE_NAME, &c->name);

	if (!r && !c->name[0]) {
		free(TAKE_PTR(c->name));
		r = read_frontend(xs, c, CONSOLE_FE_NAME, &c->name);
	}
	if (!r)
		r = read_frontend(xs, c, CONSOLE_FE_TYPE, &c->type);
	if (!r)
		r = read_kind_and_path(xs, c);
	if (!r)
		r = read_states(xs, c);
	if (!r)
		r = read_backend(xs, c, CONSOLE_BE_LOG, &c->log);
	if (!r)
		r = read_error(xs, c);
	if (!r)
		r = read_settings(xs, c);
	if (!r)
		r = read_guest_open(xs, c);
	return r;
}

static int append(struct xs_handle *xs, struct toolstack_list *list,
		  unsigned int backend, unsigned int domid, unsigned int device,
		  bool has_backend)
{
	struct toolstack_channel *grown = reallocarray(
		list->channels, list->n_channels + 1, sizeof(*grown));
	struct toolstack_channel *c;

	if (!grown)
		return -ENOMEM;
	list->channels = grown;
	c = &grown[list->n_channels++];
	*c = (struct toolstack_channel){ .backend = backend,
					 .domid = domid,
					 .device = device,
					 .has_backend = has_backend };
	return read_channel(xs, c);
}

/* *keys: NULL if there is no such directory, or it is not for us. */
static int read_directory(struct xs_handle *xs, const char *path, char ***keys,
			  unsigned int *n)
{
	*n = 0;
	*keys = xs_directory(xs, XBT_NULL, path, n);
	return *keys || errno == ENOENT || errno == EACCES ? 0 : -errno;
}

static int scan_domain(struct xs_handle *xs, struct toolstack_list *list,
		       unsigned int backend, unsigned int domid)
{
	_cleanup_free_ char **devices = NULL;
	struct console_path root, path;
	unsigned int n;
	int r;

	snprintf(path.s, sizeof(path.s), "%.80s/%u",
		 console_backend_root(&root, backend), domid);
	r = read_directory(xs, path.s, &devices, &n);
	for (unsigned int i = 0; i < n && !r; i++) {
		uint32_t device;

		/* Device 0 is the console. */
		if (!parse_u32(devices[i], 9999, &device) && device)
			r = append(xs, list, backend, domid, device, true);
	}
	return r;
}

static int scan_backend(struct xs_handle *xs, struct toolstack_list *list,
			unsigned int backend, int only)
{
	_cleanup_free_ char **domains = NULL;
	struct console_path root;
	unsigned int n;
	int r;

	console_backend_root(&root, backend);
	r = read_directory(xs, root.s, &domains, &n);
	for (unsigned int i = 0; i < n && !r; i++) {
		unsigned int domid;

		if (!parse_domid(domains[i], &domid) &&
		    (only < 0 || domid == (unsigned int)only))
			r = scan_domain(xs, list, backend, domid);
	}
	return r;
}

static bool has_directory(struct xs_handle *xs, const char *path)
{
	unsigned int n;
	_cleanup_free_ char **keys = xs_directory(xs, XBT_NULL, path, &n);

	return keys;
}

/* With a domain that dies all goes that is its own: of the channels that it
 * served, the toolstack's copy is left. */
static int look_for_orphan(struct xs_handle *xs, struct toolstack_list *list,
			   unsigned int domid, unsigned int device)
{
	_cleanup_free_ char *backend = NULL;
	struct console_path p;
	struct console_backend_id id;
	int r;

	console_libxl_path(&p, domid, device, CONSOLE_FE_BACKEND);
	r = read_or_empty(xs, p.s, &backend);
	if (r || console_parse_backend_path(backend, &id) ||
	    id.domid != domid || id.device != device ||
	    has_directory(xs, backend) ||
	    toolstack_check_domain(xs, id.backend) != TOOLSTACK_NO_DOMAIN)
		return r;
	return append(xs, list, id.backend, domid, device, false);
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
		unsigned int device;

		if (!console_parse_device(devices[i], &device))
			r = look_for_orphan(xs, list, domid, device);
	}
	return r;
}

static int compare(const void *pa, const void *pb)
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
	_cleanup_free_ char **domains = NULL;
	unsigned int n;
	int r = read_directory(xs, "/local/domain", &domains, &n);

	for (unsigned int i = 0; i < n && !r; i++) {
		unsigned int id;

		if (parse_domid(domains[i], &id))
			continue;
		r = scan_backend(xs, &list, id, domid);
		if (!r && (domid < 0 || id == (unsigned int)domid))
			r = scan_copies(xs, &list, id);
	}
	if (r)
		return r;
	if (list.n_channels)
		qsort(list.channels, list.n_channels, sizeof(*list.channels),
		      compare);
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
	struct console_path root, dir;
	unsigned int n;
	int r;

	snprintf(dir.s, sizeof(dir.s), "%.80s/%u",
		 console_backend_root(&root, backend), domid);
	r = read_directory(xs, dir.s, &devices, &n);
	for (unsigned int i = 0; i < n && !r && !*found; i++) {
		struct toolstack_channel c = { .backend = backend,
					       .domid = domid,
					       .has_backend = true };
		uint32_t device;

		if (parse_u32(devices[i], 9999, &device) || !device)
			continue;
		c.device = device;
		r = read_backend(xs, &c, CONSOLE_BE_PATH, &c.path);
		if (!r && !strcmp(c.path, path)) {
			r = read_states(xs, &c);
			*found = !r && !toolstack_is_leftover(&c);
		}
		channel_deinit(&c);
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

const struct toolstack_channel *
toolstack_list_find(const struct toolstack_list *list, unsigned int domid,
		    const char *name)
{
	for (size_t i = 0; i < list->n_channels; i++) {
		const struct toolstack_channel *c = &list->channels[i];

		if (c->domid == domid && !strcmp(c->name, name))
			return c;
	}
	return NULL;
}
