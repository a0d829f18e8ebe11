/* SPDX-License-Identifier: MIT */
/* The nodes of a channel that is being attached. */
#ifndef XENCHAN_TOOLSTACK_ATTACHMENT_H
#define XENCHAN_TOOLSTACK_ATTACHMENT_H

#include <stdbool.h>
#include <xenstore.h>

#include "toolstack/channel.h"

/* What one transaction writes. */
struct attachment {
	struct xs_handle *xs;              /* borrowed */
	xs_transaction_t t;                /* the one that runs */
	const struct toolstack_spec *spec; /* borrowed */
	unsigned int device;
	bool from_top;                       /* the highest that is free */
	struct xs_permissions guest_owns[2]; /* the backend reads */
	struct xs_permissions guest_reads[2];
	struct xs_permissions toolstack_only[1];
};

void attachment_init(struct attachment *a, struct xs_handle *xs,
		     const struct toolstack_spec *s);

/*
 * Claims the socket's path, then writes frontend, backend and libxl's copy.
 * TOOLSTACK_DUPLICATE_PATH, or a negative errno.
 */
int attachment_write(const struct attachment *a);

#endif
