// SPDX-License-Identifier: MIT
#include "toolstack/persist.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "console/store.h"
#include "toolstack/nodes.h"
#include "xen/text.h"
#include "xen/transact.h"

#define ROOT TOOLSTACK_ROOT
#define UUID_LEN PERSIST_UUID_LEN

struct record_path {
	char s[160];
};

static const char *record(struct record_path *p, const char *uuid,
			  const char *id, const char *key)
{
	snprintf(p->s, sizeof(p->s), ROOT "/%s%s%s%s%s", uuid, id ? "/" : "",
		 id ? id : "", key ? "/" : "", key ? key : "");
	return p->s;
}

/* /local/domain/N/vm is "/vm/UUID". */
static int read_uuid(struct xs_handle *xs, xs_transaction_t t,
		     unsigned int domid, char *uuid)
{
	_cleanup_free_ char *vm = NULL;
	char path[48];
	int r;

	snprintf(path, sizeof(path), "/local/domain/%u/vm", domid);
	r = xen_text_read(xs, t, path, UUID_LEN + 4, &vm);
	if (r == -ENOENT || r == -EPROTO)
		return TOOLSTACK_NO_UUID;
	if (r)
		return r;
	if (strncmp(vm, "/vm/", 4) != 0 || strlen(vm + 4) != UUID_LEN ||
	    strspn(vm + 4, "0123456789abcdefABCDEF-") != UUID_LEN)
		return TOOLSTACK_NO_UUID;
	strcpy(uuid, vm + 4);
	return 0;
}

/* "" for what is not there. */
static int get(struct xs_handle *xs, xs_transaction_t t, const char *uuid,
	       const char *id, const char *key, char **out)
{
	struct record_path p;
	int r = xen_text_read(xs, t, record(&p, uuid, id, key),
			      CONSOLE_VALUE_MAX, out);

	if (r == -ENOENT || r == -EPROTO) {
		*out = strdup("");
		r = *out ? 0 : -ENOMEM;
	}
	return r;
}

static int list_directory(struct xs_handle *xs, xs_transaction_t t,
			  const char *path, char ***keys, unsigned int *n)
{
	*n = 0;
	*keys = xs_directory(xs, t, path, n);
	return *keys || errno == ENOENT ? 0 : -errno;
}

/* Removes the records of this name, and the directory of the last one. */
static int forget(struct xs_handle *xs, xs_transaction_t t, const char *uuid,
		  const char *name)
{
	_cleanup_free_ char **ids = NULL;
	struct record_path p;
	unsigned int n, n_removed = 0;
	int r = list_directory(xs, t, record(&p, uuid, NULL, NULL), &ids, &n);

	for (unsigned int i = 0; i < n && !r; i++) {
		_cleanup_free_ char *recorded = NULL;

		r = get(xs, t, uuid, ids[i], "name", &recorded);
		if (r || strcmp(recorded, name) != 0)
			continue;
		n_removed++;
		if (!xs_rm(xs, t, record(&p, uuid, ids[i], NULL)))
			r = -errno;
	}
	if (!r && n_removed && n_removed == n &&
	    !xs_rm(xs, t, record(&p, uuid, NULL, NULL)))
		r = -errno;
	return r;
}

struct forgetting {
	struct xs_handle *xs;
	const char *uuid, *name;
};

static int forget_in_transaction(void *userdata, xs_transaction_t t)
{
	const struct forgetting *f = userdata;

	return forget(f->xs, t, f->uuid, f->name);
}

int toolstack_forget(struct xs_handle *xs, unsigned int domid, const char *name)
{
	char uuid[UUID_LEN + 1];
	struct forgetting f = { xs, uuid, name };
	int r = read_uuid(xs, XBT_NULL, domid, uuid);

	if (r)
		return r == TOOLSTACK_NO_UUID ? 0 : r;
	return xen_transact(xs, forget_in_transaction, &f);
}

struct recording {
	struct xs_handle *xs;
	xs_transaction_t t;
	const char *uuid, *id;
};

static int put(const struct recording *w, const char *key, const char *value)
{
	struct record_path p;

	return value ? xen_text_write(w->xs, w->t,
				      record(&p, w->uuid, w->id, key), value)
		     : 0;
}

static int put_number(const struct recording *w, const char *key, long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", value);
	return value >= 0 ? put(w, key, text) : 0;
}

