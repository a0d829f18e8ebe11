/* SPDX-License-Identifier: MIT */
/*
 * A Xen host inside one process, for tests: this library defines the functions
 * of libxengnttab, libxenevtchn and libxenstore, and a test links it instead
 * of them. Domains are played by threads, or by one thread that changes its
 * domain:
 *
 *	fake_host_reset();
 *	fake_host_create(1);
 *	fake_host_create(2);
 *	fake_host_set_domain(1);
 *	server = libxenvchan_server_init(NULL, 2, "data/x", 0, 0);
 *	fake_host_set_domain(2);
 *	client = libxenvchan_client_init(NULL, 1, "/local/domain/1/data/x");
 *	...
 *	assert(fake_host_live_total(FAKE_HOST_ANY_DOMAIN) == 0);
 *
 * A handle belongs to the domain of the thread that opened it, whichever
 * thread uses it later. A xenstore handle is the exception: it acts as the
 * domain of the thread that uses it, because a program shares one between all
 * its channels, and here those may be the channels of several domains. The
 * rules followed are those of Xen 4.17 and Linux
 * 6.1 as seen by an unprivileged domain; where the fake is stricter, it says
 * so below. Everything here may be called from any thread, except that
 * fake_host_reset() must be alone.
 *
 * What a race detector sees: xenevtchn_notify, _pending and _unmask take no
 * lock exclusively, so two domains are ordered by their events and their own
 * atomics only. Set-up, tear-down and xs_* calls do order everybody.
 */
#ifndef XENCHAN_XENHOST_FAKE_HOST_H
#define XENCHAN_XENHOST_FAKE_HOST_H

#include <stdbool.h>
#include <stddef.h>

#define FAKE_HOST_ANY_DOMAIN (-1)

/* Ends every domain and forgets limits, faults and counts; domain 0 exists
 * afterwards, every thread's domain is unchanged. Handles left open are dead:
 * they can still be closed. */
void fake_host_reset(void);

/*
 * Domains and processes
 */

/* 0, or -EEXIST: the id is in use, or its last owner's pages are still mapped
 * by somebody; -EINVAL: not a domain's id; -ENOMEM. */
int fake_host_create(unsigned int domid);

/*
 * The end of a domain: its processes die without unmap notifications, its
 * ports and grants go, its peers' ports become unbound and no event tells
 * them, its nodes go, @releaseDomain fires. Pages that others still map keep
 * their contents, and the id stays busy until the last one is unmapped.
 * -ESRCH if there is no such domain.
 */
int fake_host_destroy(unsigned int domid);

/* Alive, or dead with pages that others still map. */
bool fake_host_exists(unsigned int domid);

/* The calling thread plays this domain from now on. A thread that never said
 * so plays domain 0. The domain need not exist yet; opening a handle in one
 * that does not fails with ENOENT, as without the device node. */
void fake_host_set_domain(unsigned int domid);

/* The same, as one of several processes of the domain; fake_host_set_domain()
 * is process 0. */
void fake_host_set_process(unsigned int domid, unsigned int process);

unsigned int fake_host_domain(void);

/*
 * The death of a process (SIGKILL): its unmap notifications fire (the byte is
 * cleared, the event sent), then its grants end, then its ports are unbound,
 * its xenstore connections close. Its handles are dead from then on: calls on
 * them fail with EBADF, a thread that sleeps in one is woken with it; only
 * unmap, unshare, unbind, xs_unwatch and the close functions succeed, and
 * change nothing but what the fake still keeps for them. A thread that has
 * used a xenstore handle as that process finds it dead; its successor is
 * another process of the domain (fake_host_set_process). So a test may close
 * the victim's objects afterwards, and must, if it wants its memory back: the
 * pages that it had mapped stay readable and writable to it until then.
 */
void fake_host_kill_process(unsigned int domid, unsigned int process);

/* The death of every process of a domain; the domain lives on. */
void fake_host_kill_handles(unsigned int domid);

/*
 * What is there. A test that ends with all of these at 0 leaked nothing.
 */
enum fake_host_resource {
	FAKE_GNTSHR_HANDLES,
	FAKE_GNTTAB_HANDLES,
	FAKE_EVTCHN_HANDLES,
	FAKE_XS_HANDLES,
	FAKE_SHARED_PAGES, /* granted and not yet unshared */
	FAKE_MAPPED_PAGES, /* mapped from a grant; a page mapped twice is 2 */
	FAKE_PORTS,
	FAKE_WATCHES,
	FAKE_TRANSACTIONS,
	FAKE_NODES, /* below its home; what the toolstack made not counted */
	FAKE_RESOURCE_N,
};

/* domid may be FAKE_HOST_ANY_DOMAIN. */
unsigned int fake_host_live(int domid, enum fake_host_resource what);

