// SPDX-License-Identifier: MIT
#include "xen/store.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/parse.h"

static struct {
	pthread_mutex_t lock;
	struct xs_handle *xs;
	unsigned int n_refs;
	pid_t pid; /* who opened it */
} shared = { .lock = PTHREAD_MUTEX_INITIALIZER };

/*
 * A child of fork(2) shares the parent's socket: a request of its own would mix
 * with the parent's. Called with the lock held.
 */
static void forget_inherited(void)
{
	if (!shared.xs || shared.pid == getpid())
		return;
	xs_daemon_destroy_postfork(shared.xs);
	shared.xs = NULL;
	shared.n_refs = 0;
}

int xen_store_get(struct xs_handle **out)
{
	int r = 0;

	pthread_mutex_lock(&shared.lock);
	forget_inherited();
	if (!shared.xs) {
		errno = 0;
		shared.xs = xs_open(0);
		shared.pid = getpid();
	}
	if (shared.xs) {
		shared.n_refs++;
		*out = shared.xs;
	} else {
		r = errno ? -errno : -ENOENT;
	}
	pthread_mutex_unlock(&shared.lock);
	return r;
}

void xen_store_put(struct xs_handle *xs)
{
	pthread_mutex_lock(&shared.lock);
	/* A handle from before a fork is not ours to count. */
	if (xs == shared.xs && shared.pid == getpid() && --shared.n_refs == 0) {
		xs_close(shared.xs);
		shared.xs = NULL;
	}
	pthread_mutex_unlock(&shared.lock);
}

int xen_store_domid(struct xs_handle *xs, unsigned int *out)
{
	/*
	 * Asked anew each time: a domain that is restored or migrated goes on
	 * with another id.
	 */
	_cleanup_free_ char *text = xs_read(xs, XBT_NULL, "domid", NULL);

	if (!text)
		return failed_errno();
	return parse_domid(text, out) ? -EPROTO : 0;
}
