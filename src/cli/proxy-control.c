// SPDX-License-Identifier: MIT
#include "cli/proxy-control.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "xen/peer.h"

/* After a failure that may last. */
#define RETRY (1 * NS_PER_S)

/* A server that ends may be started again at once. */
#define SOON (100 * NS_PER_MS)

#define RENEW_MAX (30 * NS_PER_S)

#define MESSAGE_SIZE 16

static void drop(struct control *c, int64_t wait_ns)
{
	libxenvchan_close(TAKE_PTR(c->vchan));
	c->open = false;
	c->retry_ns = deadline_in(wait_ns);
}

bool control_domain_exists(unsigned int domain,
			   struct xentoollog_logger *logger)
{
	xenevtchn_handle *event = xenevtchn_open(logger, 0);
	bool gone = event && xen_peer_is_gone(event, domain);

	if (event)
		xenevtchn_close(event);
	return !gone;
}

static void make(struct control *c)
{
	if (clock_now_ns() < c->retry_ns)
		return;
	if (c->serves && !control_domain_exists(c->domain, c->logger)) {
		c->error = ESRCH;
		c->retry_ns = deadline_in(RETRY);
		return;
	}
	if (c->serves)
		c->vchan = libxenvchan_server_init(c->logger, (int)c->domain,
						   c->path, 0, 0);
	else
		c->vchan =
			libxenvchan_connect(c->logger, (int)c->domain, c->path);
	c->error = c->vchan ? 0 : errno;
	if (!c->vchan)
		c->retry_ns = deadline_in(RETRY);
}

/* A peer that left makes way for the next; one that misbehaved has to wait. */
static void replace(struct control *c, enum libxenvchan_state state)
{
	bool died = state == LIBXENVCHAN_DIED || state == LIBXENVCHAN_GONE;

	c->open = false;
	if (c->serves && state != LIBXENVCHAN_GONE &&
	    !libxenvchan_rearm(c->vchan)) {
		if (died)
			c->renew_wait_ns = RETRY;
		c->renew_ns = died ? deadline_in(RETRY) : 0;
		return;
	}
	drop(c, c->serves ? RETRY : SOON);
}

/*
 * Who died may have done so with its domain; what was granted to that is void,
 * also for a new domain with its id. So it is granted again now and then, until
 * somebody comes.
 */
static void renew(struct control *c)
{
	if (!c->renew_ns || clock_now_ns() < c->renew_ns)
		return;
	c->renew_wait_ns *= 2;
	if (c->renew_wait_ns > RENEW_MAX)
		c->renew_wait_ns = RENEW_MAX;
	c->renew_ns = deadline_in(c->renew_wait_ns);
	drop(c, 0);
	make(c);
}

bool control_step(struct control *c)
{
	bool was_open = c->open;
	enum libxenvchan_state state;

	if (!c->vchan)
		make(c);
	if (!c->vchan)
		return was_open;
	if (libxenvchan_poll(c->vchan, 0, 0) < 0 && errno != EINTR) {
		c->error = errno;
		drop(c, RETRY);
		return was_open;
	}
	state = libxenvchan_state(c->vchan);
	switch (state) {
	case LIBXENVCHAN_CONNECTING:
		break;
	case LIBXENVCHAN_LISTENING:
		renew(c);
		break;
	case LIBXENVCHAN_OPEN:
		c->open = true;
		c->error = 0;
		c->renew_ns = 0;
		break;
	case LIBXENVCHAN_FINISHED:
	case LIBXENVCHAN_CLOSED:
	case LIBXENVCHAN_DIED:
	case LIBXENVCHAN_GONE:
	case LIBXENVCHAN_CORRUPT:
		replace(c, state);
		break;
	}
	return was_open && !c->open;
}

int64_t control_due(const struct control *c)
{
	if (!c->vchan)
		return c->retry_ns;
	return c->renew_ns ? c->renew_ns : DEADLINE_NEVER;
}

int control_fd(struct control *c)
{
	return c->vchan ? libxenvchan_event_fd(c->vchan) : -1;
}

bool control_receive(struct control *c, struct control_message *m)
{
	unsigned char data[MESSAGE_SIZE];

	if (!c->open ||
	    libxenvchan_recv(c->vchan, data, sizeof(data)) != (int)sizeof(data))
		return false;
	memcpy(&m->kind, data, sizeof(m->kind));
	memcpy(&m->value, data + 4, sizeof(m->value));
	memcpy(&m->nonce, data + 8, sizeof(m->nonce));
	m->kind = le32toh(m->kind);
	m->value = le32toh(m->value);
	m->nonce = le64toh(m->nonce);
	if (c->serves ? m->kind == CONTROL_OPEN
		      : m->kind == CONTROL_OPENED || m->kind == CONTROL_FAILED)
		return true;
	c->error = EPROTO;
	drop(c, RETRY);
	return false;
}

bool control_send(struct control *c, const struct control_message *m)
{
	const uint32_t kind = htole32(m->kind), value = htole32(m->value);
	const uint64_t nonce = htole64(m->nonce);
	unsigned char data[MESSAGE_SIZE];

	memcpy(data, &kind, sizeof(kind));
	memcpy(data + 4, &value, sizeof(value));
	memcpy(data + 8, &nonce, sizeof(nonce));
	return c->open && libxenvchan_send(c->vchan, data, sizeof(data)) ==
				  (int)sizeof(data);
}

void control_deinit(struct control *c)
{
	libxenvchan_close(TAKE_PTR(c->vchan));
	c->open = false;
}
