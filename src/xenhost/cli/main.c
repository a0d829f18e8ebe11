// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/parse.h"
#include "cli.h"

#define VERSION_TEXT "xenhost (xenchan) " XENCHAN_VERSION

static const struct command {
	const char *name;
	int (*run)(struct cli *cli, int argc, char **argv);
	const char *args;
	const char *help;
} commands[] = {
	{ "up", cmd_up, "[--foreground]", "start the host" },
	{ "down", cmd_down, "",
	  "stop it, end its domains' processes, leave nothing behind" },
	{ "list", cmd_list, "[--json | --tsv]", "list the domains" },
	{ "create", cmd_create,
	  "[N|- [NAME]] [--grants N] [--ports N] [--scatter]",
	  "make a domain; prints its id" },
	{ "destroy", cmd_destroy, "N",
	  "end a domain and its processes, as a crash would" },
	{ "run", cmd_run, "-d N [--] COMMAND [ARG...]",
	  "run a program in domain N; starts host and domain" },
	{ "fault", cmd_fault, "add|list|clear|limit|kinds ...",
	  "make calls of a domain fail on purpose" },
};

#define N_COMMANDS (sizeof(commands) / sizeof(*commands))

static void print_help(FILE *f)
{
	fputs("usage: xenhost [--dir DIR] COMMAND ...\n"
	      "An emulated Xen host for programs that use libxengnttab, "
	      "libxenevtchn and xenstore.\n\n",
	      f);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(f, "  %s %s\n        %s\n", commands[i].name,
			commands[i].args, commands[i].help);
	fputs("\n  --dir DIR  the host's directory; several hosts run side by "
	      "side\n"
	      "             (default: $XENHOST_DIR, $XDG_RUNTIME_DIR/xenhost, "
	      "/tmp/xenhost-UID)\n"
	      "  --help, --version\n"
	      "See xenhost(1).\n",
	      f);
}

__attribute__((format(printf, 2, 0))) static void
message(const struct cli *cli, const char *format, va_list ap)
{
	fprintf(stderr, "xenhost: %s%s", cli->command ? cli->command : "",
		cli->command ? ": " : "");
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
}

int cli_failed(const struct cli *cli, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	message(cli, format, ap);
	va_end(ap);
	return EXIT_FAILED;
}

int cli_misused(const struct cli *cli, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	message(cli, format, ap);
	va_end(ap);
	fputs("Try `xenhost --help`.\n", stderr);
	return EXIT_USAGE;
}

int cli_parse_domid(const struct cli *cli, const char *text,
		    unsigned int *domid_r)
{
	if (parse_domid(text, domid_r) < 0)
		return cli_misused(cli, "'%s' is no domain id (0 to 32751)",
				   text);
	return EXIT_DONE;
}

/*
 * The one name of a directory, however it was written: a domain's processes
 * change theirs, and are known by it. Its last part may not be there yet; of
 * other trouble the command tells.
 */
static int resolve_dir(const char *dir, bool follow, char real[static PATH_MAX])
{
	char parent[PATH_MAX], name[PATH_MAX];
	size_t len = strlen(dir);

	if (len >= PATH_MAX)
		return -ENAMETOOLONG;
	if (follow && realpath(dir, real))
		return 0;
	memcpy(name, dir, len + 1);
	memcpy(parent, dir, len + 1);
	if (realpath(dirname(parent), real))
		dir = basename(name);
	else if (dir[0] == '/')
		real[0] = '\0';
	else if (!getcwd(real, PATH_MAX))
		return -errno;
	len = strlen(real);
	if (len > 0 && real[len - 1] == '/')
		real[--len] = '\0';
	if ((size_t)snprintf(real + len, PATH_MAX - len, "%s%s",
			     dir[0] == '/' ? "" : "/", dir) >= PATH_MAX - len)
		return -ENAMETOOLONG;
	return 0;
}

static int set_dir(struct cli *cli, const char *dir)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char by_default[PATH_MAX], real[PATH_MAX];
	bool named;
	int r;

	if (!dir)
		dir = getenv("XENHOST_DIR");
	named = dir && *dir;
	if (!named && runtime && runtime[0] == '/')
		snprintf(by_default, PATH_MAX, "%s/xenhost", runtime);
	else if (!named)
		snprintf(by_default, PATH_MAX, "/tmp/xenhost-%u",
			 (unsigned int)getuid());
	if (!named)
		dir = by_default;
	/* Where others may write, a link is not for us to follow. */
	r = resolve_dir(dir, named, real);
	if (r < 0)
		return cli_failed(cli, "--dir %s: %s; use an absolute path",
				  dir, strerror(-r));
	if (strlen(real) + strlen("/32751.hv") >=
	    sizeof(((struct sockaddr_un *)0)->sun_path))
		return cli_failed(
			cli,
			"%s: too long for a socket's path (98 bytes); "
			"use a shorter --dir",
			real);
	strcpy(cli->dir, real);
	return EXIT_DONE;
}

/*
 * A file of ours that took the place of a standard stream that the caller
 * closed would get what is printed. Programs that we run find it closed.
 */
static void hold_standard_streams(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'D' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	struct cli cli = { 0 };
	const char *dir = NULL;
	int c, r;

	hold_standard_streams();
	while ((c = getopt_long(argc, argv, "+D:hV", options, NULL)) != -1) {
		switch (c) {
		case 'D':
			dir = optarg;
			break;
		case 'h':
			print_help(stdout);
			return EXIT_DONE;
		case 'V':
			puts(VERSION_TEXT);
			return EXIT_DONE;
		default:
			print_help(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind == argc) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	argc -= optind;
	argv += optind;
	/* 0: start over, also where the "+" of the next optstring matters */
	optind = 0;
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (strcmp(argv[0], commands[i].name) != 0)
			continue;
		/* `xenhost run --dir D`, as people type it, works too. */
		if (argc > 2 && strcmp(argv[1], "--dir") == 0) {
			dir = argv[2];
			argv[2] = argv[0];
			argv += 2;
			argc -= 2;
		}
		if (argc > 1 && strcmp(argv[1], "--help") == 0) {
			printf("usage: xenhost [--dir DIR] %s %s\n    %s\n",
			       commands[i].name, commands[i].args,
			       commands[i].help);
			return EXIT_DONE;
		}
		cli.command = commands[i].name;
		r = set_dir(&cli, dir);
		return r != EXIT_DONE ? r : commands[i].run(&cli, argc, argv);
	}
	return cli_misused(&cli, "no command '%s'", argv[0]);
}
