/* SPDX-License-Identifier: MIT */
/*
 * What the guest wrote and no client has read yet: a bounded queue in a file
 * that is mapped shared, so that it outlives the process. After SIGKILL at any
 * instruction, the next process finds each byte that was taken out of the ring
 * once, and which ring index comes next.
 *
 * A change is prepared in the slot that is not in use and takes effect by one
 * store, of the number that says which slot is. The order for a chunk is:
 * copy it behind the tail, spool_commit(), move the ring's index. Killed
 * before the commit, the chunk is still in the ring; after it, the resuming
 * process gives the recorded index to console_ring_resume_backend().
 *
 * In the other direction one chunk can be on its way: see the second half.
 *
 * The file is private to the daemon. Its contents are checked at opening all
 * the same, since they may be of another version, or cut short.
 */
#ifndef XENCHAN_BACKEND_SPOOL_H
#define XENCHAN_BACKEND_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/own-socket.h"
#include "console/ring.h"
#include "console/schema.h"

#define SPOOL_CHUNK CONSOLE_RING_IN_SIZE

/* What is known of the channel's traffic, at one instant. */
struct spool_state {
	/* Positions in the guest's stream: [head, tail) is kept here. */
	uint64_t head, tail;
	uint64_t origin; /* the position of the first byte of the data area */
	uint64_t size;   /* of it: less where memory has run out */
	uint64_t from_guest; /* bytes taken out of the ring */
	uint64_t dropped;    /* those of them that no client will get */
	uint64_t to_guest;   /* bytes put into the ring */

	/* The ring that was in use, and our index in it. */
	uint32_t has_ring;
	uint32_t ring_ref, port;
	uint32_t out_cons;

	/* The chunk towards the guest. */
	uint32_t chunk_step; /* enum spool_step */
	uint32_t chunk_len;
	uint32_t chunk_in_prod; /* where in the ring it begins */

	uint32_t quarantined;
};

struct spool;

/*
 * The socket that the channel's clients connect to is recorded here too: a
 * spool that is removed or replaced takes its socket along.
 */
struct own_socket *spool_socket(struct spool *s);

/*
 * Opens the spool of this name in the directory, for at most limit bytes. One
 * left by a former process is taken up if it has this id and limit;
 * otherwise it is replaced. 0 or a negative errno.
 */
int spool_open(struct spool **out, int dir_fd, const char *name, const char *id,
	       size_t limit);

/* Accepts NULL; leaves the file for the next process. */
void spool_free(struct spool *s);

/* Removes the file and the socket, while the spool goes on being used. */
void spool_unlink(struct spool *s);

/* Removes a spool that nobody wants, by its name, and what belongs to it. */
void spool_sweep(int dir_fd, const char *name);

/* Borrowed; valid until the next call that changes something. */
const struct spool_state *spool_state(const struct spool *s);

/* The general change: *next is a changed copy of the state. */
void spool_publish(struct spool *s, const struct spool_state *next);

size_t spool_used(const struct spool *s);

/*
 * Memory for what comes next: the start of *n bytes, at most max. *n is 0 if
 * the spool is full, or has no memory at all, or some is missing in the middle.
 * If the file system is full, the spool is as large as it has become, until it
 * is empty.
 */
void *spool_space(struct spool *s, size_t max, size_t *n);
bool spool_is_full(const struct spool *s);

/* Could it not have all the memory that its limit allows, when it asked? */
bool spool_is_short(const struct spool *s);

/* n bytes there are now kept, and the ring goes on at out_cons. */
void spool_commit(struct spool *s, size_t n, uint32_t out_cons);

/* n bytes of the ring were not kept, and it goes on at out_cons. */
void spool_skip(struct spool *s, size_t n, uint32_t out_cons);

/* The oldest bytes: the start of *n bytes, 0 if there are none. */
const void *spool_data(const struct spool *s, size_t *n);

/* The n oldest bytes have been delivered, or are given up. */
void spool_consume(struct spool *s, size_t n);
void spool_drop(struct spool *s, size_t n);

/*
 * Towards the guest. Reading from a client takes bytes from where they would
 * survive us, so the reader says first what is about to happen:
 *
 *	before = spool_chunk_before(s);    fill it with n bytes that differ from
 *	                                   those about to be read
 *	spool_chunk_begin(s, n);
 *	read(fd, spool_chunk(s), n);       overwrites a copy of them
 *	spool_chunk_ready(s, got, in_prod);
 *	console_ring_write(...);
 *	spool_chunk_done(s);
 *
 * A process that finds the chunk begun sees in it whether the read took place.
 */
enum spool_step {
	SPOOL_IDLE,
	SPOOL_READING,
	SPOOL_READY,
	SPOOL_STEP_N,
};

uint8_t *spool_chunk_before(struct spool *s);
uint8_t *spool_chunk(struct spool *s);
void spool_chunk_begin(struct spool *s, size_t n);
void spool_chunk_ready(struct spool *s, size_t n, uint32_t in_prod);
void spool_chunk_done(struct spool *s);

/*
 * n bytes of spool_chunk() have come back from a ring that is given up, where
 * they began at in_prod, and are ready for the next. Only while no chunk is on
 * its way.
 */
void spool_chunk_return(struct spool *s, size_t n, uint32_t in_prod);

/*
 * How much of a chunk that a former process was reading has been read: up to
 * the last byte that is not what it was before.
 */
size_t spool_chunk_got(const struct spool *s);

#endif
