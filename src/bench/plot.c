// SPDX-License-Identifier: MIT
/* The picture is gnuplot's: it gets data and commands on its standard input. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bench/report.h"

bool plot_is_possible(void)
{
	return system("gnuplot --version >/dev/null 2>&1") == 0;
}

static bool has(const struct bench *b, bool latency)
{
	for (size_t i = 0; i < b->n_results; i++) {
		const struct result *r = &b->results[i];

		if (r->n_rounds && (r->work == WORK_LATENCY) == latency)
			return true;
	}
	return false;
}

/* The results of one curve of throughput: who, how, in which ring. */
static bool same_curve(const struct result *a, const struct result *b)
{
	return a->contender == b->contender && a->work == b->work &&
	       a->ring == b->ring;
}

static bool begins_curve(const struct bench *b, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (same_curve(&b->results[k], &b->results[i]))
			return false;
	}
	return b->results[i].work != WORK_LATENCY;
}

static void put_speed_curve(FILE *f, const struct bench *b, size_t first)
{
	fprintf(f, "$speed%zu << EOD\n", first);
	for (size_t i = first; i < b->n_results; i++) {
		const struct result *r = &b->results[i];
		struct spread s = result_spread(r, FIGURE_GBPS);

		if (same_curve(&b->results[first], r) && r->n_rounds)
			fprintf(f, "%zu %f %f %f\n", r->size, s.median, s.least,
				s.most);
	}
	fprintf(f, "EOD\n");
}

static void put_latency_curve(FILE *f, size_t i, const struct result *r)
{
	uint64_t above = r->times.n, shown = 2 * above;

	fprintf(f, "$latency%zu << EOD\n", i);
	for (unsigned int k = 0; k < HISTOGRAM_N && above; k++) {
		if (!r->times.classes[k])
			continue;
		/* What share of round trips takes this long or longer, as far
		 * as one could see a step. */
		if (above < shown - shown / 32) {
			fprintf(f, "%f %g\n", (double)histogram_class(k) / 1e3,
				(double)above / (double)r->times.n);
			shown = above;
		}
		above -= r->times.classes[k];
	}
	fprintf(f, "EOD\n");
}

static void put_speed(FILE *f, const struct bench *b)
{
	const char *separator = "plot ";

	for (size_t i = 0; i < b->n_results; i++) {
		if (begins_curve(b, i))
			put_speed_curve(f, b, i);
	}
	fprintf(f, "set title 'Throughput'\nset xlabel 'message, bytes'\n"
		   "set ylabel 'GB/s'\nset logscale x 2\nset logscale y 10\n"
		   "set format x '%%.0f'\nset format y '%%g'\n");
	for (size_t i = 0; i < b->n_results; i++) {
		const struct result *r = &b->results[i];

		if (!begins_curve(b, i))
			continue;
		fprintf(f,
			"%s$speed%zu using 1:2:3:4 with yerrorlines "
			"title '%s, %s, ring %zuK'",
			separator, i, r->contender->name, work_name(r->work),
			r->ring >> 10);
		separator = ", ";
	}
	fprintf(f, "\nunset logscale\n");
}

static void put_latency(FILE *f, const struct bench *b)
{
	const char *separator = "plot ";

	for (size_t i = 0; i < b->n_results; i++) {
		if (b->results[i].work == WORK_LATENCY &&
		    b->results[i].n_rounds)
			put_latency_curve(f, i, &b->results[i]);
	}
	fprintf(f, "set title 'Round trip'\nset xlabel 'microseconds'\n"
		   "set ylabel 'share that takes as long, or longer'\n"
		   "set logscale xy 10\nset format x '%%g'\n"
		   "set format y '10^{%%L}'\n");
	for (size_t i = 0; i < b->n_results; i++) {
		const struct result *r = &b->results[i];

		if (r->work != WORK_LATENCY || !r->n_rounds)
			continue;
		fprintf(f, "%s$latency%zu with steps title '%s, %zu bytes'",
			separator, i, r->contender->name, r->size);
		separator = ", ";
	}
	fprintf(f, "\n");
}

int report_plot(const struct bench *b, const char *path)
{
	int n = has(b, false) + has(b, true);
	FILE *f = popen("gnuplot", "w");

	if (!f)
		return -1;
	fprintf(f,
		"set terminal svg size 900,%d noenhanced background 'white'\n"
		"set output '%s'\nset multiplot layout %d,1\n"
		"set key outside right\nset grid\n",
		450 * n, path, n);
	if (has(b, false))
		put_speed(f, b);
	if (has(b, true))
		put_latency(f, b);
	fprintf(f, "unset multiplot\n");
	return pclose(f) ? -1 : 0;
}
