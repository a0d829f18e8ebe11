// SPDX-License-Identifier: MIT
#include "cli/say.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
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

int say_option(const char *command, int option, char **argv)
{
	if (option == ':')
		return say_usage(command, "%s wants a value", argv[optind - 1]);
	return say_usage(command, "%s: no such option, or it takes no value",
			 argv[optind - 1]);
}

int say_text(const char *text)
{
	if (fputs(text, stdout) >= 0 && !fflush(stdout))
		return STATUS_DONE;
	return say_failure("cannot write standard output: %s", strerror(errno));
}
