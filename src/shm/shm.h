/* SPDX-License-Identifier: MIT */
/*
 * Memory that an untrusted peer can write: the only way to touch it.
 *
 * The peer may change any byte at any time, whatever the protocol says. So
 * every shared word is a struct of its own type, which no expression can read
 * by accident, and is accessed by the named operations below: each fetches or
 * stores exactly once and states its ordering. Take a value once into a local,
 * check the local, use the local.
 *
 * What the orderings are for:
 *  - acquire/release pass data and the licence to reuse its bytes;
 *  - a full fence orders a store before a later load of something else. It is
 *    needed only where two ends each store one word and then look at the
 *    other's ("I published; does anybody sleep?" against "I sleep; was
 *    anything published?"): without it both may miss the other.
 *
 * This header depends on the C compiler alone (gcc or clang, C11 or later).
 * Two users embed it unchanged: a hosted library, and a program that defines
 * SHM_MODEL and supplies the same operations on simulated memory.
 */
#ifndef XENCHAN_SHM_SHM_H
#define XENCHAN_SHM_SHM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct shm_u8 {
	uint8_t v;
};

struct shm_u16 {
	uint16_t v;
};

struct shm_u32 {
	uint32_t v;
};

/* A byte of payload: copied, never interpreted in place. */
struct shm_byte {
	uint8_t v;
};

#ifdef SHM_MODEL
#include "shm-model.h"
#else

/* One fetch, no ordering. */
static inline uint8_t shm_load_u8(const struct shm_u8 *p)
{
	return __atomic_load_n(&p->v, __ATOMIC_RELAXED);
}

static inline uint16_t shm_load_u16(const struct shm_u16 *p)
{
	return __atomic_load_n(&p->v, __ATOMIC_RELAXED);
}

static inline uint32_t shm_load_u32(const struct shm_u32 *p)
{
	return __atomic_load_n(&p->v, __ATOMIC_RELAXED);
}

/* One fetch; what the writer stored before its release is seen after it. */
static inline uint8_t shm_load_acquire_u8(const struct shm_u8 *p)
{
	return __atomic_load_n(&p->v, __ATOMIC_ACQUIRE);
}

static inline uint32_t shm_load_acquire_u32(const struct shm_u32 *p)
{
	return __atomic_load_n(&p->v, __ATOMIC_ACQUIRE);
}

/* One store, no ordering. */
static inline void shm_store_u8(struct shm_u8 *p, uint8_t v)
{
	__atomic_store_n(&p->v, v, __ATOMIC_RELAXED);
}

static inline void shm_store_u16(struct shm_u16 *p, uint16_t v)
{
	__atomic_store_n(&p->v, v, __ATOMIC_RELAXED);
}

static inline void shm_store_u32(struct shm_u32 *p, uint32_t v)
{
	__atomic_store_n(&p->v, v, __ATOMIC_RELAXED);
}

/* One store; everything before it is seen by whoever acquires it. */
static inline void shm_store_release_u8(struct shm_u8 *p, uint8_t v)
{
	__atomic_store_n(&p->v, v, __ATOMIC_RELEASE);
}

static inline void shm_store_release_u32(struct shm_u32 *p, uint32_t v)
{
	__atomic_store_n(&p->v, v, __ATOMIC_RELEASE);
}

/* Orders every access before it against every access after it. */
static inline void shm_fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/*
 * A store-release followed by a full fence: what a publisher needs before it
 * asks whether anybody sleeps. On x86 one locked instruction does both.
 */
static inline void shm_publish_u32(struct shm_u32 *p, uint32_t v)
{
#if defined(__x86_64__) || defined(__i386__)
	(void)__atomic_exchange_n(&p->v, v, __ATOMIC_SEQ_CST);
#else
	shm_store_release_u32(p, v);
	shm_fence();
#endif
}

static inline void shm_publish_u8(struct shm_u8 *p, uint8_t v)
{
#if defined(__x86_64__) || defined(__i386__)
	(void)__atomic_exchange_n(&p->v, v, __ATOMIC_SEQ_CST);
#else
	shm_store_release_u8(p, v);
	shm_fence();
#endif
}

