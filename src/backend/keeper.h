/* SPDX-License-Identifier: MIT */
/*
 * A small parent that starts the daemon, starts it again when a signal killed
 * it, and meanwhile keeps the descriptors that it was given: what systemd does
 * with Restart= and FileDescriptorStoreMax=, by the same protocol, for where
 * there is no systemd.
 */
#ifndef XENCHAN_BACKEND_KEEPER_H
#define XENCHAN_BACKEND_KEEPER_H

#include <stdbool.h>

/* Were we started by one? To be asked before the environment is cleared of it. */
bool keeper_is_parent(void);

/*
 * Runs this program again, with argv, as the daemon until it ends by itself, or SIGTERM or SIGINT ends
 * both. SIGHUP is passed on. The exit status.
 */
int keeper_run(char *const *argv);

#endif
