// SPDX-License-Identifier: MIT
/*
 * libxenvchan, checked: two ends of the real code, and every order of what they
 * do to the shared page.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "scenarios.h"
#include "vchan-host.h"
#include "vchan/private.h"

/* Where the indices begin: they wrap in mid-scenario. */
#define START 0xfffffffeu

static struct vchan *ends[MODEL_THREADS]; /* the server, the client */
static uint8_t left[4], right[4];

#define SERVER (&ends[0]->pub)
#define CLIENT (&ends[1]->pub)

static void expect(bool ok, const char *what)
{
	if (!ok)
		model_fail(what);
}

/* An end of a connected vchan with rings of 2^order bytes. */
static struct vchan *make_end(bool is_server, unsigned int order)
{
	static const struct report rep = { .path = "" };
	struct vchan *v;

	expect(!vchan_new(&rep, is_server, &v), "no memory");
	v->event = model_event(is_server ? 0 : 1);
	v->port = 1;
	v->page = model_page;
	v->left_order = v->right_order = order;
	v->left_pages = (struct shm_byte *)(void *)left;
	v->right_pages = (struct shm_byte *)(void *)right;
	expect(!vchan_attach_rings(v) && !vchan_seed_rings(v), "bad rings");
	v->announced = true;
	v->spin_ns = 0;
	v->pub.blocking = 1;
	atomic_store(&v->state, VCHAN_OPEN);
	return v;
}

static void set_up_rings(unsigned int order)
{
	struct vchan_page *p = model_page;

	model_host_reset();
	model_payload(left, sizeof(left));
	model_payload(right, sizeof(right));
	p->left.cons.v = p->left.prod.v = START;
	p->right.cons.v = p->right.prod.v = START;
	p->cli_live.v = p->srv_live.v = VCHAN_LIVE_HERE;
	p->cli_notify.v = p->srv_notify.v = VCHAN_ASK_WRITTEN | VCHAN_SAYS_EXT;
	ends[0] = make_end(true, order);
	ends[1] = make_end(false, order);
}

static void set_up(void)
{
	set_up_rings(2);
}

/* Where there is more to explore. */
static void set_up_small(void)
{
	set_up_rings(1);
}

static void close_end(unsigned int i)
{
	libxenvchan_close(&ends[i]->pub);
	ends[i] = NULL;
}

static void tear_down(void)
{
	for (int i = 0; i < MODEL_THREADS; i++) {
		if (ends[i])
			free(ends[i]->path);
		free(ends[i]);
		ends[i] = NULL;
	}
}

/* Where a loop begins anew: all that matters is in the vchan, and a and b. */
static void at_loop_head(struct libxenvchan *v, unsigned int a, unsigned int b)
{
	struct {
		struct vchan v;
		unsigned int a, b;
	} state;

	memset(&state, 0, sizeof(state));
	memcpy(&state.v, vchan_of(v), sizeof(state.v));
	memset(&state.v.gate, 0, sizeof(state.v.gate)); /* counts events */
	state.v.path = NULL;
	state.v.report.path = NULL;
	state.v.pub.xs_path = NULL;
	state.a = a;
	state.b = b;
	model_forget(&state, sizeof(state));
}

/* Byte i of a stream. */
static uint8_t byte_at(unsigned int i)
{
	return (uint8_t)(0x41 + i);
}

static void fill(uint8_t *data, unsigned int at, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		data[i] = byte_at(at + i);
}

static void expect_bytes(const uint8_t *data, unsigned int at, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		expect(data[i] == byte_at(at + i), "another byte was written");
}

/* Reads with blocking calls until n bytes have come, or the end. */
static unsigned int read_all(struct libxenvchan *v, unsigned int n)
{
	unsigned int done = 0;

	while (done < n) {
		uint8_t data[8];
		int r;

		at_loop_head(v, done, n);
		r = libxenvchan_read(v, data, sizeof(data));
		if (r < 0)
			break;
		expect(r > 0 && done + (unsigned int)r <= n,
		       "more was read than written");
		expect_bytes(data, done, (unsigned int)r);
		done += (unsigned int)r;
	}
	return done;
}

