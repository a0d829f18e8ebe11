/* SPDX-License-Identifier: MIT */
/* Paths of nodes: absolute, without a slash at the end except for "/". */
#ifndef XENCHAN_XENSTORED_PATH_H
#define XENCHAN_XENSTORED_PATH_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Holds any path of a valid node, and any path that a client can send made
 * absolute: a payload of 4096 bytes behind "/local/domain/<domid>/".
 */
#define XSD_PATH_BUF (4096 + 32)

/* Longest path of a node, below /local/domain/<domid>/ not counting that. */
#define XSD_PATH_MAX 2048

/* May a node have this path? */
bool xsd_path_valid(const char *path);

/* "/local/domain/<domid>"; returns its length. */
size_t xsd_path_home(unsigned int domid, char out[XSD_PATH_BUF]);

/*
 * The path that a client of the domain means: relative ones start at the
 * domain's home; absolute ones, and names of special watches ("@..."), stay.
 * The given path has at most 4096 bytes.
 */
void xsd_path_absolute(unsigned int domid, const char *path,
		       char out[XSD_PATH_BUF]);

/* The length of the parent's path, which is a prefix; of "/" it is "/". */
size_t xsd_path_parent_len(const char *path, size_t len);

/* What follows the last slash. */
const char *xsd_path_leaf(const char *path);

#endif
