/* SPDX-License-Identifier: MIT */
/*
 * A channel's nodes, as its backend reads and writes them. Nothing that the
 * guest could have forged decides anything but the guest's own part: `backend`,
 * `backend-id` and `protocol` of the frontend are not even read.
 */
#ifndef XENCHAN_BACKEND_NODES_H
#define XENCHAN_BACKEND_NODES_H

#include <stdbool.h>
#include <stdint.h>
#include <xenstore.h>

#include "backend/own-socket.h"
#include "console/schema.h"

struct channel_address {
	struct xs_handle *xs; /* borrowed */
	unsigned int backend, domid, device;
};

enum nodes_error {
	NODES_GONE = 1, /* the backend's directory is not there */
	NODES_NOT_OURS, /* it is, but QEMU or xenconsoled serves it */
};

/* What the toolstack wants. */
struct channel_config {
	char *name, *path, *log; /* owned; "" if there is none */
	enum console_kind kind;
	struct socket_access access;
	enum console_overflow overflow;
	unsigned int limit;
	bool signal_client;
	char id[CONSOLE_ID_LEN + 1];
	const char *problem; /* why no client can be served; or NULL */
};

/*
 * 0, a nodes_error, or a negative errno. Values that make no sense get their
 * defaults, or a problem. all: serve every type, for a driver domain. A
 * directory without an id gets one.
 */
int nodes_read_config(const struct channel_address *a, bool all,
		      struct channel_config *out);
void channel_config_deinit(struct channel_config *c);

/* What both sides say at the moment. */
struct channel_view {
	enum console_state backend;
	bool online;
	unsigned int guest; /* console_state or LIFE_GONE */
	bool has_ring;      /* both of these are numbers that can be */
	uint32_t ring_ref, port;
	bool has_guest_open, guest_open;
};

/* 0, NODES_GONE, or a negative errno. */
int nodes_read_view(const struct channel_address *a, struct channel_view *out);

/*
 * Each writes only if the backend's directory still is there: a write would
 * make it again. 0, NODES_GONE, or a negative errno. The state is left alone
 * if the toolstack has asked for the end meanwhile, unless it is the end.
 */
int nodes_write_state(const struct channel_address *a, enum console_state s);
int nodes_write_hotplug(const struct channel_address *a);
int nodes_write_tty(const struct channel_address *a, const char *tty);

/* What `list` shows as an error; NULL: none. */
int nodes_write_error(const struct channel_address *a, const char *text);

#endif
