// SPDX-License-Identifier: MIT
#include "bench/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/probe.h"
#include "cli/json.h"

static const double quantiles[] = { 0.5, 0.99, 0.999, 0.9999 };
static const char *const quantile_names[] = { "p50", "p99", "p99.9", "p99.99" };

#define N_QUANTILES (sizeof(quantiles) / sizeof(*quantiles))

/* "64", "4K", "1M" */
static const char *size_text(char text[24], size_t n)
{
	if (n >= 1 << 20 && n % (1 << 20) == 0)
		snprintf(text, 24, "%zuM", n >> 20);
	else if (n >= 1 << 10 && n % (1 << 10) == 0)
		snprintf(text, 24, "%zuK", n >> 10);
	else
		snprintf(text, 24, "%zu", n);
	return text;
}

static void print_head(const struct result *r)
{
	char ring[24];

	printf("\n%s, rings of %s\n", work_name(r->work),
	       size_text(ring, r->ring));
	if (r->work == WORK_LATENCY)
		printf("%6s  %-24s %8s %8s %8s %8s %9s %7s %9s  %s\n", "size",
		       "", "p50 us", "p99", "p99.9", "p99.99", "events",
		       "calls", "CPU s/GB", "ratio (least to most)");
	else
		printf("%6s  %-24s %8s %15s %10s %9s %9s %9s  %s\n", "size", "",
		       "GB/s", "least to most", "msg/s", "events/m", "calls/m",
		       "CPU s/GB", "ratio (least to most)");
}

static void print_ratio(const struct bench *b, const struct result *r)
{
	struct spread ratio = result_spread(r, FIGURE_RATIO);

	if (r->contender == &b->contenders[0] || ratio.median == 0)
		printf("  -\n");
	else
		printf("  %.2f (%.2f to %.2f)\n", ratio.median, ratio.least,
		       ratio.most);
}

static void print_latency(const struct result *r)
{
	for (size_t i = 0; i < N_QUANTILES; i++)
		printf(" %8.2f",
		       (double)histogram_quantile(&r->times, quantiles[i]) /
			       1e3);
	printf(" %9.3f %7.2f %9.3f", result_spread(r, FIGURE_EVENTS).median,
	       result_spread(r, FIGURE_SYSCALLS).median,
	       result_spread(r, FIGURE_CPU).median);
}

static void print_speed(const struct result *r)
{
	struct spread s = result_spread(r, FIGURE_GBPS);

	printf(" %8.3f %7.3f %7.3f %10.0f %9.5f %9.5f %9.3f", s.median, s.least,
	       s.most, result_spread(r, FIGURE_MESSAGES).median,
	       result_spread(r, FIGURE_EVENTS).median,
	       result_spread(r, FIGURE_SYSCALLS).median,
	       result_spread(r, FIGURE_CPU).median);
}

static void print_setup(const struct bench *b)
{
	printf("\nset-up: microseconds, round trips to xenstore, descriptors\n"
	       "%-32s %-16s %-16s %s\n",
	       "", "server", "client", "one more server");
	for (unsigned int i = 0; i < b->n_contenders; i++) {
		const struct hello *s = &b->contenders[i].hellos.server;
		const struct hello *c = &b->contenders[i].hellos.client;

		if (b->contenders[i].kind != KIND_VCHAN)
			continue;
		printf("        %-24s %6.0f %3" PRIu64 " %3" PRIu64
		       "   %6.0f %3" PRIu64 " %3" PRIu64 "   %10" PRIu64
		       " %3" PRIu64 "\n",
		       b->contenders[i].name, (double)s->setup_ns / 1e3,
		       s->requests, s->fds, (double)c->setup_ns / 1e3,
		       c->requests, c->fds, s->more_requests, s->more_fds);
	}
}

static void print_notes(const struct bench *b)
{
	double load[1] = { 0 };

	printf("\nratio: to %s, in the same round. events and calls: of both "
	       "ends, a message or round trip.\n",
	       b->contenders[0].name);
	if (b->probe_least > 0)
		printf("cache line there and back: %.0f to %.0f ns. Under %d, "
		       "two processors are threads of\none core: such rounds "
		       "do "
		       "not count, except where a ~ stands.\n",
		       b->probe_least, b->probe_most, PROBE_SAME_CORE_NS);
	if (getloadavg(load, 1) == 1)
		printf("load of the machine: %.1f; ends are scheduled %s\n",
		       load[0],
		       b->stage.fifo ? "first (SCHED_FIFO)" : "as all others");
}

