// SPDX-License-Identifier: MIT
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "xenhost/fake/private.h"

enum { FAULTS_MAX = 16, DOMAINS_COUNTED = 256 };

struct fault {
	int domid;
	enum fake_host_call kind;
	unsigned int left; /* 0: not armed */
	int err;
};

/*
 * armed is all that a call reads when no fault and no hook is set: a lock
 * there would order domains that Xen does not order.
 */
static atomic_uint armed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct fault faults[FAULTS_MAX];
static struct {
	fake_host_hook fn;
	void *arg;
} hooks[FAKE_CALL_N];
static _Thread_local bool in_hook;

/* Domains that share a slot are counted together by fake_host_calls_in(). */
static atomic_ulong counts[DOMAINS_COUNTED][FAKE_CALL_N];

static const char *const call_names[] = {
	[FAKE_GNTSHR_OPEN] = "gntshr_open",
	[FAKE_SHARE] = "share",
	[FAKE_UNSHARE] = "unshare",
	[FAKE_GNTTAB_OPEN] = "gnttab_open",
	[FAKE_MAP] = "map",
	[FAKE_UNMAP] = "unmap",
	[FAKE_EVTCHN_OPEN] = "evtchn_open",
	[FAKE_BIND_UNBOUND] = "bind_unbound",
	[FAKE_BIND_INTERDOMAIN] = "bind_interdomain",
	[FAKE_UNBIND] = "unbind",
	[FAKE_NOTIFY] = "notify",
	[FAKE_PENDING] = "pending",
	[FAKE_UNMASK] = "unmask",
	[FAKE_XS_OPEN] = "xs_open",
	[FAKE_XS_READ] = "xs_read",
	[FAKE_XS_WRITE] = "xs_write",
	[FAKE_XS_MKDIR] = "xs_mkdir",
	[FAKE_XS_RM] = "xs_rm",
	[FAKE_XS_DIRECTORY] = "xs_directory",
	[FAKE_XS_GET_PERMISSIONS] = "xs_get_permissions",
	[FAKE_XS_SET_PERMISSIONS] = "xs_set_permissions",
	[FAKE_XS_TRANSACTION_START] = "xs_transaction_start",
	[FAKE_XS_TRANSACTION_END] = "xs_transaction_end",
	[FAKE_XS_WATCH] = "xs_watch",
	[FAKE_XS_UNWATCH] = "xs_unwatch",
	[FAKE_XS_READ_WATCH] = "xs_read_watch",
	[FAKE_XS_CHECK_WATCH] = "xs_check_watch",
	[FAKE_XS_GET_DOMAIN_PATH] = "xs_get_domain_path",
	[FAKE_XS_IS_DOMAIN_INTRODUCED] = "xs_is_domain_introduced",
	[FAKE_ANY_CALL] = "any",
};
static_assert(sizeof(call_names) / sizeof(*call_names) == FAKE_CALL_N, "");

const char *fake_host_call_name(enum fake_host_call kind)
{
	return call_names[kind];
}

static void arm(int domid, enum fake_host_call kind, unsigned int n, int err)
{
	struct fault *f = faults;

	assert(n > 0 && kind < FAKE_CALL_N);
	pthread_mutex_lock(&lock);
	while (f < faults + FAULTS_MAX && f->left)
		f++;
	assert(f < faults + FAULTS_MAX);
	*f = (struct fault){ domid, kind, n, err };
	atomic_fetch_add_explicit(&armed, 1, memory_order_relaxed);
	pthread_mutex_unlock(&lock);
}

void fake_host_fail(enum fake_host_call kind, unsigned int n, int err)
{
	arm(FAKE_HOST_ANY_DOMAIN, kind, n, err);
}

void fake_host_fail_in(unsigned int domid, enum fake_host_call kind,
		       unsigned int n, int err)
{
	arm((int)domid, kind, n, err);
}

