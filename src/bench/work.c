// SPDX-License-Identifier: MIT
/*
 * The measured loops. They move real data: before each measurement a job with
 * `verify` set has every byte compared, outside of any time; in the measured
 * loop each message carries its number, which costs a store and a comparison,
 * and the count is what the receiver has received.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "bench/counters.h"
#include "bench/job.h"

/* Byte i of a verified stream is byte i modulo a prime of random ones. */
#define PATTERN 65521

static uint8_t pattern[PATTERN];

static void make_pattern(void)
{
	uint32_t x = 0x9e3779b9;

	for (size_t i = 0; i < PATTERN; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		pattern[i] = (uint8_t)(x >> 11);
	}
}

static size_t pattern_span(uint64_t pos, size_t n)
{
	size_t left = PATTERN - pos % PATTERN;

	return n < left ? n : left;
}

static void pattern_fill(uint8_t *data, size_t n, uint64_t pos)
{
	for (size_t m; n; data += m, pos += m, n -= m) {
		m = pattern_span(pos, n);
		memcpy(data, pattern + pos % PATTERN, m);
	}
}

static bool pattern_matches(const uint8_t *data, size_t n, uint64_t pos)
{
	for (size_t m; n; data += m, pos += m, n -= m) {
		m = pattern_span(pos, n);
		if (memcmp(data, pattern + pos % PATTERN, m))
			return false;
	}
	return true;
}

/*
 * Small messages are sent out of so many buffers in turn, numbered before: a
 * number stored just before the message is copied would stall the copy.
 */
#define SLOTS 16
#define SLOT_MAX 4096

static inline bool in_slots(const struct job *job)
{
	return job->size <= SLOT_MAX && !job->verify;
}

static inline uint64_t number_of(const struct job *job, uint64_t i)
{
	return in_slots(job) ? i % SLOTS : i;
}

/* A message's number, as far as it has room for one. */
static inline void stamp(uint8_t *data, size_t size, uint64_t number)
{
	if (size >= sizeof(number))
		memcpy(data, &number, sizeof(number));
}

static inline bool is_stamped(const uint8_t *data, size_t size, uint64_t number)
{
	uint64_t found;

	if (size < sizeof(found))
		return true;
	memcpy(&found, data, sizeof(found));
	return found == number;
}

/* Touches each cache line, as who makes or uses the data would. */
static void make_message(uint8_t *at, size_t size, uint64_t number)
{
	for (size_t i = 64; i + sizeof(number) <= size; i += 64)
		memcpy(at + i, &number, sizeof(number));
	stamp(at, size, number);
}

static void fill_slots(const struct job *job, uint8_t *buffer)
{
	for (uint64_t i = 0; in_slots(job) && i < SLOTS; i++)
		make_message(buffer + i * job->size, job->size, i);
}

/* Message i, ready to be sent. */
static inline uint8_t *message(const struct job *job, uint8_t *buffer,
			       uint64_t i)
{
	if (in_slots(job))
		return buffer + i % SLOTS * job->size;
	if (job->verify)
		pattern_fill(buffer, job->size, i * job->size);
	else if (job->work == WORK_INPLACE)
		make_message(buffer, job->size, i);
	else
		stamp(buffer, job->size, i);
	return buffer;
}

static uint64_t send_all(struct transport *t, const struct job *job,
			 uint8_t *buffer)
{
	int (*put)(struct transport *, const void *, size_t) =
		job->work == WORK_PACKET ? t->put_packet : t->put;

	for (uint64_t i = 0; i < job->count; i++) {
		if (put(t, message(job, buffer, i), job->size))
			return FAILED_CALL;
	}
	return 0;
}

/* A message that came whole. */
static inline bool is_right(const struct job *job, const uint8_t *data,
			    uint64_t i)
{
	return job->verify ? pattern_matches(data, job->size, i * job->size)
			   : is_stamped(data, job->size, number_of(job, i));
}

/* The messages of a stream, as their numbers pass. */
struct stamps {
	uint64_t start,
		i; /* of the next message: where it begins, which it is */
};

/* The numbers of all messages that begin in n bytes from pos on, and lie in them. */
static bool stamps_are_right(struct stamps *s, const struct job *job,
			     const uint8_t *data, size_t n, uint64_t pos)
{
	bool right = true;

	for (; s->start < pos + n; s->start += job->size, s->i++) {
		if (s->start + sizeof(uint64_t) <= pos + n)
			right &= is_stamped(data + (s->start - pos), job->size,
					    number_of(job, s->i));
	}
	return right;
}

