// SPDX-License-Identifier: MIT
/* Domains and their processes: who owns what, and in which order it ends. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "xenhost/fake/private.h"

struct fake_host fake_host = {
	.lock = PTHREAD_RWLOCK_INITIALIZER,
	.domains = LIST_INIT(fake_host.domains),
};

static const char *const resource_names[] = {
	[FAKE_GNTSHR_HANDLES] = "gntshr handles",
	[FAKE_GNTTAB_HANDLES] = "gnttab handles",
	[FAKE_EVTCHN_HANDLES] = "evtchn handles",
	[FAKE_XS_HANDLES] = "xenstore handles",
	[FAKE_SHARED_PAGES] = "shared pages",
	[FAKE_MAPPED_PAGES] = "mapped pages",
	[FAKE_PORTS] = "ports",
	[FAKE_WATCHES] = "watches",
	[FAKE_TRANSACTIONS] = "transactions",
	[FAKE_NODES] = "nodes",
};
static_assert(sizeof(resource_names) / sizeof(*resource_names) ==
		      FAKE_RESOURCE_N,
	      "");

static _Thread_local unsigned int current_domain, current_process;

void fake_lock(void)
{
	pthread_rwlock_wrlock(&fake_host.lock);
}

void fake_lock_shared(void)
{
	pthread_rwlock_rdlock(&fake_host.lock);
}

void fake_unlock(void)
{
	pthread_rwlock_unlock(&fake_host.lock);
}

void fake_current(unsigned int *domid_r, unsigned int *process_r)
{
	*domid_r = current_domain;
	*process_r = current_process;
}

void fake_host_set_process(unsigned int domid, unsigned int process)
{
	current_domain = domid;
	current_process = process;
}

void fake_host_set_domain(unsigned int domid)
{
	fake_host_set_process(domid, 0);
}

unsigned int fake_host_domain(void)
{
	return current_domain;
}

struct fake_domain *fake_domain_find(unsigned int domid)
{
	struct list *l;

	list_for_each (l, &fake_host.domains) {
		struct fake_domain *d = list_entry(l, struct fake_domain, link);

		if (d->id == domid)
			return d;
	}
	return NULL;
}

static int domain_create(unsigned int domid)
{
	struct fake_domain *d;

	if (domid >= FAKE_DOMIDS_N)
		return -EINVAL;
	if (fake_domain_find(domid))
		return -EEXIST;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->id = domid;
	list_init(&d->processes);
	list_append(&fake_host.domains, &d->link);
	return 0;
}

int fake_host_create(unsigned int domid)
{
	int r;

	fake_lock();
	r = domain_create(domid);
	if (!r)
		fake_xs_domain_created(domid);
	fake_unlock();
	return r;
}

void fake_domain_settle(struct fake_domain *d)
{
	if (d->state != FAKE_DOMAIN_DYING || d->n_maps_of_its)
		return;
	list_remove(&d->link);
	free(d);
}

bool fake_host_exists(unsigned int domid)
{
	bool found;

	fake_lock();
	found = fake_domain_find(domid);
	fake_unlock();
	return found;
}

static struct fake_process *process_get(struct fake_domain *d, unsigned int id)
{
	struct fake_process *p;
	struct list *l;

	list_for_each (l, &d->processes) {
		p = list_entry(l, struct fake_process, link);
		if (p->id == id)
			return p;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->domain = d;
	p->id = id;
	list_init(&p->handles);
	list_init(&p->areas);
	list_append(&d->processes, &p->link);
	return p;
}

void *fake_handle_open(enum fake_host_resource type, size_t size)
{
	struct fake_process *p = NULL;
	struct fake_handle *h;
	struct fake_domain *d;

	h = calloc(1, size);
	if (!h)
		return NULL;
	h->type = type;
	h->domid = current_domain;
	fake_lock();
	d = fake_domain_find(current_domain);
	if (d && d->state == FAKE_DOMAIN_ALIVE)
		p = process_get(d, current_process);
	h->process = p;
	if (p)
		list_append(&p->handles, &h->link);
	fake_unlock();
	if (p)
		return h;
	free(h);
	errno = d ? ENOMEM : ENOENT;
	return NULL;
}

void fake_handle_detach(struct fake_handle *h)
{
	if (!h->process)
		return;
	list_remove(&h->link);
	h->process = NULL;
}

/* The kernel's order: notifications and grants first, so that the ports that
 * carry the notifications are still bound. */
static void process_end(struct fake_process *p, bool notify)
{
	struct list *l, *next;

	fake_grants_end(p, notify);
	list_for_each_safe (l, next, &p->handles) {
		struct fake_handle *h = list_entry(l, struct fake_handle, link);

		if (h->type == FAKE_EVTCHN_HANDLES)
			fake_evtchn_end(h);
		fake_handle_detach(h);
	}
	list_remove(&p->link);
	free(p);
}

