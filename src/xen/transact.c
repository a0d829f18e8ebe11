// SPDX-License-Identifier: MIT
#include "xen/transact.h"

#include <errno.h>

#include "base/clock.h"
#include "base/error.h"

#define TRANSACTION_TRIES 64

static int try_once(struct xs_handle *xs,
		    int (*fn)(void *userdata, xs_transaction_t t),
		    void *userdata)
{
	xs_transaction_t t = xs_transaction_start(xs);
	int r;

	if (t == XBT_NULL)
		return failed_errno();
	r = fn(userdata, t);
	if (r) {
		xs_transaction_end(xs, t, true);
		return r;
	}
	return xs_transaction_end(xs, t, false) ? 0 : failed_errno();
}

int xen_transact(struct xs_handle *xs,
		 int (*fn)(void *userdata, xs_transaction_t t), void *userdata)
{
	int r = -EAGAIN;

	for (int i = 0; i < TRANSACTION_TRIES && r == -EAGAIN; i++) {
		if (i)
			clock_sleep_ms(i < 20 ? (unsigned int)i : 20);
		r = try_once(xs, fn, userdata);
	}
	return r;
}
