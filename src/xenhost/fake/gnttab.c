// SPDX-License-Identifier: MIT
/* libxengnttab: granting pages, and mapping what others grant. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xengnttab.h>

#include "xenhost/fake/area.h"

struct xengntdev_handle {
	struct fake_handle h;
	int fd; /* means nothing, but can be asked for its flags */
};

static struct xengntdev_handle *handle_open(enum fake_host_resource type,
					    enum fake_host_call call, int flags)
{
	struct xengntdev_handle *h;
	_cleanup_close_ int fd = -1;

	if (fake_call_here(call))
		return NULL;
	fd = open("/dev/null", O_RDWR | flags);
	if (fd < 0)
		return NULL;
	h = fake_handle_open(type, sizeof(*h));
	if (h)
		h->fd = TAKE_FD(fd);
	return h;
}

/*
 * As in Linux, areas outlive the handle: each mapping keeps the file open. So
 * a program that closes without unmapping has leaked, and
 * fake_host_live(FAKE_SHARED_PAGES or FAKE_MAPPED_PAGES) shows it.
 */
static int handle_close(struct xengntdev_handle *h)
{
	if (!h)
		return 0;
	fake_lock();
	fake_handle_detach(&h->h);
	fake_unlock();
	close(h->fd);
	free(h);
	return 0;
}

/* gntalloc is opened without O_CLOEXEC, as the real library does. */
xengntshr_handle *xengntshr_open(struct xentoollog_logger *logger,
				 unsigned open_flags)
{
	return handle_open(FAKE_GNTSHR_HANDLES, FAKE_GNTSHR_OPEN, 0);
}

int xengntshr_close(xengntshr_handle *xgs)
{
	return handle_close(xgs);
}

int xengntshr_fd(xengntshr_handle *xgs)
{
	return xgs->fd;
}

xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger,
				 unsigned open_flags)
{
	return handle_open(FAKE_GNTTAB_HANDLES, FAKE_GNTTAB_OPEN, O_CLOEXEC);
}

int xengnttab_close(xengnttab_handle *xgt)
{
	return handle_close(xgt);
}

int xengnttab_fd(xengnttab_handle *xgt)
{
	return xgt->fd;
}

int xengnttab_set_max_grants(xengnttab_handle *xgt, uint32_t nr_grants)
{
	return 0;
}

static int share(struct fake_process *p, struct fake_area *a,
		 unsigned int domid, bool writable, uint32_t *refs)
{
	struct fake_domain *d = p->domain;
	int64_t first;

	if (a->count + (uint64_t)d->n_shared > fake_host.page_limit)
		return -ENOSPC;
	first = fake_pages_alloc(a->count);
	if (first < 0)
		return (int)first;
	a->addr = fake_page_place(first);
	for (unsigned int i = 0; i < a->count; i++) {
		struct fake_page *page = fake_page(first + i);

		page->owner = d->id;
		page->to = domid;
		page->granted = true;
		page->writable = writable;
		a->pages[i] = first + i;
		refs[i] = fake_page_to_ref(first + i);
	}
	d->n_shared += a->count;
	list_append(&p->areas, &a->link);
	return 0;
}

static void *fail(int err)
{
	errno = err;
	return NULL;
}

static void *share_locked(struct fake_process *p, unsigned int domid, int count,
			  uint32_t *refs, bool writable, uint32_t notify_offset,
			  evtchn_port_t notify_port)
{
	_cleanup_(cleanup_fake_areap) struct fake_area *a = NULL;
	int r;

	if (!p)
		return fail(EBADF);
	if (count <= 0)
		return fail(EINVAL);
	a = fake_area_new(true, count);
	if (!a)
		return fail(ENOMEM);
	r = fake_area_set_notify(a, p->domain, notify_offset, notify_port);
	if (!r)
		r = share(p, a, domid, writable, refs);
	if (r)
		return fail(-r);
	return TAKE_PTR(a)->addr;
}

static void *share_call(xengntshr_handle *xgs, uint32_t domid, int count,
			uint32_t *refs, int writable, uint32_t notify_offset,
			evtchn_port_t notify_port)
{
	void *addr;

	if (fake_call(FAKE_SHARE, xgs->h.domid))
		return NULL;
	fake_lock();
	addr = share_locked(xgs->h.process, domid, count, refs, writable,
			    notify_offset, notify_port);
	fake_unlock();
	return addr;
}

void *xengntshr_share_pages(xengntshr_handle *xgs, uint32_t domid, int count,
			    uint32_t *refs, int writable)
{
	return share_call(xgs, domid, count, refs, writable, -1, -1);
}

void *xengntshr_share_page_notify(xengntshr_handle *xgs, uint32_t domid,
				  uint32_t *ref, int writable,
				  uint32_t notify_offset,
				  evtchn_port_t notify_port)
{
	return share_call(xgs, domid, 1, ref, writable, notify_offset,
			  notify_port);
}

static int end_call(struct xengntdev_handle *h, enum fake_host_call call,
		    void *addr, uint32_t count, bool shared)
{
	int r;

	if (fake_call(call, h->h.domid))
		return -1;
	fake_lock();
	r = fake_area_end(h->h.process, h, addr, count, shared);
	fake_unlock();
	if (!r)
		return 0;
	errno = -r;
	return -1;
}

/* Stricter than Linux, where this is a plain munmap: only what was shared in
 * one call, as a whole. */
