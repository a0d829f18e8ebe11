// SPDX-License-Identifier: MIT
/*
 * The functions of libxenctrl.so.4.17 that vchan-socket-proxy calls: it asks
 * whether the domain that it waits for still exists. On Xen this takes
 * privcmd; here every domain may ask.
 */
#include <string.h>
#include <xenctrl.h>

#include "xenhost/client/hv.h"

xc_interface *xc_interface_open(xentoollog_logger *logger,
				xentoollog_logger *dombuild_logger,
				unsigned int open_flags)
{
	struct hv_conn *conn;
	int r = hv_conn_get(&conn);

	if (r == 0) {
		r = hv_fault(conn, FAULT_XC_OPEN);
		if (r < 0)
			hv_conn_put(conn);
	}
	if (r < 0) {
		errno = -r;
		return NULL;
	}
	return (xc_interface *)conn;
}

int xc_interface_close(xc_interface *xch)
{
	hv_conn_put((struct hv_conn *)xch);
	return 0;
}

int xc_domain_getinfo(xc_interface *xch, uint32_t first_domid,
		      unsigned int max_doms, xc_dominfo_t *info)
{
	struct hv_conn *conn = (struct hv_conn *)xch;
	struct hv_request req = { .op = HV_DOMAIN, .domid = first_domid };
	unsigned int n;
	int r = hv_fault(conn, FAULT_XC_GETINFO);

	for (n = 0; r == 0 && n < max_doms; n++) {
		struct hv_reply reply;

		r = hv_call(conn, &req, NULL, 0, &reply, NULL);
		if (r < 0)
			break;
		info[n] = (xc_dominfo_t){
			.domid = reply.domid,
			.dying = !!(reply.flags & HV_DYING),
			.running = !(reply.flags & HV_DYING),
			.nr_online_vcpus = 1,
		};
		req.domid = reply.domid + 1;
	}
	return r < 0 && n == 0 ? hv_fail(r) : (int)n;
}
