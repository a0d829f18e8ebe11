// SPDX-License-Identifier: MIT
/* Defined here, under their other names; <poll.h> shall not declare them. */
#undef ppoll
#undef clock_gettime
#include "xen.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <xengnttab.h>
#include <xenstore.h>

#include "vchan/private.h"
#include "xen/nodes.h"
#include "xen/peer.h"
#include "xen/store.h"

/* A port: an event is there; it was taken, and none is shown until unmasked. */
enum {
	PORT_PENDING = 1,
	PORT_MASKED = 2,
};

struct xenevtchn_handle {
	uint8_t port;
	int end;
};

static union {
	struct vchan_page page;
	uint8_t bytes[VCHAN_PAGE_SIZE];
} memory;

struct vchan_page *model_page = &memory.page;

static struct xenevtchn_handle events[MODEL_THREADS];
static unsigned int n_opened;

xenevtchn_handle *model_event(unsigned int end)
{
	return &events[end];
}

void model_host_reset(void)
{
	static const char *const port_names[] = { "port A", "port B" };
	struct vchan_page *p = model_page;

	n_opened = 0;
	memset(&memory, 0, sizeof(memory));
	model_word(&p->left.cons, 4, "left.cons");
	model_word(&p->left.prod, 4, "left.prod");
	model_word(&p->right.cons, 4, "right.cons");
	model_word(&p->right.prod, 4, "right.prod");
	model_word(&p->left_order, 2, "left_order");
	model_word(&p->right_order, 2, "right_order");
	model_word(&p->cli_live, 1, "cli_live");
	model_word(&p->srv_live, 1, "srv_live");
	model_word(&p->cli_notify, 1, "cli_notify");
	model_word(&p->srv_notify, 1, "srv_notify");
	for (int i = 0; i < MODEL_THREADS; i++) {
		events[i] = (struct xenevtchn_handle){ .end = i };
		model_word(&events[i].port, 1, port_names[i]);
	}
}

void model_wait_for_event(unsigned int end)
{
	model_sleep_until(&events[end].port, PORT_PENDING);
}

int xenevtchn_fd(xenevtchn_handle *e)
{
	return e->end;
}

int xenevtchn_notify(xenevtchn_handle *e, evtchn_port_t port)
{
	(void)model_rmw(&events[1 - e->end].port, 0xff, PORT_PENDING, 0,
			MODEL_SITE);
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *e)
{
	(void)model_rmw(&e->port, (uint8_t)~PORT_PENDING, PORT_MASKED,
			MODEL_ACQUIRE, MODEL_SITE);
	return 1;
}

int xenevtchn_unmask(xenevtchn_handle *e, evtchn_port_t port)
{
	(void)model_rmw(&e->port, (uint8_t)~PORT_MASKED, 0, 0, MODEL_SITE);
	return 0;
}

/* Instead of the C library's: time stands still, so that no wait times out. */
int model_ppoll(struct pollfd *p, nfds_t n, const struct timespec *timeout,
		const sigset_t *mask);
int model_clock_gettime(clockid_t clock, struct timespec *t);

int model_ppoll(struct pollfd *p, nfds_t n, const struct timespec *timeout,
		const sigset_t *mask)
{
	uint8_t *port = &events[p->fd].port;

	if (!timeout || timeout->tv_sec || timeout->tv_nsec) {
		model_sleep_until(port, PORT_PENDING);
		return 1;
	}
	/* As a change it sees the newest value. */
	return model_rmw(port, 0xff, 0, 0, MODEL_SITE) == PORT_PENDING;
}

int model_clock_gettime(clockid_t clock, struct timespec *t)
{
	*t = (struct timespec){ .tv_sec = 1 };
	return 0;
}

/*
 * The rest of the host: what the two inits ask for, and close gives back.
 */

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *l,
				 unsigned int flags)
{
	return model_event(n_opened++ ? 1 : 0); /* the server comes first */
}

int xenevtchn_close(xenevtchn_handle *e)
{
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle *e,
						      uint32_t domid)
{
	return 1;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *e,
						     uint32_t domid,
						     evtchn_port_t port)
{
	return 1;
}

xengnttab_handle *xengnttab_open(struct xentoollog_logger *l,
				 unsigned int flags)
{
	return (xengnttab_handle *)(void *)model_page;
}

int xengnttab_close(xengnttab_handle *h)
{
	return 0;
}

void *xengnttab_map_grant_ref(xengnttab_handle *h, uint32_t domid, uint32_t ref,
			      int prot)
{
	return model_page;
}

void *xengnttab_map_grant_ref_notify(xengnttab_handle *h, uint32_t domid,
				     uint32_t ref, int prot, uint32_t offset,
				     evtchn_port_t port)
{
	return model_page;
}

void *xengnttab_map_domain_grant_refs(xengnttab_handle *h, uint32_t n,
				      uint32_t domid, uint32_t *refs, int prot)
{
	return NULL;
}

int xengnttab_unmap(xengnttab_handle *h, void *pages, uint32_t n)
{
	return 0;
}

xengntshr_handle *xengntshr_open(struct xentoollog_logger *l,
				 unsigned int flags)
{
	return (xengntshr_handle *)(void *)model_page;
}

int xengntshr_close(xengntshr_handle *h)
{
	return 0;
}

int xengntshr_fd(xengntshr_handle *h)
{
	return -1;
}

void *xengntshr_share_page_notify(xengntshr_handle *h, uint32_t domid,
				  uint32_t *ref, int writable, uint32_t offset,
				  evtchn_port_t port)
{
	*ref = MODEL_GRANT;
	return model_page;
}

void *xengntshr_share_pages(xengntshr_handle *h, uint32_t domid, int n,
			    uint32_t *refs, int writable)
{
	return NULL;
}

int xengntshr_unshare(xengntshr_handle *h, void *pages, uint32_t n)
{
	return 0;
}

int xen_store_get(struct xs_handle **out)
{
	*out = (struct xs_handle *)(void *)model_page;
	return 0;
}

void xen_store_put(struct xs_handle *xs)
{
}

int xen_nodes_check_base(const char *base)
{
	return 0;
}

int xen_nodes_publish(struct xs_handle *xs, const char *base, unsigned int peer,
		      const struct xen_node *nodes, size_t n_nodes)
{
	return 0;
}

void xen_nodes_withdraw(struct xs_handle *xs, const char *base,
			const struct xen_node *nodes, size_t n_nodes)
{
}

int xen_nodes_read(struct xs_handle *xs, const char *base,
		   struct xen_node *nodes, size_t n_nodes)
{
	for (size_t i = 0; i < n_nodes; i++)
		nodes[i].value = MODEL_GRANT;
	return 0;
}

bool xen_peer_is_gone(xenevtchn_handle *event, unsigned int domid)
{
	return false;
}

bool xen_peer_has_vanished(struct xs_handle *xs, unsigned int domid,
			   const char *path, atomic_uint *missing)
{
	return false;
}

/* Counters that nobody reads. */
int vchan_stats_open(struct vchan *v)
{
	static struct stats_slot slots[MODEL_THREADS];

	v->stats = &slots[v->is_server ? 0 : 1];
	return 0;
}

void vchan_stats_close(struct vchan *v)
{
	v->stats = NULL;
}
