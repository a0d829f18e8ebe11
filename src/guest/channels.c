// SPDX-License-Identifier: MIT
#include "guest/channels.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "xen/text.h"

/* Reads on after a failure, which is then that of all that was read. */
struct reader {
	struct xs_handle *xs; /* borrowed */
	int err;
};

/* That a node is not there, or nonsense, or not ours to know, is an answer. */
static int note(struct reader *from, int r)
{
	if (r && r != -ENOENT && r != -EACCES && r != -EPROTO)
		from->err = r;
	return r;
}

/* The value of a key as a bounded string; what does not fit is no value. */
static int read_key(struct reader *from, const char *path, char *out,
		    size_t size)
{
	_cleanup_free_ char *text = NULL;
	int r = xen_text_read(from->xs, XBT_NULL, path, size - 1, &text);

	if (!r)
		strcpy(out, text);
	return note(from, r);
}

static int read_own(struct reader *from, unsigned int device, const char *key,
		    char *out, size_t size)
{
	struct console_path p;

	return read_key(from, console_own_path(&p, device, key), out, size);
}

static enum console_state read_state(struct reader *from, const char *path)
{
	enum console_state s = CONSOLE_STATE_UNKNOWN;
	char text[4];

	if (!read_key(from, path, text, sizeof(text)))
		(void)console_parse_state(text, &s);
	return s;
}

static uint32_t read_number(struct reader *from, unsigned int device,
			    const char *key)
{
	struct console_path p;
	uint32_t v;

	if (note(from, xen_text_read_u32(from->xs, XBT_NULL,
					 console_own_path(&p, device, key), 1,
					 UINT32_MAX, &v)))
		return 0;
	return v;
}

/* The path of a key of the backend's. Its length was checked. */
static void backend_key(const struct channel *c, const char *key,
			char (*out)[160])
{
	strcpy(*out, c->backend_path);
	strcat(*out, "/");
	strcat(*out, key);
}

/* libxl says ioemu of every channel; what xenchanneld serves has its mark. */
static bool is_qemus(struct reader *from, const struct channel *c)
{
	_cleanup_free_ char *mark = NULL;
	char path[160];

	if (strcmp(c->type, CONSOLE_TYPE_QEMU) != 0)
		return false;
	backend_key(c, CONSOLE_BE_OURS, &path);
	mark = xs_read(from->xs, XBT_NULL, path, NULL);
	if (!mark)
		note(from, failed_errno());
	return !mark;
}

static void read_backend(struct reader *from, struct channel *c)
{
	struct console_backend_id id;
	char path[160], online[4];

	if (read_own(from, c->device, CONSOLE_FE_BACKEND, c->backend_path,
		     sizeof(c->backend_path)) ||
	    console_parse_backend_path(c->backend_path, &id) ||
	    id.device != c->device || *id.key)
		return;
	c->has_backend = true;
	c->backend = id.backend;
	c->is_qemus = is_qemus(from, c);
	backend_key(c, CONSOLE_BE_STATE, &path);
	c->backend_state = read_state(from, path);
	backend_key(c, CONSOLE_BE_ONLINE, &path);
	c->online = read_key(from, path, online, sizeof(online)) ||
		    strcmp(online, "0") != 0;
}

int channel_read(struct xs_handle *xs, unsigned int device, struct channel *out)
{
	struct channel c = { .device = device };
	struct reader from = { xs, 0 };
	struct console_path p;
	_cleanup_free_ char *dir =
		xs_read(xs, XBT_NULL, console_own_path(&p, device, NULL), NULL);

	if (!dir)
		return failed_errno();
	if (read_own(&from, device, CONSOLE_FE_NAME, c.name, sizeof(c.name)))
		c.name[0] = '\0';
	if (read_own(&from, device, CONSOLE_FE_TYPE, c.type, sizeof(c.type)))
		c.type[0] = '\0';
	c.state = read_state(&from,
			     console_own_path(&p, device, CONSOLE_FE_STATE));
	c.ring_ref = read_number(&from, device, CONSOLE_FE_RING_REF);
	c.port = read_number(&from, device, CONSOLE_FE_PORT);
	read_backend(&from, &c);
	if (from.err)
		return from.err;
	*out = c;
	return 0;
}

int channels_read(struct xs_handle *xs, struct channels *out)
{
	bool present[CONSOLE_DEVICE_MAX + 1] = { false };
	_cleanup_free_ char **names = NULL;
	unsigned int n, device;

	out->n = 0;
	names = xs_directory(xs, XBT_NULL, CONSOLE_OWN_ROOT, &n);
	if (!names)
		return errno == ENOENT ? 0 : failed_errno();
	for (unsigned int i = 0; i < n; i++) {
		if (!console_parse_device(names[i], &device))
			present[device] = true;
	}
	for (device = CONSOLE_DEVICE_MIN; device <= CONSOLE_DEVICE_MAX;
	     device++) {
		int r;

		if (!present[device])
			continue;
		r = channel_read(xs, device, &out->list[out->n]);
		if (!r)
			out->n++;
		else if (r != -ENOENT) /* which it may be by now */
			return r;
	}
	return 0;
}

int channels_find(const struct channels *all, const char *name,
		  unsigned int device, const struct channel **out)
{
	const struct channel *found = NULL;
	bool several = false;

	for (unsigned int i = 0; i < all->n; i++) {
		const struct channel *c = &all->list[i];

		if (strcmp(c->name, name) != 0 ||
		    (device && c->device != device))
			continue;
		several = found != NULL;
		if (!found)
			found = c;
	}
	if (!found)
		return -ENOENT;
	*out = found;
	return several ? -ENOTUNIQ : 0;
}

int channels_watch(struct xs_handle *xs)
{
	return xs_watch(xs, CONSOLE_OWN_ROOT, "channels") ? 0 : failed_errno();
}

int channels_take_events(struct xs_handle *xs)
{
	for (;;) {
		_cleanup_free_ char **event = xs_check_watch(xs);

		if (!event)
			return errno == EAGAIN ? 0 : failed_errno();
	}
}
