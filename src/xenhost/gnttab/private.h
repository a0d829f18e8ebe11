/* SPDX-License-Identifier: MIT */
/*
 * The stand-in for libxengnttab: regions, each a range of addresses that
 * shows pages of some domain's memory, and what hostd has to be told when it
 * goes.
 *
 * The kernel ties a grant to the mapping, not to the handle: it lives until
 * munmap, by whomever, or until the process ends. So a region stays known
 * when its handle is closed, and a region that the program unmapped behind
 * our back is found and released (region_forget, region_commit).
 */
#ifndef XENCHAN_XENHOST_GNTTAB_PRIVATE_H
#define XENCHAN_XENHOST_GNTTAB_PRIVATE_H

#include <sys/types.h>
#include <xengnttab.h>

#include "base/list.h"
#include "xenhost/client/hv.h"

/* Both xengnttab_handle and xengntshr_handle. */
struct xengntdev_handle {
	struct hv_conn *conn; /* owner of a reference */
	struct xentoollog_logger *logger;
	int fd; /* owner; made when asked for, else -1 */
};

/* Pages of a region that came by one request. */
struct segment {
	uint32_t id;    /* hostd's name for them */
	uint32_t first; /* page within the region */
	uint32_t count;
	ino_t inode; /* of the memory they show */
};

struct region {
	struct list link;
	struct hv_conn *conn; /* owner of a reference; the handle's */
	pid_t pid;            /* whose it is: not a forked child's */
	struct xengntdev_handle *handle; /* borrower; NULL: closed */
	uint8_t *addr;
	uint32_t n_pages;
	bool mapped; /* by region_map: another's pages */
	uint32_t n_segments;
	struct segment segments[];
};

/* The unmap notification, HV_NONE for what is not wanted. */
struct notify {
	uint32_t offset, port;
};

/*
 * Allocates pages that domid may map / maps the pages that n references of
 * domids (one each, or all of the same) name. -errno.
 */
int region_share(struct xengntdev_handle *h, uint32_t domid, uint32_t count,
		 uint32_t *refs, bool writable, struct notify notify,
		 void **addr_r);
int region_map(struct xengntdev_handle *h, uint32_t count,
	       const uint32_t *domids, bool same_domid, const uint32_t *refs,
	       int prot, struct notify notify, void **addr_r);

/*
 * Unmaps a region that region_map made. gntdev takes it as a whole; -EINVAL:
 * not all of one.
 */
int region_unmap(void *addr, uint32_t count);

/*
 * Unmaps pages of a region that region_share made. gntalloc gives them up
 * when the last one is unmapped. -EINVAL: no such pages.
 */
int region_unshare(void *addr, uint32_t count);

/* The handle goes: its regions stay, unless they are unmapped already. */
void region_forget(struct xengntdev_handle *h);

/* One segment of xengnttab_grant_copy: its status, or -errno for the call. */
int copy_check(const struct xengnttab_grant_copy_segment *seg);
int copy_segment(struct hv_conn *conn,
		 struct xengnttab_grant_copy_segment *seg);

/* Says why a call failed, as libxengnttab does. */
void gnt_log(struct xengntdev_handle *h, const char *what, int error);

#endif
