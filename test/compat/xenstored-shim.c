// SPDX-License-Identifier: MIT
/*
 * Lets the distribution's xenstored run where no Xen is: preloaded, it stands
 * in for what xenstored uses of libxenctrl, libxengnttab and libxenevtchn.
 * Guests are played by a test, through files in $SHIM_DIR:
 *
 *	domains   a byte a domain id: not 0 while the domain lives
 *	ring-N    the page that domain N shares with xenstored
 *	port      what Linux tells of domain 0's event channel
 *	kick      a fifo: each byte is an event. 'd': look at the domains;
 *		  anything else: look at the rings
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#define PAGE 4096
#define VIRQ_PORT 1
#define FIRST_PORT 2

static int open_in_dir(const char *name, int flags)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", getenv("SHIM_DIR"), name);
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0);
}

int open(const char *path, int flags, ...)
{
	va_list args;
	int mode;

	if (!strcmp(path, "/proc/xen/xsd_kva"))
		return open_in_dir("ring-0", flags);
	if (!strcmp(path, "/proc/xen/xsd_port"))
		return open_in_dir("port", flags);
	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, int) : 0;
	va_end(args);
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

xc_interface *xc_interface_open(xentoollog_logger *logger,
				xentoollog_logger *dombuild_logger,
				unsigned int open_flags)
{
	static char here;

	return (xc_interface *)(void *)&here;
}

int xc_interface_close(xc_interface *xch)
{
	return 0;
}

int xc_domain_getinfo(xc_interface *xch, uint32_t first_domid,
		      unsigned int max_doms, xc_dominfo_t *info)
{
	int fd = open_in_dir("domains", O_RDONLY);
	char alive = 0;

	if (pread(fd, &alive, 1, first_domid) != 1)
		alive = 0;
	close(fd);
	memset(info, 0, sizeof(*info));
	info->domid = first_domid;
	return alive ? 1 : 0;
}

xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger,
				 unsigned int open_flags)
{
	static char here;

	return (xengnttab_handle *)(void *)&here;
}

int xengnttab_close(xengnttab_handle *xgt)
{
	return 0;
}

int xengnttab_set_max_grants(xengnttab_handle *xgt, uint32_t nr_grants)
{
	return 0;
}

void *xengnttab_map_grant_ref(xengnttab_handle *xgt, uint32_t domid,
			      uint32_t ref, int prot)
{
	char name[32];
	void *page;
	int fd;

	snprintf(name, sizeof(name), "ring-%u", domid);
	fd = open_in_dir(name, O_RDWR);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return page == MAP_FAILED ? NULL : page;
}

int xengnttab_unmap(xengnttab_handle *xgt, void *start_address, uint32_t count)
{
	return munmap(start_address, PAGE);
}

static int kick_fd = -1;

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger,
				 unsigned int open_flags)
{
	kick_fd = open_in_dir("kick", O_RDWR);
	return (xenevtchn_handle *)(void *)&kick_fd;
}

xenevtchn_handle *xenevtchn_fdopen(struct xentoollog_logger *logger, int fd,
				   unsigned int open_flags)
{
	errno = ENOSYS;
	return NULL;
}

int xenevtchn_fd(xenevtchn_handle *xce)
{
	return kick_fd;
}

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *xce,
					      unsigned int virq)
{
	return VIRQ_PORT;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *xce,
						     uint32_t domid,
						     evtchn_port_t remote_port)
{
	return FIRST_PORT;
}

int xenevtchn_unbind(xenevtchn_handle *xce, evtchn_port_t port)
{
	return 0;
}

int xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port)
{
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *xce)
{
	char c;

	if (read(kick_fd, &c, 1) != 1)
		return -1;
	return c == 'd' ? VIRQ_PORT : FIRST_PORT;
}

int xenevtchn_unmask(xenevtchn_handle *xce, evtchn_port_t port)
{
	return 0;
}
