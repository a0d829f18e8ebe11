// SPDX-License-Identifier: MIT
#include "xenhost/xenstored/perm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char letters[] = "nrwb"; /* indexed by READ | WRITE */

int xsd_perms_parse(const char *text, struct xenstored_perm *perms, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *letter = *text ? strchr(letters, *text) : NULL;
		char *end;

		if (!letter || !text[1])
			return -EINVAL;
		perms[i].bits = (unsigned int)(letter - letters);
		perms[i].domid = (unsigned int)strtol(text + 1, &end, 0);
		if (*end)
			return -EINVAL;
		text = end + 1;
	}
	return 0;
}

size_t xsd_perm_format(const struct xenstored_perm *perm,
		       char out[XSD_PERM_TEXT])
{
	unsigned int bits =
		perm->bits & (XENSTORED_PERM_READ | XENSTORED_PERM_WRITE);

	return (size_t)snprintf(out, XSD_PERM_TEXT, "%c%d", letters[bits],
				(int)perm->domid) +
	       1;
}
