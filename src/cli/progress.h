/* SPDX-License-Identifier: MIT */
/* One line on a terminal that says how far a transfer is. */
#ifndef XENCHAN_CLI_PROGRESS_H
#define XENCHAN_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
	bool on; /* if not, nothing of the below does anything */
	int64_t start_ns, shown_ns;
};

/* How long a poll loop may sleep between two calls of progress_show(). */
#define PROGRESS_INTERVAL_MS 250

void progress_start(struct progress *p, bool on);

/* A state to show while nothing moves yet: "waiting for ...". */
void progress_note(struct progress *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Rewrites the line, but not more often than the interval. */
void progress_show(struct progress *p, uint64_t sent, uint64_t received);

/* Writes the line for the last time and leaves it. */
void progress_end(struct progress *p, uint64_t sent, uint64_t received);

/* Clears the line: something else is to be said there. */
void progress_abandon(struct progress *p);

/* "1.5 MiB"; n bytes. Returns text. */
char *format_bytes(char *text, size_t size, uint64_t n);

#endif
