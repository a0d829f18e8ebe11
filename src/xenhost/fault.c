// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "board.h"

static const char *const kind_names[] = {
	[FAULT_ANY] = "any",
	[FAULT_EVTCHN_OPEN] = "evtchn-open",
	[FAULT_EVTCHN_BIND_UNBOUND] = "evtchn-bind-unbound",
	[FAULT_EVTCHN_BIND_INTERDOMAIN] = "evtchn-bind-interdomain",
	[FAULT_EVTCHN_NOTIFY] = "evtchn-notify",
	[FAULT_EVTCHN_PENDING] = "evtchn-pending",
	[FAULT_EVTCHN_UNMASK] = "evtchn-unmask",
	[FAULT_EVTCHN_UNBIND] = "evtchn-unbind",
	[FAULT_GNTSHR_OPEN] = "gntshr-open",
	[FAULT_GNTSHR_SHARE] = "gntshr-share",
	[FAULT_GNTSHR_UNSHARE] = "gntshr-unshare",
	[FAULT_GNTTAB_OPEN] = "gnttab-open",
	[FAULT_GNTTAB_MAP] = "gnttab-map",
	[FAULT_GNTTAB_UNMAP] = "gnttab-unmap",
	[FAULT_GNTTAB_COPY] = "gnttab-copy",
	[FAULT_XC_OPEN] = "xc-open",
	[FAULT_XC_GETINFO] = "xc-getinfo",
	[FAULT_XS_DIRECTORY] = "xs-directory",
	[FAULT_XS_READ] = "xs-read",
	[FAULT_XS_GET_PERMS] = "xs-get-perms",
	[FAULT_XS_WATCH] = "xs-watch",
	[FAULT_XS_UNWATCH] = "xs-unwatch",
	[FAULT_XS_TRANSACTION_START] = "xs-transaction-start",
	[FAULT_XS_TRANSACTION_END] = "xs-transaction-end",
	[FAULT_XS_GET_DOMAIN_PATH] = "xs-get-domain-path",
	[FAULT_XS_WRITE] = "xs-write",
	[FAULT_XS_MKDIR] = "xs-mkdir",
	[FAULT_XS_RM] = "xs-rm",
	[FAULT_XS_SET_PERMS] = "xs-set-perms",
	[FAULT_XS_OTHER] = "xs-other",
};

_Static_assert(sizeof(kind_names) / sizeof(*kind_names) == FAULT_KIND_N,
	       "a name for each kind");

const char *fault_kind_name(enum fault_kind kind)
{
	return kind < FAULT_KIND_N ? kind_names[kind] : "?";
}

int fault_kind_parse(const char *name, enum fault_kind *kind_r)
{
	for (unsigned int k = 0; k < FAULT_KIND_N; k++) {
		if (strcmp(name, kind_names[k]) == 0) {
			*kind_r = k;
			return 0;
		}
	}
	return -EINVAL;
}

/* Whether this call, of the fault's kind, is one of those to hit. */
static int fault_hit(struct fault *f)
{
	uint32_t call = __atomic_add_fetch(&f->calls, 1, __ATOMIC_RELAXED);

	return call >= f->first && call <= f->last;
}

int fault_check(struct domain_page *d, enum fault_kind kind,
		uint32_t *delay_us_r)
{
	/* pairs with the release with which hostd counts a fault in */
	uint32_t n = __atomic_load_n(&d->n_faults, __ATOMIC_ACQUIRE);
	int error = 0;

	if (delay_us_r)
		*delay_us_r = 0;
	for (uint32_t i = 0; i < n && i < DOMAIN_N_FAULTS; i++) {
		struct fault *f = &d->faults[i];

		if (f->kind != kind && f->kind != FAULT_ANY)
			continue;
		if (!fault_hit(f))
			continue;
		if (delay_us_r)
			*delay_us_r += f->delay_us;
		if (!error)
			error = f->error;
	}
	return error;
}
