// SPDX-License-Identifier: MIT
/* A small store: a list of nodes, transactions as whole copies. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "xenhost/fake/store.h"

enum { PERMS_MAX = 16, TRANSACTIONS_MAX = 10, WATCHES_MAX = 128 };

struct node {
	struct list link;
	char path[XENSTORE_ABS_PATH_MAX + 1];
	char *value;
	size_t len;
	unsigned int n_perms;
	struct xs_permissions perms[PERMS_MAX];
};

struct change {
	struct list link;
	bool recurse; /* the node is gone, and all below it */
	char path[];
};

struct transaction {
	struct list link; /* conn->transactions */
	uint32_t id;
	unsigned long gen;
	struct list nodes, changes;
};

struct watch {
	struct list link; /* conn->watches */
	bool relative;
	char path[XENSTORE_ABS_PATH_MAX + 1];
	char *token;
};

struct store_conn {
	struct list link; /* conns */
	unsigned int domid;
	store_event_fn fn;
	void *arg;
	struct list transactions, watches;
	uint32_t next_id;
};

static struct list live_nodes = LIST_INIT(live_nodes);
static struct list conns = LIST_INIT(conns);
static unsigned long gen;

static void node_free(struct node *n)
{
	list_remove(&n->link);
	free(n->value);
	free(n);
}

static void nodes_free(struct list *nodes)
{
	while (!list_empty(nodes))
		node_free(list_entry(nodes->next, struct node, link));
}

static struct node *node_add(struct list *nodes, const char *path)
{
	struct node *n = calloc(1, sizeof(*n));

	snprintf(n->path, sizeof(n->path), "%s", path);
	n->value = calloc(1, 1);
	list_append(nodes, &n->link);
	return n;
}

static void node_set(struct node *n, const void *data, size_t len)
{
	free(n->value);
	n->value = calloc(1, len + 1);
	if (len)
		memcpy(n->value, data, len);
	n->len = len;
}

static void nodes_copy(struct list *to, const struct list *from)
{
	const struct list *l;

	list_init(to);
	list_for_each (l, from) {
		const struct node *n = list_entry(l, struct node, link);
		struct node *copy = node_add(to, n->path);

		node_set(copy, n->value, n->len);
		copy->n_perms = n->n_perms;
		memcpy(copy->perms, n->perms, sizeof(n->perms));
	}
}

static struct node *node_find(const struct list *nodes, const char *path)
{
	struct list *l;

	list_for_each (l, nodes) {
		struct node *n = list_entry(l, struct node, link);

		if (!strcmp(n->path, path))
			return n;
	}
	return NULL;
}

static bool is_below(const char *path, const char *top)
{
	size_t n = strlen(top);

	return !strcmp(top, "/") ||
	       (!strncmp(path, top, n) && strchr("/", path[n]));
}

static void parent_of(const char *path, char *parent)
{
	memmove(parent, path, strlen(path) + 1);
	*strrchr(parent, '/') = 0;
	if (!*parent)
		strcpy(parent, "/");
}

static unsigned int perms_for(const struct node *n, unsigned int domid)
{
	if (domid == 0 || n->perms[0].id == domid)
		return XS_PERM_READ | XS_PERM_WRITE | XS_PERM_OWNER;
	for (unsigned int i = 1; i < n->n_perms; i++)
		if (n->perms[i].id == domid)
			return n->perms[i].perms;
	return n->perms[0].perms;
}

/* The node, or its nearest ancestor. */
static struct node *nearest(const struct list *nodes, const char *path)
{
	char p[XENSTORE_ABS_PATH_MAX + 1];
	struct node *n;

	strcpy(p, path);
	while (!(n = node_find(nodes, p)))
		parent_of(p, p);
	return n;
}

static int node_get(const struct list *nodes, unsigned int domid,
		    const char *path, unsigned int perm, struct node **n_r)
{
	*n_r = nearest(nodes, path);
	if (!(perms_for(*n_r, domid) & perm))
		return -EACCES;
	return strcmp((*n_r)->path, path) ? -ENOENT : 0;
}

static struct node *node_create(struct list *nodes, unsigned int domid,
				const char *path)
{
	char p[XENSTORE_ABS_PATH_MAX + 1];
	struct node *n = node_find(nodes, path), *parent;

	if (n)
		return n;
	parent_of(path, p);
	parent = node_create(nodes, domid, p);
	n = node_add(nodes, path);
	n->n_perms = parent->n_perms;
	memcpy(n->perms, parent->perms, sizeof(n->perms));
	if (domid)
		n->perms[0].id = domid;
	return n;
}