/* The sum of them all. */
unsigned int fake_host_live_total(int domid);

const char *fake_host_resource_name(enum fake_host_resource what);

/* Pages of memory in use anywhere in the fake, also those that only a dead
 * process's leftovers keep. */
unsigned int fake_host_memory_pages(void);

/*
 * Limits and behaviours; fake_host_reset() restores the defaults.
 */

/* Pages that a domain may share; beyond it, sharing fails with ENOSPC. The
 * default is that of Linux's gntalloc, 1024. */
void fake_host_set_page_limit(unsigned int pages);

/* Ports that a domain may have; beyond it, binding fails with ENOSPC. The
 * default is 4096. */
void fake_host_set_port_limit(unsigned int ports);

/*
 * References of pages shared from now on are spread, not consecutive: catches
 * programs that assume a run. Only while no page is shared.
 */
void fake_host_scatter_references(bool on);

/*
 * Pages and their references are reused as soon as they are free, as Linux
 * does: catches programs that take a reference for the page it once was.
 */
void fake_host_reuse_references(bool on);

/*
 * By default, a writable map of consecutive pages returns the granter's own
 * address: both ends use one mapping, and a race detector sees both. With this,
 * and of pages to be read alone, a map has an address of its own, with its own
 * protection, and touching it after the unmap is a fault whoever else still
 * uses the page.
 *
 * In both modes shared regions have inaccessible pages on both sides, and
 * pages that nobody uses any more are inaccessible and late to be reused.
 */
void fake_host_map_apart(bool on);

/*
 * Faults and hooks
 */
enum fake_host_call {
	FAKE_GNTSHR_OPEN,
	FAKE_SHARE,
	FAKE_UNSHARE,
	FAKE_GNTTAB_OPEN,
	FAKE_MAP,
	FAKE_UNMAP,
	FAKE_EVTCHN_OPEN,
	FAKE_BIND_UNBOUND,
	FAKE_BIND_INTERDOMAIN,
	FAKE_UNBIND,
	FAKE_NOTIFY,
	FAKE_PENDING,
	FAKE_UNMASK,
	FAKE_XS_OPEN,
	FAKE_XS_READ,
	FAKE_XS_WRITE,
	FAKE_XS_MKDIR,
	FAKE_XS_RM,
	FAKE_XS_DIRECTORY,
	FAKE_XS_GET_PERMISSIONS,
	FAKE_XS_SET_PERMISSIONS,
	FAKE_XS_TRANSACTION_START,
	FAKE_XS_TRANSACTION_END,
	FAKE_XS_WATCH,
	FAKE_XS_UNWATCH,
	FAKE_XS_READ_WATCH,
	FAKE_XS_CHECK_WATCH,
	FAKE_XS_GET_DOMAIN_PATH,
	FAKE_XS_IS_DOMAIN_INTRODUCED,
	FAKE_ANY_CALL, /* all of the above together */
	FAKE_CALL_N,
};

const char *fake_host_call_name(enum fake_host_call kind);

/*
 * The n-th call of this kind from now (the next one is 1) fails once with
 * errno err (or FAKE_NO_ERRNO: errno is 0) and does nothing. Several may be
 * armed at a time, at most 16.
 * The _in form counts the calls of one domain only, so that n means the same
 * in every run although peers run in threads.
 *
 * An unmap, unshare or unbind that fails leaves its resource in place, and
 * fake_host_live() goes on counting it. An xs_transaction_end that fails ends
 * the transaction without effect.
 */
#define FAKE_NO_ERRNO (-1)
void fake_host_fail(enum fake_host_call kind, unsigned int n, int err);
void fake_host_fail_in(unsigned int domid, enum fake_host_call kind,
		       unsigned int n, int err);

/* Faults that have not struck yet. A test that loops n over the calls of a
 * scenario ends when one is left: the scenario had fewer than n calls. */
unsigned int fake_host_faults_left(void);
void fake_host_clear_faults(void);

/* Calls since the last reset, failed ones too. */
unsigned long fake_host_calls(enum fake_host_call kind);
unsigned long fake_host_calls_in(unsigned int domid, enum fake_host_call kind);

typedef void (*fake_host_hook)(void *arg, enum fake_host_call kind);

/*
 * fn runs before every call of this kind, on the caller's thread and before a
 * fault strikes: to let the peer act at an exact moment. It may change the
 * thread's domain (put back afterwards) and may make any call; calls made
 * from a hook run no hooks. One hook a kind; FAKE_ANY_CALL is a kind of its
 * own; NULL removes it.
 */
void fake_host_on_call(enum fake_host_call kind, fake_host_hook fn, void *arg);

#endif
