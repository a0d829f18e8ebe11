/* SPDX-License-Identifier: MIT */
#ifndef FIDELITY_AGENT_H
#define FIDELITY_AGENT_H

/*
 * A worker: one process of a domain that does what the script says, one operation
 * at a time, through Xen's own libraries, and says what came of it. What a script
 * names (a port, a share, a mapping, a transaction) is an object here; numbers that
 * differ from run to run never appear in a result.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

#define PAGE 4096

/* One set of library handles, each opened when first used. */
struct handles {
	struct handles *next;
	char name[16];
	struct xs_handle *xs;
	xengntshr_handle *gntshr;
	xengnttab_handle *gnttab;
	xenevtchn_handle *evtchn;
};

enum object_kind { OBJECT_PORT, OBJECT_SHARE, OBJECT_MAP, OBJECT_TRANSACTION };

struct object {
	struct object *next;
	char name[32];
	enum object_kind kind;
	struct handles *handles;
	uint32_t value; /* port or transaction */
	uint8_t *pages;
	uint32_t n_pages;
};

struct op {
	const char *name;
	int n_min, n_max; /* arguments */
	void (*run)(struct handles *h, int argc, char **argv);
};

/* Each table ends with a NULL name. */
extern const struct op ops_xenstore[];
extern const struct op ops_grants[];
extern const struct op ops_events[];

/* One round trip to the xenstore */
void xenstore_ask(struct handles *h);

/* The result of the operation that runs; pieces are put one after another. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_errno(void);
/* "ok" or the name of errno */
void say_outcome(bool ok);
/* Bytes that are not text as \xNN, runs as {c*n} */
void say_text(const char *s);
/* The same in quotes */
void say_quoted(const char *s, size_t n);
/* Give the coordinator a number under a name, outside the result. */
void export_value(const char *name, const uint32_t *values, size_t n);

/* NULL when the script never made it: the result says so then. */
struct object *object_find(const char *name, enum object_kind kind);
struct object *object_new(const char *name, enum object_kind kind,
			  struct handles *h);
void object_free(struct object *o);
struct object *object_first(void);

#endif
