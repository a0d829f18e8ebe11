/* SPDX-License-Identifier: MIT */
/* xs_wire.h with what it leaves to its users to include. */
#ifndef XENCHAN_XENSTORED_WIRE_H
#define XENCHAN_XENSTORED_WIRE_H

#include <errno.h> /* before: names the errors only if EINVAL is known */
#include <stdint.h>

#include <xen/io/xs_wire.h>

#endif
