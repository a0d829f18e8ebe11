/* SPDX-License-Identifier: MIT */
/* The requests of the wire protocol (xen/include/public/io/xs_wire.h). */
#ifndef XENCHAN_XENSTORED_REQUEST_H
#define XENCHAN_XENSTORED_REQUEST_H

#include "xenhost/xenstored/server.h"

/* Serves the complete request in c->header and c->payload, with one reply.
 * -ENOMEM: there was no memory for it, the client cannot go on. */
int xsd_request_serve(struct xsd_client *c);

/* Ends the client's watches and transactions. */
void xsd_client_reset(struct xsd_client *c);

/*
 * For handlers of requests.
 */
struct xsd_request {
	struct xsd_client *client;
	struct xsd_subject subject;
	const char *payload; /* a NUL follows it */
	size_t len;
	bool replied;
	int error; /* of replying */
};

/* Splits the payload: the first n strings (up to each NUL) into vec; returns
 * how many there are. */
size_t xsd_request_strings(const struct xsd_request *q, const char **vec,
			   size_t n);
/* A reply of the request's type; too long a one becomes E2BIG. */
void xsd_request_reply(struct xsd_request *q, const void *payload, size_t len);
void xsd_request_ack(struct xsd_request *q);

/* XS_CONTROL, in control.c. */
int xsd_request_control(struct xsd_request *q);

#endif