static void watches_fire(const char *path, bool recurse)
{
	struct list *c, *l, *cn, *ln;

	list_for_each_safe (c, cn, &conns) {
		struct store_conn *conn =
			list_entry(c, struct store_conn, link);

		list_for_each_safe (l, ln, &conn->watches) {
			struct watch *w = list_entry(l, struct watch, link);
			const char *p = path;
			size_t skip;

			if (recurse && *path == '/' && is_below(w->path, path))
				p = w->path;
			else if (!is_below(path, w->path))
				continue;
			if (*p == '@' ? conn->domid != 0
				      : !(perms_for(nearest(&live_nodes, p),
						    conn->domid) &
					  XS_PERM_READ))
				continue;
			skip = w->relative
				       ? snprintf(NULL, 0, "/local/domain/%u/",
						  conn->domid)
				       : 0;
			conn->fn(conn->arg, p + skip, w->token);
		}
	}
}

static void changed(struct transaction *t, const char *path, bool recurse)
{
	struct change *c;

	if (!t) {
		gen++;
		watches_fire(path, recurse);
		return;
	}
	c = calloc(1, sizeof(*c) + strlen(path) + 1);
	strcpy(c->path, path);
	c->recurse = recurse;
	list_append(&t->changes, &c->link);
}

static void transaction_free(struct transaction *t)
{
	struct list *l, *next;

	list_for_each_safe (l, next, &t->changes)
		free(list_entry(l, struct change, link));
	nodes_free(&t->nodes);
	list_remove(&t->link);
	free(t);
}

static void changes_fire(struct transaction *t, bool removals)
{
	struct list *l;

	list_for_each (l, &t->changes) {
		struct change *c = list_entry(l, struct change, link);

		if (c->recurse == removals)
			watches_fire(c->path, c->recurse);
	}
}

static int transaction_commit(struct transaction *t)
{
	if (t->gen != gen)
		return -EAGAIN;
	if (list_empty(&t->changes))
		return 0;
	changes_fire(t, true);
	nodes_free(&live_nodes);
	nodes_copy(&live_nodes, &t->nodes);
	gen++;
	changes_fire(t, false);
	return 0;
}

static int path_check(unsigned int domid, const char *in, char *path)
{
	size_t n = strlen(in);

	if (*in != '/' && n > XENSTORE_REL_PATH_MAX)
		return -EINVAL;
	if (snprintf(path, XENSTORE_ABS_PATH_MAX + 1, "/local/domain/%u/%s",
		     domid, in) > XENSTORE_ABS_PATH_MAX &&
	    *in != '/')
		return -EINVAL;
	if (n == 0 || n > XENSTORE_ABS_PATH_MAX || strstr(in, "//") ||
	    (n > 1 && in[n - 1] == '/'))
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)in[i]) && !strchr("-/_@", in[i]))
			return -EINVAL;
	if (*in == '/' || *in == '@')
		strcpy(path, in);
	return 0;
}

static int reply_set(struct store_reply *r, const void *data, size_t len)
{
	r->data = calloc(1, len + 1);
	if (len)
		memcpy(r->data, data, len);
	r->len = len;
	return 0;
}

static int do_directory(const struct list *nodes, const char *path,
			struct store_reply *reply)
{
	size_t n = strcmp(path, "/") ? strlen(path) : 0;
	char buf[XENSTORE_PAYLOAD_MAX];
	size_t len = 0;
	struct list *l;

	list_for_each (l, nodes) {
		const char *p = list_entry(l, struct node, link)->path;

		if (strncmp(p, path, n) || p[n] != '/' || !p[n + 1] ||
		    strchr(p + n + 1, '/'))
			continue;
		len += snprintf(buf + len, sizeof(buf) - len, "%s", p + n + 1) +
		       1;
	}
	return reply_set(reply, buf, len);
}

static int do_rm(struct list *nodes, const char *path)
{
	struct list *l, *next;

	list_for_each_safe (l, next, nodes) {
		struct node *n = list_entry(l, struct node, link);

		if (is_below(n->path, path))
			node_free(n);
	}
	return 0;
}

