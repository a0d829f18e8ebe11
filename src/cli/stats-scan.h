/* SPDX-License-Identifier: MIT */
/*
 * Finding the counters of other processes' vchans: vchan/stats-file.h.
 *
 * What is found was written by programs that are not ours to trust: the files
 * are read, not mapped, and what they say is checked and copied.
 */
#ifndef XENCHAN_CLI_STATS_SCAN_H
#define XENCHAN_CLI_STATS_SCAN_H

#include <stdbool.h>

#include "vchan/stats-file.h"

struct stats_row {
	unsigned int pid;
	char program[17];
	unsigned int index; /* of the slot: with its generation, which vchan */
	struct stats_slot slot;
};

/* Zeroed: empty. */
struct stats_list {
	struct stats_row *rows; /* by pid and index */
	size_t n_rows, n_allocated;
	unsigned int n_denied; /* processes that could not be looked at */
};

/*
 * Adds the vchans of a process, or of all that may be looked at. 0, or negative:
 * -ENOENT, there is no such process; -EACCES, of one; -ENOMEM.
 */
int stats_scan_process(struct stats_list *list, unsigned int pid);
int stats_scan_all(struct stats_list *list);

/* The row of the same vchan in another list, or NULL. */
const struct stats_row *stats_list_find(const struct stats_list *list,
					const struct stats_row *row);

void stats_list_deinit(struct stats_list *list);

#endif
