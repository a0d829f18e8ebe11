/* SPDX-License-Identifier: MIT */
/* The same as a session, where the channel is a terminal of somebody else's. */
#ifndef XENCHAN_GUEST_TTY_RELAY_H
#define XENCHAN_GUEST_TTY_RELAY_H

#include "guest/relay.h"

/*
 * Moves bytes between relay's descriptors and the terminal, until the end of
 * input (unless keep) or of the command, once the terminal has passed on all, or
 * until the terminal is hung up. An enum session_result, or negative errno.
 */
int tty_relay_run(struct relay *r, int tty, int stop, bool keep);

#endif
