// SPDX-License-Identifier: MIT
#include "console/store.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "xen/text.h"

int console_read_state(struct xs_handle *xs, xs_transaction_t t,
		       const char *path, enum console_state *out)
{
	_cleanup_free_ char *text = NULL;
	int r = xen_text_read(xs, t, path, CONSOLE_VALUE_MAX, &text);

	*out = CONSOLE_STATE_UNKNOWN;
	if (r == -EPROTO)
		return 0;
	if (!r)
		console_parse_state(text, out);
	return r;
}

int console_make_id(char *id)
{
	uint64_t v;

	if (getrandom(&v, sizeof(v), 0) != sizeof(v))
		return failed_errno();
	snprintf(id, CONSOLE_ID_LEN + 1, "%016llx", (unsigned long long)v);
	return 0;
}
