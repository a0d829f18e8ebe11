// SPDX-License-Identifier: MIT
#include "console/ring.h"

#include <assert.h>

/* The absolute offsets of the ABI are in test-ring.c. */
#define INDICES (CONSOLE_RING_IN_SIZE + CONSOLE_RING_OUT_SIZE)

static_assert(offsetof(struct console_page, in) == 0, "ABI");
static_assert(offsetof(struct console_page, out) == CONSOLE_RING_IN_SIZE,
	      "ABI");
static_assert(offsetof(struct console_page, in_cons) == INDICES, "ABI");
static_assert(offsetof(struct console_page, in_prod) == INDICES + 4, "ABI");
static_assert(offsetof(struct console_page, out_cons) == INDICES + 8, "ABI");
static_assert(offsetof(struct console_page, out_prod) == INDICES + 12, "ABI");
static_assert(offsetof(struct console_page, connection) == INDICES + 16, "ABI");
static_assert(sizeof(struct console_page) <= 4096, "ABI: one page");

static void init_frontend(struct console_ring *r, struct console_page *page)
{
	r->page = page;
	bytering_init(&r->rx, page->in, CONSOLE_RING_IN_ORDER, &page->in_cons,
		      &page->in_prod);
	bytering_init(&r->tx, page->out, CONSOLE_RING_OUT_ORDER,
		      &page->out_prod, &page->out_cons);
}

static void init_backend(struct console_ring *r, struct console_page *page)
{
	r->page = page;
	bytering_init(&r->rx, page->out, CONSOLE_RING_OUT_ORDER,
		      &page->out_cons, &page->out_prod);
	bytering_init(&r->tx, page->in, CONSOLE_RING_IN_ORDER, &page->in_prod,
		      &page->in_cons);
}

void console_ring_create(struct console_ring *r, struct console_page *page)
{
	/* Unordered: whoever is told of the page later is told by an ordered
	 * store or through the kernel. */
	shm_store_u32(&page->in_cons, 0);
	shm_store_u32(&page->in_prod, 0);
	shm_store_u32(&page->out_cons, 0);
	shm_store_u32(&page->out_prod, 0);
	shm_store_u8(&page->connection, CONSOLE_CONNECTED);
	init_frontend(r, page);
}

int console_ring_attach_frontend(struct console_ring *r,
				 struct console_page *page)
{
	init_frontend(r, page);
	return bytering_attach_consumer(&r->rx) ||
			       bytering_attach_producer(&r->tx)
		       ? CONSOLE_RING_CORRUPT
		       : 0;
}

int console_ring_attach_backend(struct console_ring *r,
				struct console_page *page)
{
	init_backend(r, page);
	return bytering_attach_consumer(&r->rx) ||
			       bytering_attach_producer(&r->tx)
		       ? CONSOLE_RING_CORRUPT
		       : 0;
}

int console_ring_resume_backend(struct console_ring *r,
				struct console_page *page, uint32_t out_cons)
{
	init_backend(r, page);
	return bytering_resume_consumer(&r->rx, out_cons) ||
			       bytering_attach_producer(&r->tx)
		       ? CONSOLE_RING_CORRUPT
		       : 0;
}

bool console_ring_is_reset(const struct console_ring *r)
{
	return (r->rx.own || r->tx.own) && !shm_load_u32(&r->page->out_cons) &&
	       !shm_load_u32(&r->page->in_prod) &&
	       !shm_load_u32(&r->page->in_cons) &&
	       shm_load_u32(&r->page->out_prod) <= CONSOLE_RING_OUT_SIZE;
}

int console_ring_ready(struct console_ring *r, size_t *n_r)
{
	if (bytering_refresh_ready(&r->rx))
		return CONSOLE_RING_CORRUPT;
	*n_r = bytering_ready(&r->rx);
	return 0;
}

int console_ring_peek(struct console_ring *r, void *dst, size_t max,
		      size_t *n_r)
{
	size_t n;
	int err = console_ring_ready(r, &n);

	if (err)
		return err;
	if (n > max)
		n = max;
	bytering_copy_out(&r->rx, dst, (uint32_t)n);
	*n_r = n;
	return 0;
}

void console_ring_consume(struct console_ring *r, size_t n)
{
	assert(n <= bytering_ready(&r->rx));
	if (n)
		bytering_advance(&r->rx, (uint32_t)n);
}

int console_ring_read(struct console_ring *r, void *dst, size_t max,
		      size_t *n_r)
{
	int err = console_ring_peek(r, dst, max, n_r);

	if (!err)
		console_ring_consume(r, *n_r);
	return err;
}

int console_ring_space(struct console_ring *r, size_t *n_r)
{
	if (bytering_refresh_space(&r->tx))
		return CONSOLE_RING_CORRUPT;
	*n_r = bytering_space(&r->tx);
	return 0;
}

int console_ring_write(struct console_ring *r, const void *src, size_t len,
		       size_t *n_r)
{
	size_t n;
	int err = console_ring_space(r, &n);

	if (err)
		return err;
	if (n > len)
		n = len;
	bytering_copy_in(&r->tx, src, (uint32_t)n);
	if (n)
		bytering_advance(&r->tx, (uint32_t)n);
	*n_r = n;
	return 0;
}

int console_ring_recall(struct console_ring *r, void *dst, size_t *n_r)
{
	struct bytering unread;

	if (bytering_refresh_space(&r->tx))
		return CONSOLE_RING_CORRUPT;
	/* As the peer's end sees it. */
	unread = r->tx;
	unread.own = r->tx.peer;
	unread.peer = r->tx.own;
	*n_r = bytering_ready(&unread);
	bytering_copy_out(&unread, dst, (uint32_t)*n_r);
	return 0;
}

void console_ring_set_connection(struct console_ring *r,
				 enum console_connection c)
{
	shm_store_u8(&r->page->connection, (uint8_t)c);
	/* An event tells of it, and orders nothing by itself. */
	shm_fence();
}

bool console_ring_is_connected(const struct console_ring *r)
{
	/* Unordered: nothing that is in the ring depends on it. */
	return shm_load_u8(&r->page->connection) == CONSOLE_CONNECTED;
}
