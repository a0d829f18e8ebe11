// SPDX-License-Identifier: MIT
#include "cli/hold.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <xenstore_lib.h>

#include "base/cleanup.h"
#include "cli/vchan-options.h"
#include "xen/store.h"

/* FNV-1a, going on from h */
static uint64_t hash(uint64_t h, const char *s)
{
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
	return h;
}

/* The name of an abstract socket goes with its owner, however that ends. Several
 * xenstores may be reachable from one machine. */
static int hold_name(unsigned int domid, const char *path)
{
	uint64_t h = hash(UINT64_C(0xcbf29ce484222325), xs_daemon_socket());
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int n;

	if (fd < 0)
		return -errno;
	h = hash(hash(h, "\n"), path);
	n = snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1,
		     "xenchan-server/%u/%016llx", domid, (unsigned long long)h);
	if (bind(fd, (struct sockaddr *)&addr,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			     (size_t)n)))
		return -errno;
	return TAKE_FD(fd);
}

int hold_path(const char *path)
{
	_cleanup_(cleanup_xen_storep) struct xs_handle *xs = NULL;
	_cleanup_free_ char *full = NULL;
	unsigned int domid;
	int r = xen_store_get(&xs);

	if (!r)
		r = xen_store_domid(xs, &domid);
	if (r)
		return r;
	full = vchan_absolute_path(domid, path);
	return full ? hold_name(domid, full) : -ENOMEM;
}
