/* SPDX-License-Identifier: MIT */
/*
 * What a toolstack does with channels: attach, detach and list them, at any
 * time of a guest's life. Made for the control domain: it writes where only
 * that may.
 *
 * All block, on xenstore and for as long as they say. They return 0, a positive
 * code of enum toolstack_error, or a negative errno.
 */
#ifndef XENCHAN_TOOLSTACK_CHANNEL_H
#define XENCHAN_TOOLSTACK_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xenstore.h>

#include "console/schema.h"

enum toolstack_error {
	TOOLSTACK_NO_DOMAIN = 1,  /* there is no such domain */
	TOOLSTACK_NO_BACKEND,     /* there is no such backend domain */
	TOOLSTACK_AMBIGUOUS,      /* several domains have this name */
	TOOLSTACK_BAD_NAME,       /* console_check_name() refuses it */
	TOOLSTACK_BAD_PATH,       /* so does console_check_path() */
	TOOLSTACK_DUPLICATE_NAME, /* the domain has a channel of this name */
	TOOLSTACK_DUPLICATE_PATH, /* another channel has this socket */
	TOOLSTACK_NO_DEVICE,      /* devices 1 to 7 are all in use */
	TOOLSTACK_NO_CHANNEL,     /* the domain has no channel of this name */
	TOOLSTACK_NOT_OURS,       /* another toolstack's and QEMU's channel */
	TOOLSTACK_NO_ANSWER,      /* the backend has not closed in time */
	TOOLSTACK_NOT_TAKEN,      /* the guest has not taken the device up */
	TOOLSTACK_NOT_SERVED,     /* nor has the backend */
	TOOLSTACK_NO_UUID,        /* the domain has no UUID to be known by */
	TOOLSTACK_ERROR_N,
};

/* One line for people, without a full stop. */
const char *toolstack_error_text(int error);

/*
 * Domains
 */

/* A domain's id, from the digits of one or from its name. */
int toolstack_find_domain(struct xs_handle *xs, const char *text,
			  unsigned int *domid);

/*
 * Has the control domain introduced it, and is it not dead? 0;
 * TOOLSTACK_NO_DOMAIN; or the negative errno for which that cannot be told.
 */
int toolstack_check_domain(struct xs_handle *xs, unsigned int domid);

/*
 * Channels
 */

/* What a channel is to be. */
struct toolstack_spec {
	unsigned int domid;
	unsigned int backend; /* the domain that serves it */
	const char *name;
	enum console_kind kind;
	const char *path; /* of the socket; NULL for a pty */
	const char *log;  /* of the traffic log, or NULL */
	const char *mode; /* of the socket or terminal, octal, or NULL */
	long uid, gid;    /* of that, or -1 */
	enum console_overflow overflow;
	unsigned int limit; /* bytes; 0: the default */
	bool signal_client; /* `connection` follows the client */
	bool persist;       /* it is recorded, see persist.h */
};

/*
 * Makes the nodes, all or none, with the record if it is to persist, and says
 * which device it became. Nodes of a closed device that nobody removed are
 * removed first, in a step of its own: Linux does not notice otherwise.
 */
int toolstack_attach(struct xs_handle *xs, const struct toolstack_spec *spec,
		     unsigned int *device);

/*
 * Waits until the guest has taken the device up, at most timeout_ms; makes the
 * nodes again after a second, after another two, and so on, because a guest that
 * is busy removing a device of the same number misses new ones.
 * TOOLSTACK_NOT_SERVED if no backend runs, TOOLSTACK_NOT_TAKEN if the guest does
 * not: it may not have booted, or has no driver.
 */
int toolstack_await_guest(struct xs_handle *xs,
			  const struct toolstack_spec *spec,
			  unsigned int device, unsigned int timeout_ms);

/*
 * Asks the backend to close the channel of this name, waits until it has, at
 * most timeout_ms, and removes the nodes: in this order, because a guest whose
 * nodes vanish while the backend still has its page may reuse the page and
 * crash. TOOLSTACK_NO_ANSWER leaves the nodes closing: the call can be repeated.
 * force removes them all the same: right if no backend runs.
 */
int toolstack_detach(struct xs_handle *xs, unsigned int domid, const char *name,
		     unsigned int timeout_ms, bool force);

/*
 * The same as toolstack_remove_nodes(), if the domain is dead: in one step, as
 * another domain may be given its id, and channels, at any time.
 */
int toolstack_remove_dead(struct xs_handle *xs, unsigned int backend,
			  unsigned int domid, unsigned int device);

/* Removes the nodes of a device without asking anybody. */
int toolstack_remove_nodes(struct xs_handle *xs, unsigned int backend,
			   unsigned int domid, unsigned int device);

/* What xenchanneld says of a channel; see toolstack/control.h. */
struct toolstack_status {
	bool known, has_client;
	uint64_t from_guest, to_guest, dropped, waiting;
};

/* A channel as its nodes describe it. */
struct toolstack_channel {
	unsigned int backend, domid, device;
	char *name;    /* owned; "" if it has none */
	bool has_kind; /* connection (or kind) is a word that we know */
	enum console_kind kind;
	char *path;  /* owned; of the socket or tty; "" if none yet */
	char *type;  /* owned; who serves it: "ioemu" is QEMU; "" */
	char *log;   /* owned; "" if none */
	char *error; /* owned; what the backend complains of; "" */
	enum console_state frontend_state, backend_state;
	bool online; /* not asked to end */
	enum console_overflow overflow;
	unsigned int limit;
	bool has_frontend; /* false: a leftover of a dead domain */
	bool has_backend;  /* false: the backend's domain is dead; or */
	bool incomplete;   /* that lives: an attach was killed */
	bool ours;         /* xenchanneld's */
	bool guest_open;   /* so the guest says */
	bool has_guest_open;
	struct toolstack_status status;
};

struct toolstack_list {
	struct toolstack_channel *channels; /* by domain and device */
	size_t n_channels;
};

/* domid: only this domain's; -1: all. */
int toolstack_list(struct xs_handle *xs, int domid, struct toolstack_list *out);
void toolstack_list_deinit(struct toolstack_list *list);

/* The channel of this name in a domain, or NULL. */
const struct toolstack_channel *
toolstack_list_find(const struct toolstack_list *list, unsigned int domid,
		    const char *name);

/* Has a backend's channel a traffic log from now on: NULL ends it. */
int toolstack_set_log(struct xs_handle *xs, unsigned int domid,
		      const char *name, const char *log);

#endif
