// SPDX-License-Identifier: MIT
#include "xenhost/xenstored/output.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

struct xsd_message {
	struct list link;
	UT_hash_handle hh;
	bool event;
	size_t size, sent;
	struct xsd_sockmsg header;
	char payload[]; /* follows the header without a gap */
};

static_assert(offsetof(struct xsd_message, payload) ==
		      offsetof(struct xsd_message, header) +
			      sizeof(struct xsd_sockmsg),
	      "a message is sent as one piece");

void xsd_output_init(struct xsd_output *o, struct xsd_domain *domain)
{
	*o = (struct xsd_output){ .domain = domain };
	list_init(&o->queue);
}

static void message_free(struct xsd_output *o, struct xsd_message *m)
{
	if (m->event)
		HASH_DELETE(hh, o->events, m);
	list_remove(&m->link);
	o->bytes -= m->size;
	xsd_domain_charge(o->domain, -(int64_t)m->size);
	free(m);
}

void xsd_output_deinit(struct xsd_output *o)
{
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &o->queue)
		message_free(o, list_entry(pos, struct xsd_message, link));
}

static struct xsd_message *message_new(const struct xsd_sockmsg *header)
{
	struct xsd_message *m = malloc(sizeof(*m) + header->len);

	if (!m)
		return NULL;
	*m = (struct xsd_message){ .size = sizeof(*header) + header->len,
				   .header = *header };
	return m;
}

static void enqueue(struct xsd_output *o, struct xsd_message *m)
{
	list_append(&o->queue, &m->link);
	o->bytes += m->size;
	xsd_domain_charge(o->domain, (int64_t)m->size);
}

int xsd_output_reply(struct xsd_output *o, const struct xsd_sockmsg *header,
		     const void *payload)
{
	struct xsd_message *m = message_new(header);

	if (!m)
		return -ENOMEM;
	if (header->len)
		memcpy(m->payload, payload, header->len);
	enqueue(o, m);
	return 0;
}

/* Events of the special watches may come twice. */
static bool is_waiting(const struct xsd_output *o, const struct xsd_message *m)
{
	struct xsd_message *same;

	if (m->payload[0] == '@')
		return false;
	HASH_FIND(hh, o->events, m->payload, m->header.len, same);
	return same;
}

int xsd_output_event(struct xsd_output *o, const char *path, const char *token)
{
	size_t path_size = strlen(path) + 1, token_size = strlen(token) + 1;
	struct xsd_sockmsg header = { .type = XS_WATCH_EVENT };
	struct xsd_message *m;

	if (path_size + token_size > XENSTORE_PAYLOAD_MAX)
		return 0;
	header.len = (uint32_t)(path_size + token_size);
	if (o->bytes + header.len > XSD_OUTPUT_MAX)
		return -ENOBUFS;
	if (!xsd_domain_may_charge(o->domain, sizeof(header) + header.len))
		return 0;
	m = message_new(&header);
	if (!m)
		return 0;
	memcpy(m->payload, path, path_size);
	memcpy(m->payload + path_size, token, token_size);
	if (!is_waiting(o, m)) {
		HASH_ADD_KEYPTR(hh, o->events, m->payload, m->header.len, m);
		if (TABLE_ADDED(m)) {
			m->event = true;
			enqueue(o, m);
			return 0;
		}
	}
	free(m);
	return 0;
}

int xsd_output_peek(const struct xsd_output *o, struct iovec *pieces, int n)
{
	struct list *pos;
	int i = 0;

	list_for_each (pos, &o->queue) {
		struct xsd_message *m =
			list_entry(pos, struct xsd_message, link);

		if (i == n)
			break;
		pieces[i].iov_base = (char *)&m->header + m->sent;
		pieces[i++].iov_len = m->size - m->sent;
	}
	return i;
}

void xsd_output_sent(struct xsd_output *o, size_t bytes)
{
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &o->queue) {
		struct xsd_message *m =
			list_entry(pos, struct xsd_message, link);

		if (bytes < m->size - m->sent) {
			m->sent += bytes;
			return;
		}
		bytes -= m->size - m->sent;
		message_free(o, m);
	}
}
