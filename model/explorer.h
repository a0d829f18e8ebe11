/* SPDX-License-Identifier: MIT */
/*
 * Runs two threads of real code on simulated shared memory, in every order and
 * with every value that each load may return on a weakly ordered machine.
 *
 * The memory: each word is a list of messages, the values it ever had in the
 * order that all agree on. A thread has a view: for each word, the oldest
 * message that it may still read. Loads return any message from there on. A
 * release attaches the thread's view to its message, an acquire that reads the
 * message merges it. A full fence merges the thread's view with that of all
 * full fences before it, both ways. A store may take any place in the list
 * that the thread's view allows, a read-modify-write follows the message that
 * it read at once. This is C11 without consume, as it is usually given an
 * operational form, but for one thing: a load does not return what is stored
 * after it by a thread that has seen what depends on the load.
 *
 * Payload is no word: all accesses of one byte, of which one is a store, have
 * to be ordered by the views, or they are a race, which is an error. That
 * also covers what the sentence above leaves out, where it would matter: bytes
 * that are overwritten before they have been read.
 *
 * The search: a depth-first one over all choices (who is next, what does it
 * read), each run beginning anew. A state that was seen before is not entered
 * again; a thread's part in it is the hash of all that the thread has observed,
 * as its code is deterministic. So the search is complete, but for two states
 * among some millions having the same hash of 64 bits.
 */
#ifndef XENCHAN_MODEL_EXPLORER_H
#define XENCHAN_MODEL_EXPLORER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_THREADS 2

/* The orderings that an operation asks for. */
enum {
	MODEL_ACQUIRE = 1,
	MODEL_RELEASE = 2,
	MODEL_FENCE = 4, /* a full one, after the operation */
	/* Of a read-modify-write, and not to be had in parts. */
	MODEL_FULL = 8,
};

/* A place in the sources that accesses shared memory. */
struct model_site {
	const char *file, *function;
	int line;
};

#define MODEL_SITE                                                          \
	({                                                                  \
		static const struct model_site site = { __FILE__, __func__, \
							__LINE__ };         \
		&site;                                                      \
	})

/*
 * The operations. Outside of the threads (in set_up) they work on the plain
 * memory behind p.
 */
uint32_t model_load(const void *p, size_t size, unsigned int order,
		    const struct model_site *site);
void model_store(void *p, size_t size, uint32_t v, unsigned int order,
		 const struct model_site *site);
/* (value & keep) | set, of a byte; returns the value before. */
uint8_t model_rmw(void *p, uint8_t keep, uint8_t set, unsigned int order,
		  const struct model_site *site);
/* Stores `set` where the byte is `old`: whether it was. */
bool model_replace(void *p, uint8_t old, uint8_t set, unsigned int order,
		   const struct model_site *site);
void model_fence(const struct model_site *site);
void model_copy_from(void *dst, const void *src, size_t n);
void model_copy_to(void *dst, const void *src, size_t n);
void model_zero(void *dst, size_t n);

/*
 * Sleeps until the newest value of the byte at p is one of these (bit i of the
 * set: value i, below 32), and knows it then. Nothing else is ordered by that.
 */
void model_sleep_until(const void *p, uint32_t values);

/*
 * In a thread: what it does from here on depends on these bytes alone, not on
 * how they came about. Only where payloads are at most 16 bytes long.
 */
void model_forget(const void *state, size_t size);

/*
 * What the first thread may call before and after any operation, as often
 * as the scenario says. It does not return.
 */
extern void (*model_die)(void); /* NULL: not now */

/* In a thread: what must hold. */
void model_fail(const char *what) __attribute__((noreturn));

struct model_scenario {
	const char *name;
	/* Makes the plain memory and what the threads need, and declares it. */
	void (*set_up)(void);
	void (*thread[MODEL_THREADS])(void);
	/* After both have ended, or were left where they are. */
	void (*tear_down)(void);
	/*
	 * How often a thread that could go on is made to wait for the other, at
	 * most: a bound of the search. 0: none.
	 */
	unsigned int max_switches;
	bool large;              /* takes more than some seconds */
	unsigned int max_deaths; /* of the first thread, by model_die() */
};

/* In set_up: a word, whose value is what the plain memory has at its end. */
void model_word(void *p, size_t size, const char *name);
/* In set_up: bytes that are copied. */
void model_payload(void *p, size_t size);

/* What a search has seen. */
struct model_result {
	unsigned long runs, states;
	const char *failure; /* NULL: none */
};

/*
 * An ordering to take away: at this place, of this word (NULL: of a fence).
 */
struct model_mutation {
	struct model_site site;
	const char *word;
	unsigned int order; /* one of the bits */
};

/* Searches until the first failure. With trace, that run is printed. */
struct model_result model_explore(const struct model_scenario *s,
				  const struct model_mutation *m, bool trace);

/* All orderings that searches without a mutation have met. */
size_t model_mutations(const struct model_mutation **list);

const char *model_order_name(unsigned int order);

#endif
