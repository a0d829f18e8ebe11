/* SPDX-License-Identifier: MIT */
/*
 * What xenchanneld tells whoever asks, on the socket `control` in its run
 * directory: what the nodes do not say, because it changes with every byte. The
 * asker sends one line and gets lines, of fields with tabs between; names hold
 * no tab.
 *
 *	status	channel DOMAIN DEVICE STATE CLIENT FROM TO DROPPED WAITING ID
 *		...
 *		end
 *	events	event TIME DOMAIN DEVICE WHAT NAME DETAIL
 *		... until either closes
 *
 * CLIENT is 1 if there is one. FROM and TO count the bytes from and to the
 * guest, DROPPED those of the former that were dropped, WAITING those not yet
 * read by a client. TIME is in milliseconds since 1970.
 */
#ifndef XENCHAN_TOOLSTACK_CONTROL_H
#define XENCHAN_TOOLSTACK_CONTROL_H

#include "toolstack/channel.h"

#define CONTROL_RUN_DIR "/run/xenchanneld"
#define CONTROL_SOCKET "control"
#define CONTROL_STATUS "status"
#define CONTROL_EVENTS "events"
#define CONTROL_LINE_MAX 1024

/* Sends the request and returns the socket, or a negative errno. */
int toolstack_control(const char *run_dir, const char *request);

/*
 * Adds what the daemon of this domain, own, knows to the list's channels that
 * it serves. 0, or a negative errno: -ENOENT or -ECONNREFUSED if none runs.
 */
int toolstack_list_add_status(struct toolstack_list *list, unsigned int own,
			      const char *run_dir);

/* The next of the line's fields, which *rest is moved behind; or NULL. */
char *toolstack_control_field(char **rest);

#endif