static int do_get_perms(const struct node *n, struct store_reply *reply)
{
	char buf[PERMS_MAX * 16];
	size_t len = 0;

	for (unsigned int i = 0; i < n->n_perms; i++)
		len += snprintf(buf + len, sizeof(buf) - len, "%c%u",
				"nrwb"[n->perms[i].perms & 3],
				n -> perms[i].id) +
		       1;
	return reply_set(reply, buf, len);
}

static int do_set_perms(struct store_conn *c, struct node *n, const char *data,
			size_t len)
{
	struct xs_permissions perms[PERMS_MAX];
	const char *end = data + len;
	unsigned int i;

	if (!(perms_for(n, c->domid) & XS_PERM_OWNER))
		return -EACCES;
	for (i = 0; data < end && i < PERMS_MAX;
	     data += strlen(data) + 1, i++) {
		perms[i].perms = strchr("nrwb", *data) - "nrwb";
		perms[i].id = strtoul(data + 1, NULL, 10);
	}
	if (!i)
		return -EINVAL;
	if (c->domid && perms[0].id != n->perms[0].id)
		return -EPERM;
	n->n_perms = i;
	memcpy(n->perms, perms, sizeof(perms));
	return 0;
}

static int on_node(struct store_conn *c, enum xsd_sockmsg_type type,
		   struct transaction *t, const char *path, const char *data,
		   size_t len, struct store_reply *reply)
{
	bool write = type == XS_WRITE || type == XS_MKDIR || type == XS_RM;
	struct list *nodes = t ? &t->nodes : &live_nodes;
	struct node *n;
	int r;

	r = node_get(nodes, c->domid, path,
		     write ? XS_PERM_WRITE : XS_PERM_READ, &n);
	if (r && !(write && r == -ENOENT))
		return r;
	switch (type) {
	case XS_READ:
		return reply_set(reply, n->value, n->len);
	case XS_DIRECTORY:
		return do_directory(nodes, path, reply);
	case XS_GET_PERMS:
		return do_get_perms(n, reply);
	case XS_SET_PERMS:
		r = do_set_perms(c, n, data, len);
		break;
	case XS_WRITE:
		if (len > 2048 && c->domid)
			return -ENOSPC;
		r = 0;
		node_set(node_create(nodes, c->domid, path), data, len);
		break;
	case XS_MKDIR:
		if (!r)
			return 0;
		r = 0;
		node_create(nodes, c->domid, path);
		break;
	default:
		if (r)
			return 0;
		changed(t, path, true); /* while its permissions are there */
		do_rm(nodes, path);
		return 0;
	}
	if (!r)
		changed(t, path, false);
	return r;
}

static struct transaction *transaction_find(struct store_conn *c, uint32_t id)
{
	struct list *l;

	list_for_each (l, &c->transactions)
		if (list_entry(l, struct transaction, link)->id == id)
			return list_entry(l, struct transaction, link);
	return NULL;
}

static int do_start(struct store_conn *c, struct store_reply *reply)
{
	struct transaction *t;
	char id[16];

	if (c->domid && store_transactions(c->domid) >= TRANSACTIONS_MAX)
		return -ENOSPC;
	t = calloc(1, sizeof(*t));
	t->id = ++c->next_id;
	t->gen = gen;
	nodes_copy(&t->nodes, &live_nodes);
	list_init(&t->changes);
	list_append(&c->transactions, &t->link);
	return reply_set(reply, id, snprintf(id, sizeof(id), "%u", t->id) + 1);
}

static int do_end(struct transaction *t, bool commit)
{
	int r;

	if (!t)
		return -ENOENT;
	r = commit ? transaction_commit(t) : 0;
	transaction_free(t);
	return r;
}

static int do_watch(struct store_conn *c, bool add, const char *in,
		    const char *token)
{
	char path[XENSTORE_ABS_PATH_MAX + 1];
	struct watch *w;
	struct list *l;
	int r = path_check(c->domid, in, path);

	if (r)
		return r;
	list_for_each (l, &c->watches) {
		w = list_entry(l, struct watch, link);
		if (strcmp(w->path, path) || strcmp(w->token, token))
			continue;
		if (add)
			return -EEXIST;
		list_remove(&w->link);
		free(w->token);
		free(w);
		return 0;
	}
	if (!add)
		return -ENOENT;
	if (c->domid && store_watches(c->domid) >= WATCHES_MAX)
		return -E2BIG;
	w = calloc(1, sizeof(*w));
	w->relative = !strchr("/@", *in);
	strcpy(w->path, path);
	w->token = strdup(token);
	list_append(&c->watches, &w->link);
	c->fn(c->arg, in, token);
	return 0;
}

