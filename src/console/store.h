/* SPDX-License-Identifier: MIT */
/* Values of channels in xenstore, as toolstack and backend both need them. */
#ifndef XENCHAN_CONSOLE_STORE_H
#define XENCHAN_CONSOLE_STORE_H

#include <xenstore.h>

#include "console/schema.h"

/*
 * A text that is no state is CONSOLE_STATE_UNKNOWN. 0, or the negative errno of
 * xenstore: then *out is that, too.
 */
int console_read_state(struct xs_handle *xs, xs_transaction_t t,
		       const char *path, enum console_state *out);

/* Random; id has CONSOLE_ID_LEN + 1 bytes. 0 or a negative errno. */
int console_make_id(char *id);

#endif
