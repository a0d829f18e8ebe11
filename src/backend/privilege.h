/* SPDX-License-Identifier: MIT */
/*
 * What root may do, and we need not: given up for good once Xen is open. Left
 * are the capabilities to make sockets and logs wherever the control domain
 * wants them, and to give them to whom it wants.
 */
#ifndef XENCHAN_BACKEND_PRIVILEGE_H
#define XENCHAN_BACKEND_PRIVILEGE_H

/* 0 or a negative errno. Nothing to do for who has no privileges. */
int privilege_drop(void);

/* As many descriptors as the system lets us have. */
void privilege_raise_fd_limit(void);

#endif
