// SPDX-License-Identifier: MIT
/*
 * libxenevtchn. A port is allocated and bound under the write lock; notify,
 * pending and unmask change nothing but its word (port-word.h), under the
 * read lock, which keeps the ports, the peers and the descriptors in place.
 * A handle's fd_lock is taken only when its descriptor has to change, and
 * never while it is waited for.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "xenhost/evtchn/port-word.h"
#include "xenhost/fake/private.h"

struct fake_port {
	struct port_word word;
	evtchn_port_t id;
	struct fake_domain *domain;
	xenevtchn_handle *handle; /* NULL: unbound, but referenced */
	unsigned int remote_domid;
	struct fake_port *peer; /* NULL: waits for one of remote_domid */
	unsigned int refs;      /* the handle's, the notifications' */
};

struct xenevtchn_handle {
	struct fake_handle h;
	int fd;
	struct fake_port **ports;
	unsigned int n_ports, n_allocated;
	/* The descriptor is readable if and only if a port is pending, but
	 * for the moment between a change of the word and of this. */
	pthread_mutex_t fd_lock;
	bool readable;
	unsigned int turn; /* the port after the last one returned */
};

/* A port is freed when its binding ends: all are of one generation. */
static bool port_raise(struct fake_port *port)
{
	return port_word_notify(&port->word, 0) == PORT_WORD_KICK;
}

static bool port_is_pending(const struct fake_port *port)
{
	return port_word_has_event(&port->word);
}

static void handle_set_readable(xenevtchn_handle *h, bool readable)
{
	eventfd_t events;

	if (readable && !h->readable)
		eventfd_write(h->fd, 1);
	if (!readable && h->readable)
		eventfd_read(h->fd, &events);
	h->readable = readable;
}

/* The port has become pending, and may have been taken again since. */
static void kick(struct fake_port *port)
{
	xenevtchn_handle *h = port->handle;

	pthread_mutex_lock(&h->fd_lock);
	if (port_is_pending(port))
		handle_set_readable(h, true);
	pthread_mutex_unlock(&h->fd_lock);
}

static void handle_refresh(xenevtchn_handle *h)
{
	bool pending = false;

	for (unsigned int i = 0; i < h->n_ports && !pending; i++)
		pending = port_is_pending(h->ports[i]);
	handle_set_readable(h, pending);
}

/*
 * Numbers start elsewhere in each domain, as after the ports that a real
 * kernel has for itself: a program that confuses its own port with its peer's
 * must not work by accident.
 */
static evtchn_port_t first_port(const struct fake_domain *d)
{
	return 5 + d->id % 61;
}

static evtchn_port_t port_unused(const struct fake_domain *d)
{
	evtchn_port_t id;

	if (d->n_ports >= fake_host.port_limit)
		return 0;
	for (id = first_port(d); id < FAKE_PORTS_MAX; id++)
		if (!d->ports[id])
			return id;
	for (id = 1; id < first_port(d); id++)
		if (!d->ports[id])
			return id;
	return 0;
}

static int handle_make_room(xenevtchn_handle *h)
{
	unsigned int n = h->n_allocated ? 2 * h->n_allocated : 4;
	struct fake_port **ports;

	if (h->n_ports < h->n_allocated)
		return 0;
	ports = realloc(h->ports, n * sizeof(*ports));
	if (!ports)
		return -ENOMEM;
	h->ports = ports;
	h->n_allocated = n;
	return 0;
}

static int port_new(xenevtchn_handle *h, unsigned int remote_domid,
		    struct fake_port **port_r)
{
	struct fake_domain *d = h->h.process->domain;
	evtchn_port_t id = port_unused(d);
	struct fake_port *port;

	if (!id)
		return -ENOSPC;
	if (handle_make_room(h))
		return -ENOMEM;
	port = calloc(1, sizeof(*port));
	if (!port)
		return -ENOMEM;
	port->id = id;
	port->domain = d;
	port->handle = h;
	port->remote_domid = remote_domid;
	port->refs = 1;
	d->ports[id] = port;
	d->n_ports++;
	h->ports[h->n_ports++] = port;
	*port_r = port;
	return 0;
}

