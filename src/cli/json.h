/* SPDX-License-Identifier: MIT */
/*
 * JSON, written as it comes: the caller keeps the order of opening, members and
 * closing, this keeps the commas and the quoting. Text that is no UTF-8 has its
 * wrong bytes replaced by U+FFFD.
 */
#ifndef XENCHAN_CLI_JSON_H
#define XENCHAN_CLI_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *out; /* borrowed */
	bool comma;
};

/* key: NULL within an array, and for the outermost value. */
void json_open(struct json *j, const char *key, char bracket);
void json_close(struct json *j, char bracket);
void json_string(struct json *j, const char *key, const char *value);
void json_number(struct json *j, const char *key, uint64_t value);
/* value: finite. */
void json_real(struct json *j, const char *key, double value);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);

#endif
