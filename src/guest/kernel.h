/* SPDX-License-Identifier: MIT */
/*
 * Linux's own driver of channels, hvc_xen: it takes every new device at once,
 * named or not, and gives it the lowest free /dev/hvcN. Nothing ties that
 * number to the device, so a program that wants a certain channel takes the
 * device away from the driver.
 *
 * Only when the backend has let go of the ring: at the unbind the driver frees
 * the page, and a PV guest that reuses a page which another domain still maps
 * crashes.
 */
#ifndef XENCHAN_GUEST_KERNEL_H
#define XENCHAN_GUEST_KERNEL_H

#include <stdbool.h>
#include <xenstore.h>

enum kernel_hold {
	KERNEL_NONE,   /* there is no driver that could take the device */
	KERNEL_COMING, /* there is; it has not seen the device yet */
	KERNEL_HOLDS,  /* it has the device */
	KERNEL_FREE,   /* it has seen the device, and does not have it */
};

/*
 * Where sysfs tells of this domain's devices: "/sys", or NULL if this is not
 * the machine whose kernel that is (the xenstore that we talk to is another
 * domain's).
 */
const char *kernel_sysfs(struct xs_handle *xs);

/* sysfs may be NULL: KERNEL_NONE. */
enum kernel_hold kernel_hold(const char *sysfs, unsigned int device);

/*
 * Which /dev/hvcN the device is. 0; -ENOTUNIQ: that cannot be told.
 *
 * The driver gives a device the lowest free number, and 0 is the domain's own
 * console. So console-K is K, if the driver took console-1 to console-K in this
 * order, before all others that it has, and has them still.
 */
int kernel_terminal(const char *sysfs, unsigned int device,
		    unsigned int *number_r);

/* Could we take a device away? 0, or negative errno: -EACCES. */
int kernel_check_release(const char *sysfs);

/* Takes the device away from the driver. 0, or negative errno. */
int kernel_release(const char *sysfs, unsigned int device);

#endif
