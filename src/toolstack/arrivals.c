// SPDX-License-Identifier: MIT
#include "toolstack/arrivals.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "base/parse.h"
#include "toolstack/persist.h"

/* Those that are looked at in a turn and need nothing. */
#define DOMAINS_A_TURN 16

struct domain {
	unsigned int domid;
	struct list link, pending;
	bool seen;     /* in the list that is read */
	bool done;     /* nothing is to be attached any more */
	bool vanished; /* but a channel is gone since */
	bool failed;   /* a record could not be attached */
	bool said;     /* and it was said */
	char uuid[PERSIST_UUID_LEN + 1];
	char **ids; /* owned; of the records, as they are gone through */
	unsigned int n, next;
};

struct arrivals {
	struct xs_handle *xs; /* borrowed */
	void (*failed)(unsigned int domid, const char *name, int r);
	struct list domains; /* owned */
	struct list pending;
	bool look, released;
};

struct arrivals *arrivals_new(struct xs_handle *xs,
			      void (*failed)(unsigned int domid,
					     const char *name, int r))
{
	struct arrivals *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->xs = xs;
	a->failed = failed;
	list_init(&a->domains);
	list_init(&a->pending);
	return a;
}

static void stop(struct domain *d)
{
	list_remove(&d->pending);
	free(TAKE_PTR(d->ids));
	d->n = d->next = 0;
}

static void start(struct arrivals *a, struct domain *d)
{
	stop(d);
	d->done = d->failed = d->vanished = false;
	list_append(&a->pending, &d->pending);
}

static void drop(struct domain *d)
{
	list_remove(&d->link);
	stop(d);
	free(d);
}

void arrivals_free(struct arrivals *a)
{
	if (!a)
		return;
	while (!list_empty(&a->domains))
		drop(list_entry(a->domains.next, struct domain, link));
	free(a);
}

void arrivals_look(struct arrivals *a, bool released)
{
	a->look = true;
	a->released |= released;
}

static struct domain *find(struct arrivals *a, unsigned int domid)
{
	struct list *pos;

	list_for_each (pos, &a->domains) {
		struct domain *d = list_entry(pos, struct domain, link);

		if (d->domid == domid)
			return d;
	}
	return NULL;
}

void arrivals_vanished(struct arrivals *a, unsigned int domid)
{
	struct domain *d = find(a, domid);

	if (d)
		d->vanished = true;
}

void arrivals_overwritten(struct arrivals *a, unsigned int domid)
{
	struct domain *d = find(a, domid);

	if (d)
		start(a, d);
}

static int note(struct arrivals *a, unsigned int domid)
{
	struct domain *d = find(a, domid);

	if (!d) {
		d = calloc(1, sizeof(*d));
		if (!d)
			return -ENOMEM;
		d->domid = domid;
		list_init(&d->pending);
		list_append(&a->domains, &d->link);
	}
	d->seen = true;
	return 0;
}

static bool needs_a_look(const struct arrivals *a, const struct domain *d)
{
	if (!list_empty(&d->pending))
		return false;
	if (a->released && (d->vanished || d->failed))
		return true;
	return !d->done && !d->failed;
}

static int list_domains(struct arrivals *a)
{
	unsigned int n;
	_cleanup_free_ char **ids =
		xs_directory(a->xs, XBT_NULL, "/local/domain", &n);
	struct list *pos, *tmp;
	int r = ids || errno == ENOENT ? 0 : -errno;

	list_for_each (pos, &a->domains)
		list_entry(pos, struct domain, link)->seen = false;
	for (unsigned int i = 0; ids && i < n && !r; i++) {
		unsigned int domid;

		if (!parse_domid(ids[i], &domid))
			r = note(a, domid);
	}
	if (r)
		return r;
	list_for_each_safe (pos, tmp, &a->domains) {
		struct domain *d = list_entry(pos, struct domain, link);

		if (!d->seen)
			drop(d);
		else if (needs_a_look(a, d))
			start(a, d);
	}
	a->look = a->released = false;
	return 0;
}

/* Reads which records there are for the first one. 0 or a negative errno. */
static int begin(struct arrivals *a, struct domain *d)
{
	int r = persist_read_uuid(a->xs, d->domid, d->uuid);

	if (r == TOOLSTACK_NO_UUID) {
		stop(d);
		return 0;
	}
	if (!r)
		r = persist_list(a->xs, d->uuid, &d->ids, &d->n);
	if (!r && !d->n) {
		stop(d);
		d->done = true;
	}
	return r;
}

static void attach_next(struct arrivals *a, struct domain *d)
{
	int r = persist_attach(a->xs, d->domid, d->uuid, d->ids[d->next++],
			       d->said ? NULL : a->failed);

	d->failed |= r != 0;
	if (d->next < d->n)
		return;
	stop(d);
	d->done = !d->failed;
	d->said = d->failed;
}

int arrivals_turn(struct arrivals *a)
{
	int r = 0;

	if (a->look) {
		r = list_domains(a);
		return r ? r : !list_empty(&a->pending);
	}
	for (int i = 0; i < DOMAINS_A_TURN && !list_empty(&a->pending) && !r;
	     i++) {
		struct domain *d =
			list_entry(a->pending.next, struct domain, pending);

		if (d->ids) {
			attach_next(a, d);
			break;
		}
		r = begin(a, d);
	}
	return r ? r : a->look || !list_empty(&a->pending);
}
