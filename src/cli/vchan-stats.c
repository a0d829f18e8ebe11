// SPDX-License-Identifier: MIT
/* xenchan vchan stats: what the vchans of this machine's processes have done. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/parse.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/say.h"
#include "cli/stats-scan.h"
#include "libxenvchan-ext.h"

#define COMMAND "vchan stats"

static const char help[] =
	"usage: xenchan vchan stats [--json] [--watch[=DURATION]] [PID]\n"
	"\n"
	"Shows what the vchans of all processes, or of one, have done. Those "
	"of "
	"other\n"
	"users are seen by root only; those of other libraries not at all.\n"
	"\n"
	"      --json               as an array of objects, with all counters\n"
	"      --watch[=DURATION]   again and again, every second unless "
	"DURATION says\n"
	"                           else: 500ms, 10; what is moved, per "
	"second. Ends when\n"
	"                           the process PID has no vchan any more\n"
	"  -h, --help               this text\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 usage. See xenchan-vchan(1).\n";

struct options {
	uint32_t pid;        /* 0: all */
	int64_t interval_ns; /* 0: once */
	bool json, help;
};

static const char *state_name(uint32_t state)
{
	static const char *const names[] = {
		[LIBXENVCHAN_CONNECTING] = "connecting",
		[LIBXENVCHAN_LISTENING] = "listening",
		[LIBXENVCHAN_OPEN] = "open",
		[LIBXENVCHAN_FINISHED] = "finished",
		[LIBXENVCHAN_CLOSED] = "closed",
		[LIBXENVCHAN_DIED] = "died",
		[LIBXENVCHAN_GONE] = "gone",
		[LIBXENVCHAN_CORRUPT] = "corrupt",
	};

	return state < sizeof(names) / sizeof(*names) ? names[state] : "?";
}

static const char *role_name(const struct stats_slot *s)
{
	return s->is_server ? "server" : "client";
}

static uint64_t ring_size(uint32_t order)
{
	return order && order < 32 ? UINT64_C(1) << order : 0;
}

static void put_flow(struct json *j, const char *key,
		     const struct stats_flow *f, uint32_t order)
{
	json_open(j, key, '{');
	json_number(j, "ring", ring_size(order));
	json_number(j, "bytes", f->bytes);
	json_number(j, "calls", f->calls);
	json_number(j, "sleeps", f->sleeps);
	json_number(j, "spins", f->spins);
	json_number(j, "spins-won", f->spins_won);
	json_number(j, "events-sent", f->events_sent);
	json_number(j, "yields", f->yields);
	json_close(j, '}');
}

static void print_json(FILE *out, const struct stats_list *list)
{
	struct json j = { .out = out };

	json_open(&j, NULL, '[');
	for (size_t i = 0; i < list->n_rows; i++) {
		const struct stats_row *row = &list->rows[i];
		const struct stats_slot *s = &row->slot;

		json_open(&j, NULL, '{');
		json_number(&j, "pid", row->pid);
		json_string(&j, "program", row->program);
		json_string(&j, "role", role_name(s));
		json_number(&j, "domain", s->domain);
		json_string(&j, "state", state_name(s->state));
		json_string(&j, "path", s->path);
		put_flow(&j, "received", &s->received, s->read_order);
		put_flow(&j, "sent", &s->sent, s->write_order);
		json_number(&j, "events-received", s->events_received);
		json_number(&j, "waits", s->waits);
		json_number(&j, "connections", s->connections);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	fputc('\n', out);
}

/* The sums that a line has room for. */
struct sums {
	uint64_t received, sent, sleeps, events;
};

static struct sums sums_of(const struct stats_slot *s)
{
	return (struct sums){
		.received = s->received.bytes,
		.sent = s->sent.bytes,
		.sleeps = s->received.sleeps + s->sent.sleeps + s->waits,
		.events = s->received.events_sent + s->sent.events_sent,
	};
}

static uint64_t rate(uint64_t now, uint64_t then, int64_t ns)
{
	return now < then || ns <= 0
		       ? 0
		       : (uint64_t)((double)(now - then) * NS_PER_S / ns);
}

static void print_text(FILE *out, const char *text)
{
	for (; *text; text++)
		fputc(printable(*text), out);
}

static void print_row(FILE *out, const struct stats_row *row,
		      const struct sums *n)
{
	fprintf(out, "%7u  ", row->pid);
	print_text(out, row->program);
	fprintf(out,
		"%*s  %s %6u  %-10s %14" PRIu64 " %14" PRIu64 " %9" PRIu64
		" %9" PRIu64 "  ",
		(int)(16 - strlen(row->program)), "", role_name(&row->slot),
		row->slot.domain, state_name(row->slot.state), n->received,
		n->sent, n->sleeps, n->events);
	print_text(out, row->slot.path);
	fputc('\n', out);
}

/* before: NULL, or what was there ns ago */
static void print_table(FILE *out, const struct stats_list *list,
			const struct stats_list *before, int64_t ns)
{
	fprintf(out, "%7s  %-16s  %-6s %6s  %-10s %14s %14s %9s %9s  %s\n",
		"pid", "program", "role", "domain", "state",
		before ? "received/s" : "received", before ? "sent/s" : "sent",
		before ? "sleeps/s" : "sleeps", before ? "events/s" : "events",
		"path");
	for (size_t i = 0; i < list->n_rows; i++) {
		const struct stats_row *row = &list->rows[i];
		const struct stats_row *old =
			before ? stats_list_find(before, row) : NULL;
		struct sums n = sums_of(&row->slot);

		if (before) {
			struct sums o = old ? sums_of(&old->slot) : n;

			n = (struct sums){ rate(n.received, o.received, ns),
					   rate(n.sent, o.sent, ns),
					   rate(n.sleeps, o.sleeps, ns),
					   rate(n.events, o.events, ns) };
		}
		print_row(out, row, &n);
	}
}

static int scan(const struct options *o, struct stats_list *list)
{
	int r = o->pid ? stats_scan_process(list, o->pid)
		       : stats_scan_all(list);

	if (!r)
		return STATUS_DONE;
	if (r == -EACCES)
		return say_failure("cannot look at process %u: it is another "
				   "user's; root can",
				   o->pid);
	if (r == -ENOENT)
		return say_failure("there is no process %u", o->pid);
	return say_failure("cannot look for vchans: %s", strerror(-r));
}

static int print(const struct options *o, const struct stats_list *list,
		 const struct stats_list *before, int64_t ns)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return say_failure("out of memory");
	if (o->json)
		print_json(out, list);
	else
		print_table(out, list, before, ns);
	if (fclose(out))
		return say_failure("out of memory");
	return say_text(text);
}

