// SPDX-License-Identifier: MIT
#include "cli/json.h"

#include <stdint.h>

/* How many bytes the UTF-8 sequence at s has, 0 if it is none: RFC 3629. */
static int utf8_length(const unsigned char *s)
{
	static const struct {
		unsigned char lead_min, lead_max, second_min, second_max;
		int length;
	} forms[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		int n = 2;

		if (s[0] < forms[i].lead_min || s[0] > forms[i].lead_max)
			continue;
		if (s[1] < forms[i].second_min || s[1] > forms[i].second_max)
			return 0;
		while (n < forms[i].length && (s[n] & 0xc0) == 0x80)
			n++;
		return n == forms[i].length ? n : 0;
	}
	return 0;
}

/* Returns what follows the character at s. */
static const unsigned char *put_character(FILE *f, const unsigned char *s)
{
	int n;

	if (*s == '"' || *s == '\\') {
		fprintf(f, "\\%c", *s);
		return s + 1;
	}
	if (*s < 0x20 || *s == 0x7f) {
		fprintf(f, "\\u%04x", *s);
		return s + 1;
	}
	n = *s < 0x80 ? 1 : utf8_length(s);
	if (!n) {
		fputs("\\ufffd", f);
		return s + 1;
	}
	fwrite(s, 1, (size_t)n, f);
	return s + n;
}

void json_string(FILE *f, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	if (!s) {
		fputs("null", f);
		return;
	}
	fputc('"', f);
	while (*p)
		p = put_character(f, p);
	fputc('"', f);
}

void json_count(FILE *f, long long n)
{
	if (n < 0)
		fputs("null", f);
	else
		fprintf(f, "%lld", n);
}
