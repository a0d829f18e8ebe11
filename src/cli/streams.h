/* SPDX-License-Identifier: MIT */
/*
 * Standard input and output as ends of a poll loop. A read or write there must
 * not block, but the O_NONBLOCK flag belongs to the open file, which the shell
 * and other processes share; so pipes and terminals are opened once more, and
 * only what cannot be (a socket) gets the flag, until streams_restore().
 */
#ifndef XENCHAN_CLI_STREAMS_H
#define XENCHAN_CLI_STREAMS_H

#include <stdbool.h>

/*
 * Opens what is closed of the descriptors 0 to 2, so that no other file gets
 * these numbers: reading it gives end of file, writing fails. 0, or negative
 * errno.
 */
int streams_reserve(void);

/* Before the first read of 0 and write of 1. */
void streams_make_nonblocking(void);
void streams_restore(void);

/* Whether the descriptor is the null device: somebody meant "no input". */
bool stream_is_null(int fd);
bool stream_is_file(int fd);

#endif
