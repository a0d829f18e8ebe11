/* SPDX-License-Identifier: MIT */
/* The two ends of a vchan under test, and what the scenarios do with them. */
#ifndef XENCHAN_MODEL_VCHAN_ENDS_H
#define XENCHAN_MODEL_VCHAN_ENDS_H

#include "explorer.h"
#include "vchan/private.h"

extern struct vchan *ends[MODEL_THREADS]; /* the server, the client */

#define SERVER (&ends[0]->pub)
#define CLIENT (&ends[1]->pub)

/* Connected, with rings of 4 bytes; of 2, where there is more to explore. */
void set_up(void);
void set_up_small(void);
void tear_down(void);

void close_end(unsigned int i);

/* In a thread: what must hold. */
void expect(bool ok, const char *what);

/* Where a loop begins anew: all that matters is in the vchan, and a and b. */
void at_loop_head(struct libxenvchan *v, unsigned int a, unsigned int b);

/* Bytes at ... at + n - 1 of a stream. */
void fill(uint8_t *data, unsigned int at, unsigned int n);
void expect_bytes(const uint8_t *data, unsigned int at, unsigned int n);

/* Reads with blocking calls until n bytes have come, or the end. */
unsigned int read_all(struct libxenvchan *v, unsigned int n);
void expect_end(struct libxenvchan *v);
void write_all(struct libxenvchan *v, unsigned int n);

/* vchan-streams.c: bytes and packets */
void stream_writer(void);
void stream_reader(void);
void small_writer(void);
void small_reader(void);
void packet_sender(void);
void packet_receiver(void);
void span_sender(void);
void span_receiver(void);
void asks(void);
void answers(void);
void exchange_a(void);
void exchange_b(void);
void polls_to_write(void);
void polls_to_read(void);
void counts_space(void);
void counts_data(void);
void polled_writer(void);
void polled_reader(void);

/* vchan-lives.c: the end of a stream, and the next client */
void client_writes_and_closes(void);
void server_reads_to_the_end(void);
void sends_and_closes(void);
void receives_to_the_end(void);
void server_writes_and_closes(void);
void client_reads_to_the_end(void);
void writes_until_refused(void);
void reads_once_and_closes(void);
void client_half_closes(void);
void server_answers(void);
void server_half_closes(void);
void client_answers(void);
void poll_sees_the_end(void);
void finishes(void);
void set_up_rearming(void);
void set_up_persistent(void);
void two_clients(void);
void two_clients_and_an_answer(void);
void rearms_and_answers(void);
void persists(void);

#endif
