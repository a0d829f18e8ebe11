// SPDX-License-Identifier: MIT
/*
 * Waiting for the guest. Linux can miss new nodes; then it needs others, and it
 * has to see that the old ones are gone: removal and renewal are two
 * transactions. In between the device is kept by libxl's copy of the nodes, which
 * has the channel's name, and signals wait. Whoever is killed all the same leaves
 * a channel that is listed and can be detached (incomplete, in channel.h).
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "console/store.h"
#include "toolstack/attachment.h"
#include "toolstack/channel.h"
#include "toolstack/nodes.h"
#include "xen/text.h"
#include "xen/transact.h"

#define RETRY_MS 1000
#define LOOK_MS 20
#define RENEW_TRIES 3

struct renewal {
	struct attachment a;
	char *id; /* owned; of the nodes as they are */
	bool removed;
};

static void renewal_deinit(struct renewal *n)
{
	free(n->id);
}

static const char *backend_key(const struct attachment *a,
			       struct console_path *p, const char *key)
{
	return console_backend_path(p, a->spec->backend, a->spec->domid,
				    a->device, key);
}

static const char *frontend_key(const struct attachment *a,
				struct console_path *p, const char *key)
{
	return console_frontend_path(p, a->spec->domid, a->device, key);
}

static int read_id(const struct attachment *a, xs_transaction_t t, char **id)
{
	struct console_path p;
	int r = xen_text_read(a->xs, t, backend_key(a, &p, CONSOLE_BE_ID),
			      CONSOLE_ID_LEN, id);

	return r == -ENOENT || r == -EPROTO ? TOOLSTACK_NO_CHANNEL : r;
}

/*
 * Removes the nodes but the copy, unless the guest has begun to use them, or
 * they are another's by now.
 */
static int remove_untaken(void *userdata, xs_transaction_t t)
{
	struct renewal *n = userdata;
	struct attachment *a = &n->a;
	_cleanup_free_ char *id = NULL;
	enum console_state fe;
	struct console_path p;
	int r = read_id(a, t, &id);

	n->removed = false;
	if (r)
		return r;
	if (strcmp(id, n->id) != 0)
		return TOOLSTACK_NO_CHANNEL;
	r = console_read_state(a->xs, t, frontend_key(a, &p, CONSOLE_FE_STATE),
			       &fe);
	if (r)
		return r == -ENOENT ? TOOLSTACK_NO_CHANNEL : r;
	if (fe > CONSOLE_STATE_INIT_WAIT)
		return 0;
	if (!xs_rm(a->xs, t, frontend_key(a, &p, NULL)) ||
	    !xs_rm(a->xs, t, backend_key(a, &p, NULL)))
		return -errno;
	n->removed = true;
	return 0;
}

/* Is the device still kept, for this channel? */
static int check_kept(const struct attachment *a)
{
	_cleanup_free_ char *name = NULL;
	struct console_path p;
	bool front, back;
	int r = xen_text_read(a->xs, a->t,
			      console_libxl_path(&p, a->spec->domid, a->device,
						 CONSOLE_BE_NAME),
			      CONSOLE_VALUE_MAX, &name);

	if (!r)
		r = toolstack_exists(a->xs, a->t, frontend_key(a, &p, NULL),
				     &front);
	if (!r)
		r = toolstack_exists(a->xs, a->t, backend_key(a, &p, NULL),
				     &back);
	if (r == -ENOENT || r == -EPROTO)
		return TOOLSTACK_NO_CHANNEL;
	if (r)
		return r;
	return front || back || strcmp(name, a->spec->name) != 0
		       ? TOOLSTACK_NO_CHANNEL
		       : 0;
}

static int write_in_transaction(void *userdata, xs_transaction_t t)
{
	struct renewal *n = userdata;
	int r;

	n->a.t = t;
	r = check_kept(&n->a);
	return r ? r : attachment_write(&n->a);
}

static int remove_and_write(struct renewal *n)
{
	int r = xen_transact(n->a.xs, remove_untaken, n);

	if (r || !n->removed)
		return r;
	clock_sleep_ms(LOOK_MS);
	r = -EIO;
	/* Nobody else will. */
	for (int i = 0; i < RENEW_TRIES && r < 0; i++)
		r = xen_transact(n->a.xs, write_in_transaction, n);
	if (!r) {
		free(TAKE_PTR(n->id));
		r = read_id(&n->a, XBT_NULL, &n->id);
	}
	return r;
}

static int renew(struct renewal *n)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	r = remove_and_write(n);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

/* Whose fault is it that nothing happened? */
static int why_not_taken(const struct attachment *a)
{
	enum console_state be;
	struct console_path p;
	int r = console_read_state(a->xs, XBT_NULL,
				   backend_key(a, &p, CONSOLE_BE_STATE), &be);

	if (r)
		return r == -ENOENT ? TOOLSTACK_NO_CHANNEL : r;
	return be == CONSOLE_STATE_INITIALISING ? TOOLSTACK_NOT_SERVED
						: TOOLSTACK_NOT_TAKEN;
}

int toolstack_await_guest(struct xs_handle *xs,
			  const struct toolstack_spec *spec,
			  unsigned int device, unsigned int timeout_ms)
{
	_cleanup_(renewal_deinit) struct renewal n = { 0 };
	unsigned int retry_ms = RETRY_MS;
	int r;

	attachment_init(&n.a, xs, spec);
	n.a.device = device;
	r = read_id(&n.a, XBT_NULL, &n.id);
	for (unsigned int ms = 0; !r; ms += LOOK_MS) {
		struct console_path p;
		enum console_state fe;

		r = console_read_state(xs, XBT_NULL,
				       frontend_key(&n.a, &p, CONSOLE_FE_STATE),
				       &fe);
		if (r == -ENOENT)
			return TOOLSTACK_NO_CHANNEL;
		if (r || fe > CONSOLE_STATE_INIT_WAIT)
			return r;
		if (ms >= timeout_ms)
			return why_not_taken(&n.a);
		/* Each time cuts a client off: less and less often. */
		if (ms >= retry_ms) {
			r = renew(&n);
			retry_ms *= 2;
		}
		if (!r)
			clock_sleep_ms(LOOK_MS);
	}
	return r;
}
