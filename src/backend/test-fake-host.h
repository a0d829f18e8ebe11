/* SPDX-License-Identifier: MIT */
/*
 * In place of xenstore, Xen and a client, for tests of the real channel*.c: what
 * the guest and the toolstack say is set, and what the daemon did is read. It
 * is in memory that processes share, so that one may be killed in the middle.
 */
#ifndef XENCHAN_BACKEND_TEST_FAKE_HOST_H
#define XENCHAN_BACKEND_TEST_FAKE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/channel.h"
#include "console/ring.h"
#include "console/schema.h"

#define FAKE_BYTES_MAX 8192
#define FAKE_REF 9
#define FAKE_PORT 5

struct fake_host {
	/* The nodes. */
	unsigned int be, fe; /* fe: LIFE_GONE, too */
	bool online, has_ring;
	uint32_t ring_ref, port;
	char error[128];
	bool hotplug;

	/* Xen's part. */
	struct console_page page;
	bool mapped, bound;

	/* The client, who is there from the start. */
	bool client_gone, client_full; /* it takes nothing now */
	uint8_t got[FAKE_BYTES_MAX];
	size_t n_got;
	size_t n_sent, n_taken;

	/* How many of the next calls fail. */
	unsigned int fail_map, fail_bind, fail_sink, fail_state, fail_tty;
	unsigned int n_map, n_errors, n_error_events; /* what was tried, said */

	bool signal_client;
	unsigned int limit; /* of the spool */
	enum console_overflow overflow;
	long long memory_end; /* where its file system is full */
	uint64_t now_ms;
	char wrong[80]; /* a rule that the daemon has broken */
};

/* Where the functions that the daemon calls look. */
extern struct fake_host *fake;

/* The byte of a stream, and many. */
uint8_t fake_byte(uint64_t i);
void fake_fill(uint8_t *data, uint64_t at, size_t n);

/* A new one, shared, with a guest at 1 and an empty ring; to be unmapped. */
struct fake_host *fake_new(void);
void fake_free(struct fake_host *f);

/* What is left of a process that is killed. */
void fake_forget_process(struct fake_host *f);

/* What a channel is given; run_dir: of its spool. */
struct channel_host fake_channel_host(int run_dir);

/* The guest writes into its ring: n bytes of its stream, from at. */
void fake_guest_writes(struct fake_host *f, uint64_t at, size_t n);

#endif
