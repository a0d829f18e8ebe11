// SPDX-License-Identifier: MIT
/* Faults of Xen's libxenvchan in what it makes of callers, xenstore and threads. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "vchan/test-faults.h"

static void a_path_may_be_as_long_as_xenstore_allows(void)
{
	char path[2035], *value;
	struct libxenvchan *s;

	memset(path, 'p', sizeof(path) - 1);
	memcpy(path, "data/", 5);
	/* A name counts in its parent's size, which has a quota of its own. */
	path[1000] = '/';
	path[2034] = '\0';
	s = libxenvchan_server_init(NULL, CLIENT, path, 0, 0);
	expect(s);
	value = read_node(path, "ring-ref");
	expect(value && atoi(value) > 0);
	value = read_node(path, "event-channel");
	expect(value && atoi(value) == (int)s->event_port);
}

static void garbage_in_the_nodes_is_refused(void)
{
	static const char *const garbage[] = {
		"",     "0",          "-1",
		"1x",   " 1",         "+1",
		"0x10", "4294967296", "99999999999999999999",
		"port",
	};

	for (size_t i = 0; i < sizeof(garbage) / sizeof(*garbage); i++) {
		struct forged_server s;

		new_world();
		forge_server(&s, 10, 11, 0);
		forge_node("event-channel", garbage[i]);
		errno = 0;
		expect(!join() && errno == EPROTO);
		forge_node("event-channel", "1");
		forge_node("ring-ref", garbage[i]);
		errno = 0;
		expect(!join() && errno == EPROTO);
	}
}

static void errno_tells_why_init_failed(void)
{
	errno = 0;
	expect(!join() && errno == EACCES); /* no server: EACCES for a domU */
	fake_host_set_domain(SERVER);
	errno = 0;
	expect(!libxenvchan_server_init(NULL, CLIENT, NAME, 1 << 21, 0));
	expect(errno == EINVAL);
	fake_host_set_page_limit(100);
	errno = 0;
	expect(!serve(1 << 20, 0) && errno == ENOSPC);
}

static void a_server_starts_without_a_transaction_left(void)
{
	struct xs_handle *xs = xs_open(0);
	struct libxenvchan *s, *c;

	while (xs_transaction_start(xs))
		;
	expect(errno == ENOSPC);
	s = serve(0, 0);
	expect(s);
	c = join();
	expect(c);
}

static void closing_an_old_server_leaves_the_new_ones_nodes(void)
{
	struct libxenvchan *old = serve(0, 0), *new = serve(0, 0), *c;

	expect(old && new);
	leave(old, SERVER);
	c = join();
	expect(c);
	expect(libxenvchan_is_open(new) == 1);
}

static void a_server_that_has_closed_is_not_connected_to(void)
{
	struct forged_server s;

	forge_server(&s, 10, 11, 0);
	s.ring->srv_live = 0;
	errno = 0;
	expect(!join() && errno == ECONNREFUSED);
	expect(s.ring->cli_live == 2);
}

#define DUPLEX_BYTES (8u << 20)

struct stream {
	struct libxenvchan *v;
	unsigned int domid;
};

static void *send_stream(void *arg)
{
	struct stream *st = arg;
	uint8_t buf[777];

	fake_host_set_domain(st->domid);
	for (size_t done = 0; done < DUPLEX_BYTES;) {
		size_t n = DUPLEX_BYTES - done;

		n = n < sizeof(buf) ? n : sizeof(buf);
		for (size_t i = 0; i < n; i++)
			buf[i] = (uint8_t)((done + i) % 253);
		if (libxenvchan_write(st->v, buf, n) != (int)n)
			_exit(1);
		done += n;
	}
	return NULL;
}

static void *receive_stream(void *arg)
{
	struct stream *st = arg;
	uint8_t buf[555];

	fake_host_set_domain(st->domid);
	for (size_t done = 0; done < DUPLEX_BYTES;) {
		int n = libxenvchan_read(st->v, buf, sizeof(buf));

		if (n <= 0)
			_exit(1);
		for (int i = 0; i < n; i++)
			if (buf[i] != (uint8_t)((done + (size_t)i) % 253))
				_exit(1);
		done += (size_t)n;
	}
	return NULL;
}

