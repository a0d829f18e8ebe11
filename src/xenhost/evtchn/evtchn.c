// SPDX-License-Identifier: MIT
/*
 * libxenevtchn.so.1 on the emulated host. errno where a program can tell is
 * that of Linux's evtchn driver (drivers/xen/evtchn.c) and of Xen.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "private.h"

static void handle_free(struct xenevtchn_handle *h)
{
	if (!h)
		return;
	while (h->n_slots > 0)
		handle_drop_port(h, h->slots[h->n_slots - 1], false);
	while (handle_take(h))
		;
	if (h->fd >= 0)
		close(h->fd);
	if (h->words)
		hv_page_put(h->conn, h->words);
	hv_conn_put(h->conn);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
DEFINE_CLEANUP(struct xenevtchn_handle *, handle, handle_free)

static int handle_new(struct xenevtchn_handle **handle_r)
{
	_cleanup_(cleanup_handlep) struct xenevtchn_handle *h = NULL;
	const struct hv_request req = { .op = HV_EVTCHN_OPEN };
	struct hv_reply reply;
	void *words;
	int r;

	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	pthread_mutex_init(&h->lock, NULL);
	list_init(&h->gone);
	h->fd = -1;
	h->restricted_to = HV_NONE;
	r = hv_conn_get(&h->conn);
	if (r < 0)
		return r;
	r = hv_fault(h->conn, FAULT_EVTCHN_OPEN);
	if (r < 0)
		return r;
	r = hv_call(h->conn, &req, NULL, 0, &reply, &h->fd);
	if (r < 0)
		return r;
	h->id = reply.id;
	r = hv_page_get(h->conn, reply.page, &words);
	if (r < 0) {
		hv_call(h->conn,
			&(struct hv_request){ .op = HV_EVTCHN_CLOSE,
					      .id = h->id },
			NULL, 0, NULL, NULL);
		return r;
	}
	h->words = words;
	*handle_r = TAKE_PTR(h);
	return 0;
}

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger,
				 unsigned int flags)
{
	struct xenevtchn_handle *h = NULL;
	/* An eventfd without its connection is of no use to the next program. */
	int r = flags & XENEVTCHN_NO_CLOEXEC ? -ENOSYS
		: flags                      ? -EINVAL
					     : handle_new(&h);

	if (r < 0)
		errno = -r;
	return h;
}

xenevtchn_handle *xenevtchn_fdopen(struct xentoollog_logger *logger, int fd,
				   unsigned int open_flags)
{
	errno = ENOSYS;
	return NULL;
}

int xenevtchn_close(xenevtchn_handle *h)
{
	const struct hv_request req = { .op = HV_EVTCHN_CLOSE,
					.id = h ? h->id : 0 };

	if (!h)
		return 0;
	if (!hv_conn_inherited(h->conn))
		hv_call(h->conn, &req, NULL, 0, NULL, NULL);
	handle_free(h);
	return 0;
}

int xenevtchn_fd(xenevtchn_handle *h)
{
	return h->fd;
}

/* Asks hostd for a port of this handle; its number, or -errno. */
static int bind_port(struct xenevtchn_handle *h, enum fault_kind kind,
		     struct hv_request req)
{
	_cleanup_free_ struct port *port = calloc(1, sizeof(*port));
	struct hv_reply reply;
	int r;

