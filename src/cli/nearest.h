/* SPDX-License-Identifier: MIT */
/* What somebody who mistyped a name may have meant. */
#ifndef XENCHAN_CLI_NEAREST_H
#define XENCHAN_CLI_NEAREST_H

#include <stdbool.h>

/*
 * The edit distance of two names, letters inserted, removed, replaced or two
 * neighbours swapped; names are compared up to 63 bytes.
 */
unsigned int name_distance(const char *a, const char *b);

/* Whether a typed name is close enough to a real one to be worth a mention:
 * a third of its letters may differ, or it is a beginning of it. */
bool name_is_near(const char *typed, const char *real);

#endif