static void expect_end(struct libxenvchan *v)
{
	uint8_t byte;

	expect(libxenvchan_read(v, &byte, 1) == -1 && errno == EPIPE,
	       "no end where the end is");
}

static void write_all(struct libxenvchan *v, unsigned int n)
{
	uint8_t data[8];

	fill(data, 0, n);
	expect(libxenvchan_write(v, data, n) == (int)n, "a write failed");
}

/*
 * A stream of more than the ring holds, through blocking calls.
 */
static void stream_writer(void)
{
	write_all(CLIENT, 6);
}

static void stream_reader(void)
{
	expect(read_all(SERVER, 6) == 6, "bytes were lost");
}

/*
 * The other way, a byte at a time.
 */
static void small_writer(void)
{
	uint8_t data[3];

	fill(data, 0, 3);
	for (unsigned int i = 0; i < 3; i++) {
		at_loop_head(SERVER, i, 0);
		expect(libxenvchan_write(SERVER, data + i, 1) == 1,
		       "a write failed");
	}
}

static void small_reader(void)
{
	expect(read_all(CLIENT, 3) == 3, "bytes were lost");
}

/*
 * Packets that do not fit side by side.
 */
static void packet_sender(void)
{
	uint8_t data[6];

	fill(data, 0, 6);
	expect(libxenvchan_send(CLIENT, data, 3) == 3, "a send failed");
	expect(libxenvchan_send(CLIENT, data + 3, 3) == 3, "a send failed");
}

static void packet_receiver(void)
{
	uint8_t data[3];

	for (unsigned int i = 0; i < 2; i++) {
		expect(libxenvchan_recv(SERVER, data, 3) == 3, "a recv failed");
		expect_bytes(data, 3 * i, 3);
	}
}

/*
 * Request and answer.
 */
static void asks(void)
{
	write_all(CLIENT, 2);
	expect(read_all(CLIENT, 3) == 3, "bytes were lost");
}

static void answers(void)
{
	expect(read_all(SERVER, 2) == 2, "bytes were lost");
	write_all(SERVER, 3);
}

/*
 * Both directions at once, with calls that do not block and one event: what a
 * proxy does.
 */
static void exchange(unsigned int end, unsigned int n_out, unsigned int n_in)
{
	struct libxenvchan *v = &ends[end]->pub;
	unsigned int out = 0, in = 0;
	uint8_t data[8];

	v->blocking = 0;
	while (out < n_out || in < n_in) {
		int w = 0, r = 0;

		at_loop_head(v, in, out);
		if (out < n_out) {
			fill(data, out, sizeof(data));
			w = libxenvchan_write(v, data, n_out - out);
			expect(w >= 0, "a write failed");
			out += (unsigned int)w;
		}
		if (in < n_in) {
			r = libxenvchan_read(v, data, n_in - in);
			expect(r >= 0, "a read failed");
			expect_bytes(data, in, (unsigned int)r);
			in += (unsigned int)r;
		}
		if (!w && !r)
			expect(!libxenvchan_wait(v), "a wait failed");
	}
}

static void exchange_a(void)
{
	exchange(0, 3, 1);
}

static void exchange_b(void)
{
	exchange(1, 1, 3);
}

/*
 * Sleeping in poll(2) on the event channel's descriptor after a short write or
 * read, as programs written for Xen's library do.
 */
static void polls_to_write(void)
{
	unsigned int done = 0;
	uint8_t data[6];

	CLIENT->blocking = 0;
	fill(data, 0, 6);
	while (done < 6) {
		int w;

		at_loop_head(CLIENT, done, 0);
		w = libxenvchan_write(CLIENT, data + done, 6 - done);
		expect(w >= 0, "a write failed");
		done += (unsigned int)w;
		if (done == 6)
			break;
		model_wait_for_event(1);
		expect(!libxenvchan_wait(CLIENT), "a wait failed");
	}
}

