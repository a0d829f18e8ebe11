// SPDX-License-Identifier: MIT
/*
 * Giving back whatever an init has acquired, in an order in which the peer
 * learns of it and nothing is used after it has gone. Objects may be half built.
 *
 * In a child of fork(2) the vchan is the parent's: the pages are not mapped
 * there, and the Xen libraries allow nothing but closing the handles. No lock is
 * touched: a thread of the parent's may have held it, or waited for it, at the fork.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "vchan/private.h"
#include "xen/store.h"

static void tell_peer(struct vchan *v)
{
	if (!v->announced)
		return;
	(void)shm_try_or_u8(v->ask, VCHAN_SAYS_BYE);
	shm_publish_u8(v->live_own, VCHAN_LIVE_GONE);
	xenevtchn_notify(v->event, v->port);
}

static void release_shared(struct vchan *v, void *pages, unsigned int n)
{
	if (pages)
		xengntshr_unshare(v->gntshr, pages, n);
}

static void release_mapped(struct vchan *v, void *pages, unsigned int n)
{
	if (pages)
		xengnttab_unmap(v->gnttab, pages, n);
}

static void release_pages(struct vchan *v)
{
	void (*release)(struct vchan *, void *, unsigned int) =
		v->is_server ? release_shared : release_mapped;

	release(v, v->left_pages, vchan_order_grants(v->left_order));
	release(v, v->right_pages, vchan_order_grants(v->right_order));
	/* Last: its unmap notification uses the event channel. */
	release(v, v->page, 1);
}

static void close_handles(struct vchan *v)
{
	if (v->is_server && v->gntshr)
		xengntshr_close(v->gntshr);
	if (!v->is_server && v->gnttab)
		xengnttab_close(v->gnttab);
	/* Closes the port too. */
	if (v->event)
		xenevtchn_close(v->event);
}

/* What was borrowed from them is as void as they are. */
static void forget_handles(struct vchan *v)
{
	v->gntshr = NULL;
	v->event = NULL;
	v->port = 0;
	v->page = NULL;
	v->left_pages = v->right_pages = NULL;
	v->xs = NULL;
	v->ref_path = NULL;
	v->announced = v->gate_ready = false;
	/* Of the public structure, but for what the program has set. */
	if (v->is_server)
		v->pub.gntshr = NULL;
	else
		v->pub.gnttab = NULL;
	v->pub.ring = NULL;
	v->pub.event = NULL;
	v->pub.event_port = 0;
	v->pub.read = v->pub.write = (struct libxenvchan_ring){ 0 };
}

void vchan_release(struct vchan *v)
{
	bool ours = v->pid == getpid();

	if (ours) {
		tell_peer(v);
		if (v->is_server && v->announced)
			xen_nodes_withdraw(v->xs, v->path, v->nodes,
					   VCHAN_NODE_N);
		release_pages(v);
	}
	close_handles(v);
	if (ours && v->xs)
		xen_store_put(v->xs);
	if (ours && v->gate_ready)
		gate_deinit(&v->gate);
	free(v->ref_path);
	forget_handles(v);
}

void vchan_free(struct vchan *v)
{
	if (!v)
		return;
	vchan_release(v);
	cleanup_closep(&v->epoll);
	cleanup_closep(&v->timer);
	vchan_stats_close(v);
	free(v->path);
	free(v);
}

void libxenvchan_close(struct libxenvchan *ctrl)
{
	int err = errno;

	if (ctrl)
		vchan_free(vchan_of(ctrl));
	errno = err;
}
