// SPDX-License-Identifier: MIT
#include "bench/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/probe.h"

/*
 * Of a round, the least that a run takes which only finds out how many messages
 * take how long: what the ring takes at once, and the first wake-up, are not to be
 * most of it.
 */
#define TRIAL_SHARE 8
/* The largest message whose round trip is of interest. */
#define LATENCY_MAX 4096

static const char *const works[WORK_N] = {
	[WORK_STREAM] = "stream",   [WORK_PACKET] = "packet",
	[WORK_BATCH] = "batch",     [WORK_INPLACE] = "inplace",
	[WORK_LATENCY] = "latency",
};

const char *work_name(enum work work)
{
	return works[work];
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* With fewer rounds on cores of their own, the others count too. */
#define ROUNDS_ENOUGH 3

bool result_is_close(const struct result *r)
{
	return r->n_close && r->n_rounds - r->n_close < ROUNDS_ENOUGH;
}

struct spread result_spread(const struct result *r, enum figure f)
{
	bool all = result_is_close(r);
	double v[ROUNDS_MAX];
	unsigned int n = 0;

	for (unsigned int i = 0; i < r->n_rounds; i++) {
		if (all || !r->close[i])
			v[n++] = r->figures[f][i];
	}
	if (!n)
		return (struct spread){ 0, 0, 0 };
	qsort(v, n, sizeof(*v), compare);
	return (struct spread){ n % 2 ? v[n / 2]
				      : (v[n / 2 - 1] + v[n / 2]) / 2,
				v[0], v[n - 1] };
}

/* A pair at work on one size. */
struct runner {
	struct pair pair;
	struct result *result;
	uint64_t count;
};

static const char *reason(uint64_t failed)
{
	switch (failed) {
	case FAILED_DATA:
		return "wrong data";
	default:
		return "a call failed";
	}
}

/* An eighth of the ring: both ends are at work at the same time. */
static uint64_t batch_of(const struct result *r)
{
	size_t n = r->ring / 8 / r->size;

	return r->work == WORK_BATCH && n ? n : 1;
}

/* 0, and whether it went well is in the result; -1: an end is gone. */
static int run(struct runner *r, uint64_t count, bool verify,
	       struct outcome *out)
{
	struct job job = { .work = r->result->work,
			   .verify = verify,
			   .size = r->result->size,
			   .count = count,
			   .batch = batch_of(r->result) };

	if (pair_do(&r->pair, &job, out)) {
		fprintf(stderr,
			"xenchan: bench: %s, %s of %zu bytes: an end "
			"has ended\n",
			r->result->contender->name, work_name(r->result->work),
			r->result->size);
		return -1;
	}
	if (out->client.failed || out->server.failed)
		r->result->unable =
			reason(out->client.failed > out->server.failed
				       ? out->client.failed
				       : out->server.failed);
	return 0;
}

/* So many round trips are made before the times of any count. */
#define LATENCY_TRIALS 4096

/*
 * A round trip compares its messages as it measures them. No longer than a round:
 * there are hosts on which one takes many milliseconds.
 */
static int verify_trips(struct runner *r, uint64_t round_ns)
{
	static struct outcome out;

	for (uint64_t n = 1; n <= LATENCY_TRIALS; n *= 4) {
		if (run(r, n, false, &out))
			return -1;
		if (r->result->unable || out.client.ns >= round_ns)
			break;
	}
	return 0;
}

/* Every byte of four rings full, and of three messages at least. */
static int verify(struct runner *r, uint64_t round_ns)
{
	static struct outcome out;
	const struct result *res = r->result;
	uint64_t n = 4 * res->ring / res->size;

	if (res->work == WORK_LATENCY)
		return verify_trips(r, round_ns);
	return run(r, n < 3 ? 3 : n, true, &out);
}

/*
 * How many messages take a round's time. From one on: there are hosts on which a message
 * of 1 MiB is a round.
 */
static int calibrate(struct runner *r, uint64_t round_ns)
{
	static struct outcome out;
	uint64_t n = 1;

	for (;;) {
		if (run(r, n, false, &out) || r->result->unable)
			return r->result->unable ? 0 : -1;
		if (out.client.ns >= round_ns / TRIAL_SHARE)
			break;
		n *= 4;
	}
	r->count = (uint64_t)((double)n * (double)round_ns /
			      (double)out.client.ns) +
		   1;
	return 0;
}

static void record(struct runner *r, const struct outcome *o,
		   const struct result *base, bool near)
{
	struct result *res = r->result;
	unsigned int i = res->n_rounds;
	double n = (double)r->count, ns = (double)o->client.ns;
	double bytes =
		n * (double)res->size * (res->work == WORK_LATENCY ? 2 : 1);
	double cpu = (double)(o->client.cpu_ns + o->server.cpu_ns);

	res->figures[FIGURE_GBPS][i] = bytes / ns;
	res->figures[FIGURE_MESSAGES][i] = n / ns * 1e9;
	res->figures[FIGURE_EVENTS][i] =
		(double)(o->client.events + o->server.events) / n;
	res->figures[FIGURE_SYSCALLS][i] =
		(double)(o->client.syscalls + o->server.syscalls) / n;
	res->figures[FIGURE_CPU][i] = cpu / bytes;
	if (res->work == WORK_LATENCY) {
		res->figures[FIGURE_P50][i] =
			(double)histogram_quantile(&o->times, 0.5);
		histogram_merge(near ? &res->times_close : &res->times,
				&o->times);
	}
	res->close[i] = near;
	res->n_close += near;
	res->n_rounds++;
	if (base->n_rounds <= i || base->unable)
		return;
	res->figures[FIGURE_RATIO][i] =
		res->work == WORK_LATENCY
			? base->figures[FIGURE_P50][i] /
				  res->figures[FIGURE_P50][i]
			: res->figures[FIGURE_GBPS][i] /
				  base->figures[FIGURE_GBPS][i];
	res->figures[FIGURE_CPU_RATIO][i] =
		res->figures[FIGURE_CPU][i] / base->figures[FIGURE_CPU][i];
}

static bool probe(struct bench *b)
{
	double ns = probe_round_trip_ns(b->stage.cpus, b->stage.fifo);

	if (ns == 0)
		return true;
	if (b->probe_least == 0 || ns < b->probe_least)
		b->probe_least = ns;
	if (ns > b->probe_most)
		b->probe_most = ns;
	return ns >= PROBE_SAME_CORE_NS;
}

/* One turn of each, with a look at the processors before and after. */
static int take_turns(struct bench *b, struct runner *runners)
{
	static struct outcome outcomes[CONTENDERS_MAX];
	bool near = !probe(b);

	for (unsigned int i = 0; i < b->n_contenders; i++) {
		if (!runners[i].result->unable &&
		    run(&runners[i], runners[i].count, false, &outcomes[i]))
			return -1;
	}
	near |= !probe(b);
	for (unsigned int i = 0; i < b->n_contenders; i++) {
		if (!runners[i].result->unable)
			record(&runners[i], &outcomes[i], runners[0].result,
			       near);
	}
	return 0;
}

/* Of rounds that count only for want of others, the times count as well. */
static void finish(struct result *r)
{
	if (result_is_close(r))
		histogram_merge(&r->times, &r->times_close);
}

static bool can_try(const struct contender *c, const struct result *r)
{
	bool vchan = c->kind == KIND_VCHAN;

	if (r->work == WORK_BATCH || r->work == WORK_INPLACE)
		return vchan && r->size <= r->ring / 2;
	if (r->work == WORK_LATENCY && r->size > LATENCY_MAX)
		return false;
	return r->work == WORK_STREAM || !vchan || r->size <= r->ring;
}

static int measure_case(struct bench *b, struct runner *runners)
{
	for (unsigned int i = 0; i < b->n_contenders; i++) {
		struct runner *r = &runners[i];

		if (!can_try(r->result->contender, r->result)) {
			r->result->unable = "-";
			continue;
		}
		if (verify(r, b->round_ns) ||
		    (!r->result->unable && calibrate(r, b->round_ns)))
			return -1;
	}
	/* As many again, should the processors have been threads of a core. */
	for (unsigned int i = 0; i < 2 * b->n_rounds; i++) {
		const struct result *first = runners[0].result;

		if (take_turns(b, runners))
			return -1;
		if (i + 1 >= b->n_rounds &&
		    (first->n_rounds - first->n_close >= b->n_rounds ||
		     first->unable))
			break;
	}
	for (unsigned int i = 0; i < b->n_contenders; i++)
		finish(runners[i].result);
	return 0;
}

static int add_results(struct bench *b, struct runner *runners, enum work work,
		       size_t size, size_t ring)
{
	size_t n = b->n_results + b->n_contenders;
	struct result *results = realloc(b->results, n * sizeof(*results));

	if (!results)
		return -1;
	b->results = results;
	for (unsigned int i = 0; i < b->n_contenders; i++) {
		struct result *r = &results[b->n_results + i];

		memset(r, 0, sizeof(*r));
		r->work = work;
		r->size = size;
		r->ring = ring;
		r->contender = &b->contenders[i];
		runners[i].result = r;
	}
	b->n_results = n;
	return 0;
}

static void say_where(const struct bench *b, enum work work, size_t size,
		      size_t ring)
{
	if (b->progress)
		fprintf(stderr, "\r\033[Kring %zu, %s of %zu bytes", ring,
			work_name(work), size);
}

static int measure_all(struct bench *b, struct runner *runners,
		       const enum work *w, size_t n_works, const size_t *sizes,
		       size_t n_sizes, size_t ring)
{
	for (size_t k = 0; k < n_works; k++) {
		for (size_t i = 0; i < n_sizes; i++) {
			say_where(b, w[k], sizes[i], ring);
			if (add_results(b, runners, w[k], sizes[i], ring) ||
			    measure_case(b, runners))
				return -1;
		}
	}
	return 0;
}

int measure(struct bench *b, const enum work *w, size_t n_works,
	    const size_t *sizes, size_t n_sizes, size_t ring,
	    unsigned int index)
{
	struct runner *runners = calloc(b->n_contenders, sizeof(*runners));
	unsigned int n = 0;
	int r = runners ? 0 : -1;

	while (!r && n < b->n_contenders) {
		r = pair_start(&runners[n].pair, &b->contenders[n], &b->stage,
			       ring, index + n);
		if (r)
			fprintf(stderr, "xenchan: bench: %s does not start\n",
				b->contenders[n].name);
		n++;
	}
	if (!r)
		r = measure_all(b, runners, w, n_works, sizes, n_sizes, ring);
	if (b->progress)
		fprintf(stderr, "\r\033[K");
	for (unsigned int i = 0; i < n; i++) {
		b->contenders[i].hellos = runners[i].pair.hellos;
		pair_stop(&runners[i].pair);
	}
	free(runners);
	return r;
}