static void polls_to_read(void)
{
	unsigned int done = 0;
	uint8_t data[6];

	SERVER->blocking = 0;
	while (done < 6) {
		int r;

		at_loop_head(SERVER, done, 0);
		r = libxenvchan_read(SERVER, data, 6 - done);
		expect(r >= 0, "a read failed");
		expect_bytes(data, done, (unsigned int)r);
		done += (unsigned int)r;
		if (done == 6)
			break;
		model_wait_for_event(0);
		expect(!libxenvchan_wait(SERVER), "a wait failed");
	}
}

/*
 * The same with the counting calls.
 */
static void counts_space(void)
{
	uint8_t data[6];

	CLIENT->blocking = 0;
	fill(data, 0, 6);
	for (unsigned int done = 0; done < 6; done += 2) {
		at_loop_head(CLIENT, done, 0);
		while (libxenvchan_buffer_space(CLIENT) < 2) {
			expect(!libxenvchan_wait(CLIENT), "a wait failed");
			at_loop_head(CLIENT, done, 0);
		}
		expect(libxenvchan_send(CLIENT, data + done, 2) == 2,
		       "there was no room where there was");
	}
}

static void counts_data(void)
{
	uint8_t data[2];

	SERVER->blocking = 0;
	for (unsigned int done = 0; done < 6; done += 2) {
		at_loop_head(SERVER, done, 0);
		while (libxenvchan_data_ready(SERVER) < 2) {
			expect(!libxenvchan_wait(SERVER), "a wait failed");
			at_loop_head(SERVER, done, 0);
		}
		expect(libxenvchan_recv(SERVER, data, 2) == 2,
		       "there was no data where there was");
		expect_bytes(data, done, 2);
	}
}

/*
 * libxenvchan_poll() on both sides.
 */
static void polled_writer(void)
{
	unsigned int done = 0;
	uint8_t data[6];

	SERVER->blocking = 0;
	fill(data, 0, 6);
	while (done < 6) {
		int w;

		at_loop_head(SERVER, done, 0);
		expect(libxenvchan_poll(SERVER, LIBXENVCHAN_OUT, -1) ==
			       LIBXENVCHAN_OUT,
		       "poll gave something else");
		w = libxenvchan_write(SERVER, data + done, 6 - done);
		expect(w > 0, "no room after poll");
		done += (unsigned int)w;
	}
}

static void polled_reader(void)
{
	unsigned int done = 0;
	uint8_t data[6];

	CLIENT->blocking = 0;
	while (done < 6) {
		int r;

		at_loop_head(CLIENT, done, 0);
		expect(libxenvchan_poll(CLIENT, LIBXENVCHAN_IN, -1) ==
			       LIBXENVCHAN_IN,
		       "poll gave something else");
		r = libxenvchan_read(CLIENT, data, 6 - done);
		expect(r > 0, "no data after poll");
		expect_bytes(data, done, (unsigned int)r);
		done += (unsigned int)r;
	}
}

/*
 * Write, then close: all that was written arrives, then the end.
 */
static void client_writes_and_closes(void)
{
	write_all(CLIENT, 3);
	close_end(1);
}

static void server_reads_to_the_end(void)
{
	expect(read_all(SERVER, 3) == 3, "bytes were lost at the close");
	expect_end(SERVER);
	expect(!libxenvchan_is_open(SERVER), "open after the end");
	expect(libxenvchan_state(SERVER) == LIBXENVCHAN_CLOSED,
	       "a close that looks like a death");
}

static void server_writes_and_closes(void)
{
	write_all(SERVER, 3);
	close_end(0);
}

static void client_reads_to_the_end(void)
{
	expect(read_all(CLIENT, 3) == 3, "bytes were lost at the close");
	expect_end(CLIENT);
	expect(libxenvchan_state(CLIENT) == LIBXENVCHAN_CLOSED,
	       "a close that looks like a death");
}

