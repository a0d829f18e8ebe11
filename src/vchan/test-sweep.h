/* SPDX-License-Identifier: MIT */
/*
 * One call of the host fails, once, somewhere in a vchan's life: what each life
 * of test-sweep-lives.c is run with, by test-sweep.c.
 */
#ifndef XENCHAN_VCHAN_TEST_SWEEP_H
#define XENCHAN_VCHAN_TEST_SWEEP_H

#include <errno.h>
#include <stdbool.h>

#include "libxenvchan-ext.h"
#include "vchan/test-pair.h"

/*
 * A call of the public function, and again if it failed: which it may once in a
 * life, for a reason that its manual page names.
 */
#define TRY(function, good, call)    \
	do {                         \
		sweep_before_call(); \
		call;                \
	} while (sweep_failed(#function, good))

/* The same, of an init: it leaves nothing behind when it fails. */
#define TRY_INIT(function, good, call) \
	do {                           \
		sweep_before_init();   \
		call;                  \
	} while (sweep_failed(#function, good))

#define CHECK(cond) sweep_check(cond, #cond, __func__, __LINE__)

void sweep_before_call(void);
void sweep_before_init(void);
bool sweep_failed(const char *function, bool good);
void sweep_check(bool good, const char *what, const char *where, int line);

/* Whether the fault that is to strike has done so, and is one of these calls. */
bool sweep_has_struck(enum fake_host_call kind);

struct life {
	const char *name;
	void (*run)(void);
	/* A page that the host does not take back keeps its port, and so the
	 * next client out: that call does not fail here. */
	bool has_next_client;
	bool is_long; /* it waits where a call fails: run when named */
};

extern const struct life sweep_lives[];
extern const size_t sweep_n_lives;

#endif
