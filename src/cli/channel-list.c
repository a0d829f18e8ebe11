// SPDX-License-Identifier: MIT
/* xenchan channel list: whose channel is what, where, and in which state. */
#include <assert.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/channel-common.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/say.h"
#include "toolstack/control.h"
#include "xen/store.h"

#define COMMAND "channel list"

static const char help[] =
	"usage: xenchan channel list [-d DOMAIN] [--json | --tsv] [--run-dir "
	"DIR]\n"
	"\n"
	"Lists the channels of all domains, those of other toolstacks too.\n"
	"\n"
	"  -d, --domain DOMAIN      only of this domain\n"
	"      --json               as an array of objects\n"
	"      --tsv                as lines of columns with tabs between\n"
	"      --run-dir DIR        that of xenchanneld, which knows clients "
	"and counts\n"
	"  -h, --help               this text\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 usage. See xenchan-channel(1).\n";

enum form {
	FORM_PRETTY,
	FORM_JSON,
	FORM_TSV,
};

struct options {
	const char *domain, *run_dir;
	enum form form;
	bool help;
};

static const char *kind_text(const struct toolstack_channel *c)
{
	return c->has_kind ? console_kind_text(c->kind) : "unknown";
}

static const char *server_text(const struct toolstack_channel *c)
{
	if (c->ours)
		return "xenchanneld";
	return strcmp(c->type, "ioemu") ? "other" : "qemu";
}

static const char *frontend_text(const struct toolstack_channel *c)
{
	return c->has_frontend ? console_state_name(c->frontend_state) : "gone";
}

static const char *guest_text(const struct toolstack_channel *c)
{
	if (!c->has_guest_open)
		return "unknown";
	return c->guest_open ? "open" : "closed";
}

static const char *client_text(const struct toolstack_channel *c)
{
	if (!c->status.known)
		return "unknown";
	return c->status.has_client ? "connected" : "none";
}

static void put_count(struct json *j, const char *key,
		      const struct toolstack_channel *c, uint64_t count)
{
	if (c->status.known)
		json_number(j, key, count);
	else
		json_null(j, key);
}

