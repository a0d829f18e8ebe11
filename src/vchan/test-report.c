// SPDX-License-Identifier: MIT
/* Each step of an init that fails: errno, and the line that the logger gets. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <xentoollog.h>

#include "vchan/test-pair.h"

struct recorder {
	struct xentoollog_logger logger; /* first */
	char text[4096];
	int err, n;
};

__attribute__((format(printf, 5, 0))) static void
record(struct xentoollog_logger *logger, xentoollog_level level, int errnoval,
       const char *context, const char *format, va_list ap)
{
	struct recorder *r = (struct recorder *)(void *)logger;

	assert_int_equal(level, XTL_ERROR);
	vsnprintf(r->text, sizeof(r->text), format, ap);
	r->err = errnoval;
	r->n++;
}

static struct recorder recorder(void)
{
	return (struct recorder){ .logger = { .vmessage = record } };
}

static struct libxenvchan *serve_logged(struct recorder *r)
{
	fake_host_set_domain(SERVER);
	return libxenvchan_server_init(&r->logger, CLIENT, NAME, 4096, 0);
}

static struct libxenvchan *join_logged(struct recorder *r)
{
	fake_host_set_domain(CLIENT);
	return libxenvchan_client_init(&r->logger, SERVER, FULL_NAME);
}

struct step {
	enum fake_host_call call;
	unsigned int n;
	int host, told; /* errno of the host, and what the caller sees */
	const char *says;
};

/* One message, with call, domain, path, what failed, and what to do. */
static void assert_told(const struct recorder *r, const char *call,
			const char *path, const struct step *s)
{
	assert_int_equal(errno, s->told);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->err, s->told == EIO ? s->host : s->told);
	assert_non_null(strstr(r->text, call));
	assert_non_null(strstr(r->text, path));
	assert_non_null(strstr(r->text, "domain "));
	if (!strstr(r->text, s->says))
		fail_msg("\"%s\" is not in \"%s\"", s->says, r->text);
}

static void every_step_of_a_server_tells_what_failed(void **state)
{
	static const struct step steps[] = {
		{ FAKE_EVTCHN_OPEN, 1, ENOENT, ENODEV, "modprobe xen_evtchn" },
		{ FAKE_EVTCHN_OPEN, 1, ENXIO, ENODEV, "modprobe xen_evtchn" },
		{ FAKE_EVTCHN_OPEN, 1, EACCES, EACCES, "/dev/xen/evtchn" },
		{ FAKE_BIND_UNBOUND, 1, ENOSPC, ENOSPC, "no port left" },
		{ FAKE_BIND_UNBOUND, 1, EPERM, EACCES, "event channel" },
		{ FAKE_SHARE, 1, EAGAIN, EIO, "share the ring" },
		{ FAKE_GNTSHR_OPEN, 1, ENOENT, ENODEV,
		  "modprobe xen_gntalloc" },
		{ FAKE_GNTSHR_OPEN, 1, EACCES, EACCES, "/dev/xen/gntalloc" },
		{ FAKE_SHARE, 1, ENOSPC, ENOSPC, "xen_gntalloc/parameters" },
		{ FAKE_SHARE, 2, ENOSPC, ENOSPC, "xen_gntalloc/parameters" },
		{ FAKE_SHARE, 2, ENOMEM, ENOMEM, "share the ring" },
		{ FAKE_XS_OPEN, 1, ENOENT, ENOENT, "xenstored" },
		{ FAKE_XS_OPEN, 1, EACCES, EACCES, "/dev/xen/xenbus" },
		{ FAKE_XS_READ, 1, ENOENT, ENOENT, "own id" },
		{ FAKE_XS_WRITE, 1, EACCES, EACCES, "may not write" },
		{ FAKE_XS_WRITE, 1, ENOSPC, ENOSPC, "quota" },
		{ FAKE_XS_SET_PERMISSIONS, 2, EPERM, EACCES, "may not write" },
		{ FAKE_XS_OPEN, 1, ECONNREFUSED, ENOENT, "left over" },
		{ FAKE_EVTCHN_OPEN, 1, EMFILE, EMFILE, "event channel" },
		{ FAKE_XS_TRANSACTION_END, 1, EIO, EIO, "xenstore nodes" },
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		const struct step *s = &steps[i];
		struct recorder r = recorder();

		new_world();
		fake_host_fail_in(SERVER, s->call, s->n, s->host);
		assert_null(serve_logged(&r));
		assert_told(&r, "libxenvchan_server_init", NAME, s);
		assert_int_equal(fake_host_live_total(SERVER), 0);
	}
}

