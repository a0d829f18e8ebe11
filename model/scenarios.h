/* SPDX-License-Identifier: MIT */
/* What a model consists of, for main.c: scenarios, and what need not matter. */
#ifndef XENCHAN_MODEL_SCENARIOS_H
#define XENCHAN_MODEL_SCENARIOS_H

#include "explorer.h"

extern const struct model_scenario scenarios[];
extern const size_t n_scenarios;

/* An ordering that may be taken away, and why it stands there. */
struct model_exception {
	const char *function;
	unsigned int order;
	const char *why;
};

extern const struct model_exception exceptions[];
extern const size_t n_exceptions;

#endif
