// SPDX-License-Identifier: MIT
/*
 * xenchan vchan bench: a program of its own, not linked to any libxenvchan,
 * because each of its ends loads the one that it measures.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "bench/measure.h"
#include "bench/report.h"
#include "cli/command.h"
#include "cli/say.h"
#include "cli/stop.h"

#define COMMAND "vchan bench"
#define LIST_MAX 16
#define RING_MIN 1024
#define RING_MAX (1u << 20)
#define SIZE_MAX_MESSAGE (64u << 20)

static const char help[] =
	"usage: xenchan vchan bench [options]\n"
	"       xenchan vchan bench --serve -d DOMAIN [options] PATH\n"
	"       xenchan vchan bench -d DOMAIN [options] PATH\n"
	"\n"
	"Measures vchans and what they compete with, taking turns. The first "
	"form "
	"starts an\n"
	"emulated host of its own; the others measure between this domain and "
	"another\n"
	"one, where --serve runs with the same -c and -r.\n"
	"\n"
	"  -c, --compare WHO,...    ours, pipe, unix, seqpacket, tcp, ideal (a "
	"ring\n"
	"                           without Xen; also own-lines and "
	"one-line), or\n"
	"                           another libxenvchan's file; A:B "
	"sends "
	"by A and\n"
	"                           receives by B; WHO@SPIN polls for that "
	"long, "
	"as 0 or\n"
	"                           50us; WHO+N receives in an event loop "
	"over N vchans.\n"
	"                           Ratios are to the first. Default: all but "
	"files\n"
	"  -m, --mode MODE,...      stream, packet, batch, inplace, latency; "
	"default\n"
	"                           stream,latency\n"
	"  -s, --size SIZE,...      of messages; default 64,512,4K,64K,1M\n"
	"  -r, --ring SIZE,...      of each ring, 1K to 1M; default 64K\n"
	"  -n, --rounds N           how many turns each gets; default 7\n"
	"  -t, --time DURATION      of one turn; default 100ms\n"
	"      --spin DURATION      for all vchans without a @SPIN\n"
	"      --cpu A[,B]          where the ends run; default the first two; "
	"A: "
	"both on one\n"
	"      --no-fifo            do not ask for real-time scheduling\n"
	"      --json               for programs\n"
	"      --plot FILE          an SVG, by gnuplot, besides\n"
	"      --serve              be the receiving end for another domain\n"
	"  -d, --domain DOMAIN      the domain of the other end\n"
	"  -h, --help               this text\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 usage. See xenchan-vchan-bench(1).\n";

struct options {
	struct bench bench;
	enum work works[WORK_N];
	size_t n_works;
	size_t sizes[LIST_MAX], rings[LIST_MAX];
	size_t n_sizes, n_rings;
	const char *spin;
	const char *plot;
	char host_dir[64];
	bool json, serve, no_fifo, help;
};

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

static int parse(struct options *o, int argc, char **argv)
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

/* A program that lies beside this one, built or installed; else in $PATH. */
static const char *find_xenhost(const char *self)
{
	static const char *const places[] = { "../../bin/xenhost",
					      "../xenhost/xenhost" };
	static char path[PATH_MAX];
	int n = (int)(strrchr(self, '/') - self);

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		snprintf(path, sizeof(path), "%.*s/%s", n, self, places[i]);
		if (!access(path, X_OK))
			return path;
	}
	return "xenhost";
}

