// SPDX-License-Identifier: MIT
#include "xenhost/xenstored/watch.h"

#include <errno.h>
#include <string.h>

#include "xenhost/xenstored/path.h"

static const char *const special_names[] = { "@releaseDomain",
					     "@introduceDomain" };

#define N_SPECIAL (sizeof(special_names) / sizeof(*special_names))

struct xsd_watch_path {
	char *path;
	struct list watches; /* by same_path */
	UT_hash_handle hh;
};

struct xsd_watch {
	struct list link; /* of the watcher's */
	struct list same_path;
	struct xsd_watcher *watcher;
	struct xsd_watch_path *path;
	size_t skip; /* bytes of the path that a relative watch does not show */
	uint64_t seq;
	char token[];
};

static int set_special(struct xsd_watches *ws, size_t i,
		       const struct xenstored_perm *perms, size_t n_perms)
{
	struct xsd_record *r = xsd_record_new(
		&(struct xsd_parts){ .perms = perms, .n_perms = n_perms });

	if (!r)
		return -ENOMEM;
	xsd_record_unref(ws->special[i]);
	ws->special[i] = r;
	return 0;
}

int xsd_watches_init(struct xsd_watches *ws, struct xsd_store *store)
{
	static const struct xenstored_perm for_domain_0 = { 0, 0 };
	int r = 0;

	*ws = (struct xsd_watches){ .store = store };
	for (size_t i = 0; !r && i < N_SPECIAL; i++)
		r = set_special(ws, i, &for_domain_0, 1);
	return r;
}

void xsd_watches_deinit(struct xsd_watches *ws)
{
	for (size_t i = 0; i < N_SPECIAL; i++)
		xsd_record_unref(ws->special[i]);
}

void xsd_watcher_init(struct xsd_watches *ws, struct xsd_watcher *w)
{
	w->seq = ws->n_watchers++;
	list_init(&w->watches);
}

static struct xsd_watch_path *find_path(const struct xsd_watches *ws,
					const char *path, size_t len)
{
	struct xsd_watch_path *p;

	HASH_FIND(hh, ws->paths, path, len, p);
	return p;
}

static void release_path(struct xsd_watches *ws, struct xsd_watch_path *p)
{
	if (!list_empty(&p->watches))
		return;
	HASH_DELETE(hh, ws->paths, p);
	free(p->path);
	free(p);
}

static struct xsd_watch_path *get_path(struct xsd_watches *ws, const char *path)
{
	struct xsd_watch_path *p = find_path(ws, path, strlen(path));

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	list_init(&p->watches);
	p->path = strdup(path);
	if (p->path) {
		HASH_ADD_KEYPTR(hh, ws->paths, p->path, strlen(p->path), p);
		if (TABLE_ADDED(p))
			return p;
	}
	free(p->path);
	free(p);
	return NULL;
}

/* What the watch counts in its domain's memory. */
static int64_t charge_of(const char *path, const char *token)
{
	return (int64_t)(strlen(path) + strlen(token));
}

static void watch_free(struct xsd_watches *ws, struct xsd_watch *watch)
{
	struct xsd_domain *d = watch->watcher->domain;

	d->n_watches--;
	xsd_domain_charge(d, -charge_of(watch->path->path, watch->token));
	list_remove(&watch->link);
	list_remove(&watch->same_path);
	release_path(ws, watch->path);
	free(watch);
}

void xsd_watcher_reset(struct xsd_watches *ws, struct xsd_watcher *w)
{
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &w->watches)
		watch_free(ws, list_entry(pos, struct xsd_watch, link));
}

static struct xsd_watch *find(const struct xsd_watches *ws,
			      const struct xsd_watcher *w, const char *path,
			      const char *token)
{
	struct xsd_watch_path *p = find_path(ws, path, strlen(path));
	struct list *pos;

	if (!p)
		return NULL;
	list_for_each (pos, &p->watches) {
		struct xsd_watch *watch =
			list_entry(pos, struct xsd_watch, same_path);

		if (watch->watcher == w && !strcmp(watch->token, token))
			return watch;
	}
	return NULL;
}

