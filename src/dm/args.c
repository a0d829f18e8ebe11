// SPDX-License-Identifier: MIT
#include "dm/args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"

#define CHANNEL_ID "libxl-channel"
#define MONITOR_ID "libxl-cmd"
#define MONITOR_STAT_ID "libxenstat-cmd"

/*
 * The value of a key in "type,key=value,...", where ",," is a comma of the
 * value. 0; -ENOENT: no such key; -ENOMEM.
 */
static int get_key(const char *text, const char *key, char **out)
{
	size_t n_key = strlen(key);

	while (*text) {
		bool found = !strncmp(text, key, n_key) && text[n_key] == '=';
		_cleanup_free_ char *value = malloc(strlen(text) + 1);
		size_t n = 0;

		if (!value)
			return -ENOMEM;
		for (; *text && (*text != ',' || text[1] == ','); text++) {
			text += *text == ',';
			value[n++] = *text;
		}
		value[n] = '\0';
		text += *text == ',';
		if (!found)
			continue;
		memmove(value, value + n_key + 1, n - n_key);
		*out = TAKE_PTR(value);
		return 0;
	}
	return -ENOENT;
}

static bool has_type(const char *chardev, const char *type)
{
	size_t n = strlen(type);

	return !strncmp(chardev, type, n) && chardev[n] == ',';
}

/*
 * The device number of a channel's chardev; -ENOENT: it is none of a channel;
 * -ERANGE: of one that nobody can serve; -ENOMEM.
 */
static int channel_device(const char *chardev)
{
	_cleanup_free_ char *id = NULL;
	unsigned int device;
	int r = get_key(chardev, "id", &id);

	if (r)
		return r;
	if (strncmp(id, CHANNEL_ID, strlen(CHANNEL_ID)) != 0)
		return -ENOENT;
	if (!strcmp(id + strlen(CHANNEL_ID), "0"))
		return 0;
	return console_parse_device(id + strlen(CHANNEL_ID), &device)
		       ? -ERANGE
		       : (int)device;
}

static int add_channel(struct dm_args *a, const char *chardev, int device)
{
	struct dm_channel c = { .device = (unsigned int)device };
	int r;

	if (device == 0) {
		a->has_lost_channel = true;
		return 0;
	}
	for (size_t i = 0; i < a->n_channels; i++) {
		if (a->channels[i].device == c.device)
			return -EINVAL;
	}
	c.kind = has_type(chardev, "pty") ? CONSOLE_PTY : CONSOLE_SOCKET;
	if (c.kind == CONSOLE_SOCKET && !has_type(chardev, "socket"))
		return -EINVAL;
	r = get_key(chardev, "path", &c.path);
	if (r == -ENOENT && c.kind == CONSOLE_PTY) {
		c.path = strdup("");
		r = c.path ? 0 : -ENOMEM;
	}
	if (!r)
		a->channels[a->n_channels++] = c;
	return r == -ENOENT ? -EINVAL : r;
}

static int add_monitor(struct dm_args *a, const char *chardev)
{
	_cleanup_free_ char *id = NULL;
	char *path = NULL;
	int r = get_key(chardev, "id", &id);

	if (!r && strcmp(id, MONITOR_ID) != 0 &&
	    strcmp(id, MONITOR_STAT_ID) != 0)
		r = -ENOENT;
	if (!r &&
	    (!has_type(chardev, "socket") || a->n_monitors == DM_MONITORS_MAX))
		r = -ENOENT;
	if (!r)
		r = get_key(chardev, "path", &path);
	if (!r)
		a->monitors[a->n_monitors++] = path;
	return r;
}

static int take_chardev(struct dm_args *a, const char *value)
{
	int device = channel_device(value);
	int r = device;

	if (device >= 0)
		r = add_channel(a, value, device);
	else if (device == -ENOENT)
		r = add_monitor(a, value);
	if (r != -ENOENT)
		return r;
	if (!a->for_qemu)
		a->for_qemu = value;
	return 0;
}

/* What libxl says for each guest, and means no device. NULL: any value. */
static const struct {
	const char *option;
	bool has_value;
	const char *value;
} harmless[] = {
	{ "-no-shutdown", false },
	{ "-nodefaults", false },
	{ "-no-user-config", false },
	{ "-nographic", false },
	{ "-xen-attach", false },
	{ "-mon", true },
	{ "-name", true },
	{ "-m", true },
	{ "-vnc", true, "none" },
	{ "-display", true, "none" },
	{ "-machine", true, "xenpv" },
};

/* How many arguments argv begins with that need no QEMU; 0: it does. */
static int skip_harmless(const char *const *argv)
{
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		if (strcmp(argv[0], harmless[i].option) != 0)
			continue;
		if (!harmless[i].has_value)
			return 1;
		if (argv[1] &&
		    (!harmless[i].value || !strcmp(argv[1], harmless[i].value)))
			return 2;
	}
	return 0;
}

/* The arguments that were taken, at least 1, or negative. */
static int take_option(struct dm_args *a, const char *const *argv)
{
	int r, n = skip_harmless(argv);

	if (n)
		return n;
	if (!strcmp(argv[0], "-xen-domid"))
		return argv[1] && !parse_domid(argv[1], &a->domid) ? 2
								   : -EINVAL;
	if (!strcmp(argv[0], "-chardev")) {
		if (!argv[1])
			return -EINVAL;
		r = take_chardev(a, argv[1]);
		return r ? r : 2;
	}
	if (!a->for_qemu)
		a->for_qemu = argv[0];
	return 1;
}

int dm_args_parse(struct dm_args *a, const char *const *argv,
		  const char **wrong)
{
	*a = (struct dm_args){ 0 };
	for (argv++; *argv;) {
		int n = take_option(a, argv);

		*wrong = argv[1] ? argv[1] : argv[0];
		if (n < 0)
			return n;
		argv += n;
	}
	if (!a->domid) {
		*wrong = "no -xen-domid";
		return -EINVAL;
	}
	return 0;
}

void dm_args_deinit(struct dm_args *a)
{
	for (size_t i = 0; i < a->n_monitors; i++)
		free(a->monitors[i]);
	for (size_t i = 0; i < a->n_channels; i++)
		free(a->channels[i].path);
	*a = (struct dm_args){ 0 };
}

const char **dm_args_for_qemu(const char *qemu, const char *const *argv)
{
	size_t n = 0;
	const char **out;

	while (argv[n])
		n++;
	out = calloc(n + 1, sizeof(*out));
	if (!out)
		return NULL;
	n = 0;
	out[n++] = qemu;
	for (argv++; *argv; argv++) {
		if (!strcmp(*argv, "-chardev") && argv[1] &&
		    channel_device(argv[1]) > 0)
			argv++;
		else
			out[n++] = *argv;
	}
	return out;
}
