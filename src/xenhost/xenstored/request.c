// SPDX-License-Identifier: MIT
/*
 * A handler returns 0 after it replied, or a negative errno, which becomes the
 * reply. How strictly each takes its payload differs as in xenstored 4.17.
 */
#include "xenhost/xenstored/request.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "xenhost/xenstored/path.h"
#include "xenhost/xenstored/transaction.h"

#define DOMID_SELF 0x7ff0u /* xen/include/public/xen.h */

struct request_type {
	const char *name; /* NULL: no such request */
	int (*serve)(struct xsd_request *q);
	bool privileged;
	bool ignores_transaction;
};

size_t xsd_request_strings(const struct xsd_request *q, const char **vec,
			   size_t n)
{
	const char *start = q->payload, *end = q->payload + q->len, *nul;
	size_t i = 0;

	while (start < end &&
	       (nul = memchr(start, '\0', (size_t)(end - start)))) {
		if (i < n)
			vec[i] = start;
		i++;
		start = nul + 1;
	}
	return i;
}

/* The payload, if it is exactly one string; or NULL. */
static const char *one_string(const struct xsd_request *q)
{
	return q->len && strlen(q->payload) == q->len - 1 ? q->payload : NULL;
}

static unsigned int to_domid(const char *s)
{
	return (unsigned int)strtol(s, NULL, 10);
}

static void send_reply(struct xsd_request *q, uint32_t type,
		       const void *payload, size_t len)
{
	struct xsd_sockmsg header = q->client->header;

	header.type = type;
	header.len = (uint32_t)len;
	q->replied = true;
	q->error = xsd_output_reply(&q->client->output, &header, payload);
}

static void send_error(struct xsd_request *q, int error)
{
	const size_t n = sizeof(xsd_errors) / sizeof(*xsd_errors);
	const char *name = "EINVAL";

	for (size_t i = 0; i < n; i++)
		if (xsd_errors[i].errnum == error)
			name = xsd_errors[i].errstring;
	send_reply(q, XS_ERROR, name, strlen(name) + 1);
}

void xsd_request_reply(struct xsd_request *q, const void *payload, size_t len)
{
	if (len > XENSTORE_PAYLOAD_MAX)
		send_error(q, E2BIG);
	else
		send_reply(q, q->client->header.type, payload, len);
}

void xsd_request_ack(struct xsd_request *q)
{
	xsd_request_reply(q, "OK", sizeof("OK"));
}

/* The node that the client means by path, if it may read it. */
static int get_readable(struct xsd_request *q, const char *path,
			struct xsd_record **out)
{
	char abs[XSD_PATH_BUF];

	if (!path)
		return -EINVAL;
	xsd_path_absolute(q->client->domain->domid, path, abs);
	return xsd_node_get(&q->subject, abs, XENSTORED_PERM_READ, out);
}

static int serve_directory(struct xsd_request *q)
{
	struct xsd_record *r;
	int e = get_readable(q, one_string(q), &r);

	if (!e)
		xsd_request_reply(q, r->parts.children, r->parts.children_len);
	return e;
}

/* How many bytes of the names from offset on fit into max. */
static size_t fitting(const struct xsd_parts *parts, size_t offset, size_t max)
{
	size_t len = 0;

	while (offset + len < parts->children_len) {
		size_t name = strlen(parts->children + offset + len);

		if (len + name >= max)
			break;
		len += name + 1;
	}
	return len;
}

static int serve_directory_part(struct xsd_request *q)
{
	char reply[XENSTORE_PAYLOAD_MAX];
	const char *vec[2];
	struct xsd_record *r;
	size_t offset, n, len;
	int e;

	if (xsd_request_strings(q, vec, 2) != 2)
		return -EINVAL;
	e = get_readable(q, vec[0], &r);
	if (e)
		return e;
	offset = to_domid(vec[1]);
	n = (size_t)snprintf(reply, sizeof(reply), "%" PRIu64, r->generation) +
	    1;
	if (offset < r->parts.children_len) {
		len = fitting(&r->parts, offset, sizeof(reply) - n - 1);
		memcpy(reply + n, r->parts.children + offset, len);
		n += len;
		offset += len;
	}
	/* An empty name says that the list is complete. */
	if (offset >= r->parts.children_len)
		reply[n++] = '\0';
	xsd_request_reply(q, reply, n);
	return 0;
}

static int serve_read(struct xsd_request *q)
{
	struct xsd_record *r;
	int e = get_readable(q, one_string(q), &r);

	if (!e)
		xsd_request_reply(q, r->parts.data, r->parts.data_len);
	return e;
}

static int serve_get_perms(struct xsd_request *q)
{
	struct xsd_record *r;
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int e = get_readable(q, one_string(q), &r);

	if (e)
		return e;
	text = malloc(r->parts.n_perms * XSD_PERM_TEXT);
	if (!text)
		return -ENOMEM;
	for (size_t i = 0; i < r->parts.n_perms; i++)
		len += xsd_perm_format(&r->parts.perms[i], text + len);
	xsd_request_reply(q, text, len);
	return 0;
}

