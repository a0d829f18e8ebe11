// SPDX-License-Identifier: MIT
/*
 * Offering a vchan. Everything is ready before it is published, so that a
 * client that finds the nodes finds a working server; and each step leaves an
 * object that vchan_free() takes back.
 */
#include <errno.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "vchan/private.h"

#define RING_MAX ((size_t)1 << VCHAN_ORDER_MAX)

/* Xen 4.17's libxengnttab opens gntalloc to be inherited through exec(2). */
static void close_on_exec(xengntshr_handle *gntshr)
{
	int fd = xengntshr_fd(gntshr);
	int flags = fd < 0 ? -1 : fcntl(fd, F_GETFD);

	if (flags >= 0)
		fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
}

static int open_port(struct vchan *v)
{
	xenevtchn_port_or_error_t port;
	int r = vchan_open_event(v);

	if (r)
		return r;
	port = xenevtchn_bind_unbound_port(v->event, v->domain);
	if (port < 0)
		return report_failure(&v->report, STEP_PORT, errno);
	v->port = (uint32_t)port;
	return 0;
}

/*
 * The page's unmap notification is our death's: Xen's driver clears srv_live
 * and sends an event when this process ends, however it ends.
 */
static int share_page(struct vchan *v)
{
	uint32_t ref;
	void *page = xengntshr_share_page_notify(
		v->gntshr, v->domain, &ref, 1,
		offsetof(struct vchan_page, srv_live), v->port);

	if (!page)
		return report_failure(&v->report, STEP_SHARE, errno);
	v->page = page;
	v->nodes[VCHAN_NODE_RING_REF].value = ref;
	/* The driver gives zeroed pages; those of other hosts need not be. */
	shm_zero(page, VCHAN_PAGE_SIZE);
	return 0;
}

/* *pages stays NULL for a ring that lies in the shared page. */
static int share_ring(struct vchan *v, unsigned int order, unsigned int *n_refs,
		      struct shm_byte **pages)
{
	unsigned int n = vchan_order_grants(order);
	uint32_t refs[VCHAN_GRANTS_MAX];
	void *p;

	if (!n)
		return 0;
	p = xengntshr_share_pages(v->gntshr, v->domain, (int)n, refs, 1);
	if (!p)
		return report_failure(&v->report, STEP_SHARE, errno);
	*pages = p;
	shm_zero(p, (size_t)1 << order);
	for (unsigned int i = 0; i < n; i++)
		shm_store_u32(&v->page->grants[*n_refs + i], refs[i]);
	*n_refs += n;
	return 0;
}

static int share(struct vchan *v)
{
	unsigned int n_refs = 0;
	int r;

	v->gntshr = xengntshr_open(v->report.logger, 0);
	if (!v->gntshr)
		return report_failure(&v->report, STEP_OPEN_GNTALLOC, errno);
	close_on_exec(v->gntshr);
	r = share_page(v);
	if (!r)
		r = share_ring(v, v->left_order, &n_refs, &v->left_pages);
	if (!r)
		r = share_ring(v, v->right_order, &n_refs, &v->right_pages);
	return r;
}

static void fill_page(struct vchan *v)
{
	shm_store_u16(&v->page->left_order, (uint16_t)v->left_order);
	shm_store_u16(&v->page->right_order, (uint16_t)v->right_order);
	shm_store_u8(&v->page->cli_live, VCHAN_LIVE_NOT_YET);
	shm_store_u8(&v->page->cli_notify, VCHAN_ASK_WRITTEN | VCHAN_SAYS_EXT);
	/* Xenstore carries the release on to the client. */
	shm_store_release_u8(&v->page->srv_live, VCHAN_LIVE_HERE);
}

static int publish(struct vchan *v)
{
	int r = vchan_open_store(v);

	if (r)
		return r;
	v->nodes[VCHAN_NODE_EVENT_CHANNEL].value = v->port;
	r = xen_nodes_publish(v->xs, v->path, v->domain, v->nodes,
			      VCHAN_NODE_N);
	if (r)
		return report_failure(&v->report, STEP_PUBLISH, -r);
	v->announced = true;
	return 0;
}

static int server_start(struct vchan *v, size_t read_min, size_t write_min)
{
	int r;

	vchan_orders_choose(read_min, write_min, &v->left_order,
			    &v->right_order);
	r = open_port(v);
	if (!r)
		r = share(v);
	if (r)
		return r;
	fill_page(v);
	r = vchan_attach_rings(v);
	if (!r)
		r = vchan_seed_rings(v);
	return r ? r : publish(v);
}

struct libxenvchan *libxenvchan_server_init(struct xentoollog_logger *logger,
					    int domain, const char *xs_path,
					    size_t read_min, size_t write_min)
{
	struct report rep = { logger, __func__, (unsigned int)domain,
			      xs_path ? xs_path : "" };
	_cleanup_(cleanup_vchanp) struct vchan *v = NULL;
	int r = vchan_check_arguments(&rep, domain);

	if (!r && (read_min > RING_MAX || write_min > RING_MAX))
		r = report_failure(&rep, STEP_ARGUMENTS, EINVAL);
	if (!r)
		r = vchan_new(&rep, true, &v);
	if (!r)
		r = server_start(v, read_min, write_min);
	if (r) {
		errno = -r;
		return NULL;
	}
	return &TAKE_PTR(v)->pub;
}
