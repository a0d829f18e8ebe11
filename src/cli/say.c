// SPDX-License-Identifier: MIT
#include "cli/say.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

/* Longer messages are cut: a path of 3 KiB still fits. */
#define LINE_MAX_BYTES 4096

/* One write a line, so that those of several processes do not mix. */
static void __attribute__((format(printf, 1, 0)))
say_line(const char *fmt, va_list ap, const char *tail)
{
	char text[LINE_MAX_BYTES];

	vsnprintf(text, sizeof(text), fmt, ap);
	for (char *p = text; *p; p++)
		*p = printable(*p);
	fprintf(stderr, "xenchan: %s%s\n", text, tail);
	fflush(stderr);
}

int say_failure(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_line(fmt, ap, "");
	va_end(ap);
	return STATUS_FAILED;
}

void say_note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_line(fmt, ap, "");
	va_end(ap);
}

int say_usage(const char *command, const char *fmt, ...)
{
	char tail[128];
	va_list ap;

	snprintf(tail, sizeof(tail), " (see: xenchan%s%s --help)",
		 *command ? " " : "", command);
	va_start(ap, fmt);
	say_line(fmt, ap, tail);
	va_end(ap);
	return STATUS_USAGE;
}

/*
 * The option as it was typed. getopt_long(3) is not past a word of several
 * letters before its last one, so that only optopt names those; but it also has
 * the letter that a long option stands for.
 */
static const char *typed_option(int option, char **argv, char (*letter)[3])
{
	const char *word = argv[optind - 1];
	bool is_long =
		!strncmp(word, "--", 2) && (option == ':' || strchr(word, '='));

	if (optopt <= 0 || optopt > CHAR_MAX || is_long)
		return word;
	snprintf(*letter, sizeof(*letter), "-%c", optopt);
	return *letter;
}

int say_option(const char *command, int option, char **argv)
{
	char letter[3];
	const char *typed = typed_option(option, argv, &letter);

	if (option == ':')
		return say_usage(command, "%s wants a value", typed);
	return say_usage(command, "%s: no such option, or it takes no value",
			 typed);
}

int say_text(const char *text)
{
	if (fputs(text, stdout) >= 0 && !fflush(stdout))
		return STATUS_DONE;
	return say_failure("cannot write standard output: %s", strerror(errno));
}
