// SPDX-License-Identifier: MIT
#include <errno.h>

#include "vchan-ends.h"
#include "vchan-host.h"

/*
 * Write, then close: all that was written arrives, then the end.
 */
void client_writes_and_closes(void)
{
	write_all(CLIENT, 3);
	close_end(1);
}

void server_reads_to_the_end(void)
{
	expect(read_all(SERVER, 3) == 3, "bytes were lost at the close");
	expect_end(SERVER);
	expect(!libxenvchan_is_open(SERVER), "open after the end");
	expect(libxenvchan_state(SERVER) == LIBXENVCHAN_CLOSED,
	       "a close that looks like a death");
}

void server_writes_and_closes(void)
{
	write_all(SERVER, 3);
	close_end(0);
}

void client_reads_to_the_end(void)
{
	expect(read_all(CLIENT, 3) == 3, "bytes were lost at the close");
	expect_end(CLIENT);
	expect(libxenvchan_state(CLIENT) == LIBXENVCHAN_CLOSED,
	       "a close that looks like a death");
}

/*
 * Packets, then close: each arrives as it was sent, then the end.
 */
void sends_and_closes(void)
{
	uint8_t data[4];

	fill(data, 0, 4);
	expect(libxenvchan_send(CLIENT, data, 3) == 3, "a send failed");
	expect(libxenvchan_send(CLIENT, data + 3, 1) == 1, "a send failed");
	close_end(1);
}

void receives_to_the_end(void)
{
	uint8_t data[4];

	expect(libxenvchan_recv(SERVER, data, 3) == 3,
	       "a packet was lost at the close");
	expect_bytes(data, 0, 3);
	expect(libxenvchan_recv(SERVER, data, 1) == 1,
	       "a packet was lost at the close");
	expect_bytes(data, 3, 1);
	expect(libxenvchan_recv(SERVER, data, 1) == -1 && errno == EPIPE,
	       "no end after the packets");
	expect(libxenvchan_state(SERVER) == LIBXENVCHAN_CLOSED,
	       "a close that looks like a death");
}

/*
 * A writer that fills the ring, and a reader that closes instead of reading on.
 */
void writes_until_refused(void)
{
	uint8_t data[8] = { 0 };
	int r = libxenvchan_write(CLIENT, data, 8);

	expect(r >= 4 || (r == -1 && errno == EPIPE),
	       "a write ended otherwise than by the close");
	expect(libxenvchan_write(CLIENT, data, 8) == -1 && errno == EPIPE,
	       "a write into nothing");
}

void reads_once_and_closes(void)
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

void client_half_closes(void)
{
	half_closes(CLIENT);
}

void server_answers(void)
{
	answers_after_the_end(0);
}

void server_half_closes(void)
{
	half_closes(SERVER);
}

void client_answers(void)
{
	answers_after_the_end(1);
}

/*
 * The same, seen through libxenvchan_poll().
 */
void poll_sees_the_end(void)
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

void finishes(void)
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

void set_up_rearming(void)
{
	set_up_server(false);
}

void set_up_persistent(void)
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

void two_clients(void)
{
	connect_client();
	expect(libxenvchan_write(CLIENT, "A", 1) == 1, "a write failed");
	close_end(1);
	connect_client();
	expect(libxenvchan_write(CLIENT, "B", 1) == 1, "a write failed");
}

/* As a program that waits for its descriptor, and reads when there is an event. */
void two_clients_and_an_answer(void)
{
	char byte = 0;

	two_clients();
	while (!shm_load_u32(&model_page->right.prod))
		expect(!libxenvchan_wait(CLIENT), "no event");
	expect(libxenvchan_read(CLIENT, &byte, 1) == 1 && byte == 'C',
	       "the answer was lost");
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
	expect(libxenvchan_state(SERVER) == LIBXENVCHAN_OPEN,
	       "a client that is in, and was not seen");
}

void rearms_and_answers(void)
{
	rearms();
	expect(libxenvchan_write(SERVER, "C", 1) == 1, "a write failed");
}

void persists(void)
{
	char byte = 0;

	expect(libxenvchan_write(SERVER, "x", 1) == 1, "a write failed");
	expect(libxenvchan_read(SERVER, &byte, 1) == 1 && byte == 'A',
	       "the first client's byte was lost");
	expect(libxenvchan_read(SERVER, &byte, 1) == 1 && byte == 'B',
	       "the second client's byte was lost");
}
