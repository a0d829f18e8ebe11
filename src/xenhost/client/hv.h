/* SPDX-License-Identifier: MIT */
/*
 * A process's connection to its host, shared by all stand-ins in the process:
 * there is one, so that its end is the end of everything at once.
 *
 * After fork the child has its own on its next open. What it inherited still
 * works (the connection is shared, as an inherited device fd is), unless
 * parent and child use it at the same time, which Xen's headers forbid.
 * All calls are thread-safe.
 */
#ifndef XENCHAN_XENHOST_CLIENT_HV_H
#define XENCHAN_XENHOST_CLIENT_HV_H

#include <errno.h>
#include <stdbool.h>

#include "xenhost/board.h"
#include "xenhost/proto.h"

#define HV_API __attribute__((visibility("default")))

struct hv_conn;

/*
 * This process's connection, to be put back. -ENODEV: not a process of an
 * emulated domain, or the host is gone.
 */
HV_API int hv_conn_get(struct hv_conn **conn_r);
HV_API void hv_conn_put(struct hv_conn *conn);
/* One more reference to a connection that the caller has. */
HV_API struct hv_conn *hv_conn_ref(struct hv_conn *conn);

/* Whether the connection was inherited by fork. */
HV_API bool hv_conn_inherited(const struct hv_conn *conn);

HV_API unsigned int hv_conn_domid(const struct hv_conn *conn);
HV_API struct domain_page *hv_conn_domain(const struct hv_conn *conn);

/*
 * A page of the board, mapped until it is put back as often. One by one: a
 * program's limits of memory hold for what it has of the board, too.
 */
HV_API int hv_page_get(struct hv_conn *conn, uint32_t number, void **addr_r);
HV_API void hv_page_put(struct hv_conn *conn, const void *addr);

/*
 * One request and its reply. refs are req->n_refs references to send, or,
 * if the request has none, room for max_refs to receive. *fd_r, unless NULL,
 * is the descriptor that came along (CLOEXEC, caller's) or -1. -errno as
 * hostd answered; -ENODEV if the host is gone; -EMFILE if it sent a descriptor
 * that this process has no room for: then nothing was done.
 */
HV_API int hv_call(struct hv_conn *conn, const struct hv_request *req,
		   uint32_t *refs, uint32_t max_refs, struct hv_reply *reply,
		   int *fd_r);

/* Counts a call, waits if a fault says so; -errno if it shall fail. */
HV_API int hv_fault(struct hv_conn *conn, enum fault_kind kind);

/* -1 with errno, as Xen's libraries return a failure. */
static inline int hv_fail(int r)
{
	errno = -r;
	return -1;
}

#endif
