// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "console/store.h"
#include "toolstack/channel.h"
#include "toolstack/nodes.h"
#include "xen/text.h"
#include "xen/transact.h"

/* What one transaction writes. */
struct attachment {
	struct xs_handle *xs;
	xs_transaction_t t;
	const struct toolstack_spec *spec;
	unsigned int device;
	struct xs_permissions guest_owns[2]; /* the backend reads */
	struct xs_permissions guest_reads[2];
	struct xs_permissions toolstack_only[1];
};

static int check_spec(const struct toolstack_spec *s)
{
	unsigned int mode;

	if (console_check_name(s->name))
		return TOOLSTACK_BAD_NAME;
	if (s->kind == CONSOLE_SOCKET &&
	    (!s->path || console_check_path(s->path, CONSOLE_SOCKET_MAX)))
		return TOOLSTACK_BAD_PATH;
	if (s->log && console_check_path(s->log, CONSOLE_VALUE_MAX))
		return TOOLSTACK_BAD_PATH;
	if (s->mode && console_parse_mode(s->mode, &mode))
		return -EINVAL;
	if (s->limit &&
	    (s->limit < CONSOLE_LIMIT_MIN || s->limit > CONSOLE_LIMIT_MAX))
		return -ERANGE;
	return 0;
}

static int put(const struct attachment *a, const char *dir, const char *key,
	       const char *value, const struct xs_permissions *perms,
	       unsigned int n_perms)
{
	struct xs_permissions copy[2];
	char path[256];
	int r;

	snprintf(path, sizeof(path), "%s/%s", dir, key);
	r = xen_text_write(a->xs, a->t, path, value);
	if (r)
		return r;
	memcpy(copy, perms, n_perms * sizeof(*perms));
	return xs_set_permissions(a->xs, a->t, path, copy, n_perms) ? 0
								    : -errno;
}

static int make_directory(const struct attachment *a, const char *path,
			  const struct xs_permissions *perms,
			  unsigned int n_perms)
{
	struct xs_permissions copy[2];

	memcpy(copy, perms, n_perms * sizeof(*perms));
	if (!xs_mkdir(a->xs, a->t, path) ||
	    !xs_set_permissions(a->xs, a->t, path, copy, n_perms))
		return -errno;
	return 0;
}

struct pair {
	const char *key, *value; /* value NULL: no such key */
};

static int put_all(const struct attachment *a, const char *dir,
		   const struct pair *pairs, size_t n,
		   const struct xs_permissions *perms, unsigned int n_perms)
{
	int r = 0;

	for (size_t i = 0; i < n && !r; i++) {
		if (pairs[i].value)
			r = put(a, dir, pairs[i].key, pairs[i].value, perms,
				n_perms);
	}
	return r;
}

#define N_PAIRS(p) (sizeof(p) / sizeof((p)[0]))

static int write_frontend(const struct attachment *a)
{
	const struct toolstack_spec *s = a->spec;
	struct console_path fe, be;
	char backend_id[12], limit[12], output[32] = "pty";
	const struct pair guests[] = {
		{ CONSOLE_FE_BACKEND, be.s },
		{ CONSOLE_FE_BACKEND_ID, backend_id },
		{ CONSOLE_FE_STATE,
		  console_state_text(CONSOLE_STATE_INITIALISING) },
		{ CONSOLE_FE_PROTOCOL, "vt100" },
	};
	const struct pair ours[] = {
		{ CONSOLE_FE_NAME, s->name },
		{ CONSOLE_FE_LIMIT, limit },
		/* Neither QEMU nor xenconsoled serves this, of a channel. */
		{ CONSOLE_FE_TYPE, "xenconsoled" },
		{ CONSOLE_FE_OUTPUT, output },
		{ CONSOLE_FE_TTY, "" },
	};
	int r;

	console_frontend_path(&fe, s->domid, a->device, NULL);
	console_backend_path(&be, s->backend, s->domid, a->device, NULL);
	snprintf(backend_id, sizeof(backend_id), "%u", s->backend);
	snprintf(limit, sizeof(limit), "%u",
		 s->limit ? s->limit : CONSOLE_LIMIT_DEFAULT);
	if (s->kind == CONSOLE_SOCKET)
		snprintf(output, sizeof(output), "chardev:libxl-channel%u",
			 a->device);
	r = make_directory(a, fe.s, a->guest_owns, 2);
	if (!r)
		r = put_all(a, fe.s, guests, N_PAIRS(guests), a->guest_owns, 2);
	if (!r)
		r = put_all(a, fe.s, ours, N_PAIRS(ours), a->guest_reads, 2);
	return r;
}

