/* SPDX-License-Identifier: MIT */
/* Several reads and writes of xenstore that take place at once, or not at all. */
#ifndef XENCHAN_XEN_TRANSACT_H
#define XENCHAN_XEN_TRANSACT_H

#include <xenstore.h>

/*
 * Runs fn in a transaction, and again if it met another's changes, up to 64
 * times: what fn found in one try says nothing about the next. fn returns 0 to
 * commit; all else ends the transaction without effect and is returned, -EAGAIN
 * too.
 */
int xen_transact(struct xs_handle *xs,
		 int (*fn)(void *userdata, xs_transaction_t t), void *userdata);

#endif
