// SPDX-License-Identifier: MIT
#include "backend/nodes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/life.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/parse.h"
#include "console/store.h"
#include "xen/text.h"
#include "xen/transact.h"

static const char *be(const struct channel_address *a, struct console_path *p,
		      const char *key)
{
	return console_backend_path(p, a->backend, a->domid, a->device, key);
}

static const char *fe(const struct channel_address *a, struct console_path *p,
		      const char *key)
{
	return console_frontend_path(p, a->domid, a->device, key);
}

static bool is_absent(int r)
{
	return r == -ENOENT || r == -EACCES;
}

/* "" for what is absent or cannot be believed. */
static int read_backend(const struct channel_address *a, const char *key,
			char **out)
{
	struct console_path p;
	int r = xen_text_read(a->xs, XBT_NULL, be(a, &p, key),
			      CONSOLE_VALUE_MAX, out);

	if (is_absent(r) || r == -EPROTO) {
		*out = strdup("");
		r = *out ? 0 : -ENOMEM;
	}
	return r;
}

/* Does the backend's directory describe this device of this domain? */
static int check_frontend(const struct channel_address *a)
{
	_cleanup_free_ char *frontend = NULL;
	struct console_path p;
	int r = xen_text_read(a->xs, XBT_NULL, be(a, &p, CONSOLE_BE_FRONTEND),
			      CONSOLE_VALUE_MAX, &frontend);

	if (is_absent(r))
		return NODES_GONE;
	if (r == -EPROTO)
		return NODES_NOT_OURS;
	if (r)
		return r;
	return strcmp(frontend, fe(a, &p, NULL)) ? NODES_NOT_OURS : 0;
}

/*
 * The frontend's type says who serves it; only if the toolstack wrote it, not
 * if the guest did, into a directory of its own where it was missing.
 */
static bool type_is_ours(const struct channel_address *a)
{
	_cleanup_free_ struct xs_permissions *perms = NULL;
	_cleanup_free_ char *type = NULL;
	struct console_path p;
	unsigned int n;

	if (xen_text_read(a->xs, XBT_NULL, fe(a, &p, CONSOLE_FE_TYPE),
			  CONSOLE_VALUE_MAX, &type) ||
	    strcmp(type, "xenconsoled") != 0)
		return false;
	perms = xs_get_permissions(a->xs, XBT_NULL, p.s, &n);
	return perms && n && perms[0].id != a->domid;
}

static int check_ours(const struct channel_address *a, bool all)
{
	_cleanup_free_ char *mark = NULL;
	struct console_path p;

	if (all)
		return 0;
	mark = xs_read(a->xs, XBT_NULL, be(a, &p, CONSOLE_BE_OURS), NULL);
	if (mark || type_is_ours(a))
		return 0;
	return errno == ENOENT || errno == EACCES ? NODES_NOT_OURS
						  : failed_errno();
}

/* A directory that another toolstack made has none yet. */
static int read_id(const struct channel_address *a, struct channel_config *c);

static int read_kind(const struct channel_address *a, struct channel_config *c)
{
	_cleanup_free_ char *connection = NULL, *kind = NULL;
	int r = read_backend(a, CONSOLE_BE_CONNECTION, &connection);

	if (!r)
		r = read_backend(a, CONSOLE_BE_KIND, &kind);
	if (!r)
		r = read_backend(a, CONSOLE_BE_PATH, &c->path);
	if (r)
		return r;
	if (console_parse_kind(connection, &c->kind) &&
	    console_parse_kind(kind, &c->kind))
		c->problem = "connection is neither pty nor socket";
	else if (c->kind == CONSOLE_SOCKET &&
		 console_check_path(c->path, CONSOLE_SOCKET_MAX))
		c->problem = "path is not one of a socket";
	return 0;
}

static int read_number(const struct channel_address *a, const char *key,
		       long *out)
{
	_cleanup_free_ char *text = NULL;
	uint32_t v;
	int r = read_backend(a, key, &text);

	*out = !r && !parse_u32(text, INT32_MAX, &v) ? (long)v : -1;
	return r;
}

static int read_access(const struct channel_address *a, struct socket_access *s)
{
	_cleanup_free_ char *mode = NULL;
	int r = read_backend(a, CONSOLE_BE_MODE, &mode);

	s->mode = 0600;
	if (!r)
		console_parse_mode(mode, &s->mode);
	if (!r)
		r = read_number(a, CONSOLE_BE_UID, &s->uid);
	if (!r)
		r = read_number(a, CONSOLE_BE_GID, &s->gid);
	return r;
}

static int read_settings(const struct channel_address *a,
			 struct channel_config *c)
{
	_cleanup_free_ char *overflow = NULL, *signal = NULL;
	long limit;
	int r = read_backend(a, CONSOLE_BE_OVERFLOW, &overflow);

	if (!r)
		r = read_backend(a, CONSOLE_BE_SIGNAL, &signal);
	if (!r)
		r = read_backend(a, CONSOLE_BE_LOG, &c->log);
	if (!r)
		r = read_number(a, CONSOLE_BE_LIMIT, &limit);
	if (r)
		return r;
	if (console_parse_overflow(overflow, &c->overflow))
		c->overflow = CONSOLE_BLOCK;
	c->signal_client = !strcmp(signal, "1");
	c->limit = limit >= (long)CONSOLE_LIMIT_MIN &&
				   limit <= (long)CONSOLE_LIMIT_MAX
			   ? (unsigned int)limit
			   : CONSOLE_LIMIT_DEFAULT;
	if (c->log[0] && console_check_path(c->log, CONSOLE_VALUE_MAX))
		c->log[0] = '\0';
	return 0;
}

