// SPDX-License-Identifier: MIT
#include "xenhost/fake/private.h"

void fake_xs_end(struct fake_handle *h)
{
}

void fake_xs_domain_created(unsigned int domid)
{
}

void fake_xs_domain_destroyed(unsigned int domid)
{
}

void fake_xs_reset(void)
{
}

unsigned int fake_xs_live(int domid, enum fake_host_resource what)
{
	return 0;
}