	if (!port)
		return -ENOMEM;
	if (h->restricted_to != HV_NONE && h->restricted_to != req.domid)
		return -EACCES;
	r = hv_fault(h->conn, kind);
	if (r < 0)
		return r;
	/*
	 * Held, so that no event of the new port is looked for before the
	 * port is known.
	 */
	pthread_mutex_lock(&h->lock);
	r = hv_call(h->conn, &req, NULL, 0, &reply, NULL);
	if (r == 0)
		handle_add_port(h, TAKE_PTR(port), reply.slot, reply.port);
	pthread_mutex_unlock(&h->lock);
	return r < 0 ? r : (int)reply.port;
}

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle *h,
						      uint32_t domid)
{
	const struct hv_request req = { .op = HV_BIND_UNBOUND,
					.id = h->id,
					.domid = domid };
	int r = bind_port(h, FAULT_EVTCHN_BIND_UNBOUND, req);

	return r < 0 ? hv_fail(r) : r;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *h,
						     uint32_t domid,
						     evtchn_port_t remote_port)
{
	const struct hv_request req = { .op = HV_BIND_INTERDOMAIN,
					.id = h->id,
					.domid = domid,
					.port = remote_port };
	int r = bind_port(h, FAULT_EVTCHN_BIND_INTERDOMAIN, req);

	return r < 0 ? hv_fail(r) : r;
}

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *h,
					      unsigned int virq)
{
	return hv_fail(-ENOSYS);
}

static int unbind(struct xenevtchn_handle *h, struct port *port)
{
	const struct hv_request req = { .op = HV_UNBIND,
					.id = h->id,
					.port = port->number };
	struct hv_reply reply;
	int r = hv_call(h->conn, &req, NULL, 0, &reply, NULL);

	if (r < 0)
		return r;
	handle_drop_port(h, port, reply.flags & HV_EVENT);
	return 0;
}

int xenevtchn_unbind(xenevtchn_handle *h, evtchn_port_t number)
{
	int r = hv_fault(h->conn, FAULT_EVTCHN_UNBIND);
	struct port *port;

	if (r < 0)
		return hv_fail(r);
	pthread_mutex_lock(&h->lock);
	port = handle_find_port(h, number);
	r = port ? unbind(h, port) : -ENOTCONN;
	pthread_mutex_unlock(&h->lock);
	return r < 0 ? hv_fail(r) : 0;
}

int xenevtchn_notify(xenevtchn_handle *h, evtchn_port_t number)
{
	struct domain_page *domain = hv_conn_domain(h->conn);
	struct port *port;
	int r;

	__atomic_fetch_add(&domain->n_events, 1, __ATOMIC_RELAXED);
	r = hv_fault(h->conn, FAULT_EVTCHN_NOTIFY);
	if (r < 0)
		return hv_fail(r);
	pthread_mutex_lock(&h->lock);
	port = handle_find_port(h, number);
	r = port ? handle_notify(h, port) : -ENOTCONN;
	pthread_mutex_unlock(&h->lock);
	return r < 0 ? hv_fail(r) : 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *h)
{
	evtchn_port_t number = 0;
	uint64_t count;
	int r = hv_fault(h->conn, FAULT_EVTCHN_PENDING);

	if (r < 0)
		return hv_fail(r);
	while (number == 0) {
		/* The application may have made it non-blocking: EAGAIN. */
		if (read(h->fd, &count, sizeof(count)) < 0)
			return -1;
		pthread_mutex_lock(&h->lock);
		number = handle_take(h);
		pthread_mutex_unlock(&h->lock);
	}
	return (int)number;
}

int xenevtchn_unmask(xenevtchn_handle *h, evtchn_port_t number)
{
	int r = hv_fault(h->conn, FAULT_EVTCHN_UNMASK);
	struct port *port;

	if (r < 0)
		return hv_fail(r);
	pthread_mutex_lock(&h->lock);
	port = handle_find_port(h, number);
	/* A port that is not ours is no error, as in Linux. */
	if (port && port_word_unmask(port->word))
		kick(h->fd);
	pthread_mutex_unlock(&h->lock);
	return 0;
}

int xenevtchn_restrict(xenevtchn_handle *h, domid_t domid)
{
	int r = 0;

	pthread_mutex_lock(&h->lock);
	if (h->restricted_to != HV_NONE)
		r = -EACCES;
	else if (domid == 0 || domid >= DOMID_FIRST_RESERVED)
		r = -EINVAL;
	else
		h->restricted_to = domid;
	pthread_mutex_unlock(&h->lock);
	return r < 0 ? hv_fail(r) : 0;
}
