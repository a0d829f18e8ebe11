/* SPDX-License-Identifier: MIT */
/*
 * The state of one event-channel port, in one word of shared memory, so that
 * an event needs no round trip to the host.
 *
 * A port has these flags, and every change of them is one compare-and-swap:
 *
 *   flags            notify            take           unmask
 *   IDLE             PENDING, kick     -              -
 *   PENDING          PENDING|AGAIN     MASKED         -
 *   PENDING|AGAIN    -                 MASKED|AGAIN   -
 *   MASKED           MASKED|AGAIN      -              IDLE
 *   MASKED|AGAIN     -                 -              PENDING, kick
 *
 * "kick" asks the caller to write 1 to the eventfd of the port's handle, a
 * semaphore: who takes an event has read one from it before, so that it is
 * readable as long as there are events, and never without. Between the change
 * of the word and the write the kick is OWED: should the process die there,
 * the host makes up for it, and otherwise must not.
 *
 * As with Linux's driver, an event in the handle's queue, and then one that was
 * taken, masks its port, which remembers one more event until it is unmasked.
 * So an event that comes after one that was not taken yet is not lost in it:
 * programs rely on that (vchan-socket-proxy sleeps with data in its ring if
 * the events of a connection and of its first data become one).
 *
 * The other 28 bits are the generation of the port's binding. The host gives
 * each binding a new one; whoever cached the way to a port notices by it that
 * the port is no longer what it was (freed, bound to another, given away).
 *
 * An event carries the writes made before it: notify releases and take
 * acquires. Both are a read-modify-write even where no flag changes: a notify
 * that finds PENDING must still come before the take that reads its word, or
 * the reader could miss what was written before this event.
 */
#ifndef XENCHAN_XENHOST_PORT_WORD_H
#define XENCHAN_XENHOST_PORT_WORD_H

#include <stdbool.h>
#include <stdint.h>

enum port_word_flag {
	PORT_WORD_IDLE = 0,
	PORT_WORD_PENDING = 1, /* to be taken */
	PORT_WORD_MASKED = 2,  /* taken, not unmasked yet */
	PORT_WORD_AGAIN = 4,   /* one more event since */
	PORT_WORD_OWED = 8,    /* whoever raised it has not kicked yet */
};

#define PORT_WORD_FLAGS 15u
#define PORT_WORD_EVENT 7u /* all but OWED */
#define PORT_WORD_GEN_SHIFT 4
#define PORT_WORD_GEN_MAX (UINT32_MAX >> PORT_WORD_GEN_SHIFT)

/* Reached through the functions below only: peers write it at any time. */
struct port_word {
	uint32_t bits;
};

/* What port_word_notify asks of its caller. */
enum port_word_result {
	PORT_WORD_QUIET, /* delivered or remembered; nothing to do */
	PORT_WORD_KICK,  /* write the eventfd */
	PORT_WORD_STALE, /* another generation: the word was left alone */
};

static inline uint32_t port_word_make(uint32_t gen, uint32_t flags)
{
	return gen << PORT_WORD_GEN_SHIFT | flags;
}

/* Starts the word over; for the host, while nobody is bound to the port. */
static inline void port_word_reset(struct port_word *w, uint32_t gen,
				   enum port_word_flag flags)
{
	__atomic_store_n(&w->bits, port_word_make(gen, flags),
			 __ATOMIC_RELEASE);
}

static inline uint32_t port_word_gen(const struct port_word *w)
{
	/* pairs with the release in port_word_set_gen */
	return __atomic_load_n(&w->bits, __ATOMIC_ACQUIRE) >>
	       PORT_WORD_GEN_SHIFT;
}

static inline uint32_t port_word_flags(const struct port_word *w)
{
	return __atomic_load_n(&w->bits, __ATOMIC_ACQUIRE) & PORT_WORD_FLAGS;
}