/* The first look: it says what is in the way. */
static int look(const struct options *o, struct stats_list *list)
{
	int status = scan(o, list);

	if (status)
		return status;
	if (o->pid && !list->n_rows)
		return say_failure("process %u has no vchan, or one of another "
				   "libxenvchan",
				   o->pid);
	if (!list->n_rows && list->n_denied)
		say_note("%u processes are other users'; root can look at them",
			 list->n_denied);
	return print(o, list, NULL, 0);
}

/* Whether there is still something to watch; *list is then filled. */
static bool look_again(const struct options *o, struct stats_list *list)
{
	if (!o->pid)
		return !stats_scan_all(list);
	return !stats_scan_process(list, o->pid) && list->n_rows;
}

static int watch(const struct options *o, struct stats_list *before)
{
	struct timespec pause = { .tv_sec = o->interval_ns / NS_PER_S,
				  .tv_nsec = o->interval_ns % NS_PER_S };
	int64_t then = clock_now_ns();
	int status = STATUS_DONE;

	while (!status) {
		_cleanup_(stats_list_deinit) struct stats_list now = { 0 };
		int64_t t;

		nanosleep(&pause, NULL);
		t = clock_now_ns();
		if (!look_again(o, &now))
			break;
		status = print(o, &now, before, t - then);
		stats_list_deinit(before);
		*before = now;
		now = (struct stats_list){ 0 };
		then = t;
	}
	return status;
}

static int parse_interval(struct options *o, const char *arg)
{
	uint64_t ns = NS_PER_S;

	if (arg && (parse_duration_ns(arg, INT64_MAX / 2, &ns) || !ns))
		return say_usage(COMMAND,
				 "--watch %s: not a duration, as 500ms or 10",
				 arg);
	o->interval_ns = (int64_t)ns;
	return STATUS_DONE;
}

static int parse_pid(struct options *o, int argc, char **argv)
{
	if (optind == argc)
		return STATUS_DONE;
	if (optind + 1 < argc)
		return say_usage(COMMAND, "%s: one PID, or none",
				 argv[optind + 1]);
	if (!parse_u32(argv[optind], INT32_MAX, &o->pid) && o->pid)
		return STATUS_DONE;
	return say_usage(COMMAND, "%s: not the number of a process",
			 argv[optind]);
}

static int parse(struct options *o, int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "watch", optional_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option, status = STATUS_DONE;

	*o = (struct options){ 0 };
	optind = 1;
	opterr = 0;
	while (!status && (option = getopt_long(argc, argv, ":h", long_options,
						NULL)) != -1) {
		if (option == 'j')
			o->json = true;
		else if (option == 'w')
			status = parse_interval(o, optarg);
		else if (option == 'h')
			o->help = true;
		else
			status = say_option(COMMAND, option, argv);
	}
	return status || o->help ? status : parse_pid(o, argc, argv);
}

int command_vchan_stats(int argc, char **argv)
{
	_cleanup_(stats_list_deinit) struct stats_list list = { 0 };
	struct options o;
	int status = parse(&o, argc, argv);

	if (status)
		return status;
	if (o.help)
		return say_text(help);
	status = look(&o, &list);
	return status || !o.interval_ns ? status : watch(&o, &list);
}