int store_request(struct store_conn *c, enum xsd_sockmsg_type type, uint32_t id,
		  const char *data, size_t len, struct store_reply *reply)
{
	struct transaction *t = transaction_find(c, id);
	char path[XENSTORE_ABS_PATH_MAX + 1];
	size_t n = strnlen(data, len) + 1;
	char out[64];
	int r;

	if (n > len || (id && !t))
		return n > len ? -EINVAL : -ENOENT;
	switch (type) {
	case XS_TRANSACTION_START:
		return do_start(c, reply);
	case XS_TRANSACTION_END:
		return do_end(t, *data == 'T');
	case XS_WATCH:
	case XS_UNWATCH:
		return do_watch(c, type == XS_WATCH, data, data + n);
	case XS_GET_DOMAIN_PATH:
		return reply_set(
			reply, out,
			snprintf(out, sizeof(out), "/local/domain/%s", data) +
				1);
	case XS_IS_DOMAIN_INTRODUCED:
		snprintf(out, sizeof(out), "/local/domain/%s", data);
		return reply_set(reply,
				 !c->domid && node_find(&live_nodes, out) ? "T"
									  : "F",
				 2);
	default:
		r = path_check(c->domid, data, path);
		return r ? r
			 : on_node(c, type, t, path, data + n, len - n, reply);
	}
}

struct store_conn *store_connect(unsigned int domid, store_event_fn fn,
				 void *arg)
{
	struct store_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->domid = domid;
	c->fn = fn;
	c->arg = arg;
	list_init(&c->transactions);
	list_init(&c->watches);
	list_append(&conns, &c->link);
	return c;
}

void store_disconnect(struct store_conn *c)
{
	struct list *l, *next;

	list_for_each_safe (l, next, &c->transactions)
		transaction_free(list_entry(l, struct transaction, link));
	list_for_each_safe (l, next, &c->watches) {
		free(list_entry(l, struct watch, link)->token);
		free(list_entry(l, struct watch, link));
	}
	list_remove(&c->link);
	free(c);
}

int store_domain_created(unsigned int domid)
{
	char path[64];

	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	node_create(&live_nodes, 0, path)->perms[0].perms = XS_PERM_NONE;
	if (domid) {
		node_find(&live_nodes, path)->n_perms = 2;
		node_find(&live_nodes, path)->perms[1] =
			(struct xs_permissions){ domid, XS_PERM_READ };
	}
	strcat(path, "/domid");
	node_create(&live_nodes, 0, path);
	node_set(node_find(&live_nodes, path), path + 14,
		 strlen(path) - 14 - strlen("/domid"));
	strcpy(strrchr(path, '/'), "/data");
	node_create(&live_nodes, domid, path)->n_perms = 1;
	changed(NULL, path, false);
	watches_fire("@introduceDomain", false);
	return 0;
}

void store_domain_destroyed(unsigned int domid)
{
	char path[64];

	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	changed(NULL, path, true);
	do_rm(&live_nodes, path);
	watches_fire("@releaseDomain", false);
}

void store_reset(void)
{
	struct node *root;

	nodes_free(&live_nodes);
	root = node_add(&live_nodes, "/");
	root->n_perms = 1;
}

unsigned int store_watches(int domid)
{
	unsigned int n = 0;
	struct list *c, *l;

	list_for_each (c, &conns) {
		struct store_conn *conn =
			list_entry(c, struct store_conn, link);

		if (domid < 0 || conn->domid == (unsigned int)domid)
			list_for_each (l, &conn->watches)
				n++;
	}
	return n;
}

unsigned int store_transactions(int domid)
{
	unsigned int n = 0;
	struct list *c, *l;

	list_for_each (c, &conns) {
		struct store_conn *conn =
			list_entry(c, struct store_conn, link);

		if (domid < 0 || conn->domid == (unsigned int)domid)
			list_for_each (l, &conn->transactions)
				n++;
	}
	return n;
}

/* What a toolstack makes is not counted. */
unsigned int store_nodes(int domid)
{
	unsigned int n = 0, d, end;
	struct list *l;

	list_for_each (l, &live_nodes) {
		const char *path = list_entry(l, struct node, link)->path;

		end = 0;
		if (sscanf(path, "/local/domain/%u/data%n", &d, &end) == 1 &&
		    end && path[end] && (domid < 0 || d == (unsigned int)domid))
			n++;
	}
	return n;
}
