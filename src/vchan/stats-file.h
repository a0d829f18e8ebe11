/* SPDX-License-Identifier: MIT */
/*
 * The counters of a process's vchans, as they lie in the memfd by which they can
 * be read from outside: `xenchan vchan stats` looks for descriptors of its name
 * below /proc. Versions of the library and of the command may differ: the header
 * says where the slots are and how long one is, slots grow at their end, and
 * what has a meaning keeps it.
 *
 * A slot is one vchan's. Its generation is 0 while it is free, and another
 * number for each vchan that it ever had: a reader that copies a slot looks at
 * the generation before and after.
 */
#ifndef XENCHAN_VCHAN_STATS_FILE_H
#define XENCHAN_VCHAN_STATS_FILE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define STATS_FILE_NAME "xenvchan-stats"
#define STATS_FILE_MAGIC UINT64_C(0x3174617473767871) /* "qxvstat1" */

/* Aligned on 32-bit processors too, which makes it one access. */
typedef uint64_t stats_counter __attribute__((aligned(8)));

struct stats_header {
	uint64_t magic;
	uint32_t slots_offset, slot_size, n_slots;
	/* Of the process that the vchans are of, as it sees itself: a child
	 * inherits the descriptor, but not the vchans. */
	uint32_t pid;
};

/*
 * One direction, written by the one thread that moves its bytes: a cache line
 * of its own, so that the two directions do not disturb each other.
 */
struct stats_flow {
	stats_counter bytes;
	stats_counter calls;       /* that moved something */
	stats_counter sleeps;      /* waits in the kernel */
	stats_counter spins;       /* waits that began with polling the ring */
	stats_counter spins_won;   /* and ended with it */
	stats_counter events_sent; /* to tell the peer of what was moved */
	stats_counter yields;      /* of the CPU, instead of polling */
	stats_counter reserved;
};

struct stats_slot {
	uint32_t generation; /* stored last, with release */
	uint32_t is_server;
	uint32_t domain; /* the peer's */
	uint32_t state;  /* enum libxenvchan_state, as last seen */
	uint32_t read_order, write_order; /* 0 until they are known */
	stats_counter events_received;
	stats_counter waits; /* that are for neither direction: wait, poll */
	stats_counter connections; /* to a server: clients that were seen */
	stats_counter reserved[2];
	struct stats_flow received, sent;
	char path[320]; /* cut, if it is longer; always terminated */
};

static_assert(sizeof(struct stats_flow) == 64, "a cache line");
static_assert(offsetof(struct stats_slot, received) == 64, "a cache line");
static_assert(sizeof(struct stats_slot) == 512, "whole cache lines");

/* Counters have one writer each, and readers that may be anywhere. */
static inline void stats_add(stats_counter *counter, uint64_t n)
{
	uint64_t old = __atomic_load_n(counter, __ATOMIC_RELAXED);

	__atomic_store_n(counter, old + n, __ATOMIC_RELAXED);
}

static inline uint64_t stats_get(const stats_counter *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

#endif