unsigned int fake_host_faults_left(void)
{
	unsigned int n = 0;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < FAULTS_MAX; i++)
		n += faults[i].left > 0;
	pthread_mutex_unlock(&lock);
	return n;
}

void fake_host_clear_faults(void)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < FAULTS_MAX; i++)
		if (faults[i].left)
			atomic_fetch_sub_explicit(&armed, 1,
						  memory_order_relaxed);
	memset(faults, 0, sizeof(faults));
	pthread_mutex_unlock(&lock);
}

void fake_host_on_call(enum fake_host_call kind, fake_host_hook fn, void *arg)
{
	pthread_mutex_lock(&lock);
	atomic_fetch_add_explicit(&armed, !!fn - !!hooks[kind].fn,
				  memory_order_relaxed);
	hooks[kind].fn = fn;
	hooks[kind].arg = arg;
	pthread_mutex_unlock(&lock);
}

static unsigned long sum(enum fake_host_call kind)
{
	unsigned long n = 0;

	for (size_t i = 0; i < DOMAINS_COUNTED; i++)
		n += atomic_load_explicit(&counts[i][kind],
					  memory_order_relaxed);
	return n;
}

unsigned long fake_host_calls(enum fake_host_call kind)
{
	return sum(kind);
}

unsigned long fake_host_calls_in(unsigned int domid, enum fake_host_call kind)
{
	return atomic_load_explicit(&counts[domid % DOMAINS_COUNTED][kind],
				    memory_order_relaxed);
}

void fake_calls_reset(void)
{
	fake_host_clear_faults();
	for (enum fake_host_call kind = 0; kind < FAKE_CALL_N; kind++)
		fake_host_on_call(kind, NULL, NULL);
	for (size_t i = 0; i < DOMAINS_COUNTED; i++)
		for (size_t k = 0; k < FAKE_CALL_N; k++)
			atomic_store_explicit(&counts[i][k], 0,
					      memory_order_relaxed);
}

static void run_hook(enum fake_host_call which, enum fake_host_call kind)
{
	unsigned int domid, process;
	fake_host_hook fn;
	void *arg;

	pthread_mutex_lock(&lock);
	fn = hooks[which].fn;
	arg = hooks[which].arg;
	pthread_mutex_unlock(&lock);
	if (!fn || in_hook)
		return;
	in_hook = true;
	fake_current(&domid, &process);
	fn(arg, kind);
	fake_host_set_process(domid, process);
	in_hook = false;
}

/* The errno of the fault that strikes this call, or 0. */
static int strike(enum fake_host_call kind, unsigned int domid)
{
	int err = 0;

	pthread_mutex_lock(&lock);
	for (struct fault *f = faults; f < faults + FAULTS_MAX; f++) {
		if (!f->left || (f->kind != kind && f->kind != FAKE_ANY_CALL))
			continue;
		if (f->domid != FAKE_HOST_ANY_DOMAIN && f->domid != (int)domid)
			continue;
		if (--f->left)
			continue;
		atomic_fetch_sub_explicit(&armed, 1, memory_order_relaxed);
		err = f->err;
	}
	pthread_mutex_unlock(&lock);
	return err;
}

int fake_call(enum fake_host_call kind, unsigned int domid)
{
	atomic_ulong *count = counts[domid % DOMAINS_COUNTED];
	int err;

	atomic_fetch_add_explicit(&count[kind], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&count[FAKE_ANY_CALL], 1,
				  memory_order_relaxed);
	if (!atomic_load_explicit(&armed, memory_order_relaxed))
		return 0;
	run_hook(kind, kind);
	run_hook(FAKE_ANY_CALL, kind);
	err = strike(kind, domid);
	if (!err)
		return 0;
	errno = err == FAKE_NO_ERRNO ? 0 : err;
	return -1;
}

int fake_call_here(enum fake_host_call kind)
{
	return fake_call(kind, fake_host_domain());
}
