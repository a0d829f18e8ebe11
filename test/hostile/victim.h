/* SPDX-License-Identifier: MIT */
/*
 * Ours, under attack: calls by the dice, each of which has to return what is
 * documented, on buffers that lie between pages that fault.
 */
#ifndef XENCHAN_HOSTILE_VICTIM_H
#define XENCHAN_HOSTILE_VICTIM_H

#include <stdbool.h>
#include <xentoollog.h>

#include "expect.h"
#include "libxenvchan-ext.h"

#define DEADLINE_NS 500000
/* For what ends at that deadline, on a machine that is busy with other things. */
#define CALL_NS_MAX INT64_C(20000000000)
#define LINES_MAX 24 /* of a vchan's life */
/* What ours sends is this or more; nothing else writes such bytes into rings. */
#define VICTIM_MARK 0x80
/* Around what ours sends, never in it. */
#define VICTIM_SECRET "\xf1secret\xf2"

struct victim {
	struct xentoollog_logger logger; /* first */
	unsigned int lines;
	struct libxenvchan *v; /* borrowed */
	uint8_t mark;          /* what it sends */
	struct dice dice;
	/* NULL, or looks at what has been received. */
	void (*check_received)(const struct victim *t, const char *data,
			       size_t size);
};

/* n: which of the program's dice. */
void victim_init(struct victim *t, uint64_t n);
/* v is the one to be attacked; its calls end soon. */
void victim_be_impatient(struct victim *t, struct libxenvchan *v);
void victim_make_a_call(struct victim *t);

/* The result of a call on a vchan that is, or was, connected. */
void expect_result(long n, size_t max);
/* Once corrupt, for good: whatever the peer writes then. */
void expect_dead(struct libxenvchan *v);

#endif
