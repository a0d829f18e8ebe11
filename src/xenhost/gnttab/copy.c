// SPDX-License-Identifier: MIT
/*
 * xengnttab_grant_copy: what Linux refuses as a whole, and the status that Xen
 * gives each segment. Foreign pages are read and written through the memory
 * that hostd lends for a mapping: a bad address of the caller's is EFAULT.
 */
#include <unistd.h>

#include "base/cleanup.h"
#include "private.h"

#define COPY_GREFS (GNTCOPY_source_gref | GNTCOPY_dest_gref)

static bool crosses_page(const union xengnttab_copy_ptr *ptr, uint32_t len)
{
	return ptr->foreign.offset + len > XEN_PAGE_SIZE;
}

int copy_check(const struct xengnttab_grant_copy_segment *seg)
{
	if (!(seg->flags & COPY_GREFS))
		return -EINVAL;
	if (seg->flags & GNTCOPY_source_gref &&
	    crosses_page(&seg->source, seg->len))
		return -EINVAL;
	if (seg->flags & GNTCOPY_dest_gref &&
	    crosses_page(&seg->dest, seg->len))
		return -EINVAL;
	return 0;
}

static int copy_status(int r)
{
	switch (r) {
	case -ESRCH:
		return GNTST_bad_domain;
	case -ENOENT:
		return GNTST_bad_gntref;
	default:
		return GNTST_general_error;
	}
}

/* Copies len bytes to a foreign page if write, else from it. */
static int copy_foreign(struct hv_conn *conn,
			const union xengnttab_copy_ptr *ptr, bool write,
			void *bytes, uint32_t len, int16_t *status_r)
{
	_cleanup_close_ int mem_fd = -1;
	uint32_t ref = ptr->foreign.ref;
	const struct hv_request req = {
		.op = HV_MAP,
		.domid = ptr->foreign.domid == DOMID_SELF ? hv_conn_domid(conn)
							  : ptr->foreign.domid,
		.count = 1,
		.n_refs = 1,
		.flags = write ? HV_WRITE : 0,
		.notify_offset = HV_NONE,
		.notify_port = HV_NONE,
	};
	off_t from = ((off_t)ref << XEN_PAGE_SHIFT) + ptr->foreign.offset;
	struct hv_request release = { .op = HV_RELEASE };
	struct hv_reply reply;
	ssize_t n;
	int r;

	r = hv_call(conn, &req, &ref, 0, &reply, &mem_fd);
	if (r == -ENODEV || r == -EMFILE || r == -ENOMEM)
		return r;
	if (r < 0) {
		*status_r = copy_status(r);
		return 0;
	}
	n = write ? pwrite(mem_fd, bytes, len, from)
		  : pread(mem_fd, bytes, len, from);
	release.id = reply.id;
	hv_call(conn, &release, NULL, 0, NULL, NULL);
	return n == (ssize_t)len ? 0 : -EFAULT;
}

int copy_segment(struct hv_conn *conn, struct xengnttab_grant_copy_segment *seg)
{
	uint8_t page[XEN_PAGE_SIZE];
	void *bytes = page;
	int r = 0;

	seg->status = GNTST_okay;
	if (seg->len == 0)
		return 0;
	if (!(seg->flags & GNTCOPY_source_gref))
		bytes = seg->source.virt;
	else if (!(seg->flags & GNTCOPY_dest_gref))
		bytes = seg->dest.virt;

	if (seg->flags & GNTCOPY_source_gref)
		r = copy_foreign(conn, &seg->source, false, bytes, seg->len,
				 &seg->status);
	if (r == 0 && seg->status == GNTST_okay &&
	    seg->flags & GNTCOPY_dest_gref)
		r = copy_foreign(conn, &seg->dest, true, bytes, seg->len,
				 &seg->status);
	return r;
}
