// SPDX-License-Identifier: MIT
/*
 * libxengnttab.so.1 on the emulated host. errno where a program can tell is
 * that of Linux's gntdev and gntalloc drivers. Buffers for DMA do not exist
 * here: ENOSYS.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xentoollog.h>

#include "private.h"

__attribute__((format(printf, 3, 4))) static void
gnt_vlog(struct xentoollog_logger *logger, int error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	logger->vmessage(logger, XTL_ERROR, error, "gnttab", format, ap);
	va_end(ap);
}

void gnt_log(struct xengntdev_handle *h, const char *what, int error)
{
	if (h->logger)
		gnt_vlog(h->logger, error, "%s failed", what);
	else
		fprintf(stderr, "gnttab: error: %s failed: %s\n", what,
			strerror(error));
}

static struct xengntdev_handle *gnt_open(struct xentoollog_logger *logger,
					 enum fault_kind kind)
{
	struct xengntdev_handle *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return NULL;
	h->logger = logger;
	h->fd = -1;
	r = hv_conn_get(&h->conn);
	if (r == 0) {
		r = hv_fault(h->conn, kind);
		if (r < 0)
			hv_conn_put(h->conn);
	}
	if (r < 0) {
		gnt_log(h, "opening the grant device", -r);
		free(h);
		errno = -r;
		return NULL;
	}
	return h;
}

static int gnt_close(struct xengntdev_handle *h)
{
	if (!h)
		return 0;
	region_forget(h);
	if (h->fd >= 0)
		close(h->fd);
	hv_conn_put(h->conn);
	free(h);
	return 0;
}

/* Nothing to be done with it, as on Xen; most programs never ask. */
static int gnt_fd(struct xengntdev_handle *h)
{
	if (h->fd < 0)
		h->fd = eventfd(0, EFD_CLOEXEC);
	return h->fd;
}

/* As in the library: an offset outside of the page means none. */
static struct notify notify_of(uint32_t offset, evtchn_port_t port)
{
	return (struct notify){ offset < XEN_PAGE_SIZE ? offset : HV_NONE,
				port };
}

static const struct notify no_notify = { HV_NONE, HV_NONE };

xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger,
				 unsigned int open_flags)
{
	return gnt_open(logger, FAULT_GNTTAB_OPEN);
}

int xengnttab_close(xengnttab_handle *h)
{
	return gnt_close(h);
}

int xengnttab_fd(xengnttab_handle *h)
{
	return gnt_fd(h);
}

int xengnttab_set_max_grants(xengnttab_handle *h, uint32_t nr_grants)
{
	/* gntdev has no such request, which the library takes for success. */
	return 0;
}

static void *gnt_map(xengnttab_handle *h, uint32_t count,
		     const uint32_t *domids, bool same_domid,
		     const uint32_t *refs, int prot, struct notify notify)
{
	void *addr = NULL;
	int r = hv_fault(h->conn, FAULT_GNTTAB_MAP);

	if (r == 0)
		r = region_map(h, count, domids, same_domid, refs, prot, notify,
			       &addr);
	if (r < 0) {
		gnt_log(h, "mapping grants", -r);
		errno = -r;
	}
	return addr;
}

void *xengnttab_map_grant_ref(xengnttab_handle *h, uint32_t domid, uint32_t ref,
			      int prot)
{
	return gnt_map(h, 1, &domid, true, &ref, prot, no_notify);
}

void *xengnttab_map_grant_refs(xengnttab_handle *h, uint32_t count,
			       uint32_t *domids, uint32_t *refs, int prot)
{
	return gnt_map(h, count, domids, false, refs, prot, no_notify);
}

void *xengnttab_map_domain_grant_refs(xengnttab_handle *h, uint32_t count,
				      uint32_t domid, uint32_t *refs, int prot)
{
	return gnt_map(h, count, &domid, true, refs, prot, no_notify);
}

void *xengnttab_map_grant_ref_notify(xengnttab_handle *h, uint32_t domid,
				     uint32_t ref, int prot,
				     uint32_t notify_offset,
				     evtchn_port_t notify_port)
{
	return gnt_map(h, 1, &domid, true, &ref, prot,
		       notify_of(notify_offset, notify_port));
}

