// SPDX-License-Identifier: MIT
/*
 * The lives of a vchan in which test-sweep.c lets calls fail. One thread plays
 * both ends, so that each life makes the same calls each time.
 */
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "vchan/test-sweep.h"

static struct libxenvchan *server, *client;
static uint8_t sent[65536], got[65536];

static unsigned int domid_of(struct libxenvchan *v)
{
	return v->is_server ? SERVER : CLIENT;
}

static void as(struct libxenvchan *v)
{
	fake_host_set_domain(domid_of(v));
}

static void open_server(size_t left, size_t right)
{
	fake_host_set_domain(SERVER);
	TRY_INIT(libxenvchan_server_init, server,
		 server = libxenvchan_server_init(NULL, CLIENT, NAME, left,
						  right));
}

static void open_client(void)
{
	fake_host_set_domain(CLIENT);
	TRY_INIT(libxenvchan_client_init, client,
		 client = libxenvchan_client_init(NULL, SERVER, FULL_NAME));
	CHECK(libxenvchan_is_open(server) == 1);
}

static void open_both(size_t left, size_t right)
{
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 7 + i / 256);
	open_server(left, right);
	open_client();
}

/* Its manual page says that errno is left as it was. */
static void close_one(struct libxenvchan **v)
{
	as(*v);
	errno = EXDEV;
	libxenvchan_close(*v);
	CHECK(errno == EXDEV);
	*v = NULL;
}

static void close_both(void)
{
	close_one(&client);
	close_one(&server);
}

static bool has_event(struct libxenvchan *v)
{
	struct pollfd p = { libxenvchan_fd_for_select(v), POLLIN, 0 };

	return poll(&p, 1, 0) == 1;
}

static void wait_for(struct libxenvchan *v)
{
	int r;

	as(v);
	TRY(libxenvchan_wait, !r, r = libxenvchan_wait(v));
}

static void take_events(struct libxenvchan *v)
{
	while (has_event(v))
		wait_for(v);
}

static int ready(struct libxenvchan *v)
{
	int n;

	as(v);
	TRY(libxenvchan_data_ready, !errno, n = libxenvchan_data_ready(v));
	return n;
}

static int space(struct libxenvchan *v)
{
	int n;

	as(v);
	TRY(libxenvchan_buffer_space, !errno, n = libxenvchan_buffer_space(v));
	return n;
}

/*
 * An event that could not be sent, at most one of all, is sent by the next call
 * that looks: before a program could sleep.
 */
static void expect_event(struct libxenvchan *from, struct libxenvchan *to)
{
	if (!has_event(to)) {
		CHECK(sweep_has_struck(FAKE_NOTIFY));
		ready(from);
	}
	CHECK(has_event(to));
}

static void write_some(struct libxenvchan *v, size_t n)
{
	int r;

	as(v);
	TRY(libxenvchan_write, r == (int)n, r = libxenvchan_write(v, sent, n));
}

static void expect_bytes(size_t n)
{
	CHECK(!memcmp(sent, got, n));
	memset(got, 0, n);
}

static void read_some(struct libxenvchan *v, size_t n)
{
	int r;

	as(v);
	TRY(libxenvchan_read, r == (int)n,
	    r = libxenvchan_read(v, got, sizeof(got)));
	expect_bytes(n);
}

/* The reader sleeps, and is woken; then the writer, by the room. */
static void pass(struct libxenvchan *from, struct libxenvchan *to, size_t ring)
{
	int r;

	take_events(to);
	CHECK(!ready(to));
	write_some(from, 100);
	expect_event(from, to);
	wait_for(to);
	CHECK(ready(to) == 100);
	read_some(to, 100);
	take_events(from);
	write_some(from, ring);
	CHECK(!space(from));
	as(from);
	TRY(libxenvchan_write, !r, r = libxenvchan_write(from, sent, 1));
	read_some(to, ring);
	expect_event(to, from);
	wait_for(from);
	CHECK(space(from) == (int)ring);
}

static void pass_both_ways(size_t left, size_t right)
{
	pass(client, server, left);
	pass(server, client, right);
}

/* The client closes: the server is told, and nothing of it is left. */
static void expect_the_client_to_go(void)
{
	take_events(server);
	close_one(&client);
	CHECK(has_event(server));
	CHECK(libxenvchan_is_open(server) != 2);
	wait_for(server);
}

static void stream(void)
{
	open_both(0, 0);
	pass_both_ways(1024, 2048);
	close_both();
}

static void large_rings(void)
{
	open_both(65536, 4096);
	pass_both_ways(65536, 4096);
	expect_the_client_to_go();
	CHECK(!libxenvchan_is_open(server));
	close_one(&server);
}

