/* SPDX-License-Identifier: MIT */
/*
 * What this domain offers to programs that want vchans, found by using it: each
 * interface is opened, and something small allocated and freed where that has
 * no effect on others.
 */
#ifndef XENCHAN_CLI_HOST_PROBE_H
#define XENCHAN_CLI_HOST_PROBE_H

#include <stdbool.h>
#include <stddef.h>

enum probe {
	PROBE_XENSTORE,
	PROBE_EVTCHN,
	PROBE_GNTALLOC,
	PROBE_GNTDEV,
	PROBE_N,
};

struct finding {
	int error;          /* 0: it works */
	const char *name;   /* "gntalloc" */
	const char *need;   /* what it is for */
	const char *detail; /* what was tried */
	/* If it does not work: the kernel module that is not loaded, or NULL if
	 * that is not the reason; and the command that mends it. */
	const char *missing_module;
	const char *remedy;
};

void probe_host(enum probe what, struct finding *f);

/*
 * Whether this domain can be an end of a vchan at all. STATUS_DONE, or
 * STATUS_FAILED after saying what is missing, and the remedy.
 */
int host_check(const char *command, bool is_server);

/* Who this domain is, as xenstore has it. */
struct identity {
	long domid;     /* -1: not known */
	char name[128]; /* "": not known */
};

void probe_identity(struct identity *id);

/* The number in a file as /sys/module/M/parameters/P, or -1. */
long long probe_parameter(const char *path);

#endif