static uint64_t receive_stream(struct transport *t, const struct job *job,
			       uint8_t *buffer)
{
	uint64_t all = job->count * job->size, failed = 0;
	struct stamps stamps = { 0, 0 };

	for (uint64_t pos = 0; pos < all;) {
		uint64_t left = all - pos;
		ssize_t n =
			t->get(t, buffer, left < job->size ? left : job->size);

		if (n < 0)
			return FAILED_CALL;
		if (job->verify ? !pattern_matches(buffer, (size_t)n, pos)
				: !stamps_are_right(&stamps, job, buffer,
						    (size_t)n, pos))
			failed = FAILED_DATA;
		pos += (uint64_t)n;
	}
	return failed;
}

static uint64_t receive_packets(struct transport *t, const struct job *job,
				uint8_t *buffer)
{
	uint64_t failed = 0;

	for (uint64_t i = 0; i < job->count; i++) {
		if (t->get_packet(t, buffer, job->size))
			return FAILED_CALL;
		if (!is_right(job, buffer, i))
			failed = FAILED_DATA;
	}
	return failed;
}

/* How many messages fit into two spans. */
static uint64_t fitting(const struct iovec v[2], size_t size, uint64_t left)
{
	uint64_t n = (v[0].iov_len + v[1].iov_len) / size;

	return n < left ? n : left;
}

/* Where n bytes at offset lie in one piece, or NULL. */
static uint8_t *in_one_piece(const struct iovec v[2], size_t offset, size_t n)
{
	if (offset + n <= v[0].iov_len)
		return (uint8_t *)v[0].iov_base + offset;
	if (offset >= v[0].iov_len)
		return (uint8_t *)v[1].iov_base + (offset - v[0].iov_len);
	return NULL;
}

static void copy_in(const struct iovec v[2], size_t offset, const void *data,
		    size_t n)
{
	uint8_t *at = in_one_piece(v, offset, n);
	size_t first = v[0].iov_len - offset;

	if (at) {
		memcpy(at, data, n);
		return;
	}
	memcpy((uint8_t *)v[0].iov_base + offset, data, first);
	memcpy(v[1].iov_base, (const uint8_t *)data + first, n - first);
}

static void copy_out(const struct iovec v[2], size_t offset, void *data,
		     size_t n)
{
	const uint8_t *at = in_one_piece(v, offset, n);
	size_t first = v[0].iov_len - offset;

	if (at) {
		memcpy(data, at, n);
		return;
	}
	memcpy(data, (const uint8_t *)v[0].iov_base + offset, first);
	memcpy((uint8_t *)data + first, v[1].iov_base, n - first);
}

static bool use_message(const uint8_t *at, size_t size, uint64_t number)
{
	uint64_t wrong = 0, word;

	for (size_t i = 64; i + sizeof(word) <= size; i += 64) {
		memcpy(&word, at + i, sizeof(word));
		wrong |= word ^ number;
	}
	return is_stamped(at, size, number) && !wrong;
}

/* Message i of a batch or alone, at an offset in the spans. */
static void put_message(const struct iovec v[2], size_t offset,
			const struct job *job, uint64_t i, uint8_t *buffer)
{
	uint8_t *at = in_one_piece(v, offset, job->size);

	if (job->verify || job->work == WORK_BATCH) {
		copy_in(v, offset, message(job, buffer, i), job->size);
	} else if (at) {
		make_message(at, job->size, number_of(job, i));
	} else {
		make_message(buffer, job->size, number_of(job, i));
		copy_in(v, offset, buffer, job->size);
	}
}

static bool get_message(const struct iovec v[2], size_t offset,
			const struct job *job, uint64_t i, uint8_t *buffer)
{
	uint8_t *at = in_one_piece(v, offset, job->size);

	if (at && !job->verify && job->work == WORK_INPLACE)
		return use_message(at, job->size, number_of(job, i));
	copy_out(v, offset, buffer, job->size);
	return is_right(job, buffer, i);
}

static uint64_t send_spans(struct transport *t, const struct job *job,
			   uint8_t *buffer)
{
	for (uint64_t i = 0; i < job->count;) {
		uint64_t left = job->count - i, max = job->batch, n;
		struct iovec v[2];

		if (t->reserve(t, v, job->size) < 0)
			return FAILED_CALL;
		n = fitting(v, job->size, left < max ? left : max);
		for (uint64_t k = 0; k < n; k++)
			put_message(v, k * job->size, job, i + k, buffer);
		if (t->commit(t, n * job->size))
			return FAILED_CALL;
		i += n;
	}
	return 0;
}

