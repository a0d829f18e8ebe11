// SPDX-License-Identifier: MIT
/*
 * libxendevicemodel.so.1 on the emulated host: libxenctrl opens it, and that is
 * all that can be done with it, as there are no device models. Its header is
 * left out: the functions fail without a look at what they were given, which
 * no calling convention of ours minds.
 */
#include <stdlib.h>

#include "xenhost/client/hv.h"

void *xendevicemodel_open(void);
int xendevicemodel_close(void *h);

/* A handle that is no more than not NULL. */
void *xendevicemodel_open(void)
{
	return calloc(1, 1);
}

int xendevicemodel_close(void *h)
{
	free(h);
	return 0;
}

#define FAILS(name)                      \
	int xendevicemodel_##name(void); \
	int xendevicemodel_##name(void)  \
	{                                \
		return hv_fail(-ENOSYS); \
	}

FAILS(create_ioreq_server)
FAILS(destroy_ioreq_server)
FAILS(get_ioreq_server_info)
FAILS(inject_event)
FAILS(inject_msi)
FAILS(map_io_range_to_ioreq_server)
FAILS(map_mem_type_to_ioreq_server)
FAILS(map_pcidev_to_ioreq_server)
FAILS(modified_memory)
FAILS(restrict)
FAILS(set_ioreq_server_state)
FAILS(set_isa_irq_level)
FAILS(set_mem_type)
FAILS(set_pci_intx_level)
FAILS(set_pci_link_route)
FAILS(track_dirty_vram)
FAILS(unmap_io_range_from_ioreq_server)
FAILS(unmap_pcidev_from_ioreq_server)
FAILS(shutdown)
FAILS(pin_memory_cacheattr)
FAILS(relocate_memory)
FAILS(modified_memory_bulk)
FAILS(nr_vcpus)
FAILS(set_irq_level)
