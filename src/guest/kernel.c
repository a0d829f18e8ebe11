// SPDX-License-Identifier: MIT
#include "guest/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "console/schema.h"
#include "xen/text.h"

#define DRIVER "/bus/xen/drivers/xenconsole"
#define DEVICE "/bus/xen/devices/console-"

/* Linux: Documentation/ABI/stable/sysfs-hypervisor-xen */
#define UUID_FILE "/sys/hypervisor/uuid"
#define UUID_LENGTH 36

struct sysfs_path {
	char s[256];
};

static const char *driver_path(struct sysfs_path *p, const char *sysfs,
			       const char *file)
{
	snprintf(p->s, sizeof(p->s), "%s" DRIVER "%s", sysfs, file);
	return p->s;
}

static const char *device_path(struct sysfs_path *p, const char *sysfs,
			       unsigned int device, const char *file)
{
	snprintf(p->s, sizeof(p->s), "%s" DEVICE "%u%s", sysfs, device, file);
	return p->s;
}

static bool exists(const char *path)
{
	return !access(path, F_OK);
}

const char *kernel_sysfs(struct xs_handle *xs)
{
	_cleanup_free_ char *vm = NULL;
	_cleanup_close_ int fd = -1;
	char uuid[UUID_LENGTH];

	/* The toolstack of a real domain has written /vm/UUID here. */
	if (xen_text_read(xs, XBT_NULL, "vm", 64, &vm) ||
	    strlen(vm) < UUID_LENGTH)
		return NULL;
	fd = open(UUID_FILE, O_RDONLY | O_CLOEXEC);
	/* Where we may not know it is ours: to be wrong here means to leave
	 * the device to the kernel. */
	if (fd < 0 || read(fd, uuid, sizeof(uuid)) != sizeof(uuid))
		return "/sys";
	return strncasecmp(vm + strlen(vm) - UUID_LENGTH, uuid, UUID_LENGTH)
		       ? NULL
		       : "/sys";
}

enum kernel_hold kernel_hold(const char *sysfs, unsigned int device)
{
	struct sysfs_path p;

	if (!sysfs || !exists(driver_path(&p, sysfs, "")))
		return KERNEL_NONE;
	if (exists(device_path(&p, sysfs, device, "/driver")))
		return KERNEL_HOLDS;
	return exists(device_path(&p, sysfs, device, "")) ? KERNEL_FREE
							  : KERNEL_COMING;
}

/*
 * When the driver took the device, as a number that grows; 0: it did not.
 * Linux: kernfs numbers its inodes in the order in which they are made, and the
 * driver's link to a device is made when it is bound.
 */
static ino_t bound_at(const char *sysfs, unsigned int device)
{
	struct sysfs_path p;
	struct stat st;
	char link[16];

	snprintf(link, sizeof(link), "/console-%u", device);
	return lstat(driver_path(&p, sysfs, link), &st) ? 0 : st.st_ino;
}

int kernel_terminal(const char *sysfs, unsigned int device,
		    unsigned int *number_r)
{
	ino_t last = 0;

	for (unsigned int k = CONSOLE_DEVICE_MIN; k <= CONSOLE_DEVICE_MAX;
	     k++) {
		ino_t at = sysfs ? bound_at(sysfs, k) : 0;

		if (k <= device ? at <= last : at && at < last)
			return -ENOTUNIQ;
		if (k <= device)
			last = at;
	}
	*number_r = device;
	return 0;
}

int kernel_check_release(const char *sysfs)
{
	struct sysfs_path p;

	return access(driver_path(&p, sysfs, "/unbind"), W_OK) ? -errno : 0;
}

int kernel_release(const char *sysfs, unsigned int device)
{
	struct sysfs_path p;
	_cleanup_close_ int fd =
		open(driver_path(&p, sysfs, "/unbind"), O_WRONLY | O_CLOEXEC);
	char name[24];
	int n = snprintf(name, sizeof(name), "console-%u", device);

	if (fd < 0)
		return -errno;
	/* Linux: ENODEV: the driver does not have it (any more). */
	if (write(fd, name, (size_t)n) != n && errno != ENODEV)
		return -errno;
	return 0;
}
