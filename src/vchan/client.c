// SPDX-License-Identifier: MIT
/*
 * Connecting to a vchan. The server's page is untrusted: what describes the
 * rings is fetched once, checked, and used from private memory.
 *
 * The page is mapped twice. First for a look, without an unmap notification:
 * that would tell the server that a client has left, if this one then found a
 * reason not to connect. Last with the notification, when all else is done.
 *
 * The first mapping is kept until then. The server may go at any time, and its
 * references and port be another's the next moment; but not the references of
 * what is mapped. So the second mapping is of the page that was looked at, and
 * if its server is still there when the port is bound, the port is its own.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "vchan/private.h"

#define FIND_TRIES 8

/* What the server's page said, fetched once. */
struct offer {
	unsigned int left_order, right_order;
	uint32_t refs[2 * VCHAN_GRANTS_MAX];
};

static int find_server(struct vchan *v)
{
	int r = vchan_open_store(v);

	v->unseen = false;
	if (r)
		return r;
	r = -EAGAIN;
	for (int i = 0; i < FIND_TRIES && r == -EAGAIN; i++)
		r = xen_nodes_read(v->xs, v->path, v->nodes, VCHAN_NODE_N);
	v->unseen = r != 0;
	return r ? report_failure(&v->report, STEP_FIND, -r) : 0;
}

static int read_offer(struct vchan *v, const struct vchan_page *page,
		      struct offer *offer)
{
	/* Pairs with the server's release when it filled the page. */
	uint8_t srv_live = shm_load_acquire_u8(&page->srv_live);
	uint8_t cli_live = shm_load_u8(&page->cli_live);
	unsigned int n;

	if (srv_live == VCHAN_LIVE_GONE || srv_live == VCHAN_LIVE_NOT_YET)
		return report_failure(&v->report, STEP_SERVER_GONE,
				      ECONNREFUSED);
	if (srv_live != VCHAN_LIVE_HERE)
		return report_failure(&v->report, STEP_PAGE, EPROTO);
	if (cli_live == VCHAN_LIVE_HERE)
		return report_failure(&v->report, STEP_PAGE, EBUSY);
	offer->left_order = shm_load_u16(&page->left_order);
	offer->right_order = shm_load_u16(&page->right_order);
	if (!vchan_orders_valid(offer->left_order, offer->right_order))
		return report_failure(&v->report, STEP_PAGE, EPROTO);
	n = vchan_order_grants(offer->left_order) +
	    vchan_order_grants(offer->right_order);
	for (unsigned int i = 0; i < n; i++)
		offer->refs[i] = shm_load_u32(&page->grants[i]);
	return 0;
}

static int map_ring(struct vchan *v, unsigned int order, uint32_t *refs,
		    struct shm_byte **pages)
{
	unsigned int n = vchan_order_grants(order);

	if (!n)
		return 0;
	*pages = xengnttab_map_domain_grant_refs(v->gnttab, n, v->domain, refs,
						 PROT_READ | PROT_WRITE);
	if (!*pages)
		return report_failure(&v->report, STEP_MAP, errno);
	return 0;
}

static int map_rings(struct vchan *v, struct offer *offer)
{
	int r;

	v->left_order = offer->left_order;
	v->right_order = offer->right_order;
	r = map_ring(v, v->left_order, offer->refs, &v->left_pages);
	if (r)
		return r;
	return map_ring(v, v->right_order,
			offer->refs + vchan_order_grants(v->left_order),
			&v->right_pages);
}

static int bind_port(struct vchan *v)
{
	xenevtchn_port_or_error_t port;
	int r = vchan_open_event(v);

	if (r)
		return r;
	port = xenevtchn_bind_interdomain(
		v->event, v->domain, v->nodes[VCHAN_NODE_EVENT_CHANNEL].value);
	if (port < 0)
		return report_failure(&v->report, STEP_BIND, errno);
	v->port = (uint32_t)port;
	return 0;
}

static int map_page(struct vchan *v)
{
	void *page = xengnttab_map_grant_ref_notify(
		v->gnttab, v->domain, v->nodes[VCHAN_NODE_RING_REF].value,
		PROT_READ | PROT_WRITE, offsetof(struct vchan_page, cli_live),
		v->port);

	if (!page)
		return report_failure(&v->report, STEP_MAP, errno);
	v->page = page;
	return 0;
}

