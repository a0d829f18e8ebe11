/* SPDX-License-Identifier: MIT */
/* A child whose instructions are looked at one by one, to kill it after each. */
#ifndef XENCHAN_BACKEND_TEST_SINGLE_STEP_H
#define XENCHAN_BACKEND_TEST_SINGLE_STEP_H

#include <stdbool.h>

struct single_step {
	/* In the child; its end is the child's. */
	void (*run)(void *userdata);
	/* In the parent: after each instruction; when the child raises SIGSTOP.
	 * NULL, or what is wrong: then the child is killed. */
	const char *(*look)(void *userdata);
	const char *(*turn)(void *userdata);
	void *userdata;
};

/* Some machines do not let a process be stepped. */
bool single_step_is_possible(void);

/* NULL, or what is wrong. */
const char *single_step(const struct single_step *s);

#endif
