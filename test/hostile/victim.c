// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "victim.h"

#define PAGE 4096u
#define BUFFER_SIZE (4 * PAGE)

__attribute__((format(printf, 5, 0))) static void
record(struct xentoollog_logger *logger, xentoollog_level level, int errnoval,
       const char *context, const char *format, va_list ap)
{
	((struct victim *)(void *)logger)->lines++;
}

/*
 * Pages that fault, then BUFFER_SIZE bytes, then pages that fault. What is not
 * to be sent holds the secret.
 */
static char *guarded;

static void fill_with_secret(void)
{
	for (size_t i = 0; i < BUFFER_SIZE; i += 8)
		memcpy(guarded + i, VICTIM_SECRET, 8);
}

static void make_guarded(void)
{
	char *p = mmap(NULL, BUFFER_SIZE + 2 * PAGE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	expect(p != MAP_FAILED);
	guarded = p + PAGE;
	expect(!mprotect(guarded, BUFFER_SIZE, PROT_READ | PROT_WRITE));
}

void victim_init(struct victim *t, uint64_t n)
{
	t->logger.vmessage = record;
	t->lines = 0;
	t->mark = VICTIM_MARK;
	t->dice.state = dice_state(n);
	if (!guarded)
		make_guarded();
	fill_with_secret();
}

/* A buffer of this size that ends, or begins, where a page that faults is. */
static char *buffer(struct dice *d, size_t size)
{
	return roll(d) & 1 ? guarded : guarded + BUFFER_SIZE - size;
}

/* What the headers name for a vchan that is connected. */
static void expect_documented(int err)
{
	expect(err == EPIPE || err == EPROTO || err == EMSGSIZE ||
	       err == ENOTCONN || err == EHOSTDOWN || err == EINVAL ||
	       err == EISCONN || err == ETIMEDOUT);
}

void expect_result(long n, size_t max)
{
	expect(n >= -1 && (n < 0 || (size_t)n <= max));
	if (n < 0)
		expect_documented(errno);
}

static void expect_span(const struct victim *t,
			const struct libxenvchan_ring *ring,
			const struct iovec span[2], int n)
{
	const char *from = ring->buffer, *to = from + (1u << ring->order);

	expect_result(n, 1u << ring->order);
	for (int i = 0; i < 2 && n > 0; i++) {
		const char *base = span[i].iov_base;

		if (!span[i].iov_len)
			continue;
		expect(base >= from && base < to);
		expect(span[i].iov_len <= (size_t)(to - base));
		if (ring == &t->v->write)
			memset(span[i].iov_base, t->mark, span[i].iov_len);
		else if (t->check_received)
			t->check_received(t, base, span[i].iov_len);
	}
}

static void send_marked(struct victim *t, char *buf, size_t size,
			int (*send)(struct libxenvchan *, const void *, size_t))
{
	memset(buf, t->mark, size);
	errno = 0;
	expect_result(send(t->v, buf, size), size);
	fill_with_secret();
}

static void receive(struct victim *t, char *buf, size_t size,
		    int (*recv)(struct libxenvchan *, void *, size_t))
{
	int n;

	errno = 0;
	n = recv(t->v, buf, size);
	expect_result(n, size);
	if (t->check_received)
		t->check_received(t, buf, n > 0 ? (size_t)n : 0);
	fill_with_secret();
}

static void look_into_rings(struct victim *t)
{
	struct libxenvchan *v = t->v;
	size_t size = roll(&t->dice) % 700, part = roll(&t->dice) % 100;
	struct iovec span[2];

	if (roll(&t->dice) & 1) {
		expect_span(t, &v->read, span, libxenvchan_peek(v, span, size));
		expect_result(libxenvchan_consume(v, part), 0);
	} else {
		expect_span(t, &v->write, span,
			    libxenvchan_reserve(v, span, size));
		expect_result(libxenvchan_commit(v, part), 0);
	}
}

static void make_a_call(struct victim *t)
{
	struct libxenvchan *v = t->v;
	size_t size = roll(&t->dice) % (BUFFER_SIZE + 1);
	char *buf = buffer(&t->dice, size);

	v->blocking = roll(&t->dice) % 4 == 0;
	errno = 0;
	switch (roll(&t->dice) % 14) {
	case 0:
	case 1:
		receive(t, buf, size, libxenvchan_read);
		break;
	case 2:
	case 3:
		send_marked(t, buf, size, libxenvchan_write);
		break;
	case 4:
		receive(t, buf, size % 700, libxenvchan_recv);
		break;
	case 5:
		send_marked(t, buf, size % 700, libxenvchan_send);
		break;
	case 6:
	case 7:
		look_into_rings(t);
		break;
	case 8:
		expect_result(libxenvchan_data_ready(v), 1u << v->read.order);
		break;
	case 9:
		expect_result(libxenvchan_buffer_space(v),
			      1u << v->write.order);
		break;
	case 10:
		expect_result(libxenvchan_is_open(v), 2);
		break;
	case 11:
		expect_result(libxenvchan_poll(v, 3, DEADLINE_NS), 15);
		break;
	case 12:
		expect(libxenvchan_state(v) <= LIBXENVCHAN_CORRUPT);
		break;
	default:
		v->server_persist = v->is_server && roll(&t->dice) & 1;
	}
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

void victim_make_a_call(struct victim *t)
{
	int64_t begin = now_ns();

	make_a_call(t);
	expect(now_ns() - begin < CALL_NS_MAX);
}

void victim_be_impatient(struct victim *t, struct libxenvchan *v)
{
	t->v = v;
	libxenvchan_set_timeout(v, DEADLINE_NS);
	libxenvchan_set_spin(v, 0);
}

void expect_dead(struct libxenvchan *v)
{
	char b = 0;

	expect(libxenvchan_state(v) == LIBXENVCHAN_CORRUPT);
	expect(libxenvchan_read(v, &b, 1) == -1 && errno == EPROTO);
	expect(libxenvchan_write(v, &b, 1) == -1 && errno == EPROTO);
	expect(libxenvchan_is_open(v) == 0);
}