/*
 * A writer that fills the ring, and a reader that closes instead of reading on.
 */
static void writes_until_refused(void)
{
	uint8_t data[8] = { 0 };
	int r = libxenvchan_write(CLIENT, data, 8);

	expect(r >= 4 || (r == -1 && errno == EPIPE),
	       "a write ended otherwise than by the close");
	expect(libxenvchan_write(CLIENT, data, 8) == -1 && errno == EPIPE,
	       "a write into nothing");
}

static void reads_once_and_closes(void)
{
	uint8_t byte;

	expect(libxenvchan_read(SERVER, &byte, 1) == 1, "nothing to read");
	close_end(0);
}

/*
 * Half-close: the request ends, then the answer comes.
 */
static void half_closes(struct libxenvchan *v)
{
	write_all(v, 1);
	expect(!libxenvchan_shutdown(v), "no shutdown");
	expect(read_all(v, 1) == 1, "the answer was lost");
}

static void answers_after_the_end(unsigned int end)
{
	struct libxenvchan *v = &ends[end]->pub;

	expect(read_all(v, 1) == 1, "the request was lost");
	expect_end(v);
	write_all(v, 1);
}

static void client_half_closes(void)
{
	half_closes(CLIENT);
}

static void server_answers(void)
{
	answers_after_the_end(0);
}

static void server_half_closes(void)
{
	half_closes(SERVER);
}

static void client_answers(void)
{
	answers_after_the_end(1);
}

/*
 * The same, seen through libxenvchan_poll().
 */
static void poll_sees_the_end(void)
{
	uint8_t data[2];
	int found;

	SERVER->blocking = 0;
	found = libxenvchan_poll(SERVER, LIBXENVCHAN_IN, -1);
	expect(found == LIBXENVCHAN_IN, "no data");
	expect(libxenvchan_read(SERVER, data, 2) == 1, "no byte");
	expect_bytes(data, 0, 1);
	found = libxenvchan_poll(SERVER, LIBXENVCHAN_IN, -1);
	expect(found == LIBXENVCHAN_FIN, "no end");
}

static void finishes(void)
{
	write_all(CLIENT, 1);
	expect(!libxenvchan_shutdown(CLIENT), "no shutdown");
}

/*
 * A server takes its next client on the same page, while that one comes in.
 */
static void set_up_server(bool persist)
{
	struct libxenvchan *s;

	model_host_reset();
	model_payload((uint8_t *)model_page + 1024, 3072); /* both rings */
	s = libxenvchan_server_init(NULL, 2, "", 0, 0);
	expect(s, "no server");
	libxenvchan_set_spin(s, 0);
	s->blocking = 1;
	s->server_persist = persist;
	ends[0] = vchan_of(s);
}

static void set_up_rearming(void)
{
	set_up_server(false);
}

static void set_up_persistent(void)
{
	set_up_server(true);
}

static void connect_client(void)
{
	struct libxenvchan *c;

	/* Refused while the server is between two clients. */
	while (!(c = libxenvchan_client_init(NULL, 1, ""))) {
		expect(errno == ECONNREFUSED, "a client was refused");
		model_sleep_until(&model_page->srv_live, 1u << VCHAN_LIVE_HERE);
	}
	libxenvchan_set_spin(c, 0);
	c->blocking = 1;
	ends[1] = vchan_of(c);
}

static void two_clients(void)
{
	connect_client();
	expect(libxenvchan_write(CLIENT, "A", 1) == 1, "a write failed");
	close_end(1);
	connect_client();
	expect(libxenvchan_write(CLIENT, "B", 1) == 1, "a write failed");
}

static void rearms(void)
{
	char byte = 0;
	int r;

	expect(libxenvchan_read(SERVER, &byte, 1) == 1 && byte == 'A',
	       "the first client's byte was lost");
	r = libxenvchan_read(SERVER, &byte, 1);
	if (r < 0) {
		/* EISCONN: the next one is in already. */
		expect(!libxenvchan_rearm(SERVER) || errno == EISCONN,
		       "no next client can come");
		r = libxenvchan_read(SERVER, &byte, 1);
	}
	expect(r == 1 && byte == 'B', "the second client's byte was lost");
}

