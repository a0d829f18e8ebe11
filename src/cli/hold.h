/* SPDX-License-Identifier: MIT */
/*
 * One server a path: a second one of this domain would take the first one's
 * nodes over, and leave it waiting for clients that cannot find it.
 */
#ifndef XENCHAN_CLI_HOLD_H
#define XENCHAN_CLI_HOLD_H

/*
 * Holds a path of this domain, relative to its home or absolute, until the
 * descriptor is closed or the process ends. The descriptor, or negative errno:
 *  EADDRINUSE  a process of this network namespace holds it
 *  else        xenstore does not answer, or does not know this domain
 */
int hold_path(const char *path);

#endif