static void every_step_of_a_client_tells_what_failed(void **state)
{
	static const struct step steps[] = {
		{ FAKE_XS_READ, 1, EACCES, EACCES, "no server yet, or" },
		{ FAKE_XS_READ, 1, ENOENT, ENOENT, "start it first" },
		{ FAKE_XS_READ, 2, ENOENT, ENOENT, "start it first" },
		{ FAKE_GNTTAB_OPEN, 1, ENOENT, ENODEV, "modprobe xen_gntdev" },
		{ FAKE_GNTTAB_OPEN, 1, EACCES, EACCES, "/dev/xen/gntdev" },
		{ FAKE_MAP, 1, EINVAL, ECONNREFUSED, "left over" },
		{ FAKE_MAP, 2, ENOSPC, ENOSPC, "xen_gntdev" },
		{ FAKE_MAP, 3, ENOMEM, ENOMEM, "memory" },
		{ FAKE_EVTCHN_OPEN, 1, ENOENT, ENODEV, "modprobe xen_evtchn" },
		{ FAKE_BIND_INTERDOMAIN, 1, EINVAL, EBUSY, "another client" },
		{ FAKE_BIND_INTERDOMAIN, 1, ESRCH, EHOSTDOWN,
		  "domain is gone" },
		{ FAKE_BIND_INTERDOMAIN, 1, ENOSPC, ENOSPC, "no port left" },
		{ FAKE_NOTIFY, 1, EIO, EIO, "event channel" },
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		const struct step *s = &steps[i];
		struct recorder r = recorder();
		struct libxenvchan *server, *client;

		new_world();
		server = serve(4096, 0);
		assert_non_null(server);
		fake_host_fail_in(CLIENT, s->call, s->n, s->host);
		assert_null(join_logged(&r));
		assert_told(&r, "libxenvchan_client_init", FULL_NAME, s);
		assert_int_equal(fake_host_live_total(CLIENT), 0);
		/* And the next attempt works. */
		client = join();
		assert_non_null(client);
		leave(client, CLIENT);
		leave(server, SERVER);
	}
}

static void a_page_that_is_no_vchans_is_named(void **state)
{
	static const struct {
		unsigned int left, right;
		uint8_t srv_live, cli_live;
		int told;
		const char *says;
	} pages[] = {
		{ 10, 11, 0, 2, ECONNREFUSED, "restart it" },
		{ 10, 11, 2, 2, ECONNREFUSED, "restart it" },
		{ 10, 11, 77, 2, EPROTO, "xenvchan(7)" },
		{ 10, 11, 1, 1, EBUSY, "one client at a time" },
		{ 10, 10, 1, 2, EPROTO, "xenvchan(7)" },
		{ 9, 11, 1, 2, EPROTO, "xenvchan(7)" },
		{ 11, 21, 1, 2, EPROTO, "xenvchan(7)" },
	};

	for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++) {
		struct step s = { .told = pages[i].told,
				  .says = pages[i].says };
		struct recorder r = recorder();
		struct forged_server f;

		new_world();
		forge_server(&f, pages[i].left, pages[i].right, 0);
		f.ring->srv_live = pages[i].srv_live;
		f.ring->cli_live = pages[i].cli_live;
		assert_null(join_logged(&r));
		assert_told(&r, "libxenvchan_client_init", FULL_NAME, &s);
		assert_int_equal(f.ring->cli_live, pages[i].cli_live);
		unforge_server(&f);
	}
}

