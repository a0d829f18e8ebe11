/* SPDX-License-Identifier: MIT */
/* The control socket: toolstack/control.h says what is spoken there. */
#ifndef XENCHAN_BACKEND_CONTROL_H
#define XENCHAN_BACKEND_CONTROL_H

#include <uv.h>

#include "backend/channel.h"

struct control;
struct server;

/* Listens in the directory. 0 or a negative errno. */
int control_new(struct control **out, uv_loop_t *loop, int run_dir);
void control_free(struct control *c);

/* Whose channels a status shows; NULL: none yet, or no more. */
void control_set_server(struct control *c, struct server *s);

/* Tells those who asked for events. */
void control_tell(struct control *c, const struct channel *channel,
		  const char *what, const char *detail);

#endif
