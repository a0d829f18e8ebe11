// SPDX-License-Identifier: MIT
/*
 * libxenforeignmemory.so.1 on the emulated host: libxenctrl opens it, and no
 * domain has memory to show but what it grants.
 */
#include <stdlib.h>
#include <xenforeignmemory.h>

#include "xenhost/client/hv.h"

struct xenforeignmemory_handle {
	int unused;
};

xenforeignmemory_handle *xenforeignmemory_open(struct xentoollog_logger *logger,
					       unsigned int open_flags)
{
	return calloc(1, sizeof(struct xenforeignmemory_handle));
}

int xenforeignmemory_close(xenforeignmemory_handle *h)
{
	free(h);
	return 0;
}

void *xenforeignmemory_map(xenforeignmemory_handle *h, uint32_t dom, int prot,
			   size_t pages, const xen_pfn_t arr[], int err[])
{
	errno = ENOSYS;
	return NULL;
}

void *xenforeignmemory_map2(xenforeignmemory_handle *h, uint32_t dom,
			    void *addr, int prot, int flags, size_t pages,
			    const xen_pfn_t arr[], int err[])
{
	errno = ENOSYS;
	return NULL;
}

int xenforeignmemory_unmap(xenforeignmemory_handle *h, void *addr, size_t pages)
{
	return hv_fail(-ENOSYS);
}

int xenforeignmemory_restrict(xenforeignmemory_handle *h, domid_t domid)
{
	return hv_fail(-ENOSYS);
}

xenforeignmemory_resource_handle *
xenforeignmemory_map_resource(xenforeignmemory_handle *h, domid_t domid,
			      unsigned int type, unsigned int id,
			      unsigned long frame, unsigned long nr_frames,
			      void **paddr, int prot, int flags)
{
	errno = ENOSYS;
	return NULL;
}

int xenforeignmemory_unmap_resource(xenforeignmemory_handle *h,
				    xenforeignmemory_resource_handle *resource)
{
	return hv_fail(-ENOSYS);
}

int xenforeignmemory_resource_size(xenforeignmemory_handle *h, domid_t domid,
				   unsigned int type, unsigned int id,
				   size_t *size)
{
	return hv_fail(-ENOSYS);
}