static void persists(void)
{
	char byte = 0;

	expect(libxenvchan_write(SERVER, "x", 1) == 1, "a write failed");
	expect(libxenvchan_read(SERVER, &byte, 1) == 1 && byte == 'A',
	       "the first client's byte was lost");
	expect(libxenvchan_read(SERVER, &byte, 1) == 1 && byte == 'B',
	       "the second client's byte was lost");
}

#define SCENARIO(text, server, client)                                \
	{                                                             \
		text, set_up, { server, client }, tear_down, 0, false \
	}
#define LARGE_SCENARIO(text, server, client)                               \
	{                                                                  \
		text, set_up_small, { server, client }, tear_down, 0, true \
	}
#define SMALL_RINGS(text, server, client)                                  \
	{                                                                  \
		text, set_up_small, { server, client }, tear_down, 0, true \
	}
/* There is much to explore from the init of one client to that of the next. */
#define SESSIONS(text, set_up, server)                                     \
	{                                                                  \
		text, set_up, { server, two_clients }, tear_down, 2, false \
	}
#define LARGE_SESSIONS(text, set_up, server)                              \
	{                                                                 \
		text, set_up, { server, two_clients }, tear_down, 3, true \
	}

const struct model_scenario scenarios[] = {
	SCENARIO("half-close seen by poll", poll_sees_the_end, finishes),
	SCENARIO("packets", packet_receiver, packet_sender),
	SCENARIO("the reader closes", reads_once_and_closes,
		 writes_until_refused),
	SCENARIO("poll(2) after short calls", polls_to_read, polls_to_write),
	SCENARIO("a stream", stream_reader, stream_writer),
	SCENARIO("request and answer", answers, asks),
	SCENARIO("the client writes and closes", server_reads_to_the_end,
		 client_writes_and_closes),
	SCENARIO("the server writes and closes", server_writes_and_closes,
		 client_reads_to_the_end),
	SCENARIO("the client half-closes", server_answers, client_half_closes),
	SCENARIO("the server half-closes", server_half_closes, client_answers),
	LARGE_SCENARIO("libxenvchan_poll()", polled_writer, polled_reader),
	LARGE_SCENARIO("counting calls", counts_data, counts_space),
	SESSIONS("a server rearms, 2 switches", set_up_rearming, rearms),
	SESSIONS("a persistent server, 2 switches", set_up_persistent,
		 persists),
	SMALL_RINGS("single bytes", small_writer, small_reader),
	SMALL_RINGS("both directions on one event", exchange_a, exchange_b),
	LARGE_SESSIONS("a server rearms, 3 switches", set_up_rearming, rearms),
	LARGE_SESSIONS("a persistent server, 3 switches", set_up_persistent,
		       persists),
};
const size_t n_scenarios = sizeof(scenarios) / sizeof(*scenarios);

const struct model_exception exceptions[] = {
	{ "tell_peer", MODEL_FULL,
	  "the release of the store that follows covers it, but there is no "
	  "weaker operation" },
	{ "tell_peer", MODEL_RELEASE,
	  "the read-modify-write before it orders as much, but may fail where "
	  "it is bounded" },
	{ "read_offer", MODEL_ACQUIRE,
	  "the orders and grants that it is for are older than the scenarios" },
	{ "enter", MODEL_RELEASE,
	  "it is for the marks in srv_notify, by which a persistent server "
	  "tells two clients apart: no scenario depends on them" },
	{ "leave", MODEL_RELEASE, "as that of enter()" },
	{ "client_is_in", MODEL_ACQUIRE, "the other side of enter()" },
	{ "watch_for_swap", MODEL_FULL,
	  "the mark orders nothing, but there is no weaker operation" },
};
const size_t n_exceptions = sizeof(exceptions) / sizeof(*exceptions);
