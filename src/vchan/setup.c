// SPDX-License-Identifier: MIT
/* What server and client do alike when they come up. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vchan/private.h"
#include "xen/store.h"

/* xen/include/public/xen.h: ids from here on are not domains. */
#define DOMID_RESERVED 0x7ff0

int vchan_new(const struct report *rep, bool is_server, struct vchan **out)
{
	struct vchan *v = calloc(1, sizeof(*v));
	char *path = strdup(rep->path);

	if (!v || !path) {
		free(path);
		free(v);
		return report_failure(rep, STEP_MEMORY, ENOMEM);
	}
	v->is_server = is_server;
	v->pub.is_server = is_server;
	v->domain = rep->domain;
	v->path = path;
	v->pid = getpid();
	v->spin_ns = spin_default_ns();
	v->timeout_ns = -1;
	v->epoll = v->timer = -1;
	v->report = *rep;
	v->report.path = path;
	v->nodes[VCHAN_NODE_RING_REF].key = "ring-ref";
	v->nodes[VCHAN_NODE_EVENT_CHANNEL].key = "event-channel";
	atomic_init(&v->state, is_server ? VCHAN_WAITING : VCHAN_CONNECTING);
	atomic_flag_clear(&v->tx_busy);
	atomic_init(&v->n_changes, 1);
	if (vchan_stats_open(v)) {
		vchan_free(v);
		return report_failure(rep, STEP_MEMORY, ENOMEM);
	}
	vchan_set_state(v, vchan_state(v));
	*out = v;
	return 0;
}

int vchan_check_arguments(const struct report *rep, int domain)
{
	int r = domain < 0 || domain >= DOMID_RESERVED
			? -EINVAL
			: xen_nodes_check_base(rep->path);

	return r ? report_failure(rep, STEP_ARGUMENTS, -r) : 0;
}

int vchan_open_event(struct vchan *v)
{
	v->event = xenevtchn_open(v->report.logger, 0);
	if (!v->event)
		return report_failure(&v->report, STEP_OPEN_EVTCHN, errno);
	return 0;
}

int vchan_open_store(struct vchan *v)
{
	int r = xen_store_get(&v->xs);

	return r ? report_failure(&v->report, STEP_OPEN_XENSTORE, -r) : 0;
}

/* Where a ring's bytes are: in pages of its own, or in the page, at its size. */
static struct shm_byte *ring_data(struct vchan *v, struct shm_byte *pages,
				  unsigned int order)
{
	if (pages)
		return pages;
	return (struct shm_byte *)(void *)v->page + ((size_t)1 << order);
}

/* What programs may look at. */
static void fill_public(struct vchan *v)
{
	struct vchan_interface *ring =
		(struct vchan_interface *)(void *)v->page;
	struct libxenvchan_ring left = {
		&ring->left, ring_data(v, v->left_pages, v->left_order),
		(int)v->left_order
	};
	struct libxenvchan_ring right = {
		&ring->right, ring_data(v, v->right_pages, v->right_order),
		(int)v->right_order
	};

	v->pub.ring = ring;
	v->stats->read_order = v->is_server ? v->left_order : v->right_order;
	v->stats->write_order = v->is_server ? v->right_order : v->left_order;
	v->pub.event = v->event;
	v->pub.event_port = v->port;
	v->pub.read = v->is_server ? left : right;
	v->pub.write = v->is_server ? right : left;
	if (v->is_server) {
		v->pub.gntshr = v->gntshr;
		v->pub.xs_path = v->path;
	} else {
		v->pub.gnttab = v->gnttab;
	}
}

/* The flags that each end looks at, and those that it writes. */
static void point_at_flags(struct vchan *v)
{
	struct vchan_page *p = v->page;

	v->live_own = v->is_server ? &p->srv_live : &p->cli_live;
	v->live_peer = v->is_server ? &p->cli_live : &p->srv_live;
	v->ask = v->is_server ? &p->cli_notify : &p->srv_notify;
	v->asked = v->is_server ? &p->srv_notify : &p->cli_notify;
}

int vchan_attach_rings(struct vchan *v)
{
	struct vchan_page *p = v->page;
	struct bytering *left = v->is_server ? &v->rx : &v->tx;
	struct bytering *right = v->is_server ? &v->tx : &v->rx;
	int r;

	bytering_init(left, ring_data(v, v->left_pages, v->left_order),
		      v->left_order,
		      v->is_server ? &p->left.cons : &p->left.prod,
		      v->is_server ? &p->left.prod : &p->left.cons);
	bytering_init(right, ring_data(v, v->right_pages, v->right_order),
		      v->right_order,
		      v->is_server ? &p->right.prod : &p->right.cons,
		      v->is_server ? &p->right.cons : &p->right.prod);
	point_at_flags(v);
	fill_public(v);
	r = gate_init(&v->gate, v->event, v->port, &v->stats->events_received);
	if (r)
		return report_failure(&v->report, STEP_MEMORY, -r);
	v->gate_ready = true;
	return 0;
}

int vchan_seed_rings(struct vchan *v)
{
	if (bytering_attach_consumer(&v->rx) ||
	    bytering_attach_producer(&v->tx))
		return report_failure(&v->report, STEP_PAGE, EPROTO);
	return 0;
}