static void print_json(FILE *out, const struct toolstack_list *list)
{
	struct json j = { .out = out };

	json_open(&j, NULL, '[');
	for (size_t i = 0; i < list->n_channels; i++) {
		const struct toolstack_channel *c = &list->channels[i];

		json_open(&j, NULL, '{');
		json_number(&j, "domain", c->domid);
		json_number(&j, "device", c->device);
		json_number(&j, "backend", c->backend);
		json_string(&j, "name", c->name);
		json_string(&j, "kind", kind_text(c));
		json_string(&j, "path", c->path);
		json_string(&j, "server", server_text(c));
		json_string(&j, "frontend", frontend_text(c));
		json_string(&j, "backend-state",
			    console_state_name(c->backend_state));
		json_string(&j, "guest", guest_text(c));
		json_string(&j, "client", client_text(c));
		put_count(&j, "from-guest", c, c->status.from_guest);
		put_count(&j, "to-guest", c, c->status.to_guest);
		put_count(&j, "waiting", c, c->status.waiting);
		put_count(&j, "dropped", c, c->status.dropped);
		json_string(&j, "overflow", console_overflow_text(c->overflow));
		json_number(&j, "limit", c->limit);
		json_string(&j, "log", c->log);
		json_string(&j, "error", c->error);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	fputc('\n', out);
}

enum column {
	COLUMN_DOMAIN,
	COLUMN_DEVICE,
	COLUMN_NAME,
	COLUMN_KIND,
	COLUMN_FRONTEND,
	COLUMN_BACKEND,
	COLUMN_GUEST,
	COLUMN_CLIENT,
	COLUMN_FROM_GUEST,
	COLUMN_TO_GUEST,
	COLUMN_DROPPED,
	COLUMN_SERVER,
	COLUMN_PATH,
	COLUMN_ERROR,
	COLUMN_N,
};

static const char *const headings[] = {
	[COLUMN_DOMAIN] = "domain",
	[COLUMN_DEVICE] = "device",
	[COLUMN_NAME] = "name",
	[COLUMN_KIND] = "kind",
	[COLUMN_FRONTEND] = "frontend",
	[COLUMN_BACKEND] = "backend",
	[COLUMN_GUEST] = "guest",
	[COLUMN_CLIENT] = "client",
	[COLUMN_FROM_GUEST] = "from-guest",
	[COLUMN_TO_GUEST] = "to-guest",
	[COLUMN_DROPPED] = "dropped",
	[COLUMN_SERVER] = "server",
	[COLUMN_PATH] = "path",
	[COLUMN_ERROR] = "error",
};
static_assert(sizeof(headings) / sizeof(headings[0]) == COLUMN_N,
	      "a heading for each column");

struct row {
	char domain[12], device[12];
	char counts[3][24];
	const char *text[COLUMN_N];
};

static const char *count_text(char *buf, size_t size,
			      const struct toolstack_channel *c, uint64_t n)
{
	if (!c->status.known)
		return "-";
	snprintf(buf, size, "%" PRIu64, n);
	return buf;
}

static void fill_row(struct row *row, const struct toolstack_channel *c)
{
	snprintf(row->domain, sizeof(row->domain), "%u", c->domid);
	snprintf(row->device, sizeof(row->device), "%u", c->device);
	row->text[COLUMN_DOMAIN] = row->domain;
	row->text[COLUMN_DEVICE] = row->device;
	row->text[COLUMN_NAME] = c->name;
	row->text[COLUMN_KIND] = kind_text(c);
	row->text[COLUMN_FRONTEND] = frontend_text(c);
	row->text[COLUMN_BACKEND] = console_state_name(c->backend_state);
	row->text[COLUMN_GUEST] = guest_text(c);
	row->text[COLUMN_CLIENT] = client_text(c);
	row->text[COLUMN_FROM_GUEST] =
		count_text(row->counts[0], sizeof(row->counts[0]), c,
			   c->status.from_guest);
	row->text[COLUMN_TO_GUEST] = count_text(
		row->counts[1], sizeof(row->counts[1]), c, c->status.to_guest);
	row->text[COLUMN_DROPPED] = count_text(
		row->counts[2], sizeof(row->counts[2]), c, c->status.dropped);
	row->text[COLUMN_SERVER] = server_text(c);
	row->text[COLUMN_PATH] = c->path;
	row->text[COLUMN_ERROR] = c->error;
}

static void print_cell(FILE *out, const char *text, size_t width)
{
	size_t n = 0;

	for (; *text; text++, n++)
		fputc(printable(*text), out);
	for (; n < width; n++)
		fputc(' ', out);
}

static void print_row(FILE *out, const char *const *cells, const size_t *widths)
{
	int last = COLUMN_N - 1;

	while (widths && last > 0 && !cells[last][0])
		last--;
	for (int i = 0; i <= last; i++) {
		print_cell(out, cells[i], widths && i < last ? widths[i] : 0);
		if (i < last)
			fputs(widths ? "  " : "\t", out);
	}
	fputc('\n', out);
}

static void print_rows(FILE *out, const struct toolstack_list *list, bool tsv)
{
	size_t widths[COLUMN_N];
	struct row row;

	for (int i = 0; i < COLUMN_N; i++)
		widths[i] = strlen(headings[i]);
	for (size_t k = 0; k < list->n_channels && !tsv; k++) {
		fill_row(&row, &list->channels[k]);
		for (int i = 0; i < COLUMN_N; i++) {
			size_t n = strlen(row.text[i]);

			if (n > widths[i])
				widths[i] = n;
		}
	}
	print_row(out, headings, tsv ? NULL : widths);
	for (size_t k = 0; k < list->n_channels; k++) {
		fill_row(&row, &list->channels[k]);
		print_row(out, row.text, tsv ? NULL : widths);
	}
}

static int print(const struct toolstack_list *list, enum form form)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return say_failure("out of memory");
	if (form == FORM_JSON)
		print_json(out, list);
	else
		print_rows(out, list, form == FORM_TSV);
	if (fclose(out))
		return say_failure("out of memory");
	return say_text(text);
}

static int parse(struct options *o, int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "domain", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ "tsv", no_argument, NULL, 't' },
		{ "run-dir", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	*o = (struct options){ .form = FORM_PRETTY,
			       .run_dir = CONTROL_RUN_DIR };
	optind = 1;
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":d:h", long_options, NULL)) !=
	       -1) {
		if (option == 'd')
			o->domain = optarg;
		else if (option == 'j')
			o->form = FORM_JSON;
		else if (option == 't')
			o->form = FORM_TSV;
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

int command_channel_list(int argc, char **argv)
{
	_cleanup_(toolstack_list_deinit) struct toolstack_list list = { 0 };
	_cleanup_(cleanup_xen_storep) struct xs_handle *xs = NULL;
	unsigned int domid, own = 0;
	struct options o;
	int r, status = parse(&o, argc, argv);

	if (status)
		return status;
	if (o.help)
		return say_text(help);
	status = channel_open_store(&xs);
	if (!status && o.domain)
		status = channel_find_domain(xs, o.domain, &domid);
	if (status)
		return status;
	r = toolstack_list(xs, o.domain ? (int)domid : -1, &list);
	if (r)
		return say_failure("cannot list channels: %s", strerror(-r));
	/* Best effort: it may run in another domain, or be another's. */
	r = xen_store_domid(xs, &own);
	if (!r || r == -ENOENT) /* not written: the control domain */
		toolstack_list_add_status(&list, own, o.run_dir);
	return print(&list, o.form);
}