void channel_config_deinit(struct channel_config *c)
{
	free(c->name);
	free(c->path);
	free(c->log);
	*c = (struct channel_config){ 0 };
}

int nodes_read_config(const struct channel_address *a, bool all,
		      struct channel_config *out)
{
	_cleanup_(channel_config_deinit) struct channel_config c = { 0 };
	int r = check_frontend(a);

	if (!r)
		r = check_ours(a, all);
	if (!r)
		r = read_backend(a, CONSOLE_BE_NAME, &c.name);
	if (!r)
		r = read_kind(a, &c);
	if (!r)
		r = read_access(a, &c.access);
	if (!r)
		r = read_settings(a, &c);
	if (!r)
		r = read_id(a, &c);
	if (r)
		return r;
	/* It is printed; the log and the lines of events hold no other. */
	if (console_check_name(c.name))
		c.name[0] = '\0';
	*out = c;
	c = (struct channel_config){ 0 };
	return 0;
}

static int read_guest(const struct channel_address *a, struct channel_view *v)
{
	_cleanup_free_ char *open = NULL;
	enum console_state s;
	struct console_path p;
	int r = console_read_state(a->xs, XBT_NULL, fe(a, &p, CONSOLE_FE_STATE),
				   &s);

	v->guest = is_absent(r) ? LIFE_GONE : s;
	if (r)
		return is_absent(r) ? 0 : r;
	v->has_ring =
		!xen_text_read_u32(a->xs, XBT_NULL,
				   fe(a, &p, CONSOLE_FE_RING_REF), 1,
				   UINT32_MAX, &v->ring_ref) &&
		!xen_text_read_u32(a->xs, XBT_NULL, fe(a, &p, CONSOLE_FE_PORT),
				   1, UINT32_MAX, &v->port);
	if (!xen_text_read(a->xs, XBT_NULL, fe(a, &p, CONSOLE_FE_OPEN),
			   CONSOLE_VALUE_MAX, &open)) {
		v->guest_open = !strcmp(open, "1");
		v->has_guest_open = v->guest_open || !strcmp(open, "0");
	}
	return 0;
}

int nodes_read_view(const struct channel_address *a, struct channel_view *out)
{
	_cleanup_free_ char *online = NULL;
	struct channel_view v = { 0 };
	struct console_path p;
	int r = console_read_state(a->xs, XBT_NULL, be(a, &p, CONSOLE_BE_STATE),
				   &v.backend);

	if (is_absent(r))
		return NODES_GONE;
	if (!r)
		r = read_backend(a, CONSOLE_BE_ONLINE, &online);
	if (!r)
		r = read_guest(a, &v);
	if (r)
		return r;
	v.online =
		strcmp(online, "0") != 0 && v.backend != CONSOLE_STATE_CLOSING;
	*out = v;
	return 0;
}

struct change {
	const struct channel_address *address;
	const char *key, *value; /* value NULL: remove */
	bool is_frontend;
	enum console_state state; /* or UNKNOWN: the change is none of it */
};

static int write_value(const struct change *c, xs_transaction_t t,
		       const char *path)
{
	const struct channel_address *a = c->address;
	struct xs_permissions perms[2] = { { a->backend, XS_PERM_NONE },
					   { a->domid, XS_PERM_READ } };
	int r;

	if (!c->value)
		return xs_rm(a->xs, t, path) || errno == ENOENT
			       ? 0
			       : failed_errno();
	r = xen_text_write(a->xs, t, path, c->value);
	if (!r && !c->is_frontend &&
	    !xs_set_permissions(a->xs, t, path, perms, 2))
		r = failed_errno();
	return r;
}

static int apply(void *userdata, xs_transaction_t t)
{
	const struct change *c = userdata;
	const struct channel_address *a = c->address;
	struct console_path p;
	enum console_state now;
	int r = console_read_state(a->xs, t, be(a, &p, CONSOLE_BE_STATE), &now);

	if (is_absent(r))
		return NODES_GONE;
	if (r)
		return r;
	if (c->state && now == CONSOLE_STATE_CLOSING &&
	    c->state != CONSOLE_STATE_CLOSED)
		return 0;
	if (c->is_frontend) {
		_cleanup_free_ char *old =
			xs_read(a->xs, t, fe(a, &p, c->key), NULL);

		/* What the guest has removed is not made again for it. */
		if (!old || !strcmp(old, c->value))
			return 0;
		return write_value(c, t, p.s);
	}
	return write_value(c, t, be(a, &p, c->key));
}

int nodes_write_state(const struct channel_address *a, enum console_state s)
{
	struct change c = { a, CONSOLE_BE_STATE, console_state_text(s), false,
			    s };

	return xen_transact(a->xs, apply, &c);
}

int nodes_write_hotplug(const struct channel_address *a)
{
	struct change c = { a, CONSOLE_BE_HOTPLUG_STATUS, "connected" };

	return xen_transact(a->xs, apply, &c);
}

int nodes_write_tty(const struct channel_address *a, const char *tty)
{
	struct change c = { a, CONSOLE_FE_TTY, tty, true };

	return xen_transact(a->xs, apply, &c);
}

int nodes_write_error(const struct channel_address *a, const char *text)
{
	struct change c = { a, CONSOLE_BE_ERROR, text };

	return xen_transact(a->xs, apply, &c);
}

static int read_id(const struct channel_address *a, struct channel_config *c)
{
	_cleanup_free_ char *id = NULL;
	struct change change = { a, CONSOLE_BE_ID, c->id };
	int r = read_backend(a, CONSOLE_BE_ID, &id);

	if (r)
		return r;
	if (!console_check_id(id)) {
		strcpy(c->id, id);
		return 0;
	}
	r = console_make_id(c->id);
	return r ? r : xen_transact(a->xs, apply, &change);
}