static bool watchable(const char *path)
{
	if (path[0] == '@')
		return strlen(path) <= XSD_PATH_MAX;
	return xsd_path_valid(path);
}

static int add(struct xsd_watches *ws, struct xsd_watcher *w, const char *path,
	       const char *token, size_t skip)
{
	size_t token_size = strlen(token) + 1;
	struct xsd_watch *watch = calloc(1, sizeof(*watch) + token_size);

	if (!watch)
		return -ENOMEM;
	watch->path = get_path(ws, path);
	if (!watch->path) {
		free(watch);
		return -ENOMEM;
	}
	watch->watcher = w;
	watch->skip = skip;
	watch->seq = ws->n_watches++;
	memcpy(watch->token, token, token_size);
	list_append(&w->watches, &watch->link);
	list_append(&watch->path->watches, &watch->same_path);
	w->domain->n_watches++;
	xsd_domain_charge(w->domain, charge_of(path, token));
	return 0;
}

static bool through_linux(const struct xsd_watches *ws,
			  const struct xsd_watcher *w)
{
	return ws->linux_guests && !xsd_domain_privileged(w->domain);
}

int xsd_watch_add(struct xsd_watches *ws, struct xsd_watcher *w,
		  const char *path, const char *token)
{
	char abs[XSD_PATH_BUF], home[XSD_PATH_BUF];
	size_t skip = 0;

	xsd_path_absolute(w->domain->domid, path, abs);
	if (!watchable(abs))
		return -EINVAL;
	if (!through_linux(ws, w) && find(ws, w, abs, token))
		return -EEXIST;
	if (!xsd_domain_privileged(w->domain) &&
	    w->domain->n_watches > XSD_QUOTA_WATCHES)
		return -E2BIG;
	if (!xsd_domain_may_charge(w->domain, charge_of(abs, token)))
		return -ENOMEM;
	if (path[0] != '/' && path[0] != '@')
		skip = xsd_path_home(w->domain->domid, home) + 1;
	return add(ws, w, abs, token, skip);
}

int xsd_watch_remove(struct xsd_watches *ws, struct xsd_watcher *w,
		     const char *path, const char *token)
{
	char abs[XSD_PATH_BUF];
	struct xsd_watch *watch;

	xsd_path_absolute(w->domain->domid, path, abs);
	watch = find(ws, w, abs, token);
	if (!watch)
		return through_linux(ws, w) ? 0 : -ENOENT;
	watch_free(ws, watch);
	return 0;
}

static void deliver(struct xsd_watch *watch, const char *path)
{
	watch->watcher->deliver(watch->watcher, path + watch->skip,
				watch->token);
}

void xsd_watch_greet(struct xsd_watcher *w)
{
	struct xsd_watch *last =
		list_entry(w->watches.prev, struct xsd_watch, link);

	deliver(last, last->path->path);
}

/*
 * Who may read the node may know, or who could before, or who may read its
 * parent.
 */
static bool may_know(const struct xsd_watches *ws, const struct xsd_domain *d,
		     const struct xsd_change *c)
{
	const struct xsd_domains *ds = &ws->store->domains;
	const struct xsd_record *now = c->now;
	char parent[XSD_PATH_BUF];
	size_t len;

	if (c->old &&
	    (xsd_domain_node_perms(ds, d, c->old) & XENSTORED_PERM_READ))
		return true;
	if (!now)
		now = xsd_store_find(ws->store, c->path);
	if (!now)
		return false;
	if (xsd_domain_node_perms(ds, d, now) & XENSTORED_PERM_READ)
		return true;
	len = xsd_path_parent_len(c->path, strlen(c->path));
	memcpy(parent, c->path, len);
	parent[len] = '\0';
	now = xsd_store_find(ws->store, parent);
	return now && (xsd_domain_node_perms(ds, d, now) & XENSTORED_PERM_READ);
}

