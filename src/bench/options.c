// SPDX-License-Identifier: MIT
#include "bench/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "bench/report.h"
#include "cli/command.h"
#include "cli/say.h"

#define RING_MIN 1024
#define RING_MAX (1u << 20)
#define SIZE_MAX_MESSAGE (64u << 20)

enum {
	OPTION_SPIN = 0x100,
	OPTION_CPU,
	OPTION_NO_FIFO,
	OPTION_JSON,
	OPTION_PLOT,
	OPTION_SERVE,
};

static const struct option long_options[] = {
	{ "compare", required_argument, NULL, 'c' },
	{ "mode", required_argument, NULL, 'm' },
	{ "size", required_argument, NULL, 's' },
	{ "ring", required_argument, NULL, 'r' },
	{ "rounds", required_argument, NULL, 'n' },
	{ "time", required_argument, NULL, 't' },
	{ "domain", required_argument, NULL, 'd' },
	{ "spin", required_argument, NULL, OPTION_SPIN },
	{ "cpu", required_argument, NULL, OPTION_CPU },
	{ "no-fifo", no_argument, NULL, OPTION_NO_FIFO },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "plot", required_argument, NULL, OPTION_PLOT },
	{ "serve", no_argument, NULL, OPTION_SERVE },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* A library's name as dlopen(3) wants it. NULL: there is none. */
static char *find_library(const char *name)
{
	char path[PATH_MAX];

	if (!strcmp(name, "ours"))
		return strdup(OUR_LIBRARY);
	return realpath(name, path) ? strdup(path) : NULL;
}

static bool is_kind(const char *name, enum kind *kind)
{
	for (int k = 0; k < KIND_N; k++) {
		if (k != KIND_VCHAN && !strcmp(name, kind_name(k))) {
			*kind = (enum kind)k;
			return true;
		}
	}
	return false;
}

/* A duration as $XENVCHAN_SPIN_NS has it, or NULL. */
static const char *parse_spin(const char *text)
{
	uint64_t ns;
	char *number;

	if (parse_duration_ns(text, 1000000000, &ns) ||
	    asprintf(&number, "%llu", (unsigned long long)ns) < 0)
		return NULL;
	return number;
}

/* The words of a contender: A[:B][@SPIN][+VCHANS] */
static int parse_contender(struct options *o, char *word)
{
	struct bench *b = &o->bench;
	struct contender *c = &b->contenders[b->n_contenders];
	char *name = strdup(word), *at = strchr(word, '@'), *colon;
	char *plus = strrchr(word, '+');
	uint32_t vchans = 0;

	/* A file goes by its last name. */
	if (name && strrchr(name, '/') && !strchr(name, ':'))
		name = strrchr(name, '/') + 1;
	if (!name || b->n_contenders == CONTENDERS_MAX)
		return say_usage(COMMAND, "-c %s: too many", word);
	*c = (struct contender){ .name = name };
	if (plus && !parse_u32(plus + 1, 100000, &vchans)) {
		*plus = '\0';
		c->idle = (int)vchans;
	}
	if (at) {
		*at = '\0';
		c->spin = parse_spin(at + 1);
		if (!c->spin)
			return say_usage(COMMAND, "-c %s: no time after the @",
					 name);
	}
	b->n_contenders++;
	if (is_kind(word, &c->kind))
		return STATUS_DONE;
	c->kind = KIND_VCHAN;
	colon = strchr(word, ':');
	if (colon)
		*colon = '\0';
	c->libraries[0] = find_library(word);
	c->libraries[1] = find_library(colon ? colon + 1 : word);
	if (c->libraries[0] && c->libraries[1])
		return STATUS_DONE;
	return say_usage(COMMAND, "-c %s: neither a transport nor a file",
			 name);
}

static int parse_mode(struct options *o, char *word)
{
	for (int w = 0; w < WORK_N; w++) {
		if (!strcmp(word, work_name(w)) && o->n_works < WORK_N) {
			o->works[o->n_works++] = (enum work)w;
			return STATUS_DONE;
		}
	}
	return say_usage(COMMAND, "-m %s: no such mode", word);
}

static int parse_one_size(size_t *list, size_t *n, const char *word,
			  uint64_t least, uint64_t most, char option)
{
	uint64_t v;

	if (parse_size(word, most, &v) || v < least || *n == LIST_MAX)
		return say_usage(COMMAND,
				 "-%c %s: not a size from %llu to %llu", option,
				 word, (unsigned long long)least,
				 (unsigned long long)most);
	list[(*n)++] = v;
	return STATUS_DONE;
}

static int parse_size_word(struct options *o, char *word)
{
	return parse_one_size(o->sizes, &o->n_sizes, word, 1, SIZE_MAX_MESSAGE,
			      's');
}

static int parse_ring_word(struct options *o, char *word)
{
	int r = parse_one_size(o->rings, &o->n_rings, word, RING_MIN, RING_MAX,
			       'r');
	size_t ring = r ? 0 : o->rings[o->n_rings - 1];

	if (r || !(ring & (ring - 1)))
		return r;
	return say_usage(COMMAND, "-r %s: not a power of two", word);
}

/* Each of the words between commas. */
static int parse_list(struct options *o, char *list,
		      int (*parse)(struct options *, char *))
{
	char *save = NULL;
	int r = STATUS_DONE;

	for (char *w = strtok_r(list, ",", &save); w && !r;
	     w = strtok_r(NULL, ",", &save))
		r = parse(o, w);
	return r;
}

