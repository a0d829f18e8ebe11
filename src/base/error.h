/* SPDX-License-Identifier: MIT */
#ifndef XENCHAN_BASE_ERROR_H
#define XENCHAN_BASE_ERROR_H

#include <errno.h>

/*
 * -errno after a call of Xen's libraries has failed, which do not promise to set
 * it: 0 would be success.
 */
static inline int failed_errno(void)
{
	return errno > 0 ? -errno : -EIO;
}

#endif
