// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "toolstack/attachment.h"
#include "toolstack/channel.h"
#include "toolstack/nodes.h"
#include "toolstack/persist.h"
#include "xen/text.h"
#include "xen/transact.h"

#define N_DEVICES (CONSOLE_DEVICE_MAX - CONSOLE_DEVICE_MIN + 1)

static int check_spec(const struct toolstack_spec *s)
{
	unsigned int mode;

	if (console_check_name(s->name))
		return TOOLSTACK_BAD_NAME;
	if (s->kind == CONSOLE_SOCKET &&
	    (!s->path || console_check_path(s->path, CONSOLE_SOCKET_MAX)))
		return TOOLSTACK_BAD_PATH;
	if (s->log && console_check_path(s->log, CONSOLE_VALUE_MAX))
		return TOOLSTACK_BAD_PATH;
	if (s->mode && console_parse_mode(s->mode, &mode))
		return -EINVAL;
	if (s->limit &&
	    (s->limit < CONSOLE_LIMIT_MIN || s->limit > CONSOLE_LIMIT_MAX))
		return -ERANGE;
	return 0;
}

static int check_domains(struct xs_handle *xs, xs_transaction_t t,
			 const struct toolstack_spec *spec)
{
	int r = toolstack_check_domain_in(xs, t, spec->domid);

	if (r)
		return r;
	r = toolstack_check_domain_in(xs, t, spec->backend);
	return r == TOOLSTACK_NO_DOMAIN ? TOOLSTACK_NO_BACKEND : r;
}

/*
 * In the transaction
 */

/*
 * Others attach at the same time: whether the name is taken is asked where it
 * is taken. Each toolstack writes the copy.
 */
static int check_name(const struct attachment *a)
{
	const struct toolstack_spec *s = a->spec;

	for (unsigned int k = CONSOLE_DEVICE_MIN; k <= CONSOLE_DEVICE_MAX;
	     k++) {
		_cleanup_free_ char *name = NULL;
		struct console_path p;
		int r = xen_text_read(
			a->xs, a->t,
			console_libxl_path(&p, s->domid, k, CONSOLE_BE_NAME),
			CONSOLE_VALUE_MAX, &name);

		if (!r && !strcmp(name, s->name))
			return TOOLSTACK_DUPLICATE_NAME;
		if (r && r != -ENOENT && r != -EPROTO)
			return r;
	}
	return 0;
}

/* Has it no node anywhere? */
static int check_free(const struct attachment *a, unsigned int k, bool *is)
{
	const struct toolstack_spec *s = a->spec;
	struct console_path paths[3];
	bool exists = false;
	int r = 0;

	console_frontend_path(&paths[0], s->domid, k, NULL);
	console_backend_path(&paths[1], s->backend, s->domid, k, NULL);
	console_libxl_path(&paths[2], s->domid, k, NULL);
	for (int i = 0; i < 3 && !r && !exists; i++)
		r = toolstack_exists(a->xs, a->t, paths[i].s, &exists);
	*is = !exists;
	return r;
}

/*
 * The lowest one that is free. libxl counts those of a configuration from 1, and
 * writes them whatever is there: what is attached to a domain that it is still
 * making, as channels that persist are, takes the highest.
 */
static int choose_device(const struct attachment *a, unsigned int *device)
{
	for (unsigned int i = 0; i < N_DEVICES; i++) {
		unsigned int k = a->from_top ? CONSOLE_DEVICE_MAX - i
					     : CONSOLE_DEVICE_MIN + i;
		bool is_free;
		int r = check_free(a, k, &is_free);

		if (r)
			return r;
		if (is_free) {
			*device = k;
			return 0;
		}
	}
	return TOOLSTACK_NO_DEVICE;
}

/* What an earlier try of the transaction found may be so no longer. */
static int attach_in_transaction(void *userdata, xs_transaction_t t)
{
	struct attachment *a = userdata;
	int r;

	a->t = t;
	r = check_domains(a->xs, t, a->spec);
	if (!r)
		r = check_name(a);
	if (!r)
		r = choose_device(a, &a->device);
	if (!r)
		r = attachment_write(a);
	if (!r && a->spec->persist)
		r = toolstack_record(a->xs, t, a->spec);
	return r;
}

/*
 * Before it
 */

static int check_names(const struct toolstack_list *own,
		       const struct toolstack_spec *s)
{
	for (size_t i = 0; i < own->n_channels; i++) {
		const struct toolstack_channel *c = &own->channels[i];

		if (!strcmp(c->name, s->name) && !toolstack_is_leftover(c))
			return TOOLSTACK_DUPLICATE_NAME;
	}
	return 0;
}

static int check_path(struct xs_handle *xs, const struct toolstack_spec *s)
{
	bool found;
	int r;

	if (!s->path)
		return 0;
	r = toolstack_find_path(xs, s->backend, s->path, &found);
	return r ? r : found ? TOOLSTACK_DUPLICATE_PATH : 0;
}

/* Closed at both ends, and still there: the device is as good as free. */
static int remove_leftovers(struct xs_handle *xs,
			    const struct toolstack_list *own)
{
	int r = 0;

	for (size_t i = 0; i < own->n_channels && !r; i++) {
		const struct toolstack_channel *c = &own->channels[i];

		if (c->ours && toolstack_is_leftover(c))
			r = toolstack_remove_leftover(xs, c);
	}
	return r;
}

/* Looks at this domain alone. */
static int prepare(struct xs_handle *xs, const struct toolstack_spec *spec)
{
	_cleanup_(toolstack_list_deinit) struct toolstack_list own = { 0 };
	int r = toolstack_list(xs, (int)spec->domid, &own);

	if (!r)
		r = check_names(&own, spec);
	if (!r)
		r = remove_leftovers(xs, &own);
	if (!r && spec->backend != TOOLSTACK_DOMAIN)
		r = toolstack_remove_strays(xs, spec->backend, spec->domid);
	return r;
}

int toolstack_attach(struct xs_handle *xs, const struct toolstack_spec *spec,
		     unsigned int *device)
{
	struct attachment a;
	int r = check_spec(spec);

	if (!r)
		r = check_domains(xs, XBT_NULL, spec);
	if (!r)
		r = check_path(xs, spec);
	if (!r)
		r = prepare(xs, spec);
	if (r)
		return r;
	attachment_init(&a, xs, spec);
	a.from_top = spec->persist;
	r = xen_transact(xs, attach_in_transaction, &a);
	if (!r)
		*device = a.device;
	return r;
}

int toolstack_attach_recorded(struct xs_handle *xs,
			      const struct toolstack_spec *spec)
{
	struct attachment a;
	int r = check_spec(spec);

	if (!r)
		r = prepare(xs, spec);
	if (r)
		return r;
	attachment_init(&a, xs, spec);
	a.from_top = true;
	return xen_transact(xs, attach_in_transaction, &a);
}
