/* SPDX-License-Identifier: MIT */
/*
 * What a `xenhost` command says to hostd over the ctl socket: a packet of
 * NUL-terminated words, answered by one packet:
 *
 *   ping
 *   create ID|- NAME|- GRANTS PORTS SCATTER   text: the id; -: the lowest free
 *   destroy ID
 *   list FIRST              text: some domains from id FIRST on, a line each
 *   run ID                  creates the domain if need be; the connection
 *                           ends when the domain does
 *   fault-add ID KIND FIRST LAST ERRNO DELAY_US
 *   fault-clear ID
 *   fault-list ID           text: a line each
 *   limit ID GRANTS PORTS SCATTER             -: as it was
 *   down
 */
#ifndef XENCHAN_XENHOST_CTL_PROTO_H
#define XENCHAN_XENHOST_CTL_PROTO_H

#include <stdint.h>

#define CTL_MAX_REQUEST 4096
#define CTL_MAX_TEXT 32768
#define CTL_MAX_WORDS 16
#define CTL_MAX_NAME 80

struct ctl_reply {
	int32_t error; /* errno, or 0 */
	char text[CTL_MAX_TEXT];
};

#endif
