/* SPDX-License-Identifier: MIT */
/*
 * The store as a server of clients that speak the wire protocol, without
 * sockets: bytes go in, bytes come out. The caller moves them (conn.c does it
 * with libuv), and decides whose turn it is.
 */
#ifndef XENCHAN_XENSTORED_SERVER_H
#define XENCHAN_XENSTORED_SERVER_H

#include "xenhost/xenstored/output.h"
#include "xenhost/xenstored/store.h"
#include "xenhost/xenstored/watch.h"

struct xsd_server {
	struct xsd_store store;
	struct xsd_watches watches;
	struct list clients;
	/* As struct xenstored_ops; may be NULL. */
	int (*fault)(void *userdata, unsigned int domid, const char *op);
	void *userdata;
};

struct xsd_client {
	struct list link;
	struct xsd_server *server;
	struct xsd_domain *domain;
	struct xsd_watcher watcher;
	struct list transactions;
	uint32_t next_id; /* of transactions */
	struct xsd_output output;
	bool broken; /* spoke nonsense or reads nothing: free it */
	/* The request that comes in: its header, then its payload. */
	size_t received;
	struct xsd_sockmsg header;
	char payload[XENSTORE_PAYLOAD_MAX + 1]; /* and a NUL of our own */
	/* Called when there is something to send, or the client broke, also
	 * from within other clients' requests: it must only take a note. */
	void (*wake)(struct xsd_client *client);
	void *userdata; /* for wake */
};

int xsd_server_init(struct xsd_server *s);
/* All clients are freed before. */
void xsd_server_deinit(struct xsd_server *s);

/* 0, -EEXIST or -ENOMEM. */
int xsd_server_introduce(struct xsd_server *s, unsigned int domid);
/* All clients of the domain are freed before. 0, -ENOENT or -EINVAL. */
int xsd_server_release(struct xsd_server *s, unsigned int domid);

/* The domain must be introduced: otherwise -ENOENT. */
int xsd_client_new(struct xsd_client **out, struct xsd_server *s,
		   unsigned int domid);
/* Ends its watches and transactions. Accepts NULL. */
void xsd_client_free(struct xsd_client *c);

/* May it be fed? No: it is broken, or leaves too much unread, or its domain
 * has used up its memory. */
bool xsd_client_ready(const struct xsd_client *c);

/*
 * Where the next bytes from the client belong, and how many of them at most;
 * never 0. xsd_client_received then takes them and, once the request is
 * complete, serves it: at most one.
 */
size_t xsd_client_want(struct xsd_client *c, void **where);
void xsd_client_received(struct xsd_client *c, size_t bytes);

#endif
