// SPDX-License-Identifier: MIT
/* xenchan channel events: what xenchanneld sees, line by line. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/parse.h"
#include "cli/channel-common.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/say.h"
#include "toolstack/control.h"

#define COMMAND "channel events"

static const char help[] =
	"usage: xenchan channel events [--json] [--run-dir DIR]\n"
	"\n"
	"Prints what guests and clients do, until xenchanneld ends.\n"
	"\n"
	"      --json               an object a line\n"
	"      --run-dir DIR        that of xenchanneld\n"
	"  -h, --help               this text\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 usage. See xenchan-channel(1).\n";

struct options {
	const char *run_dir;
	bool json, help;
};

struct event {
	uint64_t time_ms, domid, device;
	const char *what, *name, *detail;
};

static int parse_line(char *line, struct event *e)
{
	char *word = toolstack_control_field(&line);
	char *time = toolstack_control_field(&line);
	char *domid = toolstack_control_field(&line);
	char *device = toolstack_control_field(&line);

	e->what = toolstack_control_field(&line);
	e->name = toolstack_control_field(&line);
	e->detail = toolstack_control_field(&line);
	if (!e->detail || strcmp(word, "event") != 0 ||
	    parse_u64(time, UINT64_MAX, &e->time_ms) ||
	    parse_u64(domid, UINT32_MAX, &e->domid) ||
	    parse_u64(device, UINT32_MAX, &e->device))
		return -EPROTO;
	return 0;
}

static void put_time(char *out, size_t size, uint64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, size - n, ".%03uZ", (unsigned int)(ms % 1000));
}

static void print_json(const struct event *e)
{
	struct json j = { .out = stdout };
	char time[64];

	put_time(time, sizeof(time), e->time_ms);
	json_open(&j, NULL, '{');
	json_string(&j, "time", time);
	json_number(&j, "domain", e->domid);
	json_number(&j, "device", e->device);
	json_string(&j, "name", e->name);
	json_string(&j, "event", e->what);
	json_string(&j, "detail", e->detail);
	json_close(&j, '}');
	putchar('\n');
}

static void put_text(const char *text)
{
	for (; *text; text++)
		putchar(printable(*text));
}

static void print_line(const struct event *e)
{
	char time[64];

	put_time(time, sizeof(time), e->time_ms);
	printf("%s domain %u channel %u ", time, (unsigned int)e->domid,
	       (unsigned int)e->device);
	put_text(e->name);
	putchar(' ');
	put_text(e->what);
	if (*e->detail)
		printf(": ");
	put_text(e->detail);
	putchar('\n');
}

static int print_events(FILE *in, bool json)
{
	char line[CONTROL_LINE_MAX];
	struct event e;

	while (fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\n")] = '\0';
		if (parse_line(line, &e))
			return say_failure("xenchanneld sent what is no event");
		if (json)
			print_json(&e);
		else
			print_line(&e);
		if (fflush(stdout))
			return say_failure("cannot write: %s", strerror(errno));
	}
	return STATUS_DONE;
}

static int parse(struct options *o, int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "run-dir", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	*o = (struct options){ .run_dir = CONTROL_RUN_DIR };
	optind = 1;
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) !=
	       -1) {
		if (option == 'j')
			o->json = true;
		else if (option == 'r')
			o->run_dir = optarg;
		else if (option == 'h')
			o->help = true;
		else
			return say_option(COMMAND, option, argv);
	}
	if (optind < argc)
		return say_usage(COMMAND, "%s: takes options only",
				 argv[optind]);
	return STATUS_DONE;
}

int command_channel_events(int argc, char **argv)
{
	struct options o;
	int status = parse(&o, argc, argv), fd;
	FILE *in;

	if (status)
		return status;
	if (o.help)
		return say_text(help);
	fd = toolstack_control(o.run_dir, CONTROL_EVENTS);
	if (fd < 0)
		return say_failure("cannot ask xenchanneld in %s: %s; does it "
				   "run?",
				   o.run_dir, strerror(-fd));
	in = fdopen(fd, "r");
	if (!in)
		return say_failure("out of memory");
	status = print_events(in, o.json);
	fclose(in);
	return status;
}
