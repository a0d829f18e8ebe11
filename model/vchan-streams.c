// SPDX-License-Identifier: MIT
#include "vchan-ends.h"
#include "xen.h"

/*
 * A stream of more than the ring holds, through blocking calls.
 */
void stream_writer(void)
{
	write_all(CLIENT, 6);
}

void stream_reader(void)
{
	expect(read_all(SERVER, 6) == 6, "bytes were lost");
}

/*
 * The other way, a byte at a time.
 */
void small_writer(void)
{
	uint8_t data[3];

	fill(data, 0, 3);
	for (unsigned int i = 0; i < 3; i++) {
		at_loop_head(SERVER, i, 0);
		expect(libxenvchan_write(SERVER, data + i, 1) == 1,
		       "a write failed");
	}
}

void small_reader(void)
{
	expect(read_all(CLIENT, 3) == 3, "bytes were lost");
}

/*
 * Packets that do not fit side by side.
 */
void packet_sender(void)
{
	uint8_t data[6];

	fill(data, 0, 6);
	expect(libxenvchan_send(CLIENT, data, 3) == 3, "a send failed");
	expect(libxenvchan_send(CLIENT, data + 3, 3) == 3, "a send failed");
}

void packet_receiver(void)
{
	uint8_t data[3];

	for (unsigned int i = 0; i < 2; i++) {
		expect(libxenvchan_recv(SERVER, data, 3) == 3, "a recv failed");
		expect_bytes(data, 3 * i, 3);
	}
}

/*
 * The same, by bytes that are written and read where the ring is.
 */
void span_sender(void)
{
	struct iovec span[2];
	uint8_t data[4];

	for (unsigned int sent = 0; sent < 6; sent += 2) {
		at_loop_head(CLIENT, sent, 0);
		expect(libxenvchan_reserve(CLIENT, span, 2) >= 2, "no span");
		fill(data, sent, 2);
		for (unsigned int i = 0; i < 2; i++) {
			bool first = i < span[0].iov_len;
			uint8_t *to = span[!first].iov_base;

			to += first ? i : i - span[0].iov_len;
			model_copy_to(to, data + i, 1);
		}
		expect(!libxenvchan_commit(CLIENT, 2), "a commit failed");
	}
}

void span_receiver(void)
{
	struct iovec span[2];
	uint8_t byte;

	for (unsigned int i = 0; i < 6; i++) {
		at_loop_head(SERVER, i, 0);
		expect(libxenvchan_peek(SERVER, span, 1) >= 1, "no span");
		model_copy_from(&byte, span[0].iov_base, 1);
		expect_bytes(&byte, i, 1);
		expect(!libxenvchan_consume(SERVER, 1), "a consume failed");
	}
}

/*
 * Request and answer.
 */
void asks(void)
{
	write_all(CLIENT, 2);
	expect(read_all(CLIENT, 3) == 3, "bytes were lost");
}

void answers(void)
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

void exchange_a(void)
{
	exchange(0, 3, 1);
}

void exchange_b(void)
{
	exchange(1, 1, 3);
}

/*
 * Sleeping in poll(2) on the event channel's descriptor after a short write or
 * read, as programs written for Xen's library do.
 */
void polls_to_write(void)
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

void polls_to_read(void)
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
void counts_space(void)
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

void counts_data(void)
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
void polled_writer(void)
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

void polled_reader(void)
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