/* What the client has sent is read although the server's end goes first. */
static void server_goes_first(void)
{
	int r;

	open_both(4096, 4096);
	write_some(server, 100);
	take_events(client);
	close_one(&server);
	CHECK(has_event(client));
	wait_for(client);
	read_some(client, 100);
	as(client);
	errno = 0;
	r = libxenvchan_read(client, got, 1);
	CHECK(r == -1 && errno == EPIPE);
	close_one(&client);
}

static void packets(void)
{
	int r;

	open_both(0, 0);
	take_events(server);
	as(client);
	TRY(libxenvchan_send, r == 1000,
	    r = libxenvchan_send(client, sent, 1000));
	TRY(libxenvchan_send, r == 0, r = libxenvchan_send(client, sent, 1000));
	expect_event(client, server);
	as(server);
	TRY(libxenvchan_recv, r == 1000,
	    r = libxenvchan_recv(server, got, 1000));
	expect_bytes(1000);
	expect_event(server, client);
	TRY(libxenvchan_recv, r == 0, r = libxenvchan_recv(server, got, 10));
	as(client);
	TRY(libxenvchan_send, r == 10, r = libxenvchan_send(client, sent, 10));
	as(server);
	TRY(libxenvchan_recv, r == 10, r = libxenvchan_recv(server, got, 10));
	expect_bytes(10);
	close_both();
}

/* What the peer does while the other end sleeps in a blocking call. */
static struct libxenvchan *sleeper, *waker;
static bool has_acted;
static void (*act)(void);

static void on_event(void *arg, enum fake_host_call kind)
{
	if (has_acted || fake_host_domain() != domid_of(sleeper))
		return;
	has_acted = true;
	act();
}

/* There is an event to take already, and what it brings comes while it is. */
static void let_sleep(struct libxenvchan *v, struct libxenvchan *peer,
		      void (*what)(void))
{
	CHECK(has_event(v));
	sleeper = v;
	waker = peer;
	act = what;
	has_acted = false;
	as(v);
	v->blocking = 1;
	fake_host_on_call(FAKE_UNMASK, on_event, NULL);
}

static void wake_up(void)
{
	fake_host_on_call(FAKE_UNMASK, NULL, NULL);
	sleeper->blocking = 0;
	CHECK(has_acted);
}

static void write_to_sleeper(void)
{
	write_some(waker, 500);
}

static void read_from_sleeper(void)
{
	read_some(waker, 1024);
}

static void give_an_event(struct libxenvchan *from, struct libxenvchan *to)
{
	CHECK(!ready(to));
	write_some(from, 1);
	expect_event(from, to);
	read_some(to, 1);
}

/* A transfer that goes on after the sleep, by events of its own. */
static void blocking(void)
{
	int r;

	open_both(0, 0);
	give_an_event(client, server);
	let_sleep(server, client, write_to_sleeper);
	TRY(libxenvchan_read, r == 500, r = libxenvchan_read(server, got, 600));
	wake_up();
	expect_bytes(500);

	give_an_event(client, server);
	let_sleep(server, client, write_to_sleeper);
	TRY(libxenvchan_recv, r == 500, r = libxenvchan_recv(server, got, 500));
	wake_up();
	expect_bytes(500);

	give_an_event(server, client);
	write_some(client, 1024);
	let_sleep(client, server, read_from_sleeper);
	TRY(libxenvchan_write, r == 700,
	    r = libxenvchan_write(client, sent, 700));
	wake_up();
	read_some(server, 700);

	give_an_event(server, client);
	write_some(client, 1024);
	let_sleep(client, server, read_from_sleeper);
	TRY(libxenvchan_send, r == 900,
	    r = libxenvchan_send(client, sent, 900));
	wake_up();
	read_some(server, 900);
	pass_both_ways(1024, 2048);
	close_both();
}

static void spans(void)
{
	struct iovec span[2];
	int r;

	open_both(0, 0);
	CHECK(!ready(server));
	take_events(server);
	as(client);
	TRY(libxenvchan_reserve, r >= 100,
	    r = libxenvchan_reserve(client, span, 100));
	memcpy(span[0].iov_base, sent, 100);
	TRY(libxenvchan_commit, !r, r = libxenvchan_commit(client, 100));
	expect_event(client, server);
	as(server);
	TRY(libxenvchan_peek, r == 100,
	    r = libxenvchan_peek(server, span, 100));
	CHECK(!memcmp(span[0].iov_base, sent, 100));
	TRY(libxenvchan_consume, !r, r = libxenvchan_consume(server, 100));
	TRY(libxenvchan_peek, !r, r = libxenvchan_peek(server, span, 0));
	close_both();
}

