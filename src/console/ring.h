/* SPDX-License-Identifier: MIT */
/*
 * The ring of a PV console: one page that the guest grants to the backend,
 * struct xencons_interface of xen/include/public/io/console.h. It carries bytes
 * both ways. "In" is into the guest, "out" is out of it.
 *
 * Both ends use the same calls: they read what the other end wrote and write
 * what the other end reads. Neither end has a way to say that it sleeps, so
 * each sends an event after every read or write that moved something.
 *
 * The guest owns the page and can write all of it at any time. Our own indices
 * therefore live here, not there, and the peer's are fetched once and checked
 * (shm/bytering.h). CONSOLE_RING_CORRUPT says that the peer's are impossible:
 * it then never gets better, give the ring up.
 */
#ifndef XENCHAN_CONSOLE_RING_H
#define XENCHAN_CONSOLE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/bytering.h"

/* Of the ABI; a model has smaller ones, to explore them wholly. */
#ifndef CONSOLE_RING_IN_ORDER
#define CONSOLE_RING_IN_ORDER 10
#define CONSOLE_RING_OUT_ORDER 11
#endif

/* Towards the guest, and out of it. */
#define CONSOLE_RING_IN_SIZE (1 << CONSOLE_RING_IN_ORDER)
#define CONSOLE_RING_OUT_SIZE (1 << CONSOLE_RING_OUT_ORDER)

struct console_page {
	struct shm_byte in[CONSOLE_RING_IN_SIZE];
	struct shm_byte out[CONSOLE_RING_OUT_SIZE];
	struct shm_u32 in_cons, in_prod;
	struct shm_u32 out_cons, out_prod;
	/*
	 * Written by the backend: will it take what the guest writes? A page
	 * of zeroes says that it will, as it was before this byte existed.
	 */
	struct shm_u8 connection;
};

enum console_connection {
	CONSOLE_CONNECTED = 0,
	CONSOLE_DISCONNECTED = 1,
};

enum {
	CONSOLE_RING_CORRUPT = BYTERING_CORRUPT,
};

/* One end of the ring. */
struct console_ring {
	struct console_page *page; /* borrowed */
	struct bytering rx;        /* we consume */
	struct bytering tx;        /* we produce */
};

/*
 * The guest's end of a new ring: empties it. Only while no backend has it: the
 * page of a fresh grant, or before the state says that there is one.
 */
void console_ring_create(struct console_ring *r, struct console_page *page);

/*
 * An end of a ring in use takes up the indices that it finds. 0 or
 * CONSOLE_RING_CORRUPT.
 */
int console_ring_attach_frontend(struct console_ring *r,
				 struct console_page *page);
int console_ring_attach_backend(struct console_ring *r,
				struct console_page *page);

/*
 * A restarted backend that recorded how far it has consumed `out` goes on from
 * there, whatever out_cons on the page says. 0 or CONSOLE_RING_CORRUPT.
 */
int console_ring_resume_backend(struct console_ring *r,
				struct console_page *page, uint32_t out_cons);

/* Our positions: how much we have consumed, and produced. */
static inline uint32_t console_ring_consumed(const struct console_ring *r)
{
	return r->rx.own;
}

static inline uint32_t console_ring_produced(const struct console_ring *r)
{
	return r->tx.own;
}

/*
 * Backend: has the guest emptied the page, as Linux does when it resumes? Then our
 * indices on it are 0, and here they are not; the ring has to be attached anew. It
 * may be a lie, which costs the liar what was in the ring.
 */
bool console_ring_is_reset(const struct console_ring *r);

/* How many bytes there are to read. 0 or CONSOLE_RING_CORRUPT. */
int console_ring_ready(struct console_ring *r, size_t *n_r);

/*
 * Copies up to max bytes of what the peer wrote, without taking them: *n_r says
 * how many. 0 or CONSOLE_RING_CORRUPT.
 */
int console_ring_peek(struct console_ring *r, void *dst, size_t max,
		      size_t *n_r);

/* Gives back n bytes that were peeked: the peer may overwrite them. */
void console_ring_consume(struct console_ring *r, size_t n);

/* Peek and consume. */
int console_ring_read(struct console_ring *r, void *dst, size_t max,
		      size_t *n_r);

/* How many bytes can be written now. 0 or CONSOLE_RING_CORRUPT. */
int console_ring_space(struct console_ring *r, size_t *n_r);

/*
 * Writes as much of the len bytes as there is room for: *n_r. 0 or
 * CONSOLE_RING_CORRUPT.
 */
int console_ring_write(struct console_ring *r, const void *src, size_t len,
		       size_t *n_r);

/*
 * Copies what we wrote and the peer has not read, CONSOLE_RING_OUT_SIZE bytes at
 * most, out of the ring: for an end that lets go of it. The peer may have
 * written over it, to its own loss. 0 or CONSOLE_RING_CORRUPT.
 */
int console_ring_recall(struct console_ring *r, void *dst, size_t *n_r);

/* Backend: what the guest is told about us. An event is due then. */
void console_ring_set_connection(struct console_ring *r,
				 enum console_connection c);

/*
 * Frontend: false if the backend said that nobody reads what we write. To be
 * asked after each event.
 */
bool console_ring_is_connected(const struct console_ring *r);

#endif
