/* SPDX-License-Identifier: MIT */
/*
 * A front end: frontend.c is its phases, frontend-nodes.c what it writes to
 * xenstore.
 */
#ifndef XENCHAN_GUEST_FRONTEND_PRIVATE_H
#define XENCHAN_GUEST_FRONTEND_PRIVATE_H

#include "guest/frontend.h"

struct frontend {
	struct xs_handle *xs; /* borrowed */
	const char *sysfs;    /* borrowed */
	unsigned int device;
	char name[CONSOLE_NAME_MAX + 1];
	enum frontend_phase phase;
	enum console_state state;  /* as we last wrote it */
	enum console_state former; /* what it was before the eviction */
	int64_t since_ns;          /* when the phase began */
	int64_t deadline_ns;       /* when to look again */
	char watched[128];         /* backend_path, or "" */
	char token[24];            /* of that watch; ours alone */
	bool published_open;

	/* From FRONTEND_OFFERED to FRONTEND_CLOSING */
	unsigned int backend;
	struct endpoint endpoint;
};

/*
 * 0, or negative errno. A device whose nodes have gone, or are another
 * channel's by now, is left alone, and that is no error.
 */
int frontend_set_state(struct frontend *f, enum console_state s);
int frontend_publish_ring(struct frontend *f);

#endif
