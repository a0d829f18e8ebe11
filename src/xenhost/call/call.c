// SPDX-License-Identifier: MIT
/*
 * libxencall.so.1 on the emulated host: the hypercalls that programs make
 * through libxenctrl, which is the true one. What they can ask is which domains
 * there are, as vchan-socket-proxy does of the one that it waits for, and xl of
 * all; on Xen this takes privcmd, here every domain may ask. Else: ENOSYS.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <xencall.h>
#include <xenctrl.h>

#include "xenhost/client/hv.h"

struct xencall_handle {
	struct hv_conn *conn; /* owner of a reference */
};

xencall_handle *xencall_open(struct xentoollog_logger *logger,
			     unsigned int open_flags)
{
	struct xencall_handle *h = calloc(1, sizeof(*h));
	int r = h ? hv_conn_get(&h->conn) : -ENOMEM;

	if (r == 0)
		r = hv_fault(h->conn, FAULT_XC_OPEN);
	if (r < 0) {
		xencall_close(h);
		errno = -r;
		return NULL;
	}
	return h;
}

int xencall_close(xencall_handle *h)
{
	if (h)
		hv_conn_put(h->conn);
	free(h);
	return 0;
}

/* There is no descriptor of the hypervisor. */
int xencall_fd(xencall_handle *h)
{
	return -1;
}

/* The first domain that is not lower than first. */
static int get_info(struct hv_conn *conn, uint32_t first,
		    struct xen_domctl_getdomaininfo *info)
{
	const struct hv_request req = { .op = HV_DOMAIN, .domid = first };
	struct hv_reply reply;
	int r = hv_call(conn, &req, NULL, 0, &reply, NULL);

	if (r < 0)
		return r;
	*info = (struct xen_domctl_getdomaininfo){
		.domain = reply.domid,
		.flags = reply.flags & HV_DYING ? XEN_DOMINF_dying
						: XEN_DOMINF_running,
		.nr_online_vcpus = 1,
	};
	return 0;
}

static int call_domctl(struct hv_conn *conn, struct xen_domctl *op)
{
	int r;

	if (op->interface_version != XEN_DOMCTL_INTERFACE_VERSION)
		return -EACCES;
	if (op->cmd != XEN_DOMCTL_getdomaininfo)
		return -ENOSYS;
	r = hv_fault(conn, FAULT_XC_GETINFO);
	if (r == 0)
		r = get_info(conn, op->domain, &op->u.getdomaininfo);
	if (r == 0)
		op->domain = op->u.getdomaininfo.domain;
	return r;
}

static int list_domains(struct hv_conn *conn,
			struct xen_sysctl_getdomaininfolist *list)
{
	uint32_t next = list->first_domain;
	int r = hv_fault(conn, FAULT_XC_GETINFO);

	list->num_domains = 0;
	while (r == 0 && list->num_domains < list->max_domains) {
		struct xen_domctl_getdomaininfo *info =
			&list->buffer.p[list->num_domains];

		r = get_info(conn, next, info);
		if (r == 0) {
			list->num_domains++;
			next = info->domain + 1;
		}
	}
	/* No more domains is the end of the list. */
	return r == -ESRCH ? 0 : r;
}

static int call_sysctl(struct hv_conn *conn, struct xen_sysctl *op)
{
	if (op->interface_version != XEN_SYSCTL_INTERFACE_VERSION)
		return -EACCES;
	switch (op->cmd) {
	case XEN_SYSCTL_getdomaininfolist:
		return list_domains(conn, &op->u.getdomaininfolist);
	case XEN_SYSCTL_physinfo:
		/* libxl asks at its start how many processors there are. */
		op->u.physinfo = (struct xen_sysctl_physinfo){
			.threads_per_core = 1,
			.cores_per_socket = 1,
			.nr_cpus = 1,
			.nr_nodes = 1,
		};
		return 0;
	default:
		return -ENOSYS;
	}
}

static int call(xencall_handle *h, unsigned int op, uint64_t arg)
{
	int r = -ENOSYS;

	if (op == __HYPERVISOR_domctl)
		r = call_domctl(h->conn, (void *)(uintptr_t)arg);
	else if (op == __HYPERVISOR_sysctl)
		r = call_sysctl(h->conn, (void *)(uintptr_t)arg);
	return r < 0 ? hv_fail(r) : 0;
}

int xencall0(xencall_handle *h, unsigned int op)
{
	return hv_fail(-ENOSYS);
}

int xencall1(xencall_handle *h, unsigned int op, uint64_t arg1)
{
	return call(h, op, arg1);
}

int xencall2(xencall_handle *h, unsigned int op, uint64_t arg1, uint64_t arg2)
{
	return hv_fail(-ENOSYS);
}

long xencall2L(xencall_handle *h, unsigned int op, uint64_t arg1, uint64_t arg2)
{
	return hv_fail(-ENOSYS);
}

int xencall3(xencall_handle *h, unsigned int op, uint64_t arg1, uint64_t arg2,
	     uint64_t arg3)
{
	return hv_fail(-ENOSYS);
}

int xencall4(xencall_handle *h, unsigned int op, uint64_t arg1, uint64_t arg2,
	     uint64_t arg3, uint64_t arg4)
{
	return hv_fail(-ENOSYS);
}

int xencall5(xencall_handle *h, unsigned int op, uint64_t arg1, uint64_t arg2,
	     uint64_t arg3, uint64_t arg4, uint64_t arg5)
{
	return hv_fail(-ENOSYS);
}

void *xencall_alloc_buffer_pages(xencall_handle *h, size_t nr_pages)
{
	void *p = mmap(NULL, nr_pages << XEN_PAGE_SHIFT, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void xencall_free_buffer_pages(xencall_handle *h, void *p, size_t nr_pages)
{
	if (p)
		munmap(p, nr_pages << XEN_PAGE_SHIFT);
}

void *xencall_alloc_buffer(xencall_handle *h, size_t size)
{
	return calloc(1, size);
}

void xencall_free_buffer(xencall_handle *h, void *p)
{
	free(p);
}

int xencall_buffers_never_fault(xencall_handle *h)
{
	return 1;
}