/*
 * A server that takes its next client closes the door (srv_live), looks whether
 * one is in, resets the rings, and opens it. So we go in first (cli_live), then
 * look at the door, and only then at the rings: either the server sees us and
 * leaves the rings alone, or we see the door closed.
 *
 * srv_notify comes before all: a server that sees cli_live knows that this
 * store, which wipes the marks of an earlier client, is done. The server may have
 * wiped it in turn, with the door closed behind it and opened again before we look;
 * so we ask once more. What it has sent before that is announced by the event that
 * binding the port has left.
 */
static int enter(struct vchan *v)
{
	shm_store_u8(v->ask, VCHAN_ASK_WRITTEN | VCHAN_SAYS_EXT);
	/* The full fence pairs with the one of libxenvchan_rearm(). */
	shm_publish_u8(v->live_own, VCHAN_LIVE_HERE);
	/* Says, too, that the port was bound while this server had it. */
	if (shm_load_acquire_u8(v->live_peer) != VCHAN_LIVE_HERE)
		return report_failure(&v->report, STEP_SERVER_GONE,
				      ECONNREFUSED);
	if (!shm_try_or_u8(v->ask, VCHAN_ASK_WRITTEN | VCHAN_SAYS_EXT))
		return report_failure(&v->report, STEP_PAGE, EPROTO);
	return vchan_seed_rings(v);
}

/* Without a trace: there never was a client. */
static void leave(struct vchan *v)
{
	shm_store_u8(v->ask, 0);
	shm_store_release_u8(v->live_own, VCHAN_LIVE_NOT_YET);
}

static int announce(struct vchan *v)
{
	int r = enter(v);

	if (!r && xenevtchn_notify(v->event, v->port))
		r = report_failure(&v->report, STEP_BIND, errno);
	if (r) {
		leave(v);
		return r;
	}
	v->announced = true;
	stats_add(&v->stats->sent.events_sent, 1);
	vchan_set_state(v, VCHAN_OPEN);
	return 0;
}

static int remember_node(struct vchan *v)
{
	if (asprintf(&v->ref_path, "%s/%s", v->path,
		     v->nodes[VCHAN_NODE_RING_REF].key) >= 0)
		return 0;
	v->ref_path = NULL;
	return report_failure(&v->report, STEP_MEMORY, ENOMEM);
}

/* page: mapped for a look; it stays so until this returns */
static int connect_to(struct vchan *v, const struct vchan_page *page)
{
	struct offer offer;
	int r = read_offer(v, page, &offer);

	if (!r)
		r = map_rings(v, &offer);
	if (!r)
		r = bind_port(v);
	if (!r)
		r = map_page(v);
	if (!r)
		r = vchan_attach_rings(v);
	return r ? r : announce(v);
}

int vchan_client_start(struct vchan *v)
{
	void *page;
	int r = remember_node(v);

	if (!r)
		r = find_server(v);
	if (r)
		return r;
	v->gnttab = xengnttab_open(v->report.logger, 0);
	if (!v->gnttab)
		return report_failure(&v->report, STEP_OPEN_GNTDEV, errno);
	page = xengnttab_map_grant_ref(v->gnttab, v->domain,
				       v->nodes[VCHAN_NODE_RING_REF].value,
				       PROT_READ);
	if (!page)
		return report_failure(&v->report, STEP_MAP, errno);
	r = connect_to(v, page);
	xengnttab_unmap(v->gnttab, page, 1);
	return r;
}

struct libxenvchan *libxenvchan_client_init(struct xentoollog_logger *logger,
					    int domain, const char *xs_path)
{
	struct report rep = { logger, __func__, (unsigned int)domain,
			      xs_path ? xs_path : "" };
	_cleanup_(cleanup_vchanp) struct vchan *v = NULL;
	int r = vchan_check_arguments(&rep, domain);

	if (!r)
		r = vchan_new(&rep, false, &v);
	if (!r)
		r = vchan_client_start(v);
	if (r) {
		errno = -r;
		return NULL;
	}
	return &TAKE_PTR(v)->pub;
}
