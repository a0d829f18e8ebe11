/* SPDX-License-Identifier: MIT */
/* What the user is told: one line a message, each written at once. */
#ifndef XENCHAN_CLI_SAY_H
#define XENCHAN_CLI_SAY_H

/*
 * What others wrote shall neither break lines nor move the cursor: a control
 * character becomes '?'.
 */
static inline char printable(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f ? '?' : c;
}

/*
 * To standard error: "xenchan: " and the message, which is printable then.
 * Returns STATUS_FAILED.
 */
int say_failure(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same of something that is no failure. */
void say_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * The same for wrong arguments, and where to look them up: `command` as it is
 * typed after "xenchan", or "". Returns STATUS_USAGE.
 */
int say_usage(const char *command, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * The same of an option that getopt_long(3) refused, and what that returned: ':'
 * or '?'.
 */
int say_option(const char *command, int option, char **argv);

/* Text to standard output. The exit status: STATUS_FAILED if that is broken. */
int say_text(const char *text);

#endif
