/* SPDX-License-Identifier: MIT */
/*
 * What the stand-ins say to hostd over a domain's <domid>.hv socket: one
 * request, one reply, each a packet. Both ends are of one build, so this is
 * no stable format; HELLO carries its number. Only set-up and tear-down come
 * this way, never an event.
 *
 * The connection is the process: when the last copy of its socket is closed,
 * by exit, exec or SIGKILL, hostd releases all that it had, as the kernel
 * does.
 */
#ifndef XENCHAN_XENHOST_PROTO_H
#define XENCHAN_XENHOST_PROTO_H

#include <stdint.h>

#define HV_PROTO 4

/* Environment of the processes of a domain. */
#define HV_ENV_DIR "XENHOST_DIR"
#define HV_ENV_DOMAIN "XENHOST_DOMAIN"

/* References in one packet; a larger mapping is made of several. */
#define HV_MAX_REFS 4096u

#define HV_NONE UINT32_MAX

enum hv_op {
	/* in: id=HV_PROTO; out: domid, page of the domain; fd: the board */
	HV_HELLO,
	/* out: id, page; fd: its eventfd */
	HV_EVTCHN_OPEN,
	/* in: id */
	HV_EVTCHN_CLOSE,
	/* in: id, domid; out: port, slot */
	HV_BIND_UNBOUND,
	/* in: id, domid, port (the remote one); out: port, slot */
	HV_BIND_INTERDOMAIN,
	/* in: id, port; out: gen; if bound: page, slot, peer_gen; peer's fd */
	HV_ROUTE,
	/* in: id, port; for who has no descriptor left for a route */
	HV_NOTIFY,
	/* in: id, port; out: flags */
	HV_UNBIND,
	/* in: domid, count, flags, notify_*; out: id, refs; fd: memory */
	HV_SHARE,
	/*
	 * in: domid, count, flags, notify_*, refs; out: id; fd: memory.
	 * ESRCH: no such domain; ENOENT: beyond its grants
	 */
	HV_MAP,
	/* in: id, flags: of a share or a map */
	HV_RELEASE,
	/* in: domid; out: domid (the first that is not lower), flags */
	HV_DOMAIN,
	HV_OP_N,
};

enum hv_flag {
	HV_WRITE = 1,  /* SHARE: the peer may write; MAP: wants to write */
	HV_DYING = 2,  /* DOMAIN: destroyed, its pages still mapped */
	HV_FD = 4,     /* any reply: a descriptor comes along */
	HV_QUIET = 8,  /* RELEASE: it never came about, nobody is notified */
	HV_EVENT = 16, /* UNBIND: one was waiting, and the eventfd counts it */
};

struct hv_request {
	uint32_t op;
	uint32_t id;
	uint32_t domid;
	uint32_t port;
	uint32_t count;
	uint32_t flags;
	uint32_t notify_offset; /* HV_NONE: no byte to clear */
	uint32_t notify_port;   /* HV_NONE: no event to send */
	uint32_t n_refs;        /* follow this structure */
};

struct hv_reply {
	uint32_t error; /* errno; then the rest is 0 */
	uint32_t id;
	uint32_t domid;
	uint32_t port;
	uint32_t page; /* HV_NONE: ROUTE: not bound */
	uint32_t slot;
	uint32_t gen;
	uint32_t peer_gen;
	uint32_t flags;
	uint32_t n_refs; /* follow this structure */
};

#endif