static int serve_watch(struct xsd_request *q)
{
	struct xsd_client *c = q->client;
	const char *vec[2];
	int e;

	if (xsd_request_strings(q, vec, 2) != 2)
		return -EINVAL;
	e = xsd_watch_add(&c->server->watches, &c->watcher, vec[0], vec[1]);
	if (e)
		return e;
	xsd_request_ack(q);
	xsd_watch_greet(&c->watcher);
	return 0;
}

static int serve_unwatch(struct xsd_request *q)
{
	struct xsd_client *c = q->client;
	const char *vec[2];
	int e;

	if (xsd_request_strings(q, vec, 2) != 2)
		return -EINVAL;
	e = xsd_watch_remove(&c->server->watches, &c->watcher, vec[0], vec[1]);
	if (!e)
		xsd_request_ack(q);
	return e;
}

static struct xsd_transaction *find_transaction(const struct xsd_client *c,
						uint32_t id)
{
	struct list *pos;

	list_for_each (pos, &c->transactions) {
		struct xsd_transaction *tx =
			list_entry(pos, struct xsd_transaction, link);

		if (tx->id == id)
			return tx;
	}
	return NULL;
}

static int serve_transaction_start(struct xsd_request *q)
{
	struct xsd_client *c = q->client;
	struct xsd_transaction *tx;
	char text[11];
	int e, len;

	if (q->subject.tx)
		return -EBUSY;
	e = xsd_transaction_new(&tx, q->subject.store, c->domain);
	if (e)
		return e;
	while (!c->next_id || find_transaction(c, c->next_id))
		c->next_id++;
	tx->id = c->next_id++;
	list_append(&c->transactions, &tx->link);
	len = snprintf(text, sizeof(text), "%" PRIu32, tx->id);
	xsd_request_reply(q, text, (size_t)len + 1);
	return 0;
}

static int serve_transaction_end(struct xsd_request *q)
{
	const char *how = one_string(q);
	int e = 0;

	if (!how || (strcmp(how, "T") && strcmp(how, "F")))
		return -EINVAL;
	if (!q->subject.tx)
		return -ENOENT;
	if (*how == 'T')
		e = xsd_transaction_commit(q->subject.tx);
	xsd_transaction_free(TAKE_PTR(q->subject.tx));
	if (!e)
		xsd_request_ack(q);
	return e;
}

/* The host itself begins and ends domains. */
static int serve_nowhere(struct xsd_request *q)
{
	return -ENOSYS;
}

static int serve_get_domain_path(struct xsd_request *q)
{
	const char *domid = one_string(q);
	char path[XSD_PATH_BUF];

	if (!domid)
		return -EINVAL;
	xsd_request_reply(q, path, xsd_path_home(to_domid(domid), path) + 1);
	return 0;
}

static int serve_write(struct xsd_request *q)
{
	char abs[XSD_PATH_BUF];
	const char *path;
	size_t skip;
	int e;

	if (xsd_request_strings(q, &path, 1) < 1)
		return -EINVAL;
	skip = strlen(path) + 1;
	xsd_path_absolute(q->client->domain->domid, path, abs);
	e = xsd_node_write(&q->subject, abs, path + skip, q->len - skip);
	if (!e)
		xsd_request_ack(q);
	return e;
}

/* A request whose payload is a path, and whose reply is OK. */
static int serve_path(struct xsd_request *q,
		      int (*serve)(const struct xsd_subject *, const char *))
{
	const char *path = one_string(q);
	char abs[XSD_PATH_BUF];
	int e;

	if (!path)
		return -EINVAL;
	xsd_path_absolute(q->client->domain->domid, path, abs);
	e = serve(&q->subject, abs);
	if (!e)
		xsd_request_ack(q);
	return e;
}

static int serve_mkdir(struct xsd_request *q)
{
	return serve_path(q, xsd_node_mkdir);
}

static int serve_rm(struct xsd_request *q)
{
	return serve_path(q, xsd_node_rm);
}

static int set_perms(struct xsd_request *q, const char *path,
		     struct xenstored_perm *perms, size_t n)
{
	struct xsd_client *c = q->client;
	char abs[XSD_PATH_BUF];

	if (path[0] == '@')
		return xsd_watches_set_perms(&c->server->watches, c->domain,
					     path, perms, n);
	xsd_path_absolute(c->domain->domid, path, abs);
	return xsd_node_set_perms(&q->subject, abs, perms, n);
}

static int serve_set_perms(struct xsd_request *q)
{
	_cleanup_free_ struct xenstored_perm *perms = NULL;
	const char *vec[2];
	size_t n = xsd_request_strings(q, vec, 2);
	int e;

	if (n < 2)
		return -EINVAL;
	n--;
	if (!xsd_domain_privileged(q->client->domain) &&
	    n > XSD_QUOTA_NODE_PERMS)
		return -ENOSPC;
	perms = calloc(n, sizeof(*perms));
	if (!perms)
		return -ENOMEM;
	e = xsd_perms_parse(vec[1], perms, n);
	if (!e)
		e = xsd_store_check_perms(q->subject.store, perms, n);
	if (!e)
		e = set_perms(q, vec[0], perms, n);
	if (!e)
		xsd_request_ack(q);
	return e;
}

