// SPDX-License-Identifier: MIT
/*
 * Xen 4.17's libxenvchan exports, by accident, one of its internal functions. A
 * drop-in for that release has to have the symbol for whoever links to it; what
 * it did, removing a server's nodes, is libxenvchan_close()'s business.
 */
#include "libxenvchan.h"

void close_xs_srv(struct libxenvchan *ctrl);

void close_xs_srv(struct libxenvchan *ctrl)
{
	(void)ctrl;
}
