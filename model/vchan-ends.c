// SPDX-License-Identifier: MIT
#include "vchan-ends.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vchan-host.h"

/* Where the indices begin: they wrap in mid-scenario. */
#define START 0xfffffffeu

struct vchan *ends[MODEL_THREADS]; /* the server, the client */
static uint8_t left[4], right[4];

void expect(bool ok, const char *what)
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

void set_up(void)
{
	set_up_rings(2);
}

void set_up_small(void)
{
	set_up_rings(1);
}

void close_end(unsigned int i)
{
	libxenvchan_close(&ends[i]->pub);
	ends[i] = NULL;
}

void tear_down(void)
{
	for (int i = 0; i < MODEL_THREADS; i++) {
		if (ends[i])
			free(ends[i]->path);
		free(ends[i]);
		ends[i] = NULL;
	}
}

void at_loop_head(struct libxenvchan *v, unsigned int a, unsigned int b)
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

void fill(uint8_t *data, unsigned int at, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		data[i] = byte_at(at + i);
}

void expect_bytes(const uint8_t *data, unsigned int at, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		expect(data[i] == byte_at(at + i), "another byte was written");
}

unsigned int read_all(struct libxenvchan *v, unsigned int n)
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

void expect_end(struct libxenvchan *v)
{
	uint8_t byte;

	expect(libxenvchan_read(v, &byte, 1) == -1 && errno == EPIPE,
	       "no end where the end is");
}

void write_all(struct libxenvchan *v, unsigned int n)
{
	uint8_t data[8];

	fill(data, 0, n);
	expect(libxenvchan_write(v, data, n) == (int)n, "a write failed");
}
