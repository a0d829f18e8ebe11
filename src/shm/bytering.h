/* SPDX-License-Identifier: MIT */
/*
 * A ring of bytes between two ends that do not trust each other: the
 * arithmetic, and the order of its loads and stores. No system calls, no
 * allocation, nothing but shm.h and the compiler: made to be embedded.
 *
 *   prod  how many bytes were ever produced    written by the producer
 *   cons  how many bytes were ever consumed    written by the consumer
 *
 * Both run free in 32 bits and wrap; byte i lives at data[i & (size - 1)], size
 * being a power of two up to 2^31. prod - cons is what the ring holds, so
 * prod - cons > size can only be a lie. Free-running indices are never
 * compared with <.
 *
 * Each end keeps its own index in private memory (`own`) and only ever stores
 * it to the shared page: a peer that rewrites our index there changes nothing.
 * The peer's index (`peer`) is a private copy, refreshed by one fetch that is
 * checked before it is believed: it may neither exceed the ring nor retreat.
 * Between refreshes both ends work on their private copies and leave the shared
 * cache line alone.
 *
 * The life of a byte: the producer writes data, then releases prod; the
 * consumer acquires prod, copies data, then releases cons; the producer
 * acquires cons, and only then writes that place again.
 *
 * A bytering has one user at a time; the two ends are two byterings.
 */
#ifndef XENCHAN_SHM_BYTERING_H
#define XENCHAN_SHM_BYTERING_H

#include "shm.h"

struct bytering {
	struct shm_byte *data;             /* borrowed */
	struct shm_u32 *own_shared;        /* borrowed; stored to, never loaded
					   * after the attach */
	const struct shm_u32 *peer_shared; /* borrowed; fetched by refresh */
	uint32_t size;                     /* a power of two */
	uint32_t own;
	uint32_t peer;
};

/* Returned as a positive code: the peer's index is impossible. */
enum {
	BYTERING_CORRUPT = 1,
};

/*
 * Attaches to a ring of 2^order bytes at data (order 0 to 31), both ends at
 * the same position: an empty ring.
 */
static inline void bytering_init(struct bytering *r, struct shm_byte *data,
				 unsigned int order, struct shm_u32 *own_shared,
				 const struct shm_u32 *peer_shared)
{
	*r = (struct bytering){
		.data = data,
		.own_shared = own_shared,
		.peer_shared = peer_shared,
		.size = (uint32_t)1 << order,
	};
}

/* Consumer: bytes that may be read, as far as the last refresh knew. */
static inline uint32_t bytering_ready(const struct bytering *r)
{
	return r->peer - r->own;
}

/* Producer: bytes that may be written, as far as the last refresh knew. */
static inline uint32_t bytering_space(const struct bytering *r)
{
	return r->size - (r->own - r->peer);
}

/*
 * Consumer: fetches prod. 0, or BYTERING_CORRUPT if it claims more than the
 * ring holds or takes back what it had offered; the copy is then unchanged.
 */
static inline int bytering_refresh_ready(struct bytering *r)
{
	/* Pairs with the producer's release in bytering_advance(). */
	uint32_t prod = shm_load_acquire_u32(r->peer_shared);
	uint32_t ready = prod - r->own;

	if (ready > r->size || ready < bytering_ready(r))
		return BYTERING_CORRUPT;
	r->peer = prod;
	return 0;
}

/* Producer: fetches cons; as bytering_refresh_ready(). */
static inline int bytering_refresh_space(struct bytering *r)
{
	/*
	 * Pairs with the consumer's release in bytering_advance(): the bytes
	 * it has copied out are ours to overwrite from here on.
	 */
	uint32_t cons = shm_load_acquire_u32(r->peer_shared);
	uint32_t used = r->own - cons;

	if (used > r->size || used > r->own - r->peer)
		return BYTERING_CORRUPT;
	r->peer = cons;
	return 0;
}

/*
 * Takes up a ring in use: own from the page, once, then the peer's index. For
 * an end that joins (or, after a restart, rejoins) what others have begun. 0 or
 * BYTERING_CORRUPT.
 */
static inline int bytering_attach_consumer(struct bytering *r)
{
	uint32_t cons = shm_load_u32(r->own_shared);

	r->own = r->peer = cons;
	return bytering_refresh_ready(r);
}

/*
 * A consumer's restart that knows its own index from elsewhere: what the page
 * says may be older (it died before it could give the bytes back), or forged.
 * 0, and our index is on the page again; or BYTERING_CORRUPT.
 */
static inline int bytering_resume_consumer(struct bytering *r, uint32_t own)
{
	int err;

	r->own = r->peer = own;
	err = bytering_refresh_ready(r);
	if (!err)
		shm_publish_u32(r->own_shared, own);
	return err;
}

static inline int bytering_attach_producer(struct bytering *r)
{
	uint32_t prod = shm_load_u32(r->own_shared);

	r->own = prod;
	r->peer = prod - r->size;
	return bytering_refresh_space(r);
}

/*
 * The part of [from own + offset, n bytes long) that is contiguous in memory:
 * its length, and its start in *p.
 */
static inline uint32_t bytering_span(const struct bytering *r, uint32_t offset,
				     uint32_t n, struct shm_byte **p)
{
	uint32_t at = (r->own + offset) & (r->size - 1);
	uint32_t left = r->size - at;

	*p = r->data + at;
	return n < left ? n : left;
}

/* Consumer: copies n <= bytering_ready() bytes out; they stay in the ring. */
static inline void bytering_copy_out(const struct bytering *r, void *dst,
				     uint32_t n)
{
	struct shm_byte *p;
	uint32_t first = bytering_span(r, 0, n, &p);

	shm_copy_from(dst, p, first);
	if (first < n)
		shm_copy_from((uint8_t *)dst + first, r->data, n - first);
}

/* Producer: copies n <= bytering_space() bytes in; nobody sees them yet. */
static inline void bytering_copy_in(const struct bytering *r, const void *src,
				    uint32_t n)
{
	struct shm_byte *p;
	uint32_t first = bytering_span(r, 0, n, &p);

	shm_copy_to(p, src, first);
	if (first < n)
		shm_copy_to(r->data, (const uint8_t *)src + first, n - first);
}

/*
 * Producer: has the places of the next n bytes fetched, as far as they are free
 * and contiguous.
 */
static inline void bytering_prefetch(const struct bytering *r, uint32_t n)
{
	uint32_t space = bytering_space(r);
	struct shm_byte *p;

	n = bytering_span(r, 0, n < space ? n : space, &p);
	shm_prefetch_to_store(p, n);
}

/* Zeroes the n bytes from our position on, which have to be ours. */
static inline void bytering_zero(const struct bytering *r, uint32_t n)
{
	struct shm_byte *p;
	uint32_t first = bytering_span(r, 0, n, &p);

	shm_zero(p, first);
	shm_zero(r->data, n - first);
}

/*
 * Moves our index over n bytes: the consumer gives back n bytes that it has
 * copied out, the producer offers n bytes that it has copied in. The release
 * pairs with the other end's refresh; the fence orders it before the caller's
 * look at whether the other end sleeps.
 */
static inline void bytering_advance(struct bytering *r, uint32_t n)
{
	r->own += n;
	shm_publish_u32(r->own_shared, r->own);
}

#endif