static void impossible_indices_refuse_the_client(void **state)
{
	struct step s = { .told = EPROTO, .says = "xenvchan(7)" };
	struct recorder r = recorder();
	struct forged_server f;

	new_world();
	forge_server(&f, 10, 11, 0);
	f.ring->right.prod = 2049;
	assert_null(join_logged(&r));
	assert_told(&r, "libxenvchan_client_init", FULL_NAME, &s);
	unforge_server(&f);
}

static void bad_arguments_are_refused_before_anything_is_opened(void **state)
{
	static char long_path[3060];
	static const struct {
		int domain;
		const char *path;
		size_t left, right;
		int told;
	} calls[] = {
		{ -1, NAME, 0, 0, EINVAL },
		{ 0x7ff0, NAME, 0, 0, EINVAL },
		{ CLIENT, "", 0, 0, EINVAL },
		{ CLIENT, NULL, 0, 0, EINVAL },
		{ CLIENT, NAME, (1 << 20) + 1, 0, EINVAL },
		{ CLIENT, NAME, 0, (1 << 20) + 1, EINVAL },
		{ CLIENT, NAME, SIZE_MAX, SIZE_MAX, EINVAL },
		{ CLIENT, long_path, 0, 0, ENAMETOOLONG },
		{ CLIENT, long_path + 1, 0, 0, ENAMETOOLONG },
	};

	memset(long_path, 'p', sizeof(long_path) - 1);
	long_path[0] = '/';
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		struct recorder r = recorder();

		new_world();
		errno = 0;
		assert_null(libxenvchan_server_init(
			&r.logger, calls[i].domain, calls[i].path,
			calls[i].left, calls[i].right));
		assert_int_equal(errno, calls[i].told);
		assert_int_equal(r.n, 1);
		assert_int_equal(fake_host_calls(FAKE_EVTCHN_OPEN), 0);
		assert_int_equal(fake_host_calls(FAKE_XS_OPEN), 0);
	}
}

static void a_broken_peer_is_reported_once(void **state)
{
	struct recorder r = recorder();
	struct libxenvchan *s, *c;
	char b;

	new_world();
	s = serve_logged(&r);
	c = join();
	assert_non_null(s);
	assert_non_null(c);
	c->ring->left.prod = 5000;
	for (int i = 0; i < 3; i++)
		assert_int_equal(libxenvchan_read(s, &b, 1), -1);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.err, EPROTO);
	assert_non_null(strstr(r.text, "offers more than its ring holds"));
	leave(c, CLIENT);
	leave(s, SERVER);
}

__attribute__((format(printf, 5, 0))) static void
count(struct xentoollog_logger *logger, xentoollog_level level, int errnoval,
      const char *context, const char *format, va_list ap)
{
	((struct recorder *)(void *)logger)->n++;
}

static void
a_client_that_seems_to_be_another_does_not_fill_the_log(void **state)
{
	struct recorder r = { .logger = { .vmessage = count } };
	struct libxenvchan *s, *c;

	new_world();
	s = serve_logged(&r);
	s->server_persist = 1;
	c = join();
	for (int i = 0; i < 1000; i++) {
		libxenvchan_is_open(s);
		c->ring->srv_notify = VCHAN_NOTIFY_WRITE;
	}
	/* The first, the second, the fourth, ... of 999 */
	assert_int_equal(r.n, 10);
	leave(c, CLIENT);
	leave(s, SERVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_step_of_a_server_tells_what_failed),
		cmocka_unit_test(every_step_of_a_client_tells_what_failed),
		cmocka_unit_test(a_page_that_is_no_vchans_is_named),
		cmocka_unit_test(impossible_indices_refuse_the_client),
		cmocka_unit_test(
			bad_arguments_are_refused_before_anything_is_opened),
		cmocka_unit_test(a_broken_peer_is_reported_once),
		cmocka_unit_test(
			a_client_that_seems_to_be_another_does_not_fill_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
