// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "private.h"

/* Pages that one request can be about: gntdev's module parameter `limit`. */
#define GNTDEV_LIMIT 65536u

/* Guards the list and all regions on it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list regions = LIST_INIT(regions);

static void before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void region_init(void)
{
	pthread_atfork(before_fork, after_fork, after_fork);
}

/* Tells hostd that the region is gone. */
static void region_release(struct region *region, uint32_t flags)
{
	for (uint32_t i = 0; i < region->n_segments; i++) {
		struct hv_request req = {
			.op = HV_RELEASE,
			.id = region->segments[i].id,
			.flags = flags,
		};

		/* A forked child's munmap is no matter of the parent's. */
		if (region->pid == getpid())
			hv_call(region->conn, &req, NULL, 0, NULL, NULL);
	}
}

/*
 * The mapping lies between two pages that fault: what runs over its ends is
 * noticed here, though on Xen some other memory may follow.
 */
static void *reserve(uint32_t count)
{
	size_t size = (size_t)(count + 2) << XEN_PAGE_SHIFT;
	uint8_t *addr =
		mmap(NULL, size, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return addr == MAP_FAILED ? NULL : addr + XEN_PAGE_SIZE;
}

static void unreserve_guards(uint8_t *addr, uint32_t count)
{
	munmap(addr - XEN_PAGE_SIZE, XEN_PAGE_SIZE);
	munmap(addr + ((size_t)count << XEN_PAGE_SHIFT), XEN_PAGE_SIZE);
}

static void region_free(struct region *region)
{
	if (!region)
		return;
	unreserve_guards(region->addr, region->n_pages);
	list_remove(&region->link);
	hv_conn_put(region->conn);
	free(region);
}

/* A region that is no longer mapped. */
static void region_drop(struct region *region)
{
	region_release(region, 0);
	region_free(region);
}

/* One that did not come about: no peer shall take it for one that ended. */
static void region_abandon(struct region *region)
{
	if (!region)
		return;
	munmap(region->addr, (size_t)region->n_pages << XEN_PAGE_SHIFT);
	region_release(region, HV_QUIET);
	region_free(region);
}
DEFINE_CLEANUP(struct region *, region, region_abandon)

/* A region with its addresses reserved, and nothing to see there yet. */
static int region_new(struct xengntdev_handle *h, uint32_t count,
		      uint32_t max_segments, struct region **region_r)
{
	struct region *region;
	void *addr;

	if (count == 0 || count > GNTDEV_LIMIT)
		return -EINVAL;
	addr = reserve(count);
	if (!addr)
		return -errno;
	region = calloc(1, sizeof(*region) +
				   max_segments * sizeof(struct segment));
	if (!region) {
		munmap(addr, (size_t)count << XEN_PAGE_SHIFT);
		unreserve_guards(addr, count);
		return -ENOMEM;
	}
	/* Not the process's own: the handle may be from before a fork. */
	region->conn = hv_conn_ref(h->conn);
	region->pid = getpid();
	list_init(&region->link);
	region->handle = h;
	region->addr = addr;
	region->n_pages = count;
	*region_r = region;
	return 0;
}

/* Shows the pages named by refs at addr; runs of them in one mapping. */
static int show_pages(uint8_t *addr, uint32_t n_refs, const uint32_t *refs,
		      int prot, int mem_fd)
{
	for (uint32_t i = 0, n; i < n_refs; i += n) {
		for (n = 1; i + n < n_refs && refs[i + n] == refs[i] + n; n++)
			;
		if (mmap(addr + ((size_t)i << XEN_PAGE_SHIFT),
			 (size_t)n << XEN_PAGE_SHIFT, prot,
			 MAP_SHARED | MAP_FIXED, mem_fd,
			 (off_t)refs[i] << XEN_PAGE_SHIFT) == MAP_FAILED)
			return -errno;
	}
	return 0;
}

/* Adds what hostd answered as the next segment, and shows it. */
static int region_add(struct region *region, uint32_t id, uint32_t n_refs,
		      const uint32_t *refs, int prot, int mem_fd)
{
	struct segment *s = &region->segments[region->n_segments];
	struct stat st;

	if (region->n_segments > 0)
		s->first = s[-1].first + s[-1].count;
	s->id = id;
	s->count = n_refs;
	region->n_segments++;
	if (fstat(mem_fd, &st) < 0)
		return -errno;
	s->inode = st.st_ino;
	return show_pages(region->addr + ((size_t)s->first << XEN_PAGE_SHIFT),
			  n_refs, refs, prot, mem_fd);
}

/*
 * The kernel gave this region addresses that we believed another had: that
 * one was unmapped without a word to us.
 */
static void region_commit(struct region *region)
{
	size_t size = (size_t)region->n_pages << XEN_PAGE_SHIFT;
	struct list *pos, *tmp;

	pthread_mutex_lock(&lock);
	list_for_each_safe (pos, tmp, &regions) {
		struct region *old = list_entry(pos, struct region, link);

		if (old->addr < region->addr + size &&
		    region->addr < old->addr + ((size_t)old->n_pages
						<< XEN_PAGE_SHIFT))
			region_drop(old);
	}
	list_append(&regions, &region->link);
	pthread_mutex_unlock(&lock);
}

int region_share(struct xengntdev_handle *h, uint32_t domid, uint32_t count,
		 uint32_t *refs, bool writable, struct notify notify,
		 void **addr_r)
{
	_cleanup_(cleanup_regionp) struct region *region = NULL;
	uint32_t n_segments = (count + HV_MAX_REFS - 1) / HV_MAX_REFS;
	int r = region_new(h, count, n_segments, &region);

	for (uint32_t done = 0, n; r == 0 && done < count; done += n) {
		_cleanup_close_ int mem_fd = -1;
		struct hv_request req = {
			.op = HV_SHARE,
			.domid = domid,
			.flags = writable ? HV_WRITE : 0,
			.notify_offset = notify.offset,
			.notify_port = notify.port,
		};
		struct hv_reply reply;

		n = count - done < HV_MAX_REFS ? count - done : HV_MAX_REFS;
		req.count = n;
		r = hv_call(h->conn, &req, refs + done, n, &reply, &mem_fd);
		if (r == 0)
			r = region_add(region, reply.id, n, refs + done,
				       PROT_READ | PROT_WRITE, mem_fd);
	}
	if (r < 0)
		return r;
	*addr_r = region->addr;
	region_commit(TAKE_PTR(region));
	return 0;
}

/* How many of the n domids from the first on are the same, in one packet. */
static uint32_t run_of_domid(const uint32_t *domids, bool same, uint32_t n)
{
	uint32_t run = 1;

	if (n > HV_MAX_REFS)
		n = HV_MAX_REFS;
	while (run < n && (same || domids[run] == domids[0]))
		run++;
	return run;
}

int region_map(struct xengntdev_handle *h, uint32_t count,
	       const uint32_t *domids, bool same_domid, const uint32_t *refs,
	       int prot, struct notify notify, void **addr_r)
{
	_cleanup_(cleanup_regionp) struct region *region = NULL;
	uint32_t n_segments =
		same_domid ? (count + HV_MAX_REFS - 1) / HV_MAX_REFS : count;
	int r = region_new(h, count, n_segments, &region);

	for (uint32_t done = 0, n; r == 0 && done < count; done += n) {
		const uint32_t *domid = same_domid ? domids : domids + done;
		_cleanup_close_ int mem_fd = -1;
		struct hv_request req = {
			.op = HV_MAP,
			.domid = *domid,
			.flags = prot & PROT_WRITE ? HV_WRITE : 0,
			.notify_offset = notify.offset,
			.notify_port = notify.port,
		};
		struct hv_reply reply;

		n = run_of_domid(domid, same_domid, count - done);
		req.count = req.n_refs = n;
		r = hv_call(h->conn, &req, (uint32_t *)(uintptr_t)refs + done,
			    0, &reply, &mem_fd);
		if (r == 0)
			r = region_add(region, reply.id, n, refs + done, prot,
				       mem_fd);
	}
	/* gntdev says no more than that a page was refused. */
	if (r == -ESRCH || r == -ENOENT)
		r = -EINVAL;
	if (r < 0)
		return r;
	region->mapped = true;
	/* As gntdev's mappings, which are not the child's (VM_DONTCOPY). */
	madvise(region->addr, (size_t)count << XEN_PAGE_SHIFT, MADV_DONTFORK);
	*addr_r = region->addr;
	region_commit(TAKE_PTR(region));
	return 0;
}

static struct region *region_find(const uint8_t *addr, size_t size)
{
	struct list *pos;

	list_for_each (pos, &regions) {
		struct region *region = list_entry(pos, struct region, link);
		size_t whole = (size_t)region->n_pages << XEN_PAGE_SHIFT;

		if (addr >= region->addr && addr < region->addr + whole)
			return size <= whole - (size_t)(addr - region->addr)
				       ? region
				       : NULL;
	}
	return NULL;
}

/* Whether one of the region's pages still shows a domain's memory. */
static bool region_is_at(const struct region *region, uintptr_t from,
			 uintptr_t to, uintmax_t inode)
{
	uintptr_t addr = (uintptr_t)region->addr;

	if (from >= addr + ((uintptr_t)region->n_pages << XEN_PAGE_SHIFT) ||
	    to <= addr)
		return false;
	for (uint32_t i = 0; i < region->n_segments; i++)
		if (region->segments[i].inode == inode)
			return true;
	return false;
}

static bool region_is_mapped(const struct region *region)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	uintmax_t from, to, inode;
	bool found = !maps; /* in doubt it is */
	char line[512];

	while (!found && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%jx-%jx %*s %*s %*s %ju", &from, &to,
			   &inode) == 3)
			found = region_is_at(region, from, to, inode);
	}
	if (maps)
		fclose(maps);
	return found;
}

