/* SPDX-License-Identifier: MIT */
/*
 * A fuzz target reads its input as a program for the code under test: bytes that
 * say what to do next, and with what. An input that is too short reads as
 * zeroes, so that every input is a program.
 */
#ifndef XENCHAN_FUZZ_H
#define XENCHAN_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What libFuzzer and replay.c call. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_input {
	const uint8_t *data;
	size_t left;
};

static inline void fuzz_take(struct fuzz_input *in, void *out, size_t n)
{
	size_t have = n < in->left ? n : in->left;

	memset(out, 0, n);
	if (have)
		memcpy(out, in->data, have);
	in->data += have;
	in->left -= have;
}

static inline uint8_t fuzz_u8(struct fuzz_input *in)
{
	uint8_t v;

	fuzz_take(in, &v, sizeof(v));
	return v;
}

static inline uint16_t fuzz_u16(struct fuzz_input *in)
{
	uint16_t v;

	fuzz_take(in, &v, sizeof(v));
	return v;
}

static inline uint32_t fuzz_u32(struct fuzz_input *in)
{
	uint32_t v;

	fuzz_take(in, &v, sizeof(v));
	return v;
}

/* A string of up to max bytes, preceded by its length; to be freed. */
static inline char *fuzz_text(struct fuzz_input *in, size_t max, size_t *len)
{
	size_t n = fuzz_u8(in);
	char *s;

	if (n == 255)
		n = fuzz_u16(in);
	n = n < max ? n : max;
	n = n < in->left ? n : in->left;
	s = malloc(n + 1); /* no byte more: a sanitizer sees what is beyond */
	if (!s)
		abort();
	fuzz_take(in, s, n);
	s[n] = '\0';
	*len = n;
	return s;
}

/* A promise that the code under test has to keep. */
#define fuzz_require(cond)                                               \
	do {                                                             \
		if (!(cond)) {                                           \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, \
				__LINE__, #cond);                        \
			abort();                                         \
		}                                                        \
	} while (0)

#endif
