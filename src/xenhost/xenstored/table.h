/* SPDX-License-Identifier: MIT */
/*
 * uthash that reports a lack of memory instead of exiting: after HASH_ADD*,
 * TABLE_ADDED says whether the element is in the table.
 */
#ifndef XENCHAN_XENSTORED_TABLE_H
#define XENCHAN_XENSTORED_TABLE_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define TABLE_ADDED(e) ((e)->hh.tbl != NULL)

#endif
