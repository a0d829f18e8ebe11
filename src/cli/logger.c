// SPDX-License-Identifier: MIT
#include "cli/logger.h"

#include <stddef.h>
#include <string.h>

#include "cli/say.h"

/* Waiting for a server says the same thing again and again. */
static void print_news(struct logger *l, const char *line)
{
	if (!l->verbose || !strcmp(l->printed, line))
		return;
	snprintf(l->printed, sizeof(l->printed), "%s", line);
	say_failure("%s", line);
}

static void __attribute__((format(printf, 5, 0)))
take_message(struct xentoollog_logger *xtl, xentoollog_level level, int err,
	     const char *context, const char *format, va_list al)
{
	struct logger *l = (struct logger *)(void *)xtl;
	char text[3800], line[sizeof(l->error)];

	vsnprintf(text, sizeof(text), format, al);
	snprintf(line, sizeof(line), "%s%s%s", text, err >= 0 ? ": " : "",
		 err >= 0 ? strerror(err) : "");
	print_news(l, line);
	if (level >= XTL_ERROR)
		memcpy(l->error, line, sizeof(line));
}

void logger_init(struct logger *l, bool verbose)
{
	*l = (struct logger){ .xtl.vmessage = take_message,
			      .verbose = verbose };
}
