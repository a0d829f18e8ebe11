/* SPDX-License-Identifier: MIT */
/*
 * The daemon's own log: lines on standard error, with the priorities of
 * sd-daemon(3) in front where the journal reads them. What a guest can cause
 * again and again has to be logged through a log_limit.
 */
#ifndef XENCHAN_BACKEND_LOG_H
#define XENCHAN_BACKEND_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/* Lines of a higher number are not written. Default: info. */
void log_set_level(enum log_level max);

void log_line(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* At most LOG_BURST lines a minute of one origin. Zero-initialised. */
#define LOG_BURST 10

struct log_limit {
	uint64_t since_ms;
	unsigned int n;
};

bool log_allowed(struct log_limit *l, uint64_t now_ms);

#endif