/* The settings that only xenchanneld reads, and the mark that it serves it. */
static int write_settings(const struct attachment *a, const char *be)
{
	const struct toolstack_spec *s = a->spec;
	char uid[24], gid[24], limit[12], id[CONSOLE_ID_LEN + 1];
	const struct pair settings[] = {
		{ CONSOLE_BE_OURS, "" },
		{ CONSOLE_BE_ID, id },
		{ CONSOLE_BE_MODE, s->mode },
		{ CONSOLE_BE_UID, s->uid >= 0 ? uid : NULL },
		{ CONSOLE_BE_GID, s->gid >= 0 ? gid : NULL },
		{ CONSOLE_BE_OVERFLOW,
		  s->overflow ? console_overflow_text(s->overflow) : NULL },
		{ CONSOLE_BE_LIMIT, s->limit ? limit : NULL },
		{ CONSOLE_BE_LOG, s->log },
		{ CONSOLE_BE_SIGNAL, s->signal_client ? "1" : NULL },
	};
	int r = console_make_id(id);

	snprintf(uid, sizeof(uid), "%ld", s->uid);
	snprintf(gid, sizeof(gid), "%ld", s->gid);
	snprintf(limit, sizeof(limit), "%u", s->limit);
	return r ? r
		 : put_all(a, be, settings, N_PAIRS(settings), a->guest_reads,
			   2);
}

static int write_backend_and_copy(const struct attachment *a)
{
	const struct toolstack_spec *s = a->spec;
	struct console_path fe, be, copy;
	char domid[12];
	const struct pair copied[] = {
		{ CONSOLE_BE_FRONTEND_ID, domid },
		{ CONSOLE_BE_ONLINE, "1" },
		{ CONSOLE_BE_STATE,
		  console_state_text(CONSOLE_STATE_INITIALISING) },
		{ CONSOLE_BE_PROTOCOL, "vt100" },
		{ CONSOLE_BE_NAME, s->name },
		{ CONSOLE_BE_CONNECTION, console_kind_text(s->kind) },
		{ CONSOLE_BE_PATH, s->kind == CONSOLE_SOCKET ? s->path : NULL },
	};
	const struct pair front = { CONSOLE_BE_FRONTEND, fe.s };
	const struct pair back = { CONSOLE_FE_BACKEND, be.s };
	int r;

	console_frontend_path(&fe, s->domid, a->device, NULL);
	console_backend_path(&be, s->backend, s->domid, a->device, NULL);
	console_libxl_path(&copy, s->domid, a->device, NULL);
	snprintf(domid, sizeof(domid), "%u", s->domid);
	r = make_directory(a, be.s, a->guest_reads, 2);
	if (!r)
		r = put_all(a, be.s, &front, 1, a->guest_reads, 2);
	if (!r)
		r = put_all(a, be.s, copied, N_PAIRS(copied), a->guest_reads,
			    2);
	if (!r)
		r = write_settings(a, be.s);
	if (!r)
		r = make_directory(a, copy.s, a->toolstack_only, 1);
	if (!r)
		r = put_all(a, copy.s, &front, 1, a->toolstack_only, 1);
	if (!r)
		r = put_all(a, copy.s, &back, 1, a->toolstack_only, 1);
	if (!r)
		r = put_all(a, copy.s, copied, N_PAIRS(copied),
			    a->toolstack_only, 1);
	return r;
}

