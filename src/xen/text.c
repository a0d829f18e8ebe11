// SPDX-License-Identifier: MIT
#include "xen/text.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/parse.h"

int xen_text_read(struct xs_handle *xs, xs_transaction_t t, const char *path,
		  size_t max, char **out)
{
	unsigned int len;
	_cleanup_free_ char *text = xs_read(xs, t, path, &len);

	if (!text)
		return failed_errno();
	if (len > max || strlen(text) != len)
		return -EPROTO;
	*out = TAKE_PTR(text);
	return 0;
}

int xen_text_read_u32(struct xs_handle *xs, xs_transaction_t t,
		      const char *path, uint32_t min, uint32_t max,
		      uint32_t *out)
{
	_cleanup_free_ char *text = NULL;
	uint32_t v;
	int r = xen_text_read(xs, t, path, 10, &text);

	if (r)
		return r;
	if (parse_u32(text, max, &v) || v < min)
		return -EPROTO;
	*out = v;
	return 0;
}

int xen_text_write(struct xs_handle *xs, xs_transaction_t t, const char *path,
		   const char *text)
{
	return xs_write(xs, t, path, text, (unsigned int)strlen(text))
		       ? 0
		       : failed_errno();
}