/* From one descriptor into the vchan, and out of it into the next. */
static void descriptors(void)
{
	int from[2], to[2];
	ssize_t r;

	CHECK(!pipe2(from, O_CLOEXEC) && !pipe2(to, O_CLOEXEC));
	open_both(0, 0);
	CHECK(!ready(server));
	take_events(server);
	CHECK(write(from[1], sent, 200) == 200);
	as(client);
	TRY(libxenvchan_write_from, r == 200,
	    r = libxenvchan_write_from(client, from[0], 200));
	expect_event(client, server);
	as(server);
	TRY(libxenvchan_read_to, r == 200,
	    r = libxenvchan_read_to(server, to[1], 200));
	CHECK(read(to[0], got, 200) == 200);
	expect_bytes(200);
	close_both();
	for (int i = 0; i < 2; i++) {
		close(from[i]);
		close(to[i]);
	}
}

/* One client after the other on the same server. */
static void next_client(void)
{
	open_both(4096, 0);
	server->server_persist = 1;
	pass_both_ways(4096, 2048);
	expect_the_client_to_go();
	CHECK(libxenvchan_is_open(server) == 1);
	open_client();
	pass_both_ways(4096, 2048);
	close_both();
}

static void rearmed(void)
{
	int r;

	open_both(4096, 0);
	pass_both_ways(4096, 2048);
	expect_the_client_to_go();
	as(server);
	TRY(libxenvchan_rearm, !r, r = libxenvchan_rearm(server));
	open_client();
	pass_both_ways(4096, 2048);
	close_both();
}

static void half_closed(void)
{
	int r;

	open_both(0, 0);
	write_some(client, 50);
	take_events(server);
	as(client);
	TRY(libxenvchan_shutdown, !r, r = libxenvchan_shutdown(client));
	CHECK(has_event(server));
	read_some(server, 50);
	as(server);
	errno = 0;
	r = libxenvchan_read(server, got, 1);
	CHECK(r == -1 && errno == EPIPE);
	write_some(server, 50);
	read_some(client, 50);
	close_both();
}

static int poll_for(struct libxenvchan *v, int want, int64_t timeout_ns)
{
	int r;

	as(v);
	TRY(libxenvchan_poll, r >= 0,
	    r = libxenvchan_poll(v, want, timeout_ns));
	return r;
}

/* A client that is there before its server, and all by one descriptor. */
static void connecting(void)
{
	struct pollfd p = { .events = POLLIN };

	fake_host_set_domain(CLIENT);
	TRY_INIT(libxenvchan_connect, client,
		 client = libxenvchan_connect(NULL, SERVER, FULL_NAME));
	TRY(libxenvchan_event_fd, p.fd >= 0,
	    p.fd = libxenvchan_event_fd(client));
	poll_for(client, 0, 0);
	open_server(0, 0);
	while (libxenvchan_state(client) == LIBXENVCHAN_CONNECTING) {
		CHECK(poll(&p, 1, -1) == 1);
		poll_for(client, 0, 0);
	}
	CHECK(poll_for(client, LIBXENVCHAN_OUT, -1) == LIBXENVCHAN_OUT);
	CHECK(poll_for(client, LIBXENVCHAN_IN, 0) == 0);
	write_some(server, 300);
	expect_event(server, client);
	CHECK(poll(&p, 1, -1) == 1);
	CHECK(poll_for(client, LIBXENVCHAN_IN, -1) == LIBXENVCHAN_IN);
	read_some(client, 300);
	pass_both_ways(1024, 2048);
	close_both();
}

/* One call may fail: the other does it. */
static void make_base(struct xs_handle *xs)
{
	for (int i = 0; i < 2; i++)
		xs_mkdir(xs, XBT_NULL, NAME);
}

static void remove_void_base(struct xs_handle *xs)
{
	for (int i = 0; i < 2; i++) {
		unsigned int n;
		char **children = xs_directory(xs, XBT_NULL, NAME, &n);

		if (children && !n)
			xs_rm(xs, XBT_NULL, NAME);
		free(children);
	}
}

/*
 * A server whose domain has no transaction left publishes node by node, and does
 * not remove their base.
 */
static void without_transactions(void)
{
	struct xs_handle *xs;

	fake_host_set_domain(SERVER);
	xs = xs_open(0);
	if (!xs)
		xs = xs_open(0);
	make_base(xs);
	while (xs_transaction_start(xs))
		;
	open_both(0, 0);
	close_both();
	fake_host_set_domain(SERVER);
	remove_void_base(xs);
	xs_close(xs);
}

const struct life sweep_lives[] = {
	{ "stream", stream },
	{ "large-rings", large_rings },
	{ "server-goes-first", server_goes_first },
	{ "packets", packets },
	{ "blocking", blocking },
	{ "spans", spans },
	{ "descriptors", descriptors },
	{ "next-client", next_client, .has_next_client = true },
	{ "rearmed", rearmed, .has_next_client = true },
	{ "half-closed", half_closed },
	{ "without-transactions", without_transactions },
	{ "connecting", connecting, .is_long = true },
};
const size_t sweep_n_lives = sizeof(sweep_lives) / sizeof(*sweep_lives);
