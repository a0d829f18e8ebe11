/* SPDX-License-Identifier: MIT */
/*
 * The page that the two ends of a vchan share: xenvchan(7). The same bytes as
 * struct vchan_interface of <xen/io/libxenvchan.h>, in types that only shm.h can
 * read. The server shares it, both domains can write all of it.
 */
#ifndef XENCHAN_VCHAN_PAGE_H
#define XENCHAN_VCHAN_PAGE_H

#include <assert.h>
#include <stdbool.h>

#include "libxenvchan.h"
#include "shm/shm.h"

#define VCHAN_PAGE_SHIFT 12
#define VCHAN_PAGE_SIZE (1u << VCHAN_PAGE_SHIFT)

struct vchan_indices {
	struct shm_u32 cons, prod;
};

struct vchan_page {
	struct vchan_indices left, right; /* to the server, to the client */
	struct shm_u16 left_order, right_order;
	struct shm_u8 cli_live, srv_live;
	/* What the client is to tell the server about, and the reverse. */
	struct shm_u8 cli_notify, srv_notify;
	struct shm_u32 grants[]; /* of left, then of right */
};

#define VCHAN_SAME_OFFSET(ours, theirs)                                 \
	static_assert(offsetof(struct vchan_page, ours) ==              \
			      offsetof(struct vchan_interface, theirs), \
		      #ours " has moved")
VCHAN_SAME_OFFSET(left.cons, left.cons);
VCHAN_SAME_OFFSET(left.prod, left.prod);
VCHAN_SAME_OFFSET(right.cons, right.cons);
VCHAN_SAME_OFFSET(right.prod, right.prod);
VCHAN_SAME_OFFSET(left_order, left_order);
VCHAN_SAME_OFFSET(right_order, right_order);
VCHAN_SAME_OFFSET(cli_live, cli_live);
VCHAN_SAME_OFFSET(srv_live, srv_live);
VCHAN_SAME_OFFSET(cli_notify, cli_notify);
VCHAN_SAME_OFFSET(srv_notify, srv_notify);
VCHAN_SAME_OFFSET(grants, grants);
static_assert(offsetof(struct vchan_page, grants) == 24, "wire format");

/* cli_live and srv_live */
enum {
	VCHAN_LIVE_GONE =
		0, /* exited; also what the unmap notification writes */
	VCHAN_LIVE_HERE = 1,
	/* There is no client yet. Of a server: it makes ready for the next, and
	 * nobody may come in meanwhile. */
	VCHAN_LIVE_NOT_YET = 2,
};

/*
 * cli_notify and srv_notify. Each byte is set by the end that wants to be told
 * and cleared, bit by bit, by the end that tells. The high bits are ours, and
 * say something of the end that sets the byte: Xen's library preserves them,
 * except that its client stores a plain VCHAN_NOTIFY_WRITE when it connects.
 */
enum {
	VCHAN_ASK_WRITTEN = VCHAN_NOTIFY_WRITE,
	VCHAN_ASK_CONSUMED = VCHAN_NOTIFY_READ,
	/* I know these bits. */
	VCHAN_SAYS_EXT = 0x10,
	/* In srv_notify, by a server: I have seen the client that is here. A
	 * client that comes later wipes it. */
	VCHAN_MARK_SEEN = 0x20,
	/* I shall write no more. */
	VCHAN_SAYS_FIN = 0x40,
	/* I have closed: a live byte of 0 without this is a death. */
	VCHAN_SAYS_BYE = 0x80,
};

/* Orders of the rings that lie within the shared page, at 1 << order. */
#define VCHAN_ORDER_SMALL 10
#define VCHAN_ORDER_LARGE 11
#define VCHAN_ORDER_MAX 20 /* 2 * 256 grants are what the page has room for */
#define VCHAN_GRANTS_MAX (1u << (VCHAN_ORDER_MAX - VCHAN_PAGE_SHIFT))

/* Pages of its own that a ring of this order has. */
static inline unsigned int vchan_order_grants(unsigned int order)
{
	return order < VCHAN_PAGE_SHIFT ? 0 : 1u << (order - VCHAN_PAGE_SHIFT);
}

/*
 * Whether two orders, as a peer may have written them, describe rings that
 * overlap neither each other nor the list of grants.
 */
bool vchan_orders_valid(unsigned int left, unsigned int right);

/*
 * The orders that a server chooses for rings of at least these sizes in bytes,
 * each at most 1 << VCHAN_ORDER_MAX.
 */
void vchan_orders_choose(size_t left_min, size_t right_min, unsigned int *left,
			 unsigned int *right);

#endif
