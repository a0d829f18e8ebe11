// SPDX-License-Identifier: MIT
/* The emulated host's own store, fed in place of a socket. */
#include "xenhost/fake/store.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "xenhost/xenstored/server.h"

struct store_conn {
	struct list link;          /* conns */
	struct xsd_client *client; /* NULL: ended by the store */
	store_event_fn fn;
	void *arg;
};

static struct xsd_server server;
static bool running;
static struct list conns = LIST_INIT(conns);
static struct store_conn *toolstack; /* of domain 0, not in conns */
static bool woken;

static void wake(struct xsd_client *client)
{
	woken = true;
}

static struct store_conn *conn_new(unsigned int domid, store_event_fn fn,
				   void *arg)
{
	_cleanup_free_ struct store_conn *c = calloc(1, sizeof(*c));

	if (!c || xsd_client_new(&c->client, &server, domid))
		return NULL;
	c->client->wake = wake;
	c->fn = fn;
	c->arg = arg;
	list_init(&c->link);
	return TAKE_PTR(c);
}

struct store_conn *store_connect(unsigned int domid, store_event_fn fn,
				 void *arg)
{
	struct store_conn *c = conn_new(domid, fn, arg);

	if (c)
		list_append(&conns, &c->link);
	return c;
}

void store_disconnect(struct store_conn *c)
{
	xsd_client_free(c->client);
	list_remove(&c->link);
	free(c);
}

static void feed(struct xsd_client *client, const void *data, size_t len)
{
	const char *from = data;

	while (len) {
		void *to;
		size_t n = xsd_client_want(client, &to);

		if (n > len)
			n = len;
		memcpy(to, from, n);
		xsd_client_received(client, n);
		from += n;
		len -= n;
	}
}

static int wire_errno(const char *name)
{
	for (size_t i = 0; i < sizeof(xsd_errors) / sizeof(*xsd_errors); i++)
		if (!strcmp(xsd_errors[i].errstring, name))
			return -xsd_errors[i].errnum;
	return -EIO;
}

/* What the server said: events are delivered, a reply is kept. */
static int message(struct store_conn *c, const struct xsd_sockmsg *header,
		   const char *payload, struct store_reply *reply)
{
	if (header->type == XS_WATCH_EVENT) {
		c->fn(c->arg, payload, payload + strlen(payload) + 1);
		return 0;
	}
	if (header->type == XS_ERROR)
		return wire_errno(payload);
	reply->data = calloc(1, header->len + 1);
	if (!reply->data)
		return -ENOMEM;
	memcpy(reply->data, payload, header->len);
	reply->len = header->len;
	return 0;
}

/* Messages are queued as one piece each, and always taken as a whole. */
static int drain(struct store_conn *c, struct store_reply *reply)
{
	struct iovec piece;
	int r = 0;

	while (xsd_output_peek(&c->client->output, &piece, 1)) {
		const struct xsd_sockmsg *header = piece.iov_base;
		int answer =
			message(c, header, (const char *)(header + 1), reply);

		r = answer ? answer : r;
		xsd_output_sent(&c->client->output, piece.iov_len);
	}
	return r;
}

/* Everybody else's events. */
static void drain_all(void)
{
	struct list *l;

	while (woken) {
		woken = false;
		list_for_each (l, &conns)
			drain(list_entry(l, struct store_conn, link), NULL);
	}
}

int store_request(struct store_conn *c, enum xsd_sockmsg_type type,
		  uint32_t transaction, const char *data, size_t len,
		  struct store_reply *reply)
{
	const struct xsd_sockmsg header = { .type = type,
					    .tx_id = transaction,
					    .len = (uint32_t)len };
	int r;

	feed(c->client, &header, sizeof(header));
	feed(c->client, data, len);
	r = drain(c, reply);
	drain_all();
	return r;
}

/* As the toolstack; payload is a string and what follows its NUL. */
static void toolstack_request(enum xsd_sockmsg_type type, const char *payload,
			      size_t len)
{
	struct store_reply reply = { 0 };
	int r = store_request(toolstack, type, 0, payload, len, &reply);

	assert(!r || type == XS_RM);
	(void)r;
	free(reply.data);
}

/* A node with a value, owned by owner, readable by reader. */
static void toolstack_write(const char *path, const char *value,
			    unsigned int owner, unsigned int reader)
{
	size_t n = strlen(path) + 1;
	char payload[128];

	memcpy(payload, path, n);
	memcpy(payload + n, value, strlen(value));
	toolstack_request(XS_WRITE, payload, n + strlen(value));
	n += snprintf(payload + n, sizeof(payload) - n, "n%u", owner) + 1;
	n += snprintf(payload + n, sizeof(payload) - n, "r%u", reader) + 1;
	toolstack_request(XS_SET_PERMS, payload, n);
}

/* What libxl gives a domain, as far as our code looks at it. */
int store_domain_created(unsigned int domid)
{
	char path[64], id[16];
	int r = domid ? xsd_server_introduce(&server, domid) : 0;

	if (r)
		return r;
	snprintf(id, sizeof(id), "%u", domid);
	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	toolstack_write(path, "", 0, domid);
	snprintf(path, sizeof(path), "/local/domain/%u/domid", domid);
	toolstack_write(path, id, 0, domid);
	snprintf(path, sizeof(path), "/local/domain/%u/data", domid);
	toolstack_write(path, "", domid, domid);
	return 0;
}

void store_domain_destroyed(unsigned int domid)
{
	char path[64];
	int n;

	n = snprintf(path, sizeof(path), "/local/domain/%u", domid);
	toolstack_request(XS_RM, path, n + 1);
	xsd_server_release(&server, domid);
	drain_all();
}

void store_reset(void)
{
	int r;

	assert(list_empty(&conns));
	if (toolstack)
		store_disconnect(toolstack);
	if (running)
		xsd_server_deinit(&server);
	r = xsd_server_init(&server);
	assert(!r);
	(void)r;
	server.watches.linux_guests = true;
	running = true;
	toolstack = conn_new(0, NULL, NULL);
	assert(toolstack);
}

unsigned int store_nodes(int domid)
{
	unsigned int n = 0, d;
	struct xsd_node *node, *tmp;

	HASH_ITER (hh, server.store.nodes, node, tmp) {
		int end = 0;

		if (sscanf(node->path, "/local/domain/%u/%n", &d, &end) != 1 ||
		    !end || (domid >= 0 && d != (unsigned int)domid))
			continue;
		n += strcmp(node->path + end, "domid") &&
		     strcmp(node->path + end, "data");
	}
	return n;
}

unsigned int store_watches(int domid)
{
	unsigned int n = 0;
	struct xsd_domain *d, *tmp;

	HASH_ITER (hh, server.store.domains.table, d, tmp)
		if (domid < 0 || d->domid == (unsigned int)domid)
			n += d->n_watches;
	return n;
}

unsigned int store_transactions(int domid)
{
	unsigned int n = 0;
	struct xsd_domain *d, *tmp;

	HASH_ITER (hh, server.store.domains.table, d, tmp)
		if (domid < 0 || d->domid == (unsigned int)domid)
			n += d->n_transactions;
	return n;
}
