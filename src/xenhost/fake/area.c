// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>

#include "xenhost/fake/area.h"

/* Of dead processes: no more than memory that they may still touch. */
static struct list leftovers = LIST_INIT(leftovers);

struct fake_area *fake_area_new(bool shared, unsigned int count)
{
	struct fake_area *a;

	a = calloc(1, sizeof(*a) + (size_t)count * sizeof(*a->pages));
	if (!a)
		return NULL;
	a->shared = shared;
	a->count = count;
	a->notify.offset = FAKE_PAGE_SIZE;
	list_init(&a->link);
	return a;
}

int fake_area_set_notify(struct fake_area *a, struct fake_domain *d,
			 uint32_t offset, evtchn_port_t port)
{
	if (port != (evtchn_port_t)-1) {
		a->notify.port = fake_port_get(d, port);
		if (!a->notify.port)
			return -EINVAL;
	}
	a->notify.offset = offset;
	return 0;
}

static void area_notify(struct fake_area *a)
{
	if (a->notify.offset < FAKE_PAGE_SIZE)
		__atomic_store_n(a->addr + a->notify.offset, 0,
				 __ATOMIC_SEQ_CST);
	if (a->notify.port)
		fake_port_notify(a->notify.port);
}

/* Its domain, and its grants or maps, are no longer charged for it. */
static void area_uncharge(struct fake_area *a, struct fake_domain *d)
{
	if (a->shared)
		d->n_shared -= a->count;
	for (unsigned int i = 0; i < a->count; i++) {
		struct fake_page *page = fake_page(a->pages[i]);
		struct fake_domain *owner;

		if (a->shared) {
			page->granted = false;
			continue;
		}
		owner = fake_domain_find(page->owner);
		page->n_maps--;
		owner->n_maps_of_its--;
		fake_domain_settle(owner);
	}
}

void fake_area_free(struct fake_area *a)
{
	if (!a)
		return;
	list_remove(&a->link);
	if (a->addr && a->apart)
		fake_pages_unmap(a->addr, a->count);
	if (a->addr)
		fake_pages_drop(a->pages, a->count, !a->apart);
	if (a->notify.port)
		fake_port_put(a->notify.port);
	free(a);
}
/*
 * Several maps of a page may have one address here, unlike on a real host: the
 * handle tells them apart, and of those made through one, the latest is meant.
 */
static struct fake_area *area_find(struct list *areas, const void *handle,
				   const void *addr, unsigned int count,
				   bool shared)
{
	struct fake_area *found = NULL;
	struct list *l;

	list_for_each (l, areas) {
		struct fake_area *a = list_entry(l, struct fake_area, link);

		if (a->addr != addr || a->count != count || a->shared != shared)
			continue;
		if (!found || a->handle == handle)
			found = a;
	}
	return found;
}

int fake_area_end(struct fake_process *p, const void *handle, const void *addr,
		  unsigned int count, bool shared)
{
	struct fake_area *a;

	a = area_find(p ? &p->areas : &leftovers, handle, addr, count, shared);
	if (!a)
		return -EINVAL;
	if (p) {
		area_notify(a);
		area_uncharge(a, p->domain);
	}
	fake_area_free(a);
	return 0;
}

void fake_grants_end(struct fake_process *p, bool notify)
{
	struct list *l, *next;

	if (notify)
		list_for_each (l, &p->areas)
			area_notify(list_entry(l, struct fake_area, link));
	list_for_each_safe (l, next, &p->areas) {
		struct fake_area *a = list_entry(l, struct fake_area, link);

		if (a->notify.port)
			fake_port_put(a->notify.port);
		a->notify.port = NULL;
		area_uncharge(a, p->domain);
		list_remove(&a->link);
		list_append(&leftovers, &a->link);
	}
}

void fake_grants_reset(void)
{
	struct list *l, *next;

	list_for_each_safe (l, next, &leftovers)
		fake_area_free(list_entry(l, struct fake_area, link));
}

unsigned int fake_grants_live(struct fake_process *p,
			      enum fake_host_resource what)
{
	unsigned int n = 0;
	struct list *l;

	if (what != FAKE_SHARED_PAGES && what != FAKE_MAPPED_PAGES)
		return 0;
	list_for_each (l, &p->areas) {
		struct fake_area *a = list_entry(l, struct fake_area, link);

		if (a->shared == (what == FAKE_SHARED_PAGES))
			n += a->count;
	}
	return n;
}