/* Whether there is an event to take. */
static inline bool port_word_has_event(const struct port_word *w)
{
	return port_word_flags(w) & PORT_WORD_PENDING;
}

/* One attempt to replace *old; on failure *old is what the word holds now. */
static inline bool port_word_cas(struct port_word *w, uint32_t *old,
				 uint32_t bits)
{
	return __atomic_compare_exchange_n(&w->bits, old, bits, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* A new binding: what is pending or masked stays so. */
static inline void port_word_set_gen(struct port_word *w, uint32_t gen)
{
	uint32_t old = __atomic_load_n(&w->bits, __ATOMIC_RELAXED);

	while (!port_word_cas(w, &old,
			      port_word_make(gen, old & PORT_WORD_FLAGS)))
		;
}

static inline enum port_word_result
port_word_raise(struct port_word *w, uint32_t gen, uint32_t pending)
{
	uint32_t old = __atomic_load_n(&w->bits, __ATOMIC_RELAXED), bits;

	do {
		if (old >> PORT_WORD_GEN_SHIFT != gen)
			return PORT_WORD_STALE;
		bits = old |
		       (old & PORT_WORD_EVENT ? PORT_WORD_AGAIN : pending);
		/* pairs with the acquire in port_word_take */
	} while (!port_word_cas(w, &old, bits));

	return old & PORT_WORD_EVENT ? PORT_WORD_QUIET : PORT_WORD_KICK;
}

/* Raises an event, if the word's binding still is of generation gen. */
static inline enum port_word_result port_word_notify(struct port_word *w,
						     uint32_t gen)
{
	return port_word_raise(w, gen, PORT_WORD_PENDING);
}

/* The same for a process, which can be killed: a kick is owed from here on. */
static inline enum port_word_result port_word_notify_owing(struct port_word *w,
							   uint32_t gen)
{
	return port_word_raise(w, gen, PORT_WORD_PENDING | PORT_WORD_OWED);
}

/* The kick was written, or is going to be on behalf of the dead; if owed. */
static inline bool port_word_settle(struct port_word *w, uint32_t gen)
{
	uint32_t old = __atomic_load_n(&w->bits, __ATOMIC_RELAXED);

	do {
		if (old >> PORT_WORD_GEN_SHIFT != gen ||
		    !(old & PORT_WORD_OWED))
			return false;
	} while (!port_word_cas(w, &old, old & ~(uint32_t)PORT_WORD_OWED));

	return true;
}

/* Nobody takes events here any more; whether one was waiting. */
static inline bool port_word_retire(struct port_word *w)
{
	uint32_t old = __atomic_load_n(&w->bits, __ATOMIC_RELAXED);

	while (!port_word_cas(
		w, &old, (old & ~(uint32_t)PORT_WORD_EVENT) | PORT_WORD_MASKED))
		;
	return old & PORT_WORD_PENDING;
}

/* Takes the event of a port that has one to deliver, and masks the port. */
static inline bool port_word_take(struct port_word *w)
{
	uint32_t old = __atomic_load_n(&w->bits, __ATOMIC_RELAXED);

	do {
		if (!(old & PORT_WORD_PENDING))
			return false;
		/* pairs with the release in port_word_notify */
	} while (!port_word_cas(w, &old,
				old ^ (PORT_WORD_PENDING | PORT_WORD_MASKED)));

	return true;
}

/* Whether an event came meanwhile: then write the eventfd. */
static inline bool port_word_unmask(struct port_word *w)
{
	uint32_t old = __atomic_load_n(&w->bits, __ATOMIC_RELAXED), bits;

	do {
		if (!(old & PORT_WORD_MASKED))
			return false;
		bits = old & ~(uint32_t)PORT_WORD_EVENT;
		if (old & PORT_WORD_AGAIN)
			bits |= PORT_WORD_PENDING;
	} while (!port_word_cas(w, &old, bits));

	return old & PORT_WORD_AGAIN;
}

#endif
