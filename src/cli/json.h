/* SPDX-License-Identifier: MIT */
/* Strings and numbers of JSON, to a stream; the punctuation is the caller's. */
#ifndef XENCHAN_CLI_JSON_H
#define XENCHAN_CLI_JSON_H

#include <stdio.h>

/* In quotes, or null for NULL. Bytes above 0x7f are taken to be UTF-8; where
 * they are not, U+FFFD stands for each. */
void json_string(FILE *f, const char *s);

/* Or null, if negative. */
void json_count(FILE *f, long long n);

#endif
