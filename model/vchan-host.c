// SPDX-License-Identifier: MIT
#include "vchan-host.h"

#include <string.h>
#include <xengnttab.h>
#include <xenstore.h>

#include "vchan/private.h"
#include "xen/nodes.h"
#include "xen/peer.h"
#include "xen/store.h"

static union {
	struct vchan_page page;
	uint8_t bytes[VCHAN_PAGE_SIZE];
} memory;

struct vchan_page *model_page = &memory.page;

void model_host_reset(void)
{
	struct vchan_page *p = model_page;

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
	model_events_reset();
}

/* What the two inits ask for, and close gives back. */

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
			   const char *path, struct xen_peer_misses *misses)
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
