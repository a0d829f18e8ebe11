// SPDX-License-Identifier: MIT
#include "xenhost/xenstored/domain.h"

#include <errno.h>

struct xsd_domain *xsd_domain_find(const struct xsd_domains *ds,
				   unsigned int domid)
{
	struct xsd_domain *d;

	HASH_FIND(hh, ds->table, &domid, sizeof(domid), d);
	return d;
}

struct xsd_domain *xsd_domain_get(struct xsd_domains *ds, unsigned int domid,
				  uint64_t generation)
{
	struct xsd_domain *d = xsd_domain_find(ds, domid);

	if (d)
		return d;
	d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	d->domid = domid;
	d->generation = generation;
	d->target = XSD_NO_TARGET;
	HASH_ADD(hh, ds->table, domid, sizeof(d->domid), d);
	if (!TABLE_ADDED(d)) {
		free(d);
		return NULL;
	}
	return d;
}

int xsd_domain_get_existing(struct xsd_domains *ds, unsigned int domid,
			    uint64_t generation, struct xsd_domain **out)
{
	*out = xsd_domain_find(ds, domid);
	if (*out)
		return 0;
	if (!ds->exists || !ds->exists(ds->userdata, domid))
		return -ENOENT;
	*out = xsd_domain_get(ds, domid, generation);
	return *out ? 0 : -ENOMEM;
}

void xsd_domain_forget(struct xsd_domains *ds, struct xsd_domain *d)
{
	struct xsd_domain *other, *tmp;

	HASH_DELETE(hh, ds->table, d);
	HASH_ITER (hh, ds->table, other, tmp)
		if (other->target == d->domid)
			other->target = XSD_NO_TARGET;
	free(d);
}

void xsd_domains_deinit(struct xsd_domains *ds)
{
	struct xsd_domain *d, *tmp;

	HASH_ITER (hh, ds->table, d, tmp) {
		HASH_DELETE(hh, ds->table, d);
		free(d);
	}
}

static bool acts_for(const struct xsd_domain *d, unsigned int domid)
{
	return domid == d->domid || domid == d->target;
}

unsigned int xsd_domain_perms(const struct xsd_domain *d,
			      const struct xenstored_perm *perms, size_t n)
{
	if (xsd_domain_privileged(d) || acts_for(d, perms[0].domid))
		return XSD_PERM_ALL;
	for (size_t i = 1; i < n; i++)
		if (acts_for(d, perms[i].domid) &&
		    !(perms[i].bits & XSD_PERM_IGNORE))
			return perms[i].bits & XSD_PERM_ALL;
	return perms[0].bits & XSD_PERM_ALL;
}

unsigned int xsd_domain_node_perms(const struct xsd_domains *ds,
				   const struct xsd_domain *d,
				   const struct xsd_record *r)
{
	const struct xenstored_perm *perms = r->parts.perms;

	if (xsd_domain_privileged(d) || acts_for(d, perms[0].domid))
		return XSD_PERM_ALL;
	for (size_t i = 1; i < r->parts.n_perms; i++)
		if (acts_for(d, perms[i].domid) &&
		    !(perms[i].bits & XSD_PERM_IGNORE) &&
		    xsd_domain_older(ds, perms[i].domid, r->generation))
			return perms[i].bits & XSD_PERM_ALL;
	return perms[0].bits & XSD_PERM_ALL;
}

bool xsd_domain_older(const struct xsd_domains *ds, unsigned int domid,
		      uint64_t generation)
{
	const struct xsd_domain *d = xsd_domain_find(ds, domid);

	return d && d->generation <= generation;
}

bool xsd_domain_may_charge(const struct xsd_domain *d, int64_t bytes)
{
	return xsd_domain_privileged(d) || d->memory + bytes < XSD_QUOTA_MEMORY;
}

void xsd_domain_charge(struct xsd_domain *d, int64_t bytes)
{
	if (d)
		d->memory += bytes;
}