/*
 * A driver domain reads the list of its devices, and removes them: the
 * directory is its own. libxl makes it with driver_domain=1 only.
 */
static int prepare_backend_domain(const struct attachment *a)
{
	struct xs_permissions owned = { a->spec->backend, XS_PERM_NONE };
	_cleanup_free_ char **keys = NULL;
	struct console_path root;
	unsigned int n;

	if (a->spec->backend == 0)
		return 0;
	console_backend_root(&root, a->spec->backend);
	keys = xs_directory(a->xs, a->t, root.s, &n);
	if (keys)
		return 0;
	if (errno != ENOENT)
		return -errno;
	*strrchr(root.s, '/') = '\0';
	keys = xs_directory(a->xs, a->t, root.s, &n);
	if (!keys) {
		int r = make_directory(a, root.s, &owned, 1);

		if (r)
			return r;
	}
	console_backend_root(&root, a->spec->backend);
	return make_directory(a, root.s, &owned, 1);
}

static int check_duplicates(struct xs_handle *xs,
			    const struct toolstack_list *own,
			    const struct toolstack_spec *s)
{
	bool found = false;
	int r = 0;

	for (size_t i = 0; i < own->n_channels; i++) {
		const struct toolstack_channel *c = &own->channels[i];

		if (!strcmp(c->name, s->name) && !toolstack_is_leftover(c))
			return TOOLSTACK_DUPLICATE_NAME;
	}
	if (s->path)
		r = toolstack_find_path(xs, s->backend, s->path, &found);
	if (r)
		return r;
	return found ? TOOLSTACK_DUPLICATE_PATH : 0;
}

static bool exists(struct xs_handle *xs, xs_transaction_t t, const char *path)
{
	unsigned int n;
	_cleanup_free_ char **keys = xs_directory(xs, t, path, &n);

	return keys;
}

/* The lowest device that has no node anywhere. */
static int choose_device(const struct attachment *a, unsigned int *device)
{
	const struct toolstack_spec *s = a->spec;
	struct console_path p;

	for (unsigned int k = CONSOLE_DEVICE_MIN; k <= CONSOLE_DEVICE_MAX;
	     k++) {
		if (exists(a->xs, a->t,
			   console_frontend_path(&p, s->domid, k, NULL)) ||
		    exists(a->xs, a->t,
			   console_backend_path(&p, s->backend, s->domid, k,
						NULL)) ||
		    exists(a->xs, a->t,
			   console_libxl_path(&p, s->domid, k, NULL)))
			continue;
		*device = k;
		return 0;
	}
	return TOOLSTACK_NO_DEVICE;
}

static int write_nodes(struct attachment *a)
{
	int r = prepare_backend_domain(a);

	if (!r)
		r = write_frontend(a);
	if (!r)
		r = write_backend_and_copy(a);
	return r;
}

static int attach_in_transaction(void *userdata, xs_transaction_t t)
{
	struct attachment *a = userdata;
	int r;

	a->t = t;
	if (a->device)
		return write_nodes(a);
	r = choose_device(a, &a->device);
	if (!r)
		r = write_nodes(a);
	if (r)
		a->device = 0;
	return r;
}

static void attachment_init(struct attachment *a, struct xs_handle *xs,
			    const struct toolstack_spec *s, unsigned int device)
{
	*a = (struct attachment){
		.xs = xs,
		.spec = s,
		.device = device,
		.guest_owns = { { s->domid, XS_PERM_NONE },
				{ s->backend, XS_PERM_READ } },
		.guest_reads = { { s->backend, XS_PERM_NONE },
				 { s->domid, XS_PERM_READ } },
		.toolstack_only = { { 0, XS_PERM_NONE } },
	};
}

/* Closed at both ends, and still there: the device is as good as free. */
static int remove_leftovers(struct xs_handle *xs,
			    const struct toolstack_list *own)
{
	int r = 0;

	for (size_t i = 0; i < own->n_channels && !r; i++) {
		const struct toolstack_channel *c = &own->channels[i];

		if (c->ours && toolstack_is_leftover(c))
			r = toolstack_remove_nodes(xs, c->backend, c->domid,
						   c->device);
	}
	return r;
}

