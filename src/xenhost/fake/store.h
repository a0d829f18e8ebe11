/* SPDX-License-Identifier: MIT */
/*
 * What the fake needs of a store: connections of domains, one request a call,
 * and events. The caller serialises. Behind it is the emulated host's own
 * store, so that quotas, permissions, the order of events and the conflicts of
 * transactions are the same in both.
 */
#ifndef XENCHAN_XENHOST_FAKE_STORE_H
#define XENCHAN_XENHOST_FAKE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "xenhost/xenstored/wire.h"

struct store_conn;

/* The answer to a request; data is the caller's to free and has a NUL behind
 * its len bytes. */
struct store_reply {
	char *data;
	size_t len;
};

typedef void (*store_event_fn)(void *arg, const char *path, const char *token);

struct store_conn *store_connect(unsigned int domid, store_event_fn fn,
				 void *arg);
/* Ends its transactions and watches too. */
void store_disconnect(struct store_conn *c);

/* The payload and the answer are those of the wire protocol. 0 or negative
 * errno. */
int store_request(struct store_conn *c, enum xsd_sockmsg_type type,
		  uint32_t transaction, const char *data, size_t len,
		  struct store_reply *reply);

int store_domain_created(unsigned int domid);
void store_domain_destroyed(unsigned int domid);
void store_reset(void);

/* domid may be -1 */
unsigned int store_watches(int domid);
unsigned int store_transactions(int domid);
unsigned int store_nodes(int domid);

#endif
