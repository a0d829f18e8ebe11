// SPDX-License-Identifier: MIT
/*
 * The public header may come twice, and after the header of Xen that it
 * includes and that has no guard: fault 28. Built with -Wall -Wextra -Werror,
 * as C by this name and as C++ by header-cpp.cc.
 */
#ifdef XENS_HEADER_FIRST
#include <xen/io/libxenvchan.h>
#endif
#include <libxenvchan.h>
#include <libxenvchan.h>

/* What programs rely on the header to include. */
static int includes_suffice(const struct libxenvchan *v)
{
	evtchn_port_t port = v->event_port;
	domid_t domain = DOMID_SELF;
	uint32_t order = VCHAN_NOTIFY_WRITE;
	size_t size = sizeof(struct vchan_interface);

	return (int)(port + domain + order + size) > 0;
}

int main(void)
{
	static struct libxenvchan v;

	/* No host is needed to refuse this. */
	if (libxenvchan_server_init(NULL, -1, "data/header", 0, 0))
		return 1;
	libxenvchan_close(NULL);
	return includes_suffice(&v) ? 0 : 1;
}