static int parse_cpu(struct options *o, const char *text)
{
	int *cpus = o->bench.stage.cpus;
	char left[16];
	const char *comma = strchr(text, ',');
	uint32_t a, b;

	snprintf(left, sizeof(left), "%.*s",
		 comma ? (int)(comma - text) : (int)strlen(text), text);
	if (parse_u32(left, CPU_SETSIZE - 1, &a) ||
	    parse_u32(comma ? comma + 1 : left, CPU_SETSIZE - 1, &b))
		return say_usage(COMMAND, "--cpu %s: neither A nor A,B", text);
	cpus[0] = (int)a;
	cpus[1] = (int)b;
	return STATUS_DONE;
}

static int parse_rounds(struct options *o, const char *text)
{
	uint32_t n;

	if (parse_u32(text, ROUNDS_MAX / 2, &n) || !n)
		return say_usage(COMMAND, "-n %s: not a number from 1 to %d",
				 text, ROUNDS_MAX / 2);
	o->bench.n_rounds = n;
	return STATUS_DONE;
}

static int parse_time(struct options *o, const char *text)
{
	uint64_t ns;

	if (parse_duration_ns(text, 60000000000, &ns) || !ns)
		return say_usage(COMMAND, "-t %s: not a duration up to 60s",
				 text);
	o->bench.round_ns = ns;
	return STATUS_DONE;
}

static int parse_domain(struct options *o, const char *text)
{
	unsigned int domid;

	if (parse_domid(text, &domid))
		return say_usage(COMMAND, "-d %s: not a domain id, 0 to 32751",
				 text);
	o->bench.stage.peer = (int)domid;
	return STATUS_DONE;
}

static int parse_option(struct options *o, int option, char **argv)
{
	switch (option) {
	case 'c':
		return parse_list(o, optarg, parse_contender);
	case 'm':
		return parse_list(o, optarg, parse_mode);
	case 's':
		return parse_list(o, optarg, parse_size_word);
	case 'r':
		return parse_list(o, optarg, parse_ring_word);
	case 'n':
		return parse_rounds(o, optarg);
	case 't':
		return parse_time(o, optarg);
	case 'd':
		return parse_domain(o, optarg);
	case OPTION_SPIN:
		o->spin = parse_spin(optarg);
		return o->spin ? STATUS_DONE
			       : say_usage(COMMAND,
					   "--spin %s: not a duration "
					   "up to 1s",
					   optarg);
	case OPTION_CPU:
		return parse_cpu(o, optarg);
	case OPTION_NO_FIFO:
		o->no_fifo = true;
		return STATUS_DONE;
	case OPTION_JSON:
		o->json = true;
		return STATUS_DONE;
	case OPTION_PLOT:
		o->plot = optarg;
		return STATUS_DONE;
	case OPTION_SERVE:
		o->serve = true;
		return STATUS_DONE;
	case 'h':
		o->help = true;
		return STATUS_DONE;
	default:
		return say_option(COMMAND, option, argv);
	}
}

/* The first two processors that this process may use. */
static void choose_cpus(int cpus[2])
{
	cpu_set_t set;
	int n = 0;

	if (cpus[0] >= 0 || sched_getaffinity(0, sizeof(set), &set))
		return;
	for (int i = 0; i < CPU_SETSIZE && n < 2; i++) {
		if (CPU_ISSET((size_t)i, &set))
			cpus[n++] = i;
	}
	if (n == 1)
		cpus[1] = cpus[0];
}

/* Two polling ends on one processor would never let each other run. */
static bool may_use_fifo(const struct options *o)
{
	struct sched_param p = { .sched_priority = 1 }, none = { 0 };
	const int *cpus = o->bench.stage.cpus;

	if (o->no_fifo || cpus[0] == cpus[1] ||
	    sched_setscheduler(0, SCHED_FIFO, &p))
		return false;
	sched_setscheduler(0, SCHED_OTHER, &none);
	return true;
}

static int fill_defaults(struct options *o)
{
	struct bench *b = &o->bench;
	char contenders[] = "ours,pipe,unix,seqpacket,tcp,ideal",
	     ours[] = "ours";
	char modes[] = "stream,latency", sizes[] = "64,512,4K,64K,1M";
	char ring[] = "64K";
	int r = STATUS_DONE;

	if (!b->n_contenders)
		r = parse_list(o, b->stage.peer < 0 ? contenders : ours,
			       parse_contender);
	if (!r && !o->n_works)
		r = parse_list(o, modes, parse_mode);
	if (!r && !o->n_sizes)
		r = parse_list(o, sizes, parse_size_word);
	if (!r && !o->n_rings)
		r = parse_list(o, ring, parse_ring_word);
	for (unsigned int i = 0; i < b->n_contenders; i++) {
		if (!b->contenders[i].spin)
			b->contenders[i].spin = o->spin;
	}
	choose_cpus(b->stage.cpus);
	b->stage.fifo = may_use_fifo(o);
	b->progress = isatty(STDERR_FILENO);
	return r;
}

int options_parse(struct options *o, int argc, char **argv)
{
	struct stage *s = &o->bench.stage;
	int option, r = STATUS_DONE;

	opterr = 0;
	while (!r && (option = getopt_long(argc, argv, ":c:m:s:r:n:t:d:h",
					   long_options, NULL)) != -1)
		r = parse_option(o, option, argv);
	if (r || o->help)
		return r;
	if (s->peer < 0 && (o->serve || optind < argc))
		return say_usage(COMMAND, "--serve and PATH want -d DOMAIN");
	if (s->peer >= 0 && argc - optind != 1)
		return say_usage(COMMAND, "-d DOMAIN wants one PATH");
	s->path = argv[optind];
	if (o->plot && !plot_is_possible())
		return say_failure("--plot needs gnuplot: apt-get install "
				   "gnuplot-nox");
	return fill_defaults(o);
}
