// SPDX-License-Identifier: MIT
/* A front end beside Linux's driver, and beside QEMU. */
#include "guest/test-frontend.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A tree like that of sysfs, where the test plays Linux's driver.
 */

struct sysfs {
	char dir[64];
};

static void make_dirs(const char *root, const char *path)
{
	char full[256];

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *p = full + strlen(root) + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		mkdir(full, 0700);
		*p = '/';
	}
	mkdir(full, 0700);
}

static void sysfs_path(char (*out)[256], const struct sysfs *s,
		       const char *path)
{
	snprintf(*out, sizeof(*out), "%s%s", s->dir, path);
}

#define UNBIND "/bus/xen/drivers/xenconsole/unbind"
#define DEVICE_1 "/bus/xen/devices/console-1"

static void sysfs_init(struct sysfs *s, bool has_driver)
{
	char path[256];
	int fd;

	strcpy(s->dir, "/tmp/xenchan-sysfs.XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	make_dirs(s->dir, "/bus/xen/devices");
	if (!has_driver)
		return;
	make_dirs(s->dir, "/bus/xen/drivers/xenconsole");
	sysfs_path(&path, s, UNBIND);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static void sysfs_bind(const struct sysfs *s)
{
	make_dirs(s->dir, DEVICE_1 "/driver");
}

/* What was written to unbind; does it. */
static void sysfs_expect_unbind(const struct sysfs *s, const char *device)
{
	char path[256], text[32] = "";
	int fd;

	sysfs_path(&path, s, UNBIND);
	fd = open(path, O_RDONLY);
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	assert_string_equal(text, device);
	sysfs_path(&path, s, DEVICE_1 "/driver");
	rmdir(path);
}

static void sysfs_deinit(const struct sysfs *s)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r '%s'", s->dir);
	assert_int_equal(system(command), 0);
}

/* Of a device that the kernel's driver has connected. */
static struct frontend *begin_eviction(struct sysfs *sys,
				       struct frontend **kernel)
{
	struct frontend *f;

	sysfs_init(sys, true);
	sysfs_bind(sys);
	host_attach(1, "a");
	*kernel = open_device(1);
	f = start(1, sys->dir);
	expect(f, FRONTEND_EVICTING, 5);
	return f;
}

/* The kernel frees the page when it is unbound, mapped or not. */
static void the_kernel_is_unbound_after_the_backend_has_let_go(void **state)
{
	_cleanup_frontend_ struct frontend *kernel = NULL, *f = NULL;
	struct sysfs sys;

	f = begin_eviction(&sys, &kernel);
	host_set_state(1, CONSOLE_STATE_CLOSING);
	expect(f, FRONTEND_EVICTING, 6);
	sysfs_expect_unbind(&sys, "");
	sysfs_bind(&sys);
	host_unmap();
	host_set_state(1, CONSOLE_STATE_CLOSED);
	expect(f, FRONTEND_RENEWING, 1);
	sysfs_expect_unbind(&sys, "console-1");
	host_set_state(1, CONSOLE_STATE_INIT_WAIT);
	expect(f, FRONTEND_OFFERED, 3);
	host_connect(1);
	expect(f, FRONTEND_OPEN, 4);
	host_unmap();
	sysfs_deinit(&sys);
}

/* No backend is there to let go of the ring: the kernel is as it was. */
static void an_eviction_that_came_to_nothing_is_taken_back(void **state)
{
	_cleanup_frontend_ struct frontend *kernel = NULL, *f = NULL;
	struct sysfs sys;

	f = begin_eviction(&sys, &kernel);
	assert_int_equal(frontend_close(f), 0);
	expect(f, FRONTEND_CLOSED, 4);
	sysfs_expect_unbind(&sys, "");
	host_unmap();
	sysfs_deinit(&sys);
}

/* Once the backend has begun to let go there is no way back. */
static void an_eviction_that_was_heard_of_is_not(void **state)
{
	_cleanup_frontend_ struct frontend *kernel = NULL, *f = NULL;
	struct sysfs sys;

	f = begin_eviction(&sys, &kernel);
	host_set_state(1, CONSOLE_STATE_CLOSING);
	assert_int_equal(frontend_close(f), 0);
	expect(f, FRONTEND_CLOSED, 5);
	host_unmap();
	sysfs_deinit(&sys);
}

static void the_kernel_is_let_to_take_a_new_device_first(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;
	struct sysfs sys;

	sysfs_init(&sys, true);
	host_attach(1, "a");
	f = start(1, sys.dir);
	expect(f, FRONTEND_VACANT, 1);
	assert_true(frontend_deadline(f) < INT64_MAX);
	/* It has the device, but has not said so yet. */
	sysfs_bind(&sys);
	expect(f, FRONTEND_VACANT, 1);
	sysfs_deinit(&sys);
}

static void without_the_right_to_unbind_the_kernel_keeps_it(void **state)
{
	_cleanup_frontend_ struct frontend *kernel = NULL, *f = NULL;
	char path[256];
	struct sysfs sys;

	sysfs_init(&sys, true);
	sysfs_bind(&sys);
	sysfs_path(&path, &sys, UNBIND);
	unlink(path);
	host_attach(1, "a");
	kernel = open_device(1);
	f = start(1, sys.dir);
	assert_int_equal(frontend_step(f), -ENOENT);
	assert_int_equal(host_guest_state(1), 4);
	host_unmap();
	sysfs_deinit(&sys);
}

static void host_attach_qemus(void)
{
	struct xs_permissions reads[] = { { 0, XS_PERM_NONE },
					  { GUEST, XS_PERM_READ } };
	struct console_path p;

	host_attach(1, "a");
	host_put(console_frontend_path(&p, GUEST, 1, CONSOLE_FE_TYPE),
		 CONSOLE_TYPE_QEMU, reads);
}

/* QEMU ends if a second front end comes. */
static void the_kernel_keeps_what_qemu_serves(void **state)
{
	_cleanup_frontend_ struct frontend *kernel = NULL, *f = NULL;
	struct sysfs sys;

	sysfs_init(&sys, true);
	host_attach_qemus();
	f = start(1, sys.dir);
	expect(f, FRONTEND_VACANT, 1);
	sysfs_bind(&sys);
	kernel = start(1, NULL);
	step(kernel);
	/* Not connected yet: its terminal is of no use. */
	expect(f, FRONTEND_VACANT, 3);
	host_connect(1);
	step(kernel);
	assert_int_equal(frontend_step(f), -EOPNOTSUPP);
	assert_int_equal(frontend_close(f), 0);
	assert_int_equal(host_guest_state(1), 4);
	sysfs_expect_unbind(&sys, "");
	host_unmap();
	sysfs_deinit(&sys);
}

static void without_a_driver_qemus_is_opened_once(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL, *second = NULL;

	host_attach_qemus();
	f = open_device(1);
	assert_int_equal(frontend_close(f), 0);
	expect(f, FRONTEND_CLOSING, 5);
	host_unmap();
	host_set_state(1, CONSOLE_STATE_CLOSED);
	expect(f, FRONTEND_CLOSED, 5);
	second = start(1, NULL);
	assert_int_equal(frontend_step(second), -EOPNOTSUPP);
	assert_int_equal(host_guest_state(1), 5);
}

/* libxl's word for the type, but xenchanneld has put its mark. */
static void what_has_our_mark_is_not_qemus(void **state)
{
	_cleanup_frontend_ struct frontend *dead = NULL, *f = NULL;

	host_attach_qemus();
	host_set(1, CONSOLE_BE_OURS, "");
	dead = open_device(1);
	f = start(1, NULL);
	expect(f, FRONTEND_EVICTING, 5);
	host_unmap();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_kernel_is_unbound_after_the_backend_has_let_go),
		TEST(an_eviction_that_came_to_nothing_is_taken_back),
		TEST(an_eviction_that_was_heard_of_is_not),
		TEST(the_kernel_is_let_to_take_a_new_device_first),
		TEST(without_the_right_to_unbind_the_kernel_keeps_it),
		TEST(the_kernel_keeps_what_qemu_serves),
		TEST(without_a_driver_qemus_is_opened_once),
		TEST(what_has_our_mark_is_not_qemus),
	};

	return cmocka_run_group_tests_name("guest/frontend-kernel", tests, NULL,
					   NULL);
}