static struct xsd_domain *find_introduced(const struct xsd_request *q,
					  const char *domid)
{
	struct xsd_domain *d =
		xsd_domain_find(&q->subject.store->domains, to_domid(domid));

	return d && d->introduced ? d : NULL;
}

static int serve_is_domain_introduced(struct xsd_request *q)
{
	const char *domid = one_string(q);
	bool yes;

	if (!domid)
		return -EINVAL;
	yes = to_domid(domid) == DOMID_SELF || find_introduced(q, domid);
	xsd_request_reply(q, yes ? "T" : "F", 2);
	return 0;
}

/* Domains are never suspended here: there is nothing to forget. */
static int serve_resume(struct xsd_request *q)
{
	const char *domid = one_string(q);

	if (!domid || !to_domid(domid))
		return -EINVAL;
	if (!find_introduced(q, domid))
		return -ENOENT;
	xsd_request_ack(q);
	return 0;
}

static int serve_set_target(struct xsd_request *q)
{
	struct xsd_domain *d, *target;
	const char *vec[2];

	if (xsd_request_strings(q, vec, 2) < 2)
		return -EINVAL;
	d = find_introduced(q, vec[0]);
	target = find_introduced(q, vec[1]);
	if (!d || !target)
		return -ENOENT;
	d->target = target->domid;
	xsd_request_ack(q);
	return 0;
}

static int serve_reset_watches(struct xsd_request *q)
{
	q->subject.tx = NULL;
	xsd_client_reset(q->client);
	xsd_request_ack(q);
	return 0;
}

static const struct request_type types[XS_TYPE_COUNT] = {
	[XS_CONTROL] = { "control", xsd_request_control, true },
	[XS_DIRECTORY] = { "directory", serve_directory },
	[XS_READ] = { "read", serve_read },
	[XS_GET_PERMS] = { "get_perms", serve_get_perms },
	[XS_WATCH] = { "watch", serve_watch, false, true },
	[XS_UNWATCH] = { "unwatch", serve_unwatch, false, true },
	[XS_TRANSACTION_START] = { "transaction_start",
				   serve_transaction_start },
	[XS_TRANSACTION_END] = { "transaction_end", serve_transaction_end },
	[XS_INTRODUCE] = { "introduce", serve_nowhere, true },
	[XS_RELEASE] = { "release", serve_nowhere, true },
	[XS_GET_DOMAIN_PATH] = { "get_domain_path", serve_get_domain_path },
	[XS_WRITE] = { "write", serve_write },
	[XS_MKDIR] = { "mkdir", serve_mkdir },
	[XS_RM] = { "rm", serve_rm },
	[XS_SET_PERMS] = { "set_perms", serve_set_perms },
	[XS_IS_DOMAIN_INTRODUCED] = { "is_domain_introduced",
				      serve_is_domain_introduced, true },
	[XS_RESUME] = { "resume", serve_resume, true },
	[XS_SET_TARGET] = { "set_target", serve_set_target, true },
	[XS_RESET_WATCHES] = { "reset_watches", serve_reset_watches },
	[XS_DIRECTORY_PART] = { "directory_part", serve_directory_part },
};

/* An error that was asked for; an end of a transaction ends it nevertheless,
 * as a real failure would. */
static int injected_fault(struct xsd_request *q, const struct request_type *t)
{
	struct xsd_server *s = q->client->server;
	int e = 0;

	if (s->fault)
		e = s->fault(s->userdata, q->client->domain->domid, t->name);
	if (e && t->serve == serve_transaction_end)
		xsd_transaction_free(TAKE_PTR(q->subject.tx));
	return -e;
}

static int serve(struct xsd_request *q)
{
	const struct xsd_sockmsg *header = &q->client->header;
	const struct request_type *t;
	int e;

	if (header->type >= XS_TYPE_COUNT || !types[header->type].name)
		return -ENOSYS;
	t = &types[header->type];
	if (t->privileged && !xsd_domain_privileged(q->client->domain))
		return -EACCES;
	if (!t->ignores_transaction && header->tx_id) {
		q->subject.tx = find_transaction(q->client, header->tx_id);
		if (!q->subject.tx)
			return -ENOENT;
	}
	e = injected_fault(q, t);
	return e ? e : t->serve(q);
}

int xsd_request_serve(struct xsd_client *c)
{
	struct xsd_request q = {
		.client = c,
		.subject = { .store = &c->server->store, .domain = c->domain },
		.payload = c->payload,
		.len = c->header.len,
	};
	int e = serve(&q);

	if (e)
		send_error(&q, -e);
	assert(q.replied);
	return q.error;
}