/* The program unmapped it without us: what was there is given back now. */
static bool region_is_stale(struct region *region)
{
	unsigned char page;

	return mincore(region->addr, XEN_PAGE_SIZE, &page) < 0 &&
	       errno == ENOMEM && !region_is_mapped(region);
}

int region_unmap(void *addr, uint32_t count)
{
	size_t size = (size_t)count << XEN_PAGE_SHIFT;
	struct region *region;
	int r = -EINVAL;

	pthread_mutex_lock(&lock);
	region = region_find(addr, size);
	if (region && region_is_stale(region)) {
		region_drop(region);
	} else if (region && region->mapped && region->addr == addr &&
		   region->n_pages == count) {
		r = munmap(addr, size) < 0 ? -errno : 0;
		if (r == 0)
			region_drop(region);
	}
	pthread_mutex_unlock(&lock);
	return r;
}

int region_unshare(void *addr, uint32_t count)
{
	size_t size = (size_t)count << XEN_PAGE_SHIFT;
	struct region *region;
	int r = -EINVAL;

	pthread_mutex_lock(&lock);
	region = region_find(addr, size);
	if (region && !region->mapped) {
		r = munmap(addr, size) < 0 ? -errno : 0;
		if (r == 0 &&
		    (count == region->n_pages || !region_is_mapped(region)))
			region_drop(region);
	}
	pthread_mutex_unlock(&lock);
	return r;
}

void region_forget(struct xengntdev_handle *h)
{
	struct list *pos, *tmp;

	pthread_mutex_lock(&lock);
	list_for_each_safe (pos, tmp, &regions) {
		struct region *region = list_entry(pos, struct region, link);

		if (region->handle == h)
			region->handle = NULL;
		if (!region->handle && !region_is_mapped(region))
			region_drop(region);
	}
	pthread_mutex_unlock(&lock);
}