/*
 * Read-modify-write of a byte that the peer writes too, as a full fence.
 *
 * Where the processor has one instruction for it, the peer cannot delay that.
 * Elsewhere it is a loop of load and compare-and-exchange, which a peer that
 * keeps writing can keep failing for ever (XSA-295); so the loop is bounded,
 * and a false return means "the peer would not let us": treat it as a peer that
 * lies. x86 has one instruction that sets bits, but none that clears some and
 * tells which were set. *old is the value before. For aarch64, gcc has to be given
 * -mno-outline-atomics: its helper functions have a loop of their own, without a bound.
 */
#define SHM_RMW_TRIES 4096

#if defined(__x86_64__) || defined(__i386__)
#define SHM_X86 1
#else
#define SHM_X86 0
#endif

static inline bool shm_try_mask_u8(struct shm_u8 *p, uint8_t keep, uint8_t set,
				   uint8_t *old)
{
	uint8_t v = shm_load_u8(p);

	for (int i = 0; i < SHM_RMW_TRIES; i++) {
		if (__atomic_compare_exchange_n(
			    &p->v, &v, (uint8_t)((v & keep) | set), true,
			    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
			/* On x86 what is locked is a fence already. */
			if (!SHM_X86)
				shm_fence();
			*old = v;
			return true;
		}
	}
	return false;
}

/*
 * Stores v where `old` still is, as a full fence. False: something else is there,
 * or the peer would not let us.
 */
static inline bool shm_try_replace_u8(struct shm_u8 *p, uint8_t old, uint8_t v)
{
	for (int i = 0; i < SHM_RMW_TRIES; i++) {
		uint8_t was = old;

		if (__atomic_compare_exchange_n(&p->v, &was, v, true,
						__ATOMIC_SEQ_CST,
						__ATOMIC_RELAXED)) {
			if (!SHM_X86)
				shm_fence();
			return true;
		}
		if (was != old)
			return false;
	}
	return false;
}

/* SHM_BOUNDED_RMW: as processors without such an instruction do it. */
static inline bool shm_try_or_u8(struct shm_u8 *p, uint8_t bits)
{
#if !defined(SHM_BOUNDED_RMW) && (SHM_X86 || defined(__ARM_FEATURE_ATOMICS))
	(void)__atomic_fetch_or(&p->v, bits, __ATOMIC_SEQ_CST);
	return true;
#else
	uint8_t old;

	return shm_try_mask_u8(p, 0xff, bits, &old);
#endif
}

static inline bool shm_try_and_u8(struct shm_u8 *p, uint8_t bits, uint8_t *old)
{
#if !defined(SHM_BOUNDED_RMW) && defined(__ARM_FEATURE_ATOMICS)
	*old = __atomic_fetch_and(&p->v, bits, __ATOMIC_SEQ_CST);
	return true;
#else
	return shm_try_mask_u8(p, bits, 0, old);
#endif
}

/*
 * Payload. The peer may write while we copy: the copy is then garbage of the
 * peer's own making, and nothing else. Ordered by the index operations around
 * it, not by itself.
 */
static inline void shm_copy_from(void *dst, const struct shm_byte *src,
				 size_t n)
{
	memcpy(dst, (const void *)src, n);
}

static inline void shm_copy_to(struct shm_byte *dst, const void *src, size_t n)
{
	memcpy((void *)dst, src, n);
}

static inline void shm_zero(struct shm_byte *dst, size_t n)
{
	memset((void *)dst, 0, n);
}

#endif /* SHM_MODEL */

/*
 * For an interface that hands payload out in place: whoever takes it knows that
 * the peer may change it at any time.
 */
static inline void *shm_expose(struct shm_byte *p)
{
	return p;
}

/*
 * A hint, without any effect but on time: the cache line of p is about to be
 * stored to. It comes here, for us alone, while something else is done. Not by
 * __builtin_prefetch(): gcc takes a function that does nothing else for one
 * without effect, and drops its calls; and for x86 in general it makes a prefetch
 * to read, after which a store asks for the line once more. Processors that do
 * not know PREFETCHW take it as a no-operation.
 */
static inline void shm_prefetch_line(const void *p)
{
#if defined(__x86_64__)
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)p));
#elif defined(__aarch64__)
	__asm__ volatile("prfm pstl1keep, %0" : : "Q"(*(const char *)p));
#else
	(void)p;
#endif
}

/* The same of n bytes at p. */
static inline void shm_prefetch_to_store(const void *p, size_t n)
{
	const size_t line = 64;

	for (size_t i = 0; i < n; i += line)
		shm_prefetch_line((const char *)p + i);
}

#endif