int xengnttab_unmap(xengnttab_handle *h, void *start_address, uint32_t count)
{
	int r = hv_fault(h->conn, FAULT_GNTTAB_UNMAP);

	if (r == 0)
		r = region_unmap(start_address, count);
	return r < 0 ? hv_fail(r) : 0;
}

int xengnttab_grant_copy(xengnttab_handle *h, uint32_t count,
			 xengnttab_grant_copy_segment_t *segs)
{
	int r = hv_fault(h->conn, FAULT_GNTTAB_COPY);

	/* First: Linux copies in batches, none of which has begun by then. */
	for (uint32_t i = 0; r == 0 && i < count; i++)
		r = copy_check(&segs[i]);
	for (uint32_t i = 0; r == 0 && i < count; i++)
		r = copy_segment(h->conn, &segs[i]);
	if (r < 0) {
		gnt_log(h, "copying grants", -r);
		errno = -r;
	}
	return r < 0 ? -1 : 0;
}

int xengnttab_dmabuf_exp_from_refs(xengnttab_handle *h, uint32_t domid,
				   uint32_t flags, uint32_t count,
				   const uint32_t *refs, uint32_t *fd)
{
	return hv_fail(-ENOSYS);
}

int xengnttab_dmabuf_exp_wait_released(xengnttab_handle *h, uint32_t fd,
				       uint32_t wait_to_ms)
{
	return hv_fail(-ENOSYS);
}

int xengnttab_dmabuf_imp_to_refs(xengnttab_handle *h, uint32_t domid,
				 uint32_t fd, uint32_t count, uint32_t *refs)
{
	return hv_fail(-ENOSYS);
}

int xengnttab_dmabuf_imp_release(xengnttab_handle *h, uint32_t fd)
{
	return hv_fail(-ENOSYS);
}

xengntshr_handle *xengntshr_open(struct xentoollog_logger *logger,
				 unsigned int open_flags)
{
	xengntshr_handle *h = gnt_open(logger, FAULT_GNTSHR_OPEN);

	if (!h)
		return NULL;
	/* Inherited through exec(2), as Xen 4.17's library opens gntalloc. */
	h->fd = eventfd(0, 0);
	if (h->fd < 0) {
		int error = errno;

		gnt_log(h, "opening the share device", error);
		gnt_close(h);
		errno = error;
		return NULL;
	}
	return h;
}

int xengntshr_close(xengntshr_handle *h)
{
	return gnt_close(h);
}

int xengntshr_fd(xengntshr_handle *h)
{
	return gnt_fd(h);
}

static void *gnt_share(xengntshr_handle *h, uint32_t domid, int count,
		       uint32_t *refs, int writable, struct notify notify)
{
	void *addr = NULL;
	int r = hv_fault(h->conn, FAULT_GNTSHR_SHARE);

	if (r == 0)
		r = count <= 0 ? -EINVAL
			       : region_share(h, domid, count, refs, writable,
					      notify, &addr);
	if (r < 0) {
		gnt_log(h, "sharing pages", -r);
		errno = -r;
	}
	return addr;
}

void *xengntshr_share_pages(xengntshr_handle *h, uint32_t domid, int count,
			    uint32_t *refs, int writable)
{
	return gnt_share(h, domid, count, refs, writable, no_notify);
}

void *xengntshr_share_page_notify(xengntshr_handle *h, uint32_t domid,
				  uint32_t *ref, int writable,
				  uint32_t notify_offset,
				  evtchn_port_t notify_port)
{
	return gnt_share(h, domid, 1, ref, writable,
			 notify_of(notify_offset, notify_port));
}

int xengntshr_unshare(xengntshr_handle *h, void *start_address, uint32_t count)
{
	int r = hv_fault(h->conn, FAULT_GNTSHR_UNSHARE);

	if (r == 0)
		r = region_unshare(start_address, count);
	return r < 0 ? hv_fail(r) : 0;
}