static int write_record(const struct recording *w,
			const struct toolstack_spec *s)
{
	int r = put(w, "name", s->name);

	if (!r)
		r = put(w, "connection", console_kind_text(s->kind));
	if (!r)
		r = put(w, "path", s->path);
	if (!r)
		r = put(w, "log", s->log);
	if (!r)
		r = put(w, "mode", s->mode);
	if (!r)
		r = put_number(w, "uid", s->uid);
	if (!r)
		r = put_number(w, "gid", s->gid);
	if (!r)
		r = put(w, "overflow", console_overflow_text(s->overflow));
	if (!r && s->limit)
		r = put_number(w, "limit", s->limit);
	if (!r && s->signal_client)
		r = put(w, "signal-client", "1");
	return r;
}

int toolstack_record(struct xs_handle *xs, xs_transaction_t t,
		     const struct toolstack_spec *spec)
{
	char uuid[UUID_LEN + 1], id[CONSOLE_ID_LEN + 1];
	struct recording w = { xs, t, uuid, id };
	int r = read_uuid(xs, t, spec->domid, uuid);

	if (!r)
		r = toolstack_make_root(xs, t);
	if (!r)
		r = forget(xs, t, uuid, spec->name);
	if (!r)
		r = console_make_id(id);
	return r ? r : write_record(&w, spec);
}

/* The texts that a spec points to. */
struct recorded {
	char *name, *connection, *path, *log, *mode, *uid, *gid, *overflow,
		*limit, *signal;
};

static void recorded_deinit(struct recorded *t)
{
	char *all[] = {
		t->name, t->connection, t->path,     t->log,   t->mode,
		t->uid,  t->gid,        t->overflow, t->limit, t->signal
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		free(all[i]);
}

static int read_record(struct xs_handle *xs, const char *uuid, const char *id,
		       struct recorded *t)
{
	const struct {
		const char *key;
		char **out;
	} all[] = {
		{ "name", &t->name },   { "connection", &t->connection },
		{ "path", &t->path },   { "log", &t->log },
		{ "mode", &t->mode },   { "uid", &t->uid },
		{ "gid", &t->gid },     { "overflow", &t->overflow },
		{ "limit", &t->limit }, { "signal-client", &t->signal },
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && !r; i++)
		r = get(xs, XBT_NULL, uuid, id, all[i].key, all[i].out);
	return r;
}

static long number_or(const char *text, long otherwise)
{
	uint32_t v;

	return parse_u32(text, INT32_MAX, &v) ? otherwise : (long)v;
}

static const char *text_or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static void fill_spec(struct toolstack_spec *s, const struct recorded *t)
{
	s->name = t->name;
	s->path = text_or_null(t->path);
	s->log = text_or_null(t->log);
	s->mode = text_or_null(t->mode);
	s->uid = number_or(t->uid, -1);
	s->gid = number_or(t->gid, -1);
	s->limit = (unsigned int)number_or(t->limit, 0);
	s->signal_client = !strcmp(t->signal, "1");
	if (console_parse_kind(t->connection, &s->kind))
		s->kind = CONSOLE_PTY;
	if (console_parse_overflow(t->overflow, &s->overflow))
		s->overflow = CONSOLE_BLOCK;
}

int persist_read_uuid(struct xs_handle *xs, unsigned int domid, char *uuid)
{
	return read_uuid(xs, XBT_NULL, domid, uuid);
}

int persist_list(struct xs_handle *xs, const char *uuid, char ***ids,
		 unsigned int *n)
{
	struct record_path p;

	return list_directory(xs, XBT_NULL, record(&p, uuid, NULL, NULL), ids,
			      n);
}

int persist_attach(struct xs_handle *xs, unsigned int domid, const char *uuid,
		   const char *id,
		   void (*failed)(unsigned int domid, const char *name, int r))
{
	_cleanup_(recorded_deinit) struct recorded t = { 0 };
	struct toolstack_spec spec = { .domid = domid };
	int r = read_record(xs, uuid, id, &t);

	if (!r && !t.name[0])
		return 0; /* it was forgotten meanwhile */
	if (!r) {
		fill_spec(&spec, &t);
		r = toolstack_attach_recorded(xs, &spec);
	}
	if (!r || r == TOOLSTACK_DUPLICATE_NAME)
		return 0;
	if (failed && r != TOOLSTACK_NO_DOMAIN)
		failed(domid, t.name ? t.name : "?", r);
	return r;
}
