/* SPDX-License-Identifier: MIT */
/*
 * All channels of a backend domain: finds them by watches, gives each its turn
 * when something of its happens, and notices domains that are gone.
 */
#ifndef XENCHAN_BACKEND_SERVER_H
#define XENCHAN_BACKEND_SERVER_H

#include <stdbool.h>
#include <uv.h>

#include "backend/channel.h"

struct fd_store;
struct server;

struct server_config {
	int run_dir;            /* borrowed */
	struct fd_store *store; /* borrowed */
	bool all_types;
	/* As that of channel_host. */
	void (*event)(void *userdata, const struct channel *c, const char *what,
		      const char *detail);
	void *userdata;
};

/*
 * Opens Xen and looks at what there is. What a guest or a client does never
 * ends it; losing xenstore does: lost() is called once. 0 or a negative errno,
 * and *what says what could not be done.
 */
int server_new(struct server **out, uv_loop_t *loop,
	       const struct server_config *config, void (*lost)(void *userdata),
	       const char **what);

/* Leaves everything so that the next process can go on. NULL is accepted. */
void server_free(struct server *s);

void server_reopen_logs(struct server *s);

void server_for_each(struct server *s,
		     void (*fn)(void *userdata, const struct channel *c),
		     void *userdata);

#endif
