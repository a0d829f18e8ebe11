/* SPDX-License-Identifier: MIT */
/*
 * Handles of libxenstore: who they act for, and the watch events that wait in
 * them. One lock serialises the store behind them and the queues.
 */
#ifndef XENCHAN_XENHOST_FAKE_XS_HANDLE_H
#define XENCHAN_XENHOST_FAKE_XS_HANDLE_H

#include <xenstore.h>

#include "xenhost/fake/store.h"

/* As store_request(), for the calling thread's process; -EBADF: it died. */
int fake_xs_request(struct xs_handle *h, enum xsd_sockmsg_type type,
		    xs_transaction_t t, const char *data, size_t len,
		    struct store_reply *reply);

/* A watch is gone; its events go too, if the handle was opened so. */
void fake_xs_unwatched(struct xs_handle *h, const char *path,
		       const char *token);

/* Pointers to n strings, and behind them the strings, in one block. */
char **fake_xs_vector(const char *const *strings, unsigned int n);

#endif
