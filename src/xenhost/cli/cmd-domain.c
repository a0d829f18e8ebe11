// SPDX-License-Identifier: MIT
/* list, create, destroy */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "cli.h"

/* The words of a line of hostd's answer to "list", in order. */
static const struct column {
	const char *key;   /* in --json and --tsv */
	const char *title; /* NULL: not for people */
	int width;
	bool is_text;
} columns[] = {
	{ "id", "ID", 5, false },
	{ "name", "NAME", -20, true },
	{ "state", "STATE", -6, true },
	{ "events", "EVENTS", 10, false },
	{ "pages_shared", "SHARED", 7, false },
	{ "pages_mapped_by_others", NULL, 0, false },
	{ "pages_mapped", "MAPPED", 7, false },
	{ "ports", "PORTS", 6, false },
	{ "processes", "PROCS", 6, false },
	{ "faults", "FAULTS", 7, false },
};

#define N_COLUMNS (sizeof(columns) / sizeof(*columns))

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_TSV };

static void print_header(enum format format)
{
	if (format == FORMAT_JSON)
		return;
	for (size_t i = 0; i < N_COLUMNS; i++) {
		if (format == FORMAT_TSV)
			printf("%s%s", i ? "\t" : "", columns[i].key);
		else if (columns[i].title)
			printf("%s%*s", i ? " " : "", columns[i].width,
			       columns[i].title);
	}
	putchar('\n');
}

static void print_json(char *const *words, bool first)
{
	printf("%s\n  {", first ? "" : ",");
	for (size_t i = 0; i < N_COLUMNS; i++) {
		/* Names hold nothing that JSON would want escaped. */
		const char *quote = columns[i].is_text ? "\"" : "";

		printf("%s\"%s\": %s%s%s", i ? ", " : "", columns[i].key, quote,
		       words[i], quote);
	}
	putchar('}');
}

static void print_text(char *const *words)
{
	for (size_t i = 0; i < N_COLUMNS; i++)
		if (columns[i].title)
			printf("%s%*s", i ? " " : "", columns[i].width,
			       words[i]);
	putchar('\n');
}

/* Prints one line of hostd's; the id, to go on after it. */
static unsigned int print_domain(char *line, enum format format, bool first)
{
	char *words[N_COLUMNS], *save = NULL;

	if (format == FORMAT_TSV)
		puts(line);
	for (size_t i = 0; i < N_COLUMNS; i++) {
		words[i] = strtok_r(i ? NULL : line, "\t", &save);
		if (!words[i])
			words[i] = line + strlen(line);
	}
	if (format == FORMAT_JSON)
		print_json(words, first);
	else if (format == FORMAT_TEXT)
		print_text(words);
	return (unsigned int)strtoul(words[0], NULL, 10);
}

static int list(const struct cli *cli, enum format format)
{
	static struct ctl_reply reply;
	unsigned int next = 0;
	bool first = true;

	for (;;) {
		char id[16];
		const char *const words[] = { "list", id, NULL };
		char *save = NULL, *line;
		int r, answer;

		snprintf(id, sizeof(id), "%u", next);
		r = cli_call(cli, words, &reply, &answer);
		if (r != EXIT_DONE)
			return r;
		if (answer < 0)
			return cli_failed(cli, "%s", strerror(-answer));
		if (first && format == FORMAT_JSON)
			printf("[");
		if (first)
			print_header(format);
		if (reply.text[0] == '\0')
			break;
		for (line = strtok_r(reply.text, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save)) {
			next = print_domain(line, format, first) + 1;
			first = false;
		}
	}
	if (format == FORMAT_JSON)
		puts("\n]");
	return EXIT_DONE;
}

int cmd_list(struct cli *cli, int argc, char **argv)
{
	if (argc == 1)
		return list(cli, FORMAT_TEXT);
	if (argc == 2 && strcmp(argv[1], "--json") == 0)
		return list(cli, FORMAT_JSON);
	if (argc == 2 && strcmp(argv[1], "--tsv") == 0)
		return list(cli, FORMAT_TSV);
	return cli_misused(cli, "takes --json, --tsv or nothing");
}

static int create_failed(const struct cli *cli, const char *id,
			 const char *name, int error)
{
	switch (error) {
	case EEXIST:
		return cli_failed(cli, "domain %s exists", id);
	case EBUSY:
		return cli_failed(cli,
				  "domain %s is dead, but others still map its "
				  "pages; try again when they are done",
				  id);
	case EINVAL:
		return cli_failed(cli,
				  "'%s' is no name (1 to %d letters, digits, "
				  "and -_.+@)",
				  name, CTL_MAX_NAME);
	default:
		return cli_failed(cli, "domain %s: %s", id, strerror(error));
	}
}

int cmd_create(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "grants", required_argument, NULL, 'g' },
		{ "ports", required_argument, NULL, 'p' },
		{ "scatter", no_argument, NULL, 's' },
		{ 0 },
	};
	const char *words[] = { "create", "-", "-", "-", "-", "0", NULL };
	static struct ctl_reply reply;
	unsigned int domid;
	uint32_t number;
	int c, r, answer;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			return EXIT_USAGE;
		if (c != 's' &&
		    parse_u32(optarg, c == 'g' ? 262144 : 131071, &number) < 0)
			return cli_misused(cli, "--%s: '%s' is no such number",
					   c == 'g' ? "grants" : "ports",
					   optarg);
		words[c == 'g'   ? 3
		      : c == 'p' ? 4
				 : 5] = c == 's' ? "1" : optarg;
	}
	if (argc - optind > 2)
		return cli_misused(cli, "takes an id and a name");
	if (optind < argc)
		words[1] = argv[optind];
	if (optind + 1 < argc)
		words[2] = argv[optind + 1];
	if (strcmp(words[1], "-") != 0) {
		r = cli_parse_domid(cli, words[1], &domid);
		if (r != EXIT_DONE)
			return r;
	}
	r = cli_start_host(cli, false);
	if (r == EXIT_DONE)
		r = cli_call(cli, words, &reply, &answer);
	if (r != EXIT_DONE)
		return r;
	if (answer < 0)
		return create_failed(cli, words[1], words[2], -answer);
	puts(reply.text);
	return EXIT_DONE;
}

int cmd_destroy(struct cli *cli, int argc, char **argv)
{
	static struct ctl_reply reply;
	unsigned int domid;
	int r, answer;

	if (argc != 2)
		return cli_misused(cli, "takes a domain id");
	r = cli_parse_domid(cli, argv[1], &domid);
	if (r != EXIT_DONE)
		return r;
	r = cli_call(cli, (const char *const[]){ "destroy", argv[1], NULL },
		     &reply, &answer);
	if (r != EXIT_DONE)
		return r;
	if (answer == -ESRCH)
		return cli_failed(cli, "no domain %u; see `xenhost list`",
				  domid);
	if (answer == -EPERM)
		return cli_failed(cli, "domain 0 ends with its host; use "
				       "`xenhost down`");
	if (answer < 0)
		return cli_failed(cli, "domain %u: %s", domid,
				  strerror(-answer));
	return EXIT_DONE;
}