static uint64_t receive_spans(struct transport *t, const struct job *job,
			      uint8_t *buffer)
{
	uint64_t failed = 0;

	for (uint64_t i = 0; i < job->count;) {
		uint64_t left = job->count - i, max = job->batch, n;
		struct iovec v[2];

		if (t->peek(t, v, job->size) < 0)
			return FAILED_CALL;
		n = fitting(v, job->size, left < max ? left : max);
		for (uint64_t k = 0; k < n; k++) {
			if (!get_message(v, k * job->size, job, i + k, buffer))
				failed = FAILED_DATA;
		}
		if (t->consume(t, n * job->size))
			return FAILED_CALL;
		i += n;
	}
	return failed;
}

static uint64_t ping(struct transport *t, const struct job *job,
		     uint8_t *buffer, struct histogram *times)
{
	int64_t before = clock_now_ns();

	for (uint64_t i = 0; i < job->count; i++) {
		int64_t now;

		stamp(buffer, job->size, i);
		if (t->put_packet(t, buffer, job->size) ||
		    t->get_packet(t, buffer, job->size))
			return FAILED_CALL;
		if (!is_stamped(buffer, job->size, ~i))
			return FAILED_DATA;
		now = clock_now_ns();
		histogram_add(times, (uint64_t)(now - before));
		before = now;
	}
	return 0;
}

static uint64_t pong(struct transport *t, const struct job *job,
		     uint8_t *buffer)
{
	for (uint64_t i = 0; i < job->count; i++) {
		if (t->get_packet(t, buffer, job->size))
			return FAILED_CALL;
		stamp(buffer, job->size, ~i);
		if (t->put_packet(t, buffer, job->size))
			return FAILED_CALL;
	}
	return 0;
}

static uint64_t do_loop(struct transport *t, const struct job *job, bool sends,
			uint8_t *buffer, struct histogram *times)
{
	switch (job->work) {
	case WORK_STREAM:
		return sends ? send_all(t, job, buffer)
			     : receive_stream(t, job, buffer);
	case WORK_PACKET:
		return sends ? send_all(t, job, buffer)
			     : receive_packets(t, job, buffer);
	case WORK_BATCH:
	case WORK_INPLACE:
		/* A library without those calls does what it can. */
		if (sends)
			return t->reserve ? send_spans(t, job, buffer)
					  : send_all(t, job, buffer);
		return t->peek ? receive_spans(t, job, buffer)
			       : receive_stream(t, job, buffer);
	case WORK_LATENCY:
		return sends ? ping(t, job, buffer, times)
			     : pong(t, job, buffer);
	}
	return FAILED_CALL;
}

static int64_t cpu_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* The sender's time ends when the receiver says that it has everything. */
static uint64_t acknowledge(struct transport *t, bool sends)
{
	uint8_t done[JOB_ALIGN] = { 0 };

	if (sends ? t->get_packet(t, done, sizeof(done))
		  : t->put_packet(t, done, sizeof(done)))
		return FAILED_CALL;
	return 0;
}

struct tally work_do(struct transport *t, const struct job *job, bool sends,
		     struct histogram *times)
{
	_cleanup_free_ uint8_t *buffer = aligned_alloc(
		4096, ((job->size * (in_slots(job) ? SLOTS : 1)) | 4095) + 1);
	struct counters before;
	struct tally r = { .failed = FAILED_CALL };
	int64_t start, cpu;

	if (!buffer)
		return r;
	make_pattern();
	memset(buffer, 0x5a, job->size * (in_slots(job) ? SLOTS : 1));
	fill_slots(job, buffer);
	before = counters;
	cpu = cpu_now_ns();
	start = clock_now_ns();
	r.failed = do_loop(t, job, sends, buffer, times);
	if (r.failed <= FAILED_DATA && job->work != WORK_LATENCY &&
	    acknowledge(t, sends))
		r.failed = FAILED_CALL;
	r.ns = (uint64_t)(clock_now_ns() - start);
	r.cpu_ns = (uint64_t)(cpu_now_ns() - cpu);
	r.events = counters.events - before.events;
	r.syscalls = counters.syscalls - before.syscalls;
	return r;
}
