/* SPDX-License-Identifier: MIT */
/* What the commands `channel ...` of the host side share. */
#ifndef XENCHAN_CLI_CHANNEL_COMMON_H
#define XENCHAN_CLI_CHANNEL_COMMON_H

#include <xenstore.h>

#include "toolstack/channel.h"

/* STATUS_DONE, or the exit status after saying what is wrong. */
int channel_open_store(struct xs_handle **xs);
int channel_find_domain(struct xs_handle *xs, const char *text,
			unsigned int *domid);

/*
 * What a call of the toolstack returned, for one channel: says it, unless it
 * is 0, and returns the exit status.
 */
int channel_say_result(int r, const char *what, const char *domain,
		       const char *name);

/* The only argument besides the options: the channel's name. */
int channel_take_name(const char *command, int argc, char **argv,
		      const char **name);

#endif