void report_table(const struct bench *b)
{
	const struct result *last = NULL;

	for (size_t i = 0; i < b->n_results; i++) {
		const struct result *r = &b->results[i];
		char size[24];

		if (r->unable && *r->unable == '-')
			continue;
		if (!last || last->work != r->work || last->ring != r->ring)
			print_head(r);
		last = r;
		printf("%6s %c%-24s", size_text(size, r->size),
		       result_is_close(r) ? '~' : ' ', r->contender->name);
		if (r->unable) {
			printf("  %s\n", r->unable);
			continue;
		}
		if (r->work == WORK_LATENCY)
			print_latency(r);
		else
			print_speed(r);
		print_ratio(b, r);
	}
	print_setup(b);
	print_notes(b);
}

static const struct {
	enum figure figure;
	const char *name;
} figures[] = {
	{ FIGURE_GBPS, "gb_per_s" },
	{ FIGURE_MESSAGES, "messages_per_s" },
	{ FIGURE_EVENTS, "events_per_message" },
	{ FIGURE_SYSCALLS, "syscalls_per_message" },
	{ FIGURE_CPU, "cpu_s_per_gb" },
	{ FIGURE_P50, "p50_ns" },
	{ FIGURE_RATIO, "ratio" },
	{ FIGURE_CPU_RATIO, "cpu_ratio" },
};

static void json_figures(struct json *j, const struct result *r)
{
	for (size_t i = 0; i < sizeof(figures) / sizeof(*figures); i++) {
		struct spread s = result_spread(r, figures[i].figure);

		if (figures[i].figure == FIGURE_P50 && r->work != WORK_LATENCY)
			continue;
		json_open(j, figures[i].name, '{');
		json_real(j, "median", s.median);
		json_real(j, "least", s.least);
		json_real(j, "most", s.most);
		json_close(j, '}');
	}
	if (r->work != WORK_LATENCY)
		return;
	json_open(j, "latency_ns", '{');
	for (size_t i = 0; i < N_QUANTILES; i++)
		json_number(j, quantile_names[i],
			    histogram_quantile(&r->times, quantiles[i]));
	json_number(j, "max", r->times.max);
	json_close(j, '}');
}

static void json_result(struct json *j, const struct result *r)
{
	json_open(j, NULL, '{');
	json_string(j, "contender", r->contender->name);
	json_string(j, "mode", work_name(r->work));
	json_number(j, "ring", r->ring);
	json_number(j, "size", r->size);
	json_number(j, "rounds", r->n_rounds);
	json_number(j, "rounds_on_one_core", r->n_close);
	if (r->unable)
		json_string(j, "unable", r->unable);
	else
		json_figures(j, r);
	json_close(j, '}');
}

static void json_hello(struct json *j, const char *key, const struct hello *h)
{
	json_open(j, key, '{');
	json_number(j, "setup_ns", h->setup_ns);
	json_number(j, "xenstore_requests", h->requests);
	json_number(j, "descriptors", h->fds);
	json_number(j, "more_xenstore_requests", h->more_requests);
	json_number(j, "more_descriptors", h->more_fds);
	json_close(j, '}');
}

void report_json(const struct bench *b)
{
	struct json j = { .out = stdout };

	json_open(&j, NULL, '{');
	json_open(&j, "probe_ns", '{');
	json_real(&j, "least", b->probe_least);
	json_real(&j, "most", b->probe_most);
	json_close(&j, '}');
	json_bool(&j, "fifo", b->stage.fifo);
	json_open(&j, "contenders", '[');
	for (unsigned int i = 0; i < b->n_contenders; i++) {
		json_open(&j, NULL, '{');
		json_string(&j, "name", b->contenders[i].name);
		json_hello(&j, "client", &b->contenders[i].hellos.client);
		json_hello(&j, "server", &b->contenders[i].hellos.server);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_open(&j, "results", '[');
	for (size_t i = 0; i < b->n_results; i++)
		json_result(&j, &b->results[i]);
	json_close(&j, ']');
	json_close(&j, '}');
	putchar('\n');
}
