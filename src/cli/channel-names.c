// SPDX-License-Identifier: MIT
/* xenchan channel names: the channels of the domain that we are in. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/channel-common.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/say.h"
#include "guest/channels.h"
#include "guest/kernel.h"
#include "xen/store.h"

#define COMMAND "channel names"

static const char help[] =
	"usage: xenchan channel names [--json | --tsv]\n"
	"\n"
	"Lists the channels that the domain in which it runs has: name, "
	"device, "
	"the states\n"
	"of both ends, and who has it now (free, kernel, or program).\n"
	"\n"
	"      --json               as an array of objects\n"
	"      --tsv                as lines of columns with tabs between\n"
	"  -h, --help               this text\n"
	"\n"
	"Exit status: 0 done (also if there is none), 1 failed, 2 usage. See\n"
	"xenchan-channel-guest(1).\n";

enum form {
	FORM_PRETTY,
	FORM_JSON,
	FORM_TSV,
};

/* Who drives the device here. */
static const char *user_text(const struct channel *c, const char *sysfs)
{
	if (kernel_hold(sysfs, c->device) == KERNEL_HOLDS)
		return "kernel";
	return c->state == CONSOLE_STATE_INITIALISED ||
			       c->state == CONSOLE_STATE_CONNECTED
		       ? "program"
		       : "free";
}

static void print_json(const struct channels *all, const char *sysfs)
{
	struct json j = { .out = stdout };

	json_open(&j, NULL, '[');
	for (unsigned int i = 0; i < all->n; i++) {
		const struct channel *c = &all->list[i];

		if (!c->name[0])
			continue;
		json_open(&j, NULL, '{');
		json_string(&j, "name", c->name);
		json_number(&j, "device", c->device);
		json_string(&j, "frontend", console_state_name(c->state));
		json_string(&j, "backend-state",
			    console_state_name(c->backend_state));
		json_number(&j, "backend", c->backend);
		json_string(&j, "user", user_text(c, sysfs));
		json_close(&j, '}');
	}
	json_close(&j, ']');
	putchar('\n');
}

static void print_name(const char *name, int width)
{
	int n = 0;

	for (; name[n]; n++)
		putchar(printable(name[n]));
	printf("%*s", n < width ? width - n : 0, "");
}

static void print_rows(const struct channels *all, const char *sysfs)
{
	int width = 4;

	for (unsigned int i = 0; i < all->n; i++) {
		int n = (int)strlen(all->list[i].name);

		width = n > width ? n : width;
	}
	printf("%-*s  device  frontend      backend-state  user\n", width,
	       "name");
	for (unsigned int i = 0; i < all->n; i++) {
		const struct channel *c = &all->list[i];

		if (!c->name[0])
			continue;
		print_name(c->name, width);
		printf("  %-6u  %-12s  %-13s  %s\n", c->device,
		       console_state_name(c->state),
		       console_state_name(c->backend_state),
		       user_text(c, sysfs));
	}
}

static void print_tsv(const struct channels *all, const char *sysfs)
{
	puts("name\tdevice\tfrontend\tbackend-state\tbackend\tuser");
	for (unsigned int i = 0; i < all->n; i++) {
		const struct channel *c = &all->list[i];

		if (!c->name[0])
			continue;
		print_name(c->name, 0);
		printf("\t%u\t%s\t%s\t%u\t%s\n", c->device,
		       console_state_name(c->state),
		       console_state_name(c->backend_state), c->backend,
		       user_text(c, sysfs));
	}
}

static int parse(enum form *form, bool *wants_help, int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "tsv", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	optind = 0;
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) >=
	       0) {
		if (option == 'j')
			*form = FORM_JSON;
		else if (option == 't')
			*form = FORM_TSV;
		else if (option == 'h')
			*wants_help = true;
		else
			return say_option(COMMAND, option, argv);
	}
	if (optind < argc)
		return say_usage(COMMAND, "%s: no arguments are wanted",
				 argv[optind]);
	return STATUS_DONE;
}

int command_channel_names(int argc, char **argv)
{
	_cleanup_(cleanup_xen_storep) struct xs_handle *xs = NULL;
	enum form form = FORM_PRETTY;
	bool wants_help = false;
	struct channels all;
	const char *sysfs;
	int r, status = parse(&form, &wants_help, argc, argv);

	if (status)
		return status;
	if (wants_help)
		return say_text(help);
	status = channel_open_store(&xs);
	if (status)
		return status;
	r = channels_read(xs, &all);
	if (r)
		return say_failure("cannot read " CONSOLE_OWN_ROOT
				   " in xenstore: %s",
				   strerror(-r));
	sysfs = kernel_sysfs(xs);
	if (form == FORM_JSON)
		print_json(&all, sysfs);
	else if (form == FORM_TSV)
		print_tsv(&all, sysfs);
	else
		print_rows(&all, sysfs);
	return say_text("");
}