int xengntshr_unshare(xengntshr_handle *xgs, void *start_address,
		      uint32_t count)
{
	return end_call(xgs, FAKE_UNSHARE, start_address, count, true);
}

int xengnttab_unmap(xengnttab_handle *xgt, void *start_address, uint32_t count)
{
	return end_call(xgt, FAKE_UNMAP, start_address, count, false);
}

/* As the kernel of a granter that is gone leaves it: a grant in use cannot be
 * taken back, so it can be mapped again too. */
static bool page_is_granted(const struct fake_page *page, unsigned int owner,
			    unsigned int to, int prot)
{
	const struct fake_domain *d = fake_domain_find(owner);

	return d && d->state == FAKE_DOMAIN_ALIVE && page->owner == owner &&
	       page->to == to && (page->granted || page->n_maps) &&
	       (page->writable || !(prot & PROT_WRITE));
}

/* A request to map, in the form of the most general call. */
struct map_args {
	uint32_t count;
	const uint32_t *refs, *domids;
	bool one_domid; /* domids[0] is that of all references */
	int prot;
	uint32_t notify_offset;
	evtchn_port_t notify_port;
};

static int area_find_pages(struct fake_area *a, struct fake_domain *d,
			   const struct map_args *args)
{
	for (uint32_t i = 0; i < a->count; i++) {
		uint32_t owner = args->domids[args->one_domid ? 0 : i];
		int64_t page = fake_ref_to_page(args->refs[i]);

		if (page < 0 ||
		    !page_is_granted(fake_page(page), owner, d->id, args->prot))
			return -EINVAL;
		a->pages[i] = page;
	}
	return 0;
}

static bool area_can_use_place(const struct fake_area *a, int prot)
{
	if (fake_host.map_apart || !(prot & PROT_WRITE))
		return false;
	for (unsigned int i = 0; i < a->count; i++)
		if (a->pages[i] != a->pages[0] + i ||
		    !fake_page(a->pages[i])->place_users)
			return false;
	return true;
}

static int map(struct fake_process *p, struct fake_area *a,
	       const struct map_args *args)
{
	void *addr;
	int r;

	/* Linux refuses to clear a byte of what is mapped read-only. */
	if (args->notify_offset < FAKE_PAGE_SIZE && !(args->prot & PROT_WRITE))
		return -EINVAL;
	r = area_find_pages(a, p->domain, args);
	if (r)
		return r;
	r = fake_area_set_notify(a, p->domain, args->notify_offset,
				 args->notify_port);
	if (r)
		return r;
	a->apart = !area_can_use_place(a, args->prot);
	addr = a->apart ? fake_pages_map(a->pages, a->count, args->prot)
			: fake_page_place(a->pages[0]);
	if (!addr)
		return -errno;
	a->addr = addr;
	fake_pages_use(a->pages, a->count, !a->apart);
	for (unsigned int i = 0; i < a->count; i++) {
		struct fake_page *page = fake_page(a->pages[i]);

		page->n_maps++;
		fake_domain_find(page->owner)->n_maps_of_its++;
	}
	list_append(&p->areas, &a->link);
	return 0;
}

static void *map_locked(struct fake_process *p, const void *handle,
			const struct map_args *args)
{
	_cleanup_(cleanup_fake_areap) struct fake_area *a = NULL;
	int r;

	if (!p)
		return fail(EBADF);
	if (!args->count)
		return fail(EINVAL);
	a = fake_area_new(false, args->count);
	if (!a)
		return fail(ENOMEM);
	a->handle = handle;
	r = map(p, a, args);
	if (r)
		return fail(-r);
	return TAKE_PTR(a)->addr;
}

static void *map_call(xengnttab_handle *xgt, const struct map_args *args)
{
	void *addr;

	if (fake_call(FAKE_MAP, xgt->h.domid))
		return NULL;
	fake_lock();
	addr = map_locked(xgt->h.process, xgt, args);
	fake_unlock();
	return addr;
}

void *xengnttab_map_grant_refs(xengnttab_handle *xgt, uint32_t count,
			       uint32_t *domids, uint32_t *refs, int prot)
{
	return map_call(xgt, &(struct map_args){ .count = count,
						 .refs = refs,
						 .domids = domids,
						 .prot = prot,
						 .notify_offset = -1,
						 .notify_port = -1 });
}

void *xengnttab_map_domain_grant_refs(xengnttab_handle *xgt, uint32_t count,
				      uint32_t domid, uint32_t *refs, int prot)
{
	return map_call(xgt, &(struct map_args){ .count = count,
						 .refs = refs,
						 .domids = &domid,
						 .one_domid = true,
						 .prot = prot,
						 .notify_offset = -1,
						 .notify_port = -1 });
}

void *xengnttab_map_grant_ref(xengnttab_handle *xgt, uint32_t domid,
			      uint32_t ref, int prot)
{
	return xengnttab_map_domain_grant_refs(xgt, 1, domid, &ref, prot);
}

void *xengnttab_map_grant_ref_notify(xengnttab_handle *xgt, uint32_t domid,
				     uint32_t ref, int prot,
				     uint32_t notify_offset,
				     evtchn_port_t notify_port)
{
	return map_call(xgt, &(struct map_args){ .count = 1,
						 .refs = &ref,
						 .domids = &domid,
						 .prot = prot,
						 .notify_offset = notify_offset,
						 .notify_port = notify_port });
}
