/* SPDX-License-Identifier: MIT */
/*
 * What a library under test asks of the kernel and of Xen, counted at the calls
 * by which it asks: this program defines them under their own names, which comes
 * first when a library that it loads looks for them, and passes them on. So
 * any libxenvchan is counted alike, on Xen and on an emulated host.
 */
#ifndef XENCHAN_BENCH_COUNTERS_H
#define XENCHAN_BENCH_COUNTERS_H

#include <stdint.h>

struct counters {
	uint64_t events;   /* sent: xenevtchn_notify */
	uint64_t syscalls; /* those, taking and unmasking, poll, nanosleep, and
			    * the read and write of a pipe or socket */
	uint64_t requests; /* to xenstore, each a round trip */
};

extern struct counters counters;

#endif
