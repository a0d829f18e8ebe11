// SPDX-License-Identifier: MIT
#include "toolstack/attachment.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "console/store.h"
#include "toolstack/sockets.h"
#include "xen/text.h"

void attachment_init(struct attachment *a, struct xs_handle *xs,
		     const struct toolstack_spec *s)
{
	*a = (struct attachment){
		.xs = xs,
		.spec = s,
		.guest_owns = { { s->domid, XS_PERM_NONE },
				{ s->backend, XS_PERM_READ } },
		.guest_reads = { { s->backend, XS_PERM_NONE },
				 { s->domid, XS_PERM_READ } },
		.toolstack_only = { { 0, XS_PERM_NONE } },
	};
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

static int claim_socket(const struct attachment *a)
{
	const struct toolstack_spec *s = a->spec;
	struct console_path be;

	if (s->kind != CONSOLE_SOCKET)
		return 0;
	console_backend_path(&be, s->backend, s->domid, a->device, NULL);
	return toolstack_claim_socket(a->xs, a->t, be.s, s->path);
}

int attachment_write(const struct attachment *a)
{
	int r = claim_socket(a);

	if (!r)
		r = prepare_backend_domain(a);
	if (!r)
		r = write_frontend(a);
	if (!r)
		r = write_backend_and_copy(a);
	return r;
}
