/* SPDX-License-Identifier: MIT */
/*
 * The board: memory that hostd and all processes of all domains share. One
 * page a domain (its faults, its event counter) and one page an event-channel
 * handle (its port words). hostd hands out the pages and names them by their
 * number; a process maps those that it needs. A page is four of Xen's, so that
 * one handle can serve thousands of ports.
 */
#ifndef XENCHAN_XENHOST_BOARD_H
#define XENCHAN_XENHOST_BOARD_H

#include <stddef.h>
#include <stdint.h>

#include "xenhost/evtchn/port-word.h"

#define XEN_PAGE_SHIFT 12
#define XEN_PAGE_SIZE (1u << XEN_PAGE_SHIFT)

#define BOARD_PAGE_SHIFT 14
#define BOARD_PAGE_SIZE (1u << BOARD_PAGE_SHIFT)
#define BOARD_N_PAGES 16384u
#define BOARD_SIZE ((size_t)BOARD_N_PAGES << BOARD_PAGE_SHIFT)

/* Ports that one handle can have: a page of words. */
#define HANDLE_N_PORTS (BOARD_PAGE_SIZE / sizeof(struct port_word))

/* The calls that can be made to fail; the names are in fault.c. */
enum fault_kind {
	FAULT_ANY, /* matches every call */
	FAULT_EVTCHN_OPEN,
	FAULT_EVTCHN_BIND_UNBOUND,
	FAULT_EVTCHN_BIND_INTERDOMAIN,
	FAULT_EVTCHN_NOTIFY,
	FAULT_EVTCHN_PENDING,
	FAULT_EVTCHN_UNMASK,
	FAULT_EVTCHN_UNBIND,
	FAULT_GNTSHR_OPEN,
	FAULT_GNTSHR_SHARE,
	FAULT_GNTSHR_UNSHARE,
	FAULT_GNTTAB_OPEN,
	FAULT_GNTTAB_MAP,
	FAULT_GNTTAB_UNMAP,
	FAULT_GNTTAB_COPY,
	FAULT_XC_OPEN,
	FAULT_XC_GETINFO,
	FAULT_XS_DIRECTORY,
	FAULT_XS_READ,
	FAULT_XS_GET_PERMS,
	FAULT_XS_WATCH,
	FAULT_XS_UNWATCH,
	FAULT_XS_TRANSACTION_START,
	FAULT_XS_TRANSACTION_END,
	FAULT_XS_GET_DOMAIN_PATH,
	FAULT_XS_WRITE,
	FAULT_XS_MKDIR,
	FAULT_XS_RM,
	FAULT_XS_SET_PERMS,
	FAULT_XS_OTHER,
	FAULT_KIND_N,
};

/* A fault hits the calls number first to last of its kind, from 1 on. */
struct fault {
	uint32_t kind;
	uint32_t calls; /* seen since the fault was set */
	uint32_t first;
	uint32_t last;
	int32_t error; /* errno, or 0: only delayed */
	uint32_t delay_us;
};

#define DOMAIN_N_FAULTS 32

/* Atomic access only: hostd and all processes of the domain write it. */
struct domain_page {
	uint64_t n_events; /* calls of xenevtchn_notify */
	uint32_t n_faults;
	uint32_t pad;
	struct fault faults[DOMAIN_N_FAULTS];
};

_Static_assert(sizeof(struct domain_page) <= BOARD_PAGE_SIZE, "one page");

/*
 * Counts a call of this kind; the errno it shall fail with, or 0. *delay_us_r,
 * unless NULL, is how long to wait first.
 */
int fault_check(struct domain_page *d, enum fault_kind kind,
		uint32_t *delay_us_r);

/* The name of a kind as `xenhost fault` knows it, and back (-EINVAL). */
const char *fault_kind_name(enum fault_kind kind);
int fault_kind_parse(const char *name, enum fault_kind *kind_r);

#endif
