// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "console/store.h"
#include "toolstack/channel.h"
#include "toolstack/nodes.h"
#include "xen/text.h"

static void channel_deinit(struct toolstack_channel *c)
{
	free(c->name);
	free(c->path);
	free(c->type);
	free(c->log);
	free(c->error);
}

void toolstack_list_deinit(struct toolstack_list *list)
{
	for (size_t i = 0; i < list->n_channels; i++)
		channel_deinit(&list->channels[i]);
	free(list->channels);
	*list = (struct toolstack_list){ 0 };
}

/* *out: the value, or "" if there is none or none that can be believed. */
static int read_or_empty(struct xs_handle *xs, const char *path, char **out)
{
	int r = xen_text_read(xs, XBT_NULL, path, CONSOLE_VALUE_MAX, out);

	if (r == -ENOENT || r == -EACCES || r == -EPROTO) {
		*out = strdup("");
		r = *out ? 0 : -ENOMEM;
	}
	return r;
}

static int read_backend(struct xs_handle *xs, struct toolstack_channel *c,
			const char *key, char **out)
{
	struct console_path p;

	if (c->has_backend)
		console_backend_path(&p, c->backend, c->domid, c->device, key);
	else
		console_libxl_path(&p, c->domid, c->device, key);
	return read_or_empty(xs, p.s, out);
}

/*
 * A driver domain owns its directory and can put anything there; what the
 * toolstack wrote stands in libxl's copy, too.
 */
static int read_toolstacks(struct xs_handle *xs, struct toolstack_channel *c,
			   const char *key, char **out)
{
	struct console_path p;

	if (c->has_backend && c->backend == TOOLSTACK_DOMAIN)
		return read_backend(xs, c, key, out);
	console_libxl_path(&p, c->domid, c->device, key);
	return read_or_empty(xs, p.s, out);
}

static int read_frontend(struct xs_handle *xs, struct toolstack_channel *c,
			 const char *key, char **out)
{
	struct console_path p;

	console_frontend_path(&p, c->domid, c->device, key);
	return read_or_empty(xs, p.s, out);
}

static int read_kind_and_path(struct xs_handle *xs, struct toolstack_channel *c)
{
	_cleanup_free_ char *connection = NULL, *kind = NULL;
	int r = read_toolstacks(xs, c, CONSOLE_BE_CONNECTION, &connection);

	if (!r)
		r = read_toolstacks(xs, c, CONSOLE_BE_KIND, &kind);
	if (r)
		return r;
	c->has_kind = !console_parse_kind(connection, &c->kind) ||
		      !console_parse_kind(kind, &c->kind);
	if (c->has_kind && c->kind == CONSOLE_SOCKET)
		return read_toolstacks(xs, c, CONSOLE_BE_PATH, &c->path);
	return read_frontend(xs, c, CONSOLE_FE_TTY, &c->path);
}

static int read_states(struct xs_handle *xs, struct toolstack_channel *c)
{
	_cleanup_free_ char *online = NULL;
	struct console_path p;
	int r = read_backend(xs, c, CONSOLE_BE_ONLINE, &online);

	if (r)
		return r;
	c->online = strcmp(online, "0") != 0;
	r = console_read_state(xs, XBT_NULL,
			       console_backend_path(&p, c->backend, c->domid,
						    c->device,
						    CONSOLE_BE_STATE),
			       &c->backend_state);

	if (r && r != -ENOENT && r != -EACCES)
		return r;
	if (!c->has_backend)
		c->backend_state = CONSOLE_STATE_UNKNOWN;
	r = console_read_state(xs, XBT_NULL,
			       console_frontend_path(&p, c->domid, c->device,
						     CONSOLE_FE_STATE),
			       &c->frontend_state);
	c->has_frontend = !r;
	return r == -ENOENT || r == -EACCES ? 0 : r;
}

static int read_settings(struct xs_handle *xs, struct toolstack_channel *c)
{
	_cleanup_free_ char *overflow = NULL, *limit = NULL, *mark = NULL;
	struct console_path p;
	uint32_t bytes = 0;
	int r = read_backend(xs, c, CONSOLE_BE_OVERFLOW, &overflow);

	if (!r)
		r = read_backend(xs, c, CONSOLE_BE_LIMIT, &limit);
	if (r)
		return r;
	if (console_parse_overflow(overflow, &c->overflow))
		c->overflow = CONSOLE_BLOCK;
	if (parse_u32(limit, CONSOLE_LIMIT_MAX, &bytes) || !bytes)
		bytes = CONSOLE_LIMIT_DEFAULT;
	c->limit = bytes;
	mark = xs_read(xs, XBT_NULL,
		       console_backend_path(&p, c->backend, c->domid, c->device,
					    CONSOLE_BE_OURS),
		       NULL);
	/* Whose backend is dead is served by nobody: it is for us to remove. */
	c->ours = mark || !strcmp(c->type, "xenconsoled") || !c->has_backend;
	return 0;
}

static int read_error(struct xs_handle *xs, struct toolstack_channel *c)
{
	char text[80];

	if (c->has_backend)
		return read_backend(xs, c, CONSOLE_BE_ERROR, &c->error);
	snprintf(text, sizeof(text),
		 c->incomplete ? "its nodes in domain %u are gone: detach it"
			       : "its backend domain %u is gone",
		 c->backend);
	c->error = strdup(text);
	return c->error ? 0 : -ENOMEM;
}

static int read_guest_open(struct xs_handle *xs, struct toolstack_channel *c)
{
	_cleanup_free_ char *open = NULL;
	int r = read_frontend(xs, c, CONSOLE_FE_OPEN, &open);

	c->guest_open = !r && !strcmp(open, "1");
	c->has_guest_open = !r && (c->guest_open || !strcmp(open, "0"));
	return r;
}

static int read_channel(struct xs_handle *xs, struct toolstack_channel *c)
{
	int r = read_toolstacks(xs, c, CONSOLE_BE_NAME, &c->name);

	if (!r && !c->name[0]) {
		free(TAKE_PTR(c->name));
		r = read_frontend(xs, c, CONSOLE_FE_NAME, &c->name);
	}
	if (!r)
		r = read_frontend(xs, c, CONSOLE_FE_TYPE, &c->type);
	if (!r)
		r = read_kind_and_path(xs, c);
	if (!r)
		r = read_states(xs, c);
	if (!r)
		r = read_backend(xs, c, CONSOLE_BE_LOG, &c->log);
	if (!r)
		r = read_error(xs, c);
	if (!r)
		r = read_settings(xs, c);
	if (!r)
		r = read_guest_open(xs, c);
	return r;
}

int toolstack_list_add(struct xs_handle *xs, struct toolstack_list *list,
		       const struct toolstack_channel *address)
{
	struct toolstack_channel *grown = reallocarray(
		list->channels, list->n_channels + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	list->channels = grown;
	grown[list->n_channels] = *address;
	return read_channel(xs, &grown[list->n_channels++]);
}

const struct toolstack_channel *
toolstack_list_find(const struct toolstack_list *list, unsigned int domid,
		    const char *name)
{
	for (size_t i = 0; i < list->n_channels; i++) {
		const struct toolstack_channel *c = &list->channels[i];

		if (c->domid == domid && !strcmp(c->name, name))
			return c;
	}
	return NULL;
}
