/* SPDX-License-Identifier: MIT */
/* The directory of a host, and the lock that tells whether it is up. */
#ifndef XENCHAN_XENHOST_HOST_DIR_H
#define XENCHAN_XENHOST_HOST_DIR_H

#include <stdio.h>

#include "cli.h"

void host_dir_path(const struct cli *cli, const char *name,
		   char path[static CLI_MAX_PATH]);

/* Makes it unless it is there. A message and an exit code on failure. */
int host_dir_make(const struct cli *cli);

/*
 * Takes the lock; who has it may do what the calls below do.
 *   -EWOULDBLOCK  a host has it
 *   -ESTALE       the directory is coming or going: try again
 *   -ENOTEMPTY    the directory has files, and is no host's
 */
int host_dir_lock(const struct cli *cli, int *fd_r);

/* Removes what a host that was killed left; its log is kept as log.old. */
void host_dir_renew(const struct cli *cli);

/* Removes what hosts make, and the directory if that was all. */
void host_dir_remove(const struct cli *cli);

#endif