/* The peer waits for a new one, of the same domain, and is not told. */
static void port_close(struct fake_port *port)
{
	if (port->peer)
		port->peer->peer = NULL;
	port->peer = NULL;
}

void fake_port_put(struct fake_port *port)
{
	if (--port->refs)
		return;
	port_close(port);
	port->domain->ports[port->id] = NULL;
	port->domain->n_ports--;
	free(port);
}

struct fake_port *fake_port_get(struct fake_domain *d, evtchn_port_t id)
{
	struct fake_port *port = id < FAKE_PORTS_MAX ? d->ports[id] : NULL;

	if (port)
		port->refs++;
	return port;
}

static struct fake_port *handle_port(xenevtchn_handle *h, evtchn_port_t id)
{
	for (unsigned int i = 0; i < h->n_ports; i++)
		if (h->ports[i]->id == id)
			return h->ports[i];
	return NULL;
}

static void handle_drop_port(xenevtchn_handle *h, struct fake_port *port)
{
	unsigned int i = 0;

	while (h->ports[i] != port)
		i++;
	h->ports[i] = h->ports[--h->n_ports];
	port->handle = NULL;
	fake_port_put(port);
	handle_refresh(h);
}

void fake_evtchn_end(struct fake_handle *base)
{
	xenevtchn_handle *h = (xenevtchn_handle *)base;

	while (h->n_ports)
		handle_drop_port(h, h->ports[0]);
	handle_set_readable(h, true);
}

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger,
				 unsigned int flags)
{
	_cleanup_close_ int fd = -1;
	xenevtchn_handle *h;

	if (fake_call_here(FAKE_EVTCHN_OPEN))
		return NULL;
	if (flags & ~XENEVTCHN_NO_CLOEXEC) {
		errno = EINVAL;
		return NULL;
	}
	fd = eventfd(0, flags & XENEVTCHN_NO_CLOEXEC ? 0 : EFD_CLOEXEC);
	if (fd < 0)
		return NULL;
	h = fake_handle_open(FAKE_EVTCHN_HANDLES, sizeof(*h));
	if (!h)
		return NULL;
	h->fd = TAKE_FD(fd);
	pthread_mutex_init(&h->fd_lock, NULL);
	return h;
}

int xenevtchn_close(xenevtchn_handle *h)
{
	if (!h)
		return 0;
	fake_lock();
	while (h->n_ports)
		handle_drop_port(h, h->ports[0]);
	fake_handle_detach(&h->h);
	fake_unlock();
	close(h->fd);
	pthread_mutex_destroy(&h->fd_lock);
	free(h->ports);
	free(h);
	return 0;
}

int xenevtchn_fd(xenevtchn_handle *h)
{
	return h->fd;
}

static int result(int r)
{
	if (r >= 0)
		return r;
	errno = -r;
	return -1;
}

static int bind_unbound(xenevtchn_handle *h, unsigned int domid)
{
	struct fake_port *port;
	int r;

	if (!h->h.process)
		return -EBADF;
	r = port_new(h, domid, &port);
	return r ? r : (int)port->id;
}

/* Xen does not ask whether the remote domain exists. */
xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle *h,
						      uint32_t domid)
{
	int r;

	if (fake_call(FAKE_BIND_UNBOUND, h->h.domid))
		return -1;
	fake_lock();
	r = bind_unbound(h, domid);
	fake_unlock();
	return result(r);
}

