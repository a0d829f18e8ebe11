// SPDX-License-Identifier: MIT
#include "base/parse.h"

#include <errno.h>
#include <string.h>

#define DOMID_LAST 32751u

struct suffix {
	const char *name;
	uint64_t factor;
};

/* The digits at s; *end is what follows them. */
static int parse_digits(const char *s, uint64_t *out, const char **end)
{
	uint64_t v = 0;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return -ERANGE;
	}
	*out = v;
	*end = s;
	return 0;
}

/* Digits and one of the suffixes, of which the last has the name NULL. */
static int parse_scaled(const char *s, const struct suffix *suffixes,
			uint64_t max, uint64_t *out)
{
	const char *end;
	uint64_t v;
	int r = parse_digits(s, &v, &end);

	if (r)
		return r;
	while (suffixes->name && strcmp(suffixes->name, end))
		suffixes++;
	if (!suffixes->name)
		return -EINVAL;
	if (__builtin_mul_overflow(v, suffixes->factor, &v) || v > max)
		return -ERANGE;
	*out = v;
	return 0;
}

int parse_u64(const char *s, uint64_t max, uint64_t *out)
{
	static const struct suffix none[] = { { "", 1 }, { NULL, 0 } };

	return parse_scaled(s, none, max, out);
}

int parse_u32(const char *s, uint32_t max, uint32_t *out)
{
	uint64_t v;
	int r = parse_u64(s, max, &v);

	if (!r)
		*out = (uint32_t)v;
	return r;
}

int parse_domid(const char *s, unsigned int *out)
{
	return parse_u32(s, DOMID_LAST, out);
}

int parse_size(const char *s, uint64_t max, uint64_t *out)
{
	static const struct suffix sizes[] = {
		{ "", 1 },         { "K", 1u << 10 }, { "M", 1u << 20 },
		{ "G", 1u << 30 }, { NULL, 0 },
	};

	return parse_scaled(s, sizes, max, out);
}

int parse_duration_ns(const char *s, uint64_t max, uint64_t *out)
{
	static const struct suffix units[] = {
		{ "", 1000000000u }, { "s", 1000000000u },
		{ "ms", 1000000u },  { "us", 1000u },
		{ "ns", 1u },        { "m", 60000000000u },
		{ NULL, 0 },
	};

	return parse_scaled(s, units, max, out);
}
