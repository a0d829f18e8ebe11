// SPDX-License-Identifier: MIT
#include "dm/handover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "console/store.h"
#include "xen/text.h"
#include "xen/transact.h"

#define LOOK_MS 20

struct gift {
	struct xs_handle *xs;
	unsigned int own, domid, device;
	bool is_others; /* another domain serves it */
};

static int put_mark(const struct gift *g, xs_transaction_t t)
{
	struct xs_permissions perms[2] = { { g->own, XS_PERM_NONE },
					   { g->domid, XS_PERM_READ } };
	char id[CONSOLE_ID_LEN + 1];
	const char *const pairs[][2] = { { CONSOLE_BE_OURS, "" },
					 { CONSOLE_BE_ID, id } };
	int r = console_make_id(id);

	for (size_t i = 0; i < 2 && !r; i++) {
		struct console_path p;

		console_backend_path(&p, g->own, g->domid, g->device,
				     pairs[i][0]);
		r = xen_text_write(g->xs, t, p.s, pairs[i][1]);
		if (!r && !xs_set_permissions(g->xs, t, p.s, perms, 2))
			r = -errno;
	}
	return r;
}

/*
 * Which domain serves a channel stands in libxl's own nodes; the frontend's are
 * the guest's. -ENOENT: nothing stands there yet.
 */
static int give_in_transaction(void *userdata, xs_transaction_t t)
{
	struct gift *g = userdata;
	_cleanup_free_ char *backend = NULL, *type = NULL;
	struct console_path p;
	int r = xen_text_read(
		g->xs, t,
		console_libxl_path(&p, g->domid, g->device, CONSOLE_FE_BACKEND),
		CONSOLE_VALUE_MAX, &backend);

	if (r)
		return r;
	g->is_others =
		strcmp(backend, console_backend_path(&p, g->own, g->domid,
						     g->device, NULL)) != 0;
	if (g->is_others)
		return 0;
	/* It exists, so that its permissions stay libxl's. */
	console_frontend_path(&p, g->domid, g->device, CONSOLE_FE_TYPE);
	r = xen_text_read(g->xs, t, p.s, CONSOLE_VALUE_MAX, &type);
	if (!r)
		r = xen_text_write(g->xs, t, p.s, "xenconsoled");
	return r ? r : put_mark(g, t);
}

static int give_one(struct gift *g, unsigned int timeout_ms)
{
	for (unsigned int ms = 0;; ms += LOOK_MS) {
		int r = xen_transact(g->xs, give_in_transaction, g);

		if (r != -ENOENT)
			return r;
		if (ms >= timeout_ms)
			return -ETIMEDOUT;
		clock_sleep_ms(LOOK_MS);
	}
}

static void remove_channel(struct dm_args *args, size_t i)
{
	free(args->channels[i].path);
	args->channels[i] = args->channels[--args->n_channels];
}

int handover_give(struct xs_handle *xs, unsigned int own, struct dm_args *args,
		  unsigned int timeout_ms, unsigned int *missing)
{
	for (size_t i = 0; i < args->n_channels;) {
		struct gift g = { xs, own, args->domid,
				  args->channels[i].device };
		int r = give_one(&g, timeout_ms);

		*missing = g.device;
		if (r)
			return r;
		if (g.is_others)
			remove_channel(args, i);
		else
			i++;
	}
	return 0;
}

static int await_one(struct xs_handle *xs, const char *state,
		     unsigned int *left_ms)
{
	for (;; *left_ms -= LOOK_MS) {
		enum console_state s;
		int r = console_read_state(xs, XBT_NULL, state, &s);

		if (r || s >= CONSOLE_STATE_INIT_WAIT)
			return r;
		if (*left_ms < LOOK_MS)
			return -ETIMEDOUT;
		clock_sleep_ms(LOOK_MS);
	}
}

/* The daemon says it before it says that it serves. */
static int look_for_problem(struct xs_handle *xs, unsigned int own,
			    unsigned int domid, unsigned int device, char **out)
{
	struct console_path p;
	int r;

	console_backend_path(&p, own, domid, device, CONSOLE_BE_ERROR);
	r = xen_text_read(xs, XBT_NULL, p.s, CONSOLE_VALUE_MAX, out);
	return r == -ENOENT ? 0 : r;
}

int handover_await_served(struct xs_handle *xs, unsigned int own,
			  const struct dm_args *args, unsigned int timeout_ms,
			  unsigned int *missing, char **problem)
{
	int r = 0;

	*problem = NULL;
	for (size_t i = 0; i < args->n_channels && !r && !*problem; i++) {
		struct console_path p;

		*missing = args->channels[i].device;
		console_backend_path(&p, own, args->domid, *missing,
				     CONSOLE_BE_STATE);
		r = await_one(xs, p.s, &timeout_ms);
		if (!r)
			r = look_for_problem(xs, own, args->domid, *missing,
					     problem);
	}
	return r;
}

/* The backends in hw/xen of QEMU, but for that of consoles. */
static const char *const qemu_types[] = { "vfb",  "vkbd", "qdisk",
					  "9pfs", "qusb", "qnic" };

int handover_find_qemu_device(struct xs_handle *xs, unsigned int own,
			      unsigned int domid, const char **type)
{
	*type = NULL;
	for (size_t i = 0; i < sizeof(qemu_types) / sizeof(qemu_types[0]);
	     i++) {
		_cleanup_free_ char **devices = NULL;
		char path[80];
		unsigned int n;

		snprintf(path, sizeof(path), "/local/domain/%u/backend/%s/%u",
			 own, qemu_types[i], domid);
		devices = xs_directory(xs, XBT_NULL, path, &n);
		if (!devices && errno != ENOENT)
			return -errno;
		if (devices && n) {
			*type = qemu_types[i];
			return 0;
		}
	}
	return 0;
}

int handover_say_running(struct xs_handle *xs, unsigned int domid)
{
	char path[48];

	/* Below our own home, as QEMU does it; libxl waits for this. */
	snprintf(path, sizeof(path), "device-model/%u/state", domid);
	return xen_text_write(xs, XBT_NULL, path, "running");
}
