// SPDX-License-Identifier: MIT
#include "xenhost/xenstored/server.h"

#include <errno.h>

#include "xenhost/xenstored/request.h"
#include "xenhost/xenstored/transaction.h"

static void on_change(void *userdata, const struct xsd_change *change)
{
	struct xsd_server *s = userdata;

	xsd_watches_fire(&s->watches, change);
}

int xsd_server_init(struct xsd_server *s)
{
	int r;

	*s = (struct xsd_server){ 0 };
	list_init(&s->clients);
	r = xsd_store_init(&s->store);
	if (!r)
		r = xsd_watches_init(&s->watches, &s->store);
	s->store.changed = on_change;
	s->store.userdata = s;
	return r;
}

void xsd_server_deinit(struct xsd_server *s)
{
	xsd_watches_deinit(&s->watches);
	xsd_store_deinit(&s->store);
}

int xsd_server_introduce(struct xsd_server *s, unsigned int domid)
{
	struct xsd_domain *d =
		xsd_domain_get(&s->store.domains, domid, s->store.generation);

	if (!d)
		return -ENOMEM;
	if (d->introduced)
		return -EEXIST;
	d->introduced = true;
	xsd_watches_fire_special(&s->watches, "@introduceDomain");
	return 0;
}

int xsd_server_release(struct xsd_server *s, unsigned int domid)
{
	struct xsd_domain *d = xsd_domain_find(&s->store.domains, domid);
	bool introduced;
	int r;

	if (domid == 0)
		return -EINVAL;
	if (!d)
		return -ENOENT;
	r = xsd_store_remove_owned(&s->store, d);
	xsd_watches_forget(&s->watches, domid);
	introduced = d->introduced;
	xsd_domain_forget(&s->store.domains, d);
	if (introduced)
		xsd_watches_fire_special(&s->watches, "@releaseDomain");
	return r;
}

static void break_client(struct xsd_client *c)
{
	c->broken = true;
	if (c->wake)
		c->wake(c);
}

static void deliver(struct xsd_watcher *w, const char *path, const char *token)
{
	struct xsd_client *c = list_entry(w, struct xsd_client, watcher);

	if (xsd_output_event(&c->output, path, token))
		break_client(c);
	else if (c->wake)
		c->wake(c);
}

int xsd_client_new(struct xsd_client **out, struct xsd_server *s,
		   unsigned int domid)
{
	struct xsd_domain *d = xsd_domain_find(&s->store.domains, domid);
	struct xsd_client *c;

	if (!d || !d->introduced)
		return -ENOENT;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->server = s;
	c->domain = d;
	c->next_id = 1;
	c->watcher.domain = d;
	c->watcher.deliver = deliver;
	xsd_watcher_init(&s->watches, &c->watcher);
	list_init(&c->transactions);
	xsd_output_init(&c->output, d);
	list_append(&s->clients, &c->link);
	*out = c;
	return 0;
}

void xsd_client_free(struct xsd_client *c)
{
	if (!c)
		return;
	xsd_client_reset(c);
	xsd_output_deinit(&c->output);
	list_remove(&c->link);
	free(c);
}

void xsd_client_reset(struct xsd_client *c)
{
	struct list *pos, *tmp;

	xsd_watcher_reset(&c->server->watches, &c->watcher);
	list_for_each_safe (pos, tmp, &c->transactions)
		xsd_transaction_free(
			list_entry(pos, struct xsd_transaction, link));
}

bool xsd_client_ready(const struct xsd_client *c)
{
	return !c->broken && c->output.bytes < XSD_OUTPUT_HIGH &&
	       xsd_domain_may_charge(c->domain, 0);
}

size_t xsd_client_want(struct xsd_client *c, void **where)
{
	size_t header_size = sizeof(c->header);

	if (c->received < header_size) {
		*where = (char *)&c->header + c->received;
		return header_size - c->received;
	}
	*where = c->payload + (c->received - header_size);
	return header_size + c->header.len - c->received;
}

void xsd_client_received(struct xsd_client *c, size_t bytes)
{
	c->received += bytes;
	if (c->received < sizeof(c->header))
		return;
	if (c->header.len > XENSTORE_PAYLOAD_MAX) {
		c->received = 0;
		break_client(c);
		return;
	}
	if (c->received < sizeof(c->header) + c->header.len)
		return;
	c->received = 0;
	c->payload[c->header.len] = '\0';
	if (xsd_request_serve(c))
		break_client(c);
	else if (c->wake)
		c->wake(c);
}
