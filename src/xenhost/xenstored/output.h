/* SPDX-License-Identifier: MIT */
/*
 * The messages that wait until a client reads them. Replies are always taken:
 * who feeds the client stops while too much waits. Events nobody can hold
 * back: one that waits already is not queued twice, and beyond a limit they
 * are dropped (a domain's; it counts in the domain's memory) or the client is
 * (domain 0's, which has no quota).
 */
#ifndef XENCHAN_XENSTORED_OUTPUT_H
#define XENCHAN_XENSTORED_OUTPUT_H

#include <sys/uio.h>

#include "base/list.h"
#include "xenhost/xenstored/domain.h"
#include "xenhost/xenstored/wire.h"

enum {
	/* Do not feed a client that leaves this much unread. */
	XSD_OUTPUT_HIGH = 128 * 1024,
	/* Not even domain 0 may leave more unread. */
	XSD_OUTPUT_MAX = 16 * 1024 * 1024,
};

struct xsd_message;

struct xsd_output {
	struct xsd_domain *domain;
	struct list queue;
	struct xsd_message *events; /* those in the queue, by content */
	size_t bytes;
};

void xsd_output_init(struct xsd_output *o, struct xsd_domain *domain);
void xsd_output_deinit(struct xsd_output *o);

/* payload of len bytes, at most XENSTORE_PAYLOAD_MAX. 0 or -ENOMEM. */
int xsd_output_reply(struct xsd_output *o, const struct xsd_sockmsg *header,
		     const void *payload);
/* 0, also for an event that is not sent; -ENOBUFS: drop the client. */
int xsd_output_event(struct xsd_output *o, const char *path, const char *token);

/* Fills at most n pieces of what is to be sent next; returns how many. */
int xsd_output_peek(const struct xsd_output *o, struct iovec *pieces, int n);
/* The first bytes are sent. */
void xsd_output_sent(struct xsd_output *o, size_t bytes);

#endif
