/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the fake host share.
 *
 * Locking: one readers-writer lock. Set-up and tear-down write-lock it; the
 * three calls of the event path read-lock it, and readers are not ordered
 * with one another: a race detector must not see an order between two domains
 * that Xen would not give them.
 */
#ifndef XENCHAN_XENHOST_FAKE_PRIVATE_H
#define XENCHAN_XENHOST_FAKE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <xenevtchn.h>

#include "base/list.h"
#include "xenhost/fake/fake-host.h"

enum {
	FAKE_PAGE_SIZE = 4096,
	FAKE_PORTS_MAX = 4096,
	FAKE_DOMIDS_N = 32752, /* DOMID_FIRST_RESERVED of xen.h */
};

enum fake_domain_state {
	FAKE_DOMAIN_ALIVE,
	FAKE_DOMAIN_DYING, /* destroyed; others still map its pages */
};

struct fake_port;

struct fake_domain {
	struct list link; /* host.domains */
	unsigned int id;
	enum fake_domain_state state;
	struct list processes; /* struct fake_process */
	struct fake_port *ports[FAKE_PORTS_MAX];
	unsigned int n_ports;
	unsigned int n_shared;      /* pages */
	unsigned int n_maps_of_its; /* its pages, mapped by anybody */
};

/* Owner of all that the kernel would release at the end of a process. */
struct fake_process {
	struct list link; /* domain->processes */
	struct fake_domain *domain;
	unsigned int id;
	struct list handles; /* struct fake_handle */
	struct list areas;   /* struct fake_area */
};

/* The head of every handle. process is NULL once the process died. */
struct fake_handle {
	struct list link; /* process->handles */
	struct fake_process *process;
	enum fake_host_resource type;
	unsigned int domid; /* for faults: outlives the domain */
};

struct fake_host {
	pthread_rwlock_t lock;
	struct list domains;
	unsigned int page_limit, port_limit;
	bool scatter, reuse, map_apart;
};

extern struct fake_host fake_host;

void fake_lock(void);
void fake_lock_shared(void);
void fake_unlock(void);

/* The calling thread's domain and process. */
void fake_current(unsigned int *domid_r, unsigned int *process_r);

/* domain.c. All but fake_handle_open want the write lock. */
struct fake_domain *fake_domain_find(unsigned int domid);
/* Frees the domain if it is dying and nobody maps its pages any more. */
void fake_domain_settle(struct fake_domain *d);
/* A zeroed object of size bytes that starts with a struct fake_handle, in the
 * calling thread's process; NULL with errno. */
void *fake_handle_open(enum fake_host_resource type, size_t size);
void fake_handle_detach(struct fake_handle *h);

/* fault.c: counts the call, runs its hooks, and returns 0, or -1 with errno
 * set: the call must fail with that. */
int fake_call(enum fake_host_call kind, unsigned int domid);
/* The same for the calling thread's domain. */
int fake_call_here(enum fake_host_call kind);
void fake_calls_reset(void);

/*
 * pages.c: the memory of all domains, one memfd and one range of addresses in
 * which page i has a fixed place. A page's place is accessible while somebody
 * uses it there, and its contents live while somebody uses it at all.
 */
struct fake_page {
	unsigned int owner, to; /* domains; valid while granted or mapped */
	bool granted, writable;
	unsigned int n_maps;
	unsigned int users, place_users;
};

/* First of count fresh, zeroed pages in a row, used once by the caller at
 * their place, with inaccessible places on both sides; negative errno. */
int64_t fake_pages_alloc(unsigned int count);
void fake_pages_use(const uint32_t *pages, unsigned int count, bool at_place);
void fake_pages_drop(const uint32_t *pages, unsigned int count, bool at_place);
struct fake_page *fake_page(uint32_t page);
void *fake_page_place(uint32_t page);
/* The pages in this order at an address of their own; NULL with errno. */
void *fake_pages_map(const uint32_t *pages, unsigned int count, int prot);
void fake_pages_unmap(void *addr, unsigned int count);
uint32_t fake_page_to_ref(uint32_t page);
/* -1: no page can have this reference. */
int64_t fake_ref_to_page(uint32_t ref);

/* area.c: what a process has shared or mapped */
void fake_grants_end(struct fake_process *p, bool notify);
void fake_grants_reset(void);
unsigned int fake_grants_live(struct fake_process *p,
			      enum fake_host_resource what);

/* evtchn.c; port is in domain d. fake_port_get takes a reference that keeps
 * the port bound over an unbind, as an unmap notification does: NULL if there
 * is no such port. */
struct fake_port *fake_port_get(struct fake_domain *d, evtchn_port_t port);
void fake_port_put(struct fake_port *port);
void fake_port_notify(struct fake_port *port);
/* Unbinds what the handle has and wakes whoever sleeps in it. */
void fake_evtchn_end(struct fake_handle *h);

/* xenstore.c */
/* The connections of a process, or of all of a domain (-1), end. */
void fake_xs_end(unsigned int domid, int process);
void fake_xs_domain_created(unsigned int domid);
void fake_xs_domain_destroyed(unsigned int domid);
void fake_xs_reset(void);
void fake_xs_fork_prepare(void);
void fake_xs_fork_done(void);
unsigned int fake_xs_live(int domid, enum fake_host_resource what);

#endif
