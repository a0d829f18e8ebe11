/* SPDX-License-Identifier: MIT */
/*
 * What libxl asks of a device model, in the words of QEMU's command line.
 *
 * libxl is the toolstack and trusted; but its configuration is an
 * administrator's, so that what does not make sense is refused in words.
 */
#ifndef XENCHAN_DM_ARGS_H
#define XENCHAN_DM_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "console/schema.h"

#define DM_CHANNELS_MAX (CONSOLE_DEVICE_MAX - CONSOLE_DEVICE_MIN + 1)
#define DM_MONITORS_MAX 4

struct dm_channel {
	unsigned int device;
	enum console_kind kind;
	char *path; /* owned; of the socket, "" for a pty */
};

struct dm_args {
	unsigned int domid;
	char *monitors[DM_MONITORS_MAX]; /* owned; sockets, QMP is spoken on */
	size_t n_monitors;
	struct dm_channel channels[DM_CHANNELS_MAX];
	size_t n_channels;
	bool has_lost_channel; /* xl 4.17 made a channel of device 0 */
	const char *for_qemu;  /* borrowed; an argument that only QEMU knows */
};

/*
 * 0, or -EINVAL: then *wrong is the argument that makes no sense, or what is
 * missing; -ERANGE: it is a channel beyond the seventh; or -ENOMEM. dm_args_deinit() is right either way.
 */
int dm_args_parse(struct dm_args *a, const char *const *argv,
		  const char **wrong);
void dm_args_deinit(struct dm_args *a);

/*
 * The same command line for QEMU: without the channels that xenchanneld serves.
 * NULL-terminated, to be freed; the strings are those of argv. NULL: no memory.
 */
const char **dm_args_for_qemu(const char *qemu, const char *const *argv);

#endif