static void a_reader_and_a_writer_thread_do_not_steal_events(void)
{
	struct libxenvchan *s, *c;
	pthread_t t[4];

	open_pair(1024, 2048, &s, &c);
	s->blocking = c->blocking = 1;
	struct stream a = { s, SERVER }, b = { c, CLIENT };

	pthread_create(&t[0], NULL, send_stream, &a);
	pthread_create(&t[1], NULL, receive_stream, &a);
	pthread_create(&t[2], NULL, send_stream, &b);
	pthread_create(&t[3], NULL, receive_stream, &b);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

static void sizes_beyond_an_int_are_not_cut(void)
{
	struct libxenvchan *s, *c;
	size_t huge = (size_t)(sizeof(size_t) > 4 ? UINT32_MAX : INT_MAX) + 5;
	void *p = mmap(NULL, huge, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	expect(p != MAP_FAILED);
	open_pair(1024, 2048, &s, &c);
	errno = 0;
	expect(libxenvchan_send(c, p, huge) == -1 && errno == EMSGSIZE);
	errno = 0;
	expect(libxenvchan_recv(c, p, huge) == -1 && errno == EMSGSIZE);
	expect(libxenvchan_write(c, p, huge) == 1024);
	expect(libxenvchan_read(s, p, huge) == 1024);
}

static bool is_inherited(int fd)
{
	return !(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void no_descriptor_is_inherited_by_a_program(void)
{
	struct libxenvchan *s, *c;

	open_pair(1024, 2048, &s, &c);
	expect(!is_inherited(xengntshr_fd(s->gntshr)));
	expect(!is_inherited(xengnttab_fd(c->gnttab)));
	expect(!is_inherited(libxenvchan_fd_for_select(s)));
	expect(!is_inherited(libxenvchan_fd_for_select(c)));
}

static void a_packet_larger_than_the_ring_is_an_error(void)
{
	struct libxenvchan *s, *c;
	char buf[1025] = "";

	open_pair(1024, 2048, &s, &c);
	errno = 0;
	expect(libxenvchan_send(c, buf, 1025) == -1 && errno == EMSGSIZE);
	errno = 0;
	expect(libxenvchan_recv(s, buf, 1025) == -1 && errno == EMSGSIZE);
}

static void a_blocking_read_of_nothing_returns(void)
{
	struct libxenvchan *s, *c;
	char b;

	open_pair(1024, 2048, &s, &c);
	s->blocking = 1;
	expect(libxenvchan_read(s, &b, 0) == 0);
}

struct replacement {
	struct libxenvchan *server;
	unsigned int calls_left; /* until it is replaced */
};

static void replace_server(void *arg, enum fake_host_call kind)
{
	struct replacement *r = arg;

	if (fake_host_domain() != CLIENT || !r->calls_left || --r->calls_left)
		return;
	leave(r->server, SERVER);
	r->server = serve(65536, 4096);
	expect(r->server);
}

/* Both directions, and the event that tells of the second */
static void expect_a_working_pair(struct libxenvchan *s, struct libxenvchan *c)
{
	struct pollfd p = { .events = POLLIN };
	char buf[8];

	s->blocking = c->blocking = 0;
	fake_host_set_domain(CLIENT);
	p.fd = libxenvchan_fd_for_select(c);
	expect(libxenvchan_write(c, "request", 7) == 7);
	while (poll(&p, 1, 0) > 0)
		expect(!libxenvchan_wait(c));
	expect(libxenvchan_read(c, buf, 8) == 0);
	fake_host_set_domain(SERVER);
	expect(libxenvchan_read(s, buf, 8) == 7 && !memcmp(buf, "request", 7));
	expect(libxenvchan_write(s, "answer", 6) == 6);
	fake_host_set_domain(CLIENT);
	expect(poll(&p, 1, 0) > 0);
	expect(libxenvchan_read(c, buf, 8) == 6 && !memcmp(buf, "answer", 6));
}

/*
 * At any moment of its client_init; the newcomer has the references and the
 * port of the one that left, as Linux and Xen reuse them at once.
 */
static void a_client_has_page_and_port_of_one_server(void)
{
	for (unsigned int n = 1;; n++) {
		struct replacement r = { .calls_left = n };
		struct libxenvchan *c;

		new_world();
		fake_host_reuse_references(true);
		r.server = serve(4096, 65536);
		fake_host_on_call(FAKE_ANY_CALL, replace_server, &r);
		c = join();
		fake_host_on_call(FAKE_ANY_CALL, NULL, NULL);
		if (c && libxenvchan_is_open(c))
			expect_a_working_pair(r.server, c);
		leave(c, CLIENT);
		leave(r.server, SERVER);
		if (r.calls_left)
			break;
	}
}

const struct fault faults_of_use[] = {
	FAULT(17, a_path_may_be_as_long_as_xenstore_allows),
	FAULT(18, garbage_in_the_nodes_is_refused),
	FAULT(19, errno_tells_why_init_failed),
	FAULT(20, a_server_starts_without_a_transaction_left),
	FAULT(21, closing_an_old_server_leaves_the_new_ones_nodes),
	FAULT(22, a_server_that_has_closed_is_not_connected_to),
	FAULT(23, a_reader_and_a_writer_thread_do_not_steal_events),
	FAULT(24, sizes_beyond_an_int_are_not_cut),
	FAULT(25, no_descriptor_is_inherited_by_a_program),
	FAULT(26, a_packet_larger_than_the_ring_is_an_error),
	FAULT(27, a_blocking_read_of_nothing_returns),
	FAULT(35, a_client_has_page_and_port_of_one_server),
	{ 0 },
};