/* The watches that match, in the order in which they get to know. */
struct matches {
	struct xsd_watch **watch;
	size_t n, room;
};

static void match_path(const struct xsd_watches *ws, struct matches *m,
		       const char *path, size_t len)
{
	struct xsd_watch_path *p = find_path(ws, path, len);
	struct list *pos;

	if (!p)
		return;
	list_for_each (pos, &p->watches) {
		if (m->n == m->room) {
			size_t room = m->room ? 2 * m->room : 16;
			void *more =
				reallocarray(m->watch, room, sizeof(*m->watch));

			if (!more)
				return; /* events are best effort */
			m->watch = more;
			m->room = room;
		}
		m->watch[m->n++] = list_entry(pos, struct xsd_watch, same_path);
	}
}

static int compare(const void *a, const void *b)
{
	const struct xsd_watch *x = *(struct xsd_watch *const *)a;
	const struct xsd_watch *y = *(struct xsd_watch *const *)b;

	if (x->watcher->seq != y->watcher->seq)
		return x->watcher->seq < y->watcher->seq ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

void xsd_watches_fire(struct xsd_watches *ws, const struct xsd_change *change)
{
	struct matches m = { 0 };
	const struct xsd_domain *asked = NULL;
	size_t len = strlen(change->path);
	bool yes = false;

	match_path(ws, &m, change->path, len);
	while (!change->exact && len > 1) {
		len = xsd_path_parent_len(change->path, len);
		match_path(ws, &m, change->path, len);
	}
	if (m.n)
		qsort(m.watch, m.n, sizeof(*m.watch), compare);
	for (size_t i = 0; i < m.n; i++) {
		const struct xsd_domain *d = m.watch[i]->watcher->domain;

		if (d != asked)
			yes = may_know(ws, d, change);
		asked = d;
		if (yes)
			deliver(m.watch[i], change->path);
	}
	free(m.watch);
}

static int special_index(const char *name)
{
	for (size_t i = 0; i < N_SPECIAL; i++)
		if (!strcmp(name, special_names[i]))
			return (int)i;
	return -EINVAL;
}

static unsigned int special_perms(const struct xsd_watches *ws, int i,
				  const struct xsd_domain *d)
{
	const struct xsd_parts *parts = &ws->special[i]->parts;

	return xsd_domain_perms(d, parts->perms, parts->n_perms);
}

void xsd_watches_fire_special(struct xsd_watches *ws, const char *name)
{
	struct matches m = { 0 };
	int special = special_index(name);

	match_path(ws, &m, name, strlen(name));
	if (m.n)
		qsort(m.watch, m.n, sizeof(*m.watch), compare);
	for (size_t i = 0; i < m.n; i++)
		if (special_perms(ws, special, m.watch[i]->watcher->domain) &
		    XENSTORED_PERM_READ)
			deliver(m.watch[i], name);
	free(m.watch);
}

int xsd_watches_set_perms(struct xsd_watches *ws, const struct xsd_domain *d,
			  const char *name, const struct xenstored_perm *perms,
			  size_t n_perms)
{
	const unsigned int needed = XENSTORED_PERM_WRITE | XSD_PERM_OWNER;
	int i = special_index(name);

	if (i < 0)
		return i;
	if ((special_perms(ws, i, d) & needed) != needed)
		return -EACCES;
	return set_special(ws, (size_t)i, perms, n_perms);
}

void xsd_watches_forget(struct xsd_watches *ws, unsigned int domid)
{
	for (size_t i = 0; i < N_SPECIAL; i++) {
		struct xsd_record *r = ws->special[i];
		size_t n = 1;

		if (r->perms[0].domid == domid)
			r->perms[0].domid = 0;
		for (size_t k = 1; k < r->parts.n_perms; k++)
			if (r->perms[k].domid != domid)
				r->perms[n++] = r->perms[k];
		r->parts.n_perms = n;
	}
}
