// SPDX-License-Identifier: MIT
#include "toolstack/sockets.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "toolstack/nodes.h"
#include "xen/text.h"

#define SOCKETS TOOLSTACK_ROOT "/sockets"

struct claim_path {
	char s[sizeof(SOCKETS) + 17];
};

/* FNV-1a: xenstore's keys hold no dots, paths do. */
static uint64_t hash(uint64_t h, const char *text)
{
	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return h;
}

/* A path is one of the backend's domain. */
static int claim_path(struct claim_path *p, struct console_backend_id *id,
		      const char *be, const char *path)
{
	char backend[12];

	if (console_parse_backend_path(be, id) || *id->key)
		return -EINVAL;
	snprintf(backend, sizeof(backend), "%u ", id->backend);
	snprintf(p->s, sizeof(p->s), SOCKETS "/%016" PRIx64,
		 hash(hash(UINT64_C(0xcbf29ce484222325), backend), path));
	return 0;
}

static int read_claim(struct xs_handle *xs, xs_transaction_t t,
		      const struct claim_path *p, char **be)
{
	int r = xen_text_read(xs, t, p->s, CONSOLE_VALUE_MAX, be);

	return r == -ENOENT || r == -EPROTO ? 0 : r;
}

/* 0 or a negative errno; *is: the value there is this. */
static int compare(struct xs_handle *xs, xs_transaction_t t, const char *path,
		   const char *value, bool *is)
{
	_cleanup_free_ char *found = NULL;
	int r = xen_text_read(xs, t, path, CONSOLE_VALUE_MAX, &found);

	*is = !r && !strcmp(found, value);
	return r == -ENOENT || r == -EACCES || r == -EPROTO ? 0 : r;
}

/*
 * Has the holder of a claim this path still? libxl's copy says so, also while
 * the other nodes are made anew.
 */
static int check_holder(struct xs_handle *xs, xs_transaction_t t,
			const char *be, const char *path)
{
	struct console_backend_id id;
	struct console_path p;
	bool is, exists = false, live = false;
	int r;

	if (console_parse_backend_path(be, &id) || *id.key)
		return 0;
	console_libxl_path(&p, id.domid, id.device, CONSOLE_FE_BACKEND);
	r = compare(xs, t, p.s, be, &is);
	if (r || !is)
		return r;
	console_libxl_path(&p, id.domid, id.device, CONSOLE_BE_PATH);
	r = compare(xs, t, p.s, path, &is);
	if (r || !is)
		return r;
	r = toolstack_exists(xs, t, be, &exists);
	if (!r && exists) {
		console_backend_path(&p, id.backend, id.domid, id.device,
				     CONSOLE_BE_PATH);
		r = compare(xs, t, p.s, path, &is);
	}
	if (r || !is)
		return r;
	if (exists)
		r = toolstack_check_live(xs, t, id.backend, id.domid, id.device,
					 &live);
	if (r)
		return r;
	return live || !exists ? TOOLSTACK_DUPLICATE_PATH : 0;
}

int toolstack_claim_socket(struct xs_handle *xs, xs_transaction_t t,
			   const char *be, const char *path)
{
	struct xs_permissions only_us = { TOOLSTACK_DOMAIN, XS_PERM_NONE };
	_cleanup_free_ char *holder = NULL;
	struct console_backend_id id;
	struct claim_path p;
	int r = claim_path(&p, &id, be, path);

	if (!r)
		r = read_claim(xs, t, &p, &holder);
	if (!r && holder && strcmp(holder, be) != 0)
		r = check_holder(xs, t, holder, path);
	if (!r)
		r = toolstack_make_root(xs, t);
	if (!r)
		r = xen_text_write(xs, t, p.s, be);
	if (r)
		return r;
	return xs_set_permissions(xs, t, p.s, &only_us, 1) ? 0 : -errno;
}

int toolstack_release_socket(struct xs_handle *xs, xs_transaction_t t,
			     const char *be, const char *path)
{
	_cleanup_free_ char *holder = NULL;
	struct console_backend_id id;
	struct claim_path p;
	int r = claim_path(&p, &id, be, path);

	if (!r)
		r = read_claim(xs, t, &p, &holder);
	if (r || !holder || strcmp(holder, be) != 0)
		return r;
	return xs_rm(xs, t, p.s) || errno == ENOENT ? 0 : -errno;
}