static int bind_interdomain(xenevtchn_handle *h, unsigned int domid,
			    evtchn_port_t remote_id)
{
	struct fake_domain *d = fake_domain_find(domid);
	struct fake_port *remote, *port;
	int r;

	if (!h->h.process)
		return -EBADF;
	if (!d)
		return -ESRCH;
	if (d->state != FAKE_DOMAIN_ALIVE || remote_id >= FAKE_PORTS_MAX)
		return -EINVAL;
	remote = d->ports[remote_id];
	if (!remote || remote->peer ||
	    remote->remote_domid != h->h.process->domain->id)
		return -EINVAL;
	r = port_new(h, domid, &port);
	if (r)
		return r;
	port->peer = remote;
	remote->peer = port;
	/* As Xen: the remote may have notified before it had a peer. */
	if (port_raise(port))
		kick(port);
	return port->id;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *h,
						     uint32_t domid,
						     evtchn_port_t remote_port)
{
	int r;

	if (fake_call(FAKE_BIND_INTERDOMAIN, h->h.domid))
		return -1;
	fake_lock();
	r = bind_interdomain(h, domid, remote_port);
	fake_unlock();
	return result(r);
}

static int unbind(xenevtchn_handle *h, evtchn_port_t id)
{
	struct fake_port *port = handle_port(h, id);

	if (!h->h.process)
		return 0;
	if (id >= FAKE_PORTS_MAX)
		return -EINVAL;
	if (!port)
		return -ENOTCONN;
	handle_drop_port(h, port);
	return 0;
}

int xenevtchn_unbind(xenevtchn_handle *h, evtchn_port_t port)
{
	int r;

	if (fake_call(FAKE_UNBIND, h->h.domid))
		return -1;
	fake_lock();
	r = unbind(h, port);
	fake_unlock();
	return result(r);
}

/* Without a peer, or with one whose handle is closed: nobody to tell. */
void fake_port_notify(struct fake_port *port)
{
	struct fake_port *peer = port->peer;

	if (peer && peer->handle && port_raise(peer))
		kick(peer);
}

int xenevtchn_notify(xenevtchn_handle *h, evtchn_port_t id)
{
	struct fake_port *port;
	int r = 0;

	if (fake_call(FAKE_NOTIFY, h->h.domid))
		return -1;
	fake_lock_shared();
	port = handle_port(h, id);
	if (port)
		fake_port_notify(port);
	else
		r = h->h.process ? -ENOTCONN : -EBADF;
	fake_unlock();
	return result(r);
}

/* The kernel reads a list of ports here and passes over those that are not
 * the handle's. */
int xenevtchn_unmask(xenevtchn_handle *h, evtchn_port_t id)
{
	struct fake_port *port;
	int r = 0;

	if (fake_call(FAKE_UNMASK, h->h.domid))
		return -1;
	fake_lock_shared();
	port = handle_port(h, id);
	if (!h->h.process)
		r = -EBADF;
	else if (port && port_word_unmask(&port->word))
		kick(port);
	fake_unlock();
	return result(r);
}

/* The pending port whose turn it is, now masked; 0 if there is none. */
static int take_pending(xenevtchn_handle *h)
{
	unsigned int n = h->n_ports;

	for (unsigned int i = 0; i < n; i++) {
		unsigned int turn = (h->turn + i) % n;

		if (!port_word_take(&h->ports[turn]->word))
			continue;
		h->turn = turn + 1;
		return (int)h->ports[turn]->id;
	}
	return 0;
}

static int pending(xenevtchn_handle *h)
{
	int r = -EBADF;

	fake_lock_shared();
	if (h->h.process) {
		pthread_mutex_lock(&h->fd_lock);
		r = take_pending(h);
		handle_refresh(h);
		pthread_mutex_unlock(&h->fd_lock);
	}
	fake_unlock();
	return r;
}

/* Reads of the device block unless the program has set O_NONBLOCK on it. */
static int wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int r = poll(&p, 1, fcntl(fd, F_GETFL) & O_NONBLOCK ? 0 : -1);

	if (r < 0)
		return -errno;
	return r ? 0 : -EAGAIN;
}

/* Again if another thread was faster, or the port was unbound. */
xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *h)
{
	int r;

	if (fake_call(FAKE_PENDING, h->h.domid))
		return -1;
	do {
		r = wait_readable(h->fd);
		if (!r)
			r = pending(h);
	} while (!r);
	return result(r);
}
