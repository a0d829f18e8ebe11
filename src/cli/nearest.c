// SPDX-License-Identifier: MIT
#include "cli/nearest.h"

#include <string.h>

#define NAME_BYTES 63u

static unsigned int min_uint(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* One cell of the table of distances between beginnings of a and b. */
static unsigned int cell(unsigned int d[][NAME_BYTES + 1], const char *a,
			 const char *b, unsigned int i, unsigned int j)
{
	unsigned int n;

	if (!i || !j)
		return i + j;
	n = min_uint(d[i - 1][j], d[i][j - 1]) + 1;
	n = min_uint(n, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
	if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
		n = min_uint(n, d[i - 2][j - 2] + 1);
	return n;
}

unsigned int name_distance(const char *a, const char *b)
{
	unsigned int d[NAME_BYTES + 1][NAME_BYTES + 1];
	unsigned int la = (unsigned int)strnlen(a, NAME_BYTES);
	unsigned int lb = (unsigned int)strnlen(b, NAME_BYTES);

	for (unsigned int i = 0; i <= la; i++)
		for (unsigned int j = 0; j <= lb; j++)
			d[i][j] = cell(d, a, b, i, j);
	return d[la][lb];
}

bool name_is_near(const char *typed, const char *real)
{
	size_t n = strlen(typed);

	if (n && !strncmp(typed, real, n))
		return true;
	return name_distance(typed, real) <= (n + 2) / 3;
}
