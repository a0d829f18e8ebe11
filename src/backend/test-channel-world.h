/* SPDX-License-Identifier: MIT */
/*
 * What surrounds the daemon in test-channel-move.c: a guest, a client, and what is left of
 * the daemon when it is killed. Checks what the two receive.
 */
#ifndef XENCHAN_BACKEND_TEST_CHANNEL_WORLD_H
#define XENCHAN_BACKEND_TEST_CHANNEL_WORLD_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "backend/spool.h"
#include "console/ring.h"
#include "console/schema.h"

#define WORLD_FILE_MAX 16384
#define WORLD_BYTES_MAX 16384

/* What happens before the daemon looks the next time. */
struct turn {
	size_t guest_writes, guest_reads, client_sends;
	bool client_full;
};
#define TURNS 4
#define DEATHS 2

struct scenario {
	enum console_overflow overflow;
	size_t limit;
	size_t backlog; /* in the spool from the start */
	struct turn turns[TURNS];
};

/* Everything but the daemon. */
struct world {
	const struct scenario *scenario;
	char dir_path[32];
	int dir;
	uint8_t *file; /* the spool's, mapped */
	size_t file_size;
	struct console_page *page;
	struct console_ring front; /* the guest's end */
	uint64_t start;            /* the first byte that the client can get */
	uint64_t guest_wrote, guest_read, client_sent;
	int daemon_fd, client_fd;
	unsigned int turn;
	uint8_t got[WORLD_BYTES_MAX]; /* by the client, in all lives */
	size_t n_got;
	unsigned int deaths;
	size_t died_at[DEATHS]; /* of got */
};

static inline void must(bool ok, const char *what)
{
	if (!ok)
		fail_msg("%s: %s", what, strerror(errno));
}

/* A spool and a ring that have been in use, in a directory of their own. */
void world_start(struct world *w, const struct scenario *scenario);
void world_deinit(struct world *w);

/* What a successor finds if the daemon of w dies now. */
void world_after_death(struct world *after, const struct world *w);

/* To be freed by the caller. */
struct spool *world_spool(const struct world *w);

/* How much of what the client sent the daemon has not read. */
int world_waiting(const struct world *w);

/* The next turn; more of the guest's reading. NULL, or what is wrong. */
const char *world_turn(struct world *w);
const char *world_guest_reads(struct world *w, size_t max);

/* All that is there for the client now. */
void world_client_receives(struct world *w);

/*
 * When everything has been delivered, and the spool is at st: NULL, or what is wrong with
 * what guest and client have received. A death may repeat a chunk to the client, no more.
 */
const char *world_judge(const struct world *w, const struct spool_state *st);

#endif
