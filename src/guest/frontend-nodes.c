// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "guest/frontend-private.h"
#include "xen/text.h"

#define TRANSACTION_TRIES 64

/*
 * Runs fn in a transaction, repeated if it met others' changes. Where the domain
 * has no transaction left (ten a domain) it runs without: the peer does not look
 * at what fn writes before a later state says so.
 */
static int transact(struct frontend *f,
		    int (*fn)(struct frontend *f, xs_transaction_t t))
{
	int r = -EAGAIN;

	for (int i = 0; i < TRANSACTION_TRIES && r == -EAGAIN; i++) {
		xs_transaction_t t = xs_transaction_start(f->xs);

		if (t == XBT_NULL && errno != ENOSPC)
			return failed_errno();
		r = fn(f, t);
		if (t != XBT_NULL && !xs_transaction_end(f->xs, t, r != 0) &&
		    !r)
			r = failed_errno();
	}
	/* Removed by the toolstack: the next look finds that. */
	return r == -ENOENT ? 0 : r;
}

/*
 * -ENOENT if the device is not there: to write would make it again; or if its
 * nodes were made anew for another channel, whose ring this is not.
 */
static int check_own(struct frontend *f, xs_transaction_t t)
{
	_cleanup_free_ char *name = NULL;
	struct console_path p;
	int r = xen_text_read(f->xs, t,
			      console_own_path(&p, f->device, CONSOLE_FE_NAME),
			      CONSOLE_NAME_MAX, &name);

	if (r)
		return r;
	return strcmp(name, f->name) ? -ENOENT : 0;
}

static int write_own(struct frontend *f, xs_transaction_t t, const char *key,
		     const char *value)
{
	struct console_path p;
	int r = check_own(f, t);

	if (r)
		return r;
	return xen_text_write(f->xs, t, console_own_path(&p, f->device, key),
			      value);
}

static int write_state(struct frontend *f, xs_transaction_t t)
{
	return write_own(f, t, CONSOLE_FE_STATE, console_state_text(f->state));
}

int frontend_set_state(struct frontend *f, enum console_state s)
{
	f->state = s;
	return transact(f, write_state);
}

/* In one transaction: nobody sees the page of one and the port of another. */
static int write_ring(struct frontend *f, xs_transaction_t t)
{
	char number[12];
	int r;

	snprintf(number, sizeof(number), "%u", f->endpoint.ref);
	r = write_own(f, t, CONSOLE_FE_RING_REF, number);
	if (r)
		return r;
	snprintf(number, sizeof(number), "%u", f->endpoint.port);
	return write_own(f, t, CONSOLE_FE_PORT, number);
}

int frontend_publish_ring(struct frontend *f)
{
	return transact(f, write_ring);
}

static int write_open(struct frontend *f, xs_transaction_t t)
{
	struct console_path p;
	int r;

	if (f->published_open)
		return write_own(f, t, CONSOLE_FE_OPEN, "1");
	r = check_own(f, t);
	if (!r &&
	    !xs_rm(f->xs, t, console_own_path(&p, f->device, CONSOLE_FE_OPEN)))
		r = -errno;
	return r;
}

void frontend_publish_open(struct frontend *f, bool open)
{
	if (open == f->published_open)
		return;
	f->published_open = open;
	(void)transact(f, write_open);
}