static int check_domains(struct xs_handle *xs,
			 const struct toolstack_spec *spec)
{
	int r = toolstack_check_domain(xs, spec->domid);

	if (r)
		return r;
	r = toolstack_check_domain(xs, spec->backend);
	return r == TOOLSTACK_NO_DOMAIN ? TOOLSTACK_NO_BACKEND : r;
}

int toolstack_attach(struct xs_handle *xs, const struct toolstack_spec *spec,
		     unsigned int *device)
{
	_cleanup_(toolstack_list_deinit) struct toolstack_list own = { 0 };
	struct attachment a;
	int r = check_spec(spec);

	if (!r)
		r = check_domains(xs, spec);
	if (!r)
		r = toolstack_list(xs, (int)spec->domid, &own);
	if (!r)
		r = check_duplicates(xs, &own, spec);
	if (!r)
		r = remove_leftovers(xs, &own);
	if (r)
		return r;
	attachment_init(&a, xs, spec, 0);
	r = xen_transact(xs, attach_in_transaction, &a);
	if (!r)
		*device = a.device;
	return r;
}

#define RETRY_MS 1000
#define LOOK_MS 20

/* Removes the nodes, unless the guest has begun to use them. */
static int remove_untaken(void *userdata, xs_transaction_t t)
{
	const struct attachment *a = userdata;
	const struct toolstack_spec *s = a->spec;
	struct console_path path;
	enum console_state fe;
	int r = console_read_state(a->xs, t,
				   console_frontend_path(&path, s->domid,
							 a->device,
							 CONSOLE_FE_STATE),
				   &fe);

	if (r || fe > CONSOLE_STATE_INIT_WAIT)
		return r;
	return toolstack_remove_nodes_in(a->xs, t, s->backend, s->domid,
					 a->device);
}

static int write_again(struct attachment *a)
{
	int r = xen_transact(a->xs, remove_untaken, a);

	clock_sleep_ms(LOOK_MS);
	if (!r && !exists(a->xs, XBT_NULL,
			  toolstack_frontend(a->spec->domid, a->device).s))
		r = xen_transact(a->xs, attach_in_transaction, a);
	return r;
}

/* Whose fault is it that nothing happened? */
static int why_not_taken(struct xs_handle *xs,
			 const struct toolstack_spec *spec, unsigned int device)
{
	struct console_path path;
	enum console_state be;
	int r = console_read_state(xs, XBT_NULL,
				   console_backend_path(&path, spec->backend,
							spec->domid, device,
							CONSOLE_BE_STATE),
				   &be);

	if (r)
		return r == -ENOENT ? TOOLSTACK_NO_CHANNEL : r;
	return be == CONSOLE_STATE_INITIALISING ? TOOLSTACK_NOT_SERVED
						: TOOLSTACK_NOT_TAKEN;
}

int toolstack_await_guest(struct xs_handle *xs,
			  const struct toolstack_spec *spec,
			  unsigned int device, unsigned int timeout_ms)
{
	unsigned int retry_ms = RETRY_MS;
	struct attachment a;

	attachment_init(&a, xs, spec, device);
	for (unsigned int ms = 0;; ms += LOOK_MS) {
		struct console_path path;
		enum console_state fe;
		int r = console_read_state(
			xs, XBT_NULL,
			console_frontend_path(&path, spec->domid, device,
					      CONSOLE_FE_STATE),
			&fe);

		if (r == -ENOENT)
			return TOOLSTACK_NO_CHANNEL;
		if (r || fe > CONSOLE_STATE_INIT_WAIT)
			return r;
		if (ms >= timeout_ms)
			return why_not_taken(xs, spec, device);
		/* Each time cuts a client off: less and less often. */
		if (ms >= retry_ms) {
			r = write_again(&a);
			retry_ms *= 2;
		}
		if (r)
			return r;
		clock_sleep_ms(LOOK_MS);
	}
}
