/* SPDX-License-Identifier: MIT */
/*
 * A program that does as it is told: one command a line on standard input, one
 * line of answer each. test-matrix.py and others hold the strings.
 *
 * Bytes that are sent are a pattern which depends on their position in the
 * stream alone, so that whoever receives some can tell whether they are right.
 */
#ifndef XENCHAN_TEST_LOCKSTEP_H
#define XENCHAN_TEST_LOCKSTEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest size of a command: thrice the largest ring. */
#define LOCKSTEP_MAX_SIZE (3u << 20)

struct lockstep_command {
	const char *name;
	int n_args; /* at least; missing ones are an error */
	void (*run)(char **args);
};

/* Until standard input ends. The last command of the table has no name. */
void lockstep_run(const struct lockstep_command *commands);

/* Ends the answer to the command that runs. */
__attribute__((format(printf, 1, 2))) void answer(const char *format, ...);
/* "N", or "-1 ERRNO" (errno's name) for a negative one */
void answer_result(long n);
/* The same for bytes that were received: " WRONG" follows if they are. */
void answer_received(long n);

/* The next size bytes that this end sends, and what it receives into. */
const uint8_t *lockstep_out(size_t size);
uint8_t *lockstep_in(size_t size);
/* n of them were sent. Nothing, if n is negative. */
void lockstep_sent(long n);
/* n were received: whether they are the right ones. */
bool lockstep_received(long n);
/* Both streams start anew; each end has its own pattern. */
void lockstep_rewind(bool is_server);

/* Calls it until it is true, for half a minute. Whether it was. */
bool lockstep_until(bool (*is_so)(const void *arg), const void *arg);

#endif
