// SPDX-License-Identifier: MIT
/*
 * Contents of nodes: values and directories that a guest, or a toolstack of
 * another kind, may have left, as the backend, the toolstack's listing and the
 * library's readers take them.
 */
#include <errno.h>

#include "backend/nodes.h"
#include "fuzz.h"
#include "toolstack/channel.h"
#include "xen/nodes.h"
#include "xen/text.h"
#include "xenhost/fake/fake-host.h"

#define GUEST 1u
#define DEVICE 1u
#define FE "/local/domain/1/device/console/1"
#define BE "/local/domain/0/backend/console/1/1"
#define LIBXL "/libxl/1/device/console/1"

static struct xs_handle *xs;

static const char *const keys[] = {
	FE "/ring-ref",
	FE "/port",
	FE "/state",
	FE "/guest-open",
	FE "/type",
	FE "/tty",
	FE "/limit",
	FE "/name",
	FE "/output",
	FE "/backend",
	BE "/frontend",
	BE "/frontend-id",
	BE "/online",
	BE "/state",
	BE "/name",
	BE "/connection",
	BE "/kind",
	BE "/path",
	BE "/xenchan",
	BE "/xenchan/id",
	BE "/xenchan/mode",
	BE "/xenchan/uid",
	BE "/xenchan/gid",
	BE "/xenchan/overflow",
	BE "/xenchan/limit",
	BE "/xenchan/log",
	BE "/xenchan/signal-client",
	BE "/xenchan/error",
	LIBXL "/frontend",
	LIBXL "/backend",
	"/local/domain/1/name",
	"/local/domain/0/backend/console/1",
	"/local/domain/0/backend/console/1/10/frontend",
	"/local/domain/0/backend/console/x/1/frontend",
	"/libxl/1/device/console/1x",
};
#define N_KEYS (sizeof(keys) / sizeof(*keys))

static void set(struct fuzz_input *in)
{
	const char *key = keys[fuzz_u8(in) % N_KEYS];
	size_t len;
	char *value = fuzz_text(in, 2048, &len);

	xs_write(xs, XBT_NULL, key, value, (unsigned int)len);
	free(value);
}

static void set_text(const char *path, const char *value)
{
	xs_write(xs, XBT_NULL, path, value, (unsigned int)strlen(value));
}

/* A channel as it is attached, for the input to change. */
static void attach(void)
{
	set_text(BE "/frontend", FE);
	set_text(BE "/online", "1");
	set_text(BE "/state", "1");
	set_text(BE "/name", "agent");
	set_text(BE "/connection", "socket");
	set_text(BE "/path", "/run/agent");
	set_text(BE "/xenchan/id", "0123456789abcdef");
	set_text(FE "/state", "1");
	set_text(FE "/type", "xenconsoled");
	set_text(LIBXL "/frontend", FE);
	set_text(LIBXL "/backend", BE);
}

static void read_backend(bool all)
{
	const struct channel_address a = { xs, 0, GUEST, DEVICE };
	struct channel_config c = { 0 };
	struct channel_view v;
	int r = nodes_read_config(&a, all, &c);

	if (!r) {
		fuzz_require(c.name && c.path && c.log);
		fuzz_require(c.kind < CONSOLE_KIND_N);
		fuzz_require(c.overflow < CONSOLE_OVERFLOW_N);
		fuzz_require(c.limit >= CONSOLE_LIMIT_MIN &&
			     c.limit <= CONSOLE_LIMIT_MAX);
		fuzz_require(c.access.mode <= 0777);
		fuzz_require(c.problem || c.kind != CONSOLE_SOCKET ||
			     strlen(c.path) <= CONSOLE_SOCKET_MAX);
		fuzz_require(strlen(c.id) == CONSOLE_ID_LEN);
		channel_config_deinit(&c);
	}
	r = nodes_read_view(&a, &v);
	fuzz_require(r <= NODES_GONE);
	if (!r)
		fuzz_require(!v.has_ring || (v.ring_ref && v.port));
	nodes_write_state(&a, CONSOLE_STATE_CONNECTED);
}

static void read_toolstack(void)
{
	struct toolstack_list list = { 0 };
	unsigned int domid;

	if (!toolstack_list(xs, -1, &list)) {
		for (size_t i = 0; i < list.n_channels; i++)
			fuzz_require(list.channels[i].backend_state <
				     CONSOLE_STATE_N);
		(void)toolstack_list_find(&list, GUEST, "agent");
	}
	toolstack_list_deinit(&list);
	toolstack_find_domain(xs, "one", &domid);
}

static void read_numbers(void)
{
	struct xen_node nodes[] = { { "ring-ref", 0 }, { "port", 0 } };
	int r = xen_nodes_read(xs, FE, nodes, 2);

	fuzz_require(r || (nodes[0].value && nodes[1].value));
	fuzz_require(!r || r == -EPROTO || r == -EAGAIN || r == -ENOENT);
}

static void parse_paths(struct fuzz_input *in)
{
	struct console_backend_id id;
	size_t len;
	char *path = fuzz_text(in, 512, &len);

	if (!console_parse_backend_path(path, &id) ||
	    !console_parse_frontend_path(path, &id))
		fuzz_require(id.key >= path && id.key <= path + strlen(path));
	free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };

	fake_host_reset();
	fake_host_set_domain(0);
	fuzz_require(!fake_host_create(GUEST));
	xs = xs_open(0);
	attach();
	while (in.left) {
		uint8_t what = fuzz_u8(&in) % 8;

		if (what < 6)
			set(&in);
		else if (what == 6)
			xs_rm(xs, XBT_NULL, keys[fuzz_u8(&in) % N_KEYS]);
		else
			parse_paths(&in);
	}
	read_backend(false);
	read_backend(true);
	read_toolstack();
	read_numbers();
	fuzz_require(!fake_host_live(0, FAKE_TRANSACTIONS));
	xs_close(xs);
	return 0;
}