static void processes_end(struct fake_domain *d, int id, bool notify)
{
	struct list *l, *next;

	list_for_each_safe (l, next, &d->processes) {
		struct fake_process *p =
			list_entry(l, struct fake_process, link);

		if (id < 0 || p->id == (unsigned int)id)
			process_end(p, notify);
	}
	fake_xs_end(d->id, id);
}

static void kill_processes(unsigned int domid, int process)
{
	struct fake_domain *d;

	fake_lock();
	d = fake_domain_find(domid);
	if (d)
		processes_end(d, process, true);
	fake_unlock();
}

void fake_host_kill_process(unsigned int domid, unsigned int process)
{
	kill_processes(domid, (int)process);
}

void fake_host_kill_handles(unsigned int domid)
{
	kill_processes(domid, -1);
}

static void domain_end(struct fake_domain *d)
{
	d->state = FAKE_DOMAIN_DYING;
	d->n_maps_of_its++; /* it may map its own pages: settle it later */
	processes_end(d, -1, false);
	d->n_maps_of_its--;
}

int fake_host_destroy(unsigned int domid)
{
	struct fake_domain *d;

	fake_lock();
	d = fake_domain_find(domid);
	if (!d || d->state != FAKE_DOMAIN_ALIVE) {
		fake_unlock();
		return -ESRCH;
	}
	domain_end(d);
	fake_xs_domain_destroyed(domid);
	fake_domain_settle(d);
	fake_unlock();
	return 0;
}

static void fork_prepare(void)
{
	fake_lock();
	fake_xs_fork_prepare();
}

static void fork_parent(void)
{
	fake_xs_fork_done();
	fake_unlock();
}

/* A readers-writer lock knows its owner by thread id: start it over. */
static void fork_child(void)
{
	fake_xs_fork_done();
	pthread_rwlock_init(&fake_host.lock, NULL);
}

static void follow_forks(void)
{
	pthread_atfork(fork_prepare, fork_parent, fork_child);
}

void fake_host_reset(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct list *l, *next;

	pthread_once(&once, follow_forks);
	fake_calls_reset();
	fake_lock();
	/* Two rounds: a domain whose pages are mapped waits for the mapper. */
	list_for_each (l, &fake_host.domains)
		domain_end(list_entry(l, struct fake_domain, link));
	list_for_each_safe (l, next, &fake_host.domains)
		fake_domain_settle(list_entry(l, struct fake_domain, link));
	fake_grants_reset();
	fake_host.page_limit = 1024;
	fake_host.port_limit = FAKE_PORTS_MAX;
	fake_host.scatter = fake_host.reuse = fake_host.map_apart = false;
	fake_xs_reset();
	domain_create(0);
	fake_xs_domain_created(0);
	fake_unlock();
}

void fake_host_set_page_limit(unsigned int pages)
{
	fake_lock();
	fake_host.page_limit = pages;
	fake_unlock();
}

void fake_host_set_port_limit(unsigned int ports)
{
	fake_lock();
	fake_host.port_limit = ports < FAKE_PORTS_MAX ? ports : FAKE_PORTS_MAX;
	fake_unlock();
}

void fake_host_map_apart(bool on)
{
	fake_lock();
	fake_host.map_apart = on;
	fake_unlock();
}

static unsigned int process_live(struct fake_process *p,
				 enum fake_host_resource what)
{
	unsigned int n = fake_grants_live(p, what);
	struct list *l;

	list_for_each (l, &p->handles)
		n += list_entry(l, struct fake_handle, link)->type == what;
	return n;
}

static unsigned int domain_live(struct fake_domain *d,
				enum fake_host_resource what)
{
	unsigned int n = what == FAKE_PORTS ? d->n_ports : 0;
	struct list *l;

	list_for_each (l, &d->processes)
		n += process_live(list_entry(l, struct fake_process, link),
				  what);
	return n;
}

unsigned int fake_host_live(int domid, enum fake_host_resource what)
{
	unsigned int n = 0;
	struct list *l;

	fake_lock();
	list_for_each (l, &fake_host.domains) {
		struct fake_domain *d = list_entry(l, struct fake_domain, link);

		if (domid == FAKE_HOST_ANY_DOMAIN || d->id == (unsigned)domid)
			n += domain_live(d, what);
	}
	n += fake_xs_live(domid, what);
	fake_unlock();
	return n;
}

unsigned int fake_host_live_total(int domid)
{
	unsigned int n = 0;

	for (enum fake_host_resource what = 0; what < FAKE_RESOURCE_N; what++)
		n += fake_host_live(domid, what);
	return n;
}

const char *fake_host_resource_name(enum fake_host_resource what)
{
	return resource_names[what];
}
