// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "toolstack/nodes.h"
#include "xen/text.h"

int toolstack_check_domain_in(struct xs_handle *xs, xs_transaction_t t,
			      unsigned int domid)
{
	char path[40];
	unsigned int n;
	_cleanup_free_ char **keys = NULL;

	/*
	 * A toolstack removes the directory of a dead domain before its pages
	 * are all free: it is the directory that tells, not the introduction.
	 */
	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	keys = xs_directory(xs, t, path, &n);
	if (!keys && errno != ENOENT && errno != EACCES)
		return -errno;
	return keys && (n || domid == 0) ? 0 : TOOLSTACK_NO_DOMAIN;
}

int toolstack_check_domain(struct xs_handle *xs, unsigned int domid)
{
	return toolstack_check_domain_in(xs, XBT_NULL, domid);
}

int toolstack_find_domain(struct xs_handle *xs, const char *text,
			  unsigned int *domid)
{
	_cleanup_free_ char **ids = NULL;
	unsigned int n, found = 0;

	if (text[0] && strspn(text, "0123456789") == strlen(text)) {
		if (parse_domid(text, domid))
			return TOOLSTACK_NO_DOMAIN;
		return toolstack_check_domain(xs, *domid);
	}
	ids = xs_directory(xs, XBT_NULL, "/local/domain", &n);
	if (!ids)
		return -errno;
	for (unsigned int i = 0; i < n; i++) {
		_cleanup_free_ char *name = NULL;
		char path[64];
		unsigned int id;

		if (parse_domid(ids[i], &id))
			continue;
		snprintf(path, sizeof(path), "/local/domain/%u/name", id);
		if (xen_text_read(xs, XBT_NULL, path, CONSOLE_VALUE_MAX,
				  &name) ||
		    strcmp(name, text) != 0)
			continue;
		found++;
		*domid = id;
	}
	return found == 1 ? 0
	       : found    ? TOOLSTACK_AMBIGUOUS
			  : TOOLSTACK_NO_DOMAIN;
}
