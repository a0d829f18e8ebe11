// SPDX-License-Identifier: MIT
#include "backend/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MINUTE_MS 60000

static enum log_level max_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level max)
{
	max_level = max;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list args;
	int n = 0;
	size_t len;

	if (level > max_level)
		return;
	if (getenv("JOURNAL_STREAM"))
		n = snprintf(line, sizeof(line), "<%d>", level);
	else
		n = snprintf(line, sizeof(line), "xenchanneld: ");
	va_start(args, fmt);
	vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, args);
	va_end(args);
	len = strlen(line);
	line[len++] = '\n';
	/* One write a line, so that lines of a parent's do not mix in. */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

bool log_allowed(struct log_limit *l, uint64_t now_ms)
{
	if (now_ms - l->since_ms >= MINUTE_MS) {
		l->since_ms = now_ms;
		l->n = 0;
	}
	return l->n < LOG_BURST && ++l->n;
}
