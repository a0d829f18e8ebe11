// SPDX-License-Identifier: MIT
/*
 * xenchan vchan bench: a program of its own, not linked to any libxenvchan,
 * because each of its ends loads the one that it measures.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bench/measure.h"
#include "bench/options.h"
#include "bench/report.h"
#include "cli/command.h"
#include "cli/say.h"
#include "cli/stop.h"

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
	r = options_parse(&o, argc, argv);
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
