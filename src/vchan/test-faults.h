/* SPDX-License-Identifier: MIT */
/*
 * A fault of Xen's libxenvchan, and its test: what the library makes of memory,
 * peers and closes is in test-faults.c, what of its callers, xenstore and
 * threads in test-faults-use.c.
 */
#ifndef XENCHAN_VCHAN_TEST_FAULTS_H
#define XENCHAN_VCHAN_TEST_FAULTS_H

#include <unistd.h>

#include "vchan/test-pair.h"

#define expect(cond)                                                         \
	do {                                                                 \
		if (!(cond)) {                                               \
			fprintf(stderr, "    %s:%d: not so: %s\n", __func__, \
				__LINE__, #cond);                            \
			_exit(1);                                            \
		}                                                            \
	} while (0)

struct fault {
	int number; /* as libxenvchan(3) counts */
	const char *name;
	void (*test)(void);
};

#define FAULT(number, test)         \
	{                           \
		number, #test, test \
	}

/* The last one has no test. */
extern const struct fault faults_of_use[];

/* A server and its client, with the sizes of the two rings. */
void open_pair(size_t left, size_t right, struct libxenvchan **s,
	       struct libxenvchan **c);

#endif
