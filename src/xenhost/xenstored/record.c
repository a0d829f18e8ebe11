// SPDX-License-Identifier: MIT
#include "xenhost/xenstored/record.h"

#include <string.h>

/* struct xs_tdb_record_hdr and struct xs_permissions of xenstored 4.17. */
#define HEADER_SIZE 24
#define PERM_SIZE 8

static void *append(char **end, const void *bytes, size_t len)
{
	char *start = *end;

	if (len)
		memcpy(start, bytes, len);
	*end += len;
	return start;
}

struct xsd_record *xsd_record_new(const struct xsd_parts *parts)
{
	size_t perms_len = parts->n_perms * sizeof(*parts->perms);
	struct xsd_record *r = malloc(sizeof(*r) + perms_len + parts->data_len +
				      parts->children_len);
	char *end;

	if (!r)
		return NULL;
	r->refs = 1;
	r->generation = 0;
	r->parts = *parts;
	end = (char *)r->perms;
	r->parts.perms = append(&end, parts->perms, perms_len);
	r->parts.data = append(&end, parts->data, parts->data_len);
	r->parts.children = append(&end, parts->children, parts->children_len);
	return r;
}

struct xsd_record *xsd_record_ref(struct xsd_record *r)
{
	r->refs++;
	return r;
}

void xsd_record_unref(struct xsd_record *r)
{
	if (r && --r->refs == 0)
		free(r);
}

size_t xsd_record_size(const struct xsd_record *r)
{
	return HEADER_SIZE + r->parts.n_perms * PERM_SIZE + r->parts.data_len +
	       r->parts.children_len;
}

struct xsd_record *xsd_record_add_child(const struct xsd_record *r,
					const char *name)
{
	size_t name_size = strlen(name) + 1;
	struct xsd_parts parts = r->parts;
	_cleanup_free_ char *children = malloc(parts.children_len + name_size);
	char *end = children;

	if (!children)
		return NULL;
	append(&end, parts.children, parts.children_len);
	append(&end, name, name_size);
	parts.children = children;
	parts.children_len += name_size;
	return xsd_record_new(&parts);
}

struct xsd_record *xsd_record_remove_child(const struct xsd_record *r,
					   const char *name)
{
	struct xsd_parts parts = r->parts;
	const char *stop = parts.children + parts.children_len;
	const char *child = parts.children;
	size_t name_size = strlen(name) + 1;
	_cleanup_free_ char *children = malloc(parts.children_len + 1);
	char *end = children;

	while (child < stop && strcmp(child, name))
		child += strlen(child) + 1;
	if (!children || child == stop)
		return NULL;
	append(&end, parts.children, (size_t)(child - parts.children));
	child += name_size;
	append(&end, child, (size_t)(stop - child));
	parts.children = children;
	parts.children_len -= name_size;
	return xsd_record_new(&parts);
}
