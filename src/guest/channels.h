/* SPDX-License-Identifier: MIT */
/* The channels of this domain, as its own xenstore nodes describe them. */
#ifndef XENCHAN_GUEST_CHANNELS_H
#define XENCHAN_GUEST_CHANNELS_H

#include <stdbool.h>
#include <stdint.h>
#include <xenstore.h>

#include "console/schema.h"

/* A snapshot of one device. */
struct channel {
	unsigned int device;
	char name[CONSOLE_NAME_MAX + 1]; /* "" if it has none: a console */
	char type[32];                   /* who serves it, by libxl's word */
	enum console_state state;        /* ours; UNKNOWN: absent or no state */
	bool has_backend;     /* the nodes name one, and it is of this device */
	unsigned int backend; /* the domain that serves it */
	/*
	 * QEMU serves it, which takes one front end in a channel's life: a
	 * second one ends it, and with it the guest's other devices.
	 */
	bool is_qemus;
	char backend_path[128];
	enum console_state backend_state;
	bool online; /* false: the toolstack is about to remove it */
	uint32_t ring_ref, port; /* 0: none */
};

struct channels {
	struct channel list[CONSOLE_DEVICE_MAX]; /* by device */
	unsigned int n;
};

/* 0; -ENOENT: there is no such device; else the errno of xenstore, negative. */
int channel_read(struct xs_handle *xs, unsigned int device,
		 struct channel *out);

/*
 * All devices, also those without a name. None is no error. 0, or the errno of
 * xenstore, negative.
 */
int channels_read(struct xs_handle *xs, struct channels *out);

/*
 * The one channel of this name. device 0: any. 0; -ENOENT: none;
 * -ENOTUNIQ: several, the lowest device is in *out.
 */
int channels_find(const struct channels *all, const char *name,
		  unsigned int device, const struct channel **out);

/* Watches this domain's devices; front ends watch their backends. 0, or the
 * errno of xenstore, negative. */
int channels_watch(struct xs_handle *xs);

/*
 * Takes all watch events that are there. Which nodes they were for does not
 * matter: look at everything again. 0, or the errno of xenstore, negative.
 */
int channels_take_events(struct xs_handle *xs);

#endif