static int xenhost(const struct options *o, const char *const words[])
{
	const struct stage *s = &o->bench.stage;
	const char *argv[12] = { s->xenhost, "--dir", s->host_dir };
	int status;
	pid_t pid;

	for (int i = 0; words[i]; i++)
		argv[3 + i] = words[i];
	pid = fork();
	if (!pid) {
		/* Its answers are not ours. */
		if (!freopen("/dev/null", "w", stdout))
			_exit(127);
		execvp(argv[0], (char **)argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status) ? -1 : 0;
}

static int start_host(struct options *o)
{
	static const char *const up[] = { "up", NULL };
	/* Several pairs with rings of 1 MiB share more than a guest may, and
	 * crowds of vchans have more nodes: the server is in domain 0. */
	static const char *const limit[] = { "fault",    "limit", "-d", "0",
					     "--grants", "16384", NULL };
	static const char *const guest[] = { "create", "2", NULL };
	struct stage *s = &o->bench.stage;
	const char *tmp = getenv("TMPDIR");

	snprintf(o->host_dir, sizeof(o->host_dir), "%s/xenchan-bench.XXXXXX",
		 tmp && strlen(tmp) < 32 ? tmp : "/tmp");
	if (!mkdtemp(o->host_dir))
		return say_failure("%s: %s", o->host_dir, strerror(errno));
	s->host_dir = o->host_dir;
	s->xenhost = find_xenhost(s->self);
	if (xenhost(o, up) || xenhost(o, limit) || xenhost(o, guest))
		return say_failure("cannot start an emulated host: is xenhost "
				   "installed?");
	if (!o->json)
		printf("On an emulated host of its own, for this run.\n");
	fflush(stdout);
	return STATUS_DONE;
}

static void stop_host(struct options *o)
{
	static const char *const down[] = { "down", NULL };

	if (!o->bench.stage.host_dir)
		return;
	xenhost(o, down);
	rmdir(o->host_dir);
}

/* What the ends need of the host, if any. */
static bool needs_host(const struct options *o)
{
	for (unsigned int i = 0; i < o->bench.n_contenders; i++) {
		if (o->bench.contenders[i].kind == KIND_VCHAN)
			return o->bench.stage.peer < 0;
	}
	return false;
}

/* A server for each contender and ring, until the clients have been there. */
static int serve(struct options *o)
{
	struct bench *b = &o->bench;
	int status, failed = 0;

	for (size_t k = 0; k < o->n_rings; k++) {
		for (unsigned int i = 0; i < b->n_contenders; i++)
			pair_serve(&b->contenders[i], &b->stage, o->rings[k],
				   (unsigned int)k * CONTENDERS_MAX + i);
	}
	for (;;) {
		if (wait(&status) > 0)
			failed |= status;
		else if (errno != EINTR)
			break;
		else if (stop_signal())
			return STATUS_FAILED;
	}
	return failed ? say_failure("an end has failed") : STATUS_DONE;
}

static int run(struct options *o)
{
	struct bench *b = &o->bench;

	for (size_t k = 0; k < o->n_rings; k++) {
		if (measure(b, o->works, o->n_works, o->sizes, o->n_sizes,
			    o->rings[k], (unsigned int)k * CONTENDERS_MAX))
			return STATUS_FAILED;
	}
	if (o->json)
		report_json(b);
	else
		report_table(b);
	if (fflush(stdout))
		return say_failure("standard output: %s", strerror(errno));
	if (o->plot && report_plot(b, o->plot))
		return say_failure("%s: gnuplot has failed", o->plot);
	for (size_t i = 0; i < b->n_results; i++) {
		const struct result *res = &b->results[i];

		/* "-" is what a contender cannot do. */
		if (res->unable && strcmp(res->unable, "-"))
			return say_failure(
				"%s, %s of %zu bytes: %s", res->contender->name,
				work_name(res->work), res->size, res->unable);
	}
	return STATUS_DONE;
}

int main(int argc, char **argv)
{
	struct options o = { .bench = { .n_rounds = 7,
					.round_ns = 100000000,
					.stage = { .peer = -1,
						   .cpus = { -1, -1 } } } };
	char self[PATH_MAX];
	int r;

	if (argc > 1 && !strcmp(argv[1], "--end"))
		return end_main(argc, argv);
	r = parse(&o, argc, argv);
	if (r)
		return r;
	if (o.help)
		return say_text(help);
	if (!realpath("/proc/self/exe", self))
		return say_failure("/proc/self/exe: %s", strerror(errno));
	o.bench.stage.self = self;
	r = stop_install();
	if (r)
		return say_failure("eventfd: %s", strerror(-r));
	if (needs_host(&o))
		r = start_host(&o);
	if (!r)
		r = o.serve ? serve(&o) : run(&o);
	stop_host(&o);
	free(o.bench.results);
	return stop_signal() ? 128 + stop_signal() : r;
}
