// SPDX-License-Identifier: MIT
/* A front end against a backend that moves when the test says so. */
#include "guest/test-host.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest/frontend.h"
#include "guest/relay.h"

/* By how much the clock that counts sleep is ahead of what it is. */
static time_t slept_s;

int __real_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t);

int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	int r = __real_clock_gettime(clock, t);

	if (clock == CLOCK_BOOTTIME)
		t->tv_sec += slept_s;
	return r;
}

static struct frontend *start(unsigned int device, const char *sysfs)
{
	struct frontend *f;

	fake_host_set_domain(GUEST);
	assert_int_equal(frontend_new(&f, host.xs, sysfs, device), 0);
	return f;
}

/* All that is due, and nothing that waits. */
static void step(struct frontend *f)
{
	enum frontend_phase before;

	do {
		before = frontend_phase(f);
		assert_int_equal(frontend_step(f), 0);
	} while (frontend_phase(f) != before);
}

static void expect(struct frontend *f, enum frontend_phase phase,
		   unsigned int state)
{
	step(f);
	assert_string_equal(frontend_phase_name(frontend_phase(f)),
			    frontend_phase_name(phase));
	assert_int_equal(host_guest_state(1), state);
}

static struct frontend *open_device(unsigned int device)
{
	struct frontend *f = start(device, NULL);

	step(f);
	host_connect(device);
	step(f);
	assert_int_equal(frontend_phase(f), FRONTEND_OPEN);
	return f;
}

static void a_fresh_device_is_offered_a_ring_as_linux_does(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;

	host_attach(1, "a");
	f = start(1, NULL);
	expect(f, FRONTEND_OFFERED, 3);
	assert_true(host_guest_number(1, CONSOLE_FE_RING_REF) > 0);
	assert_true(host_guest_number(1, CONSOLE_FE_PORT) > 0);
	host_connect(1);
	expect(f, FRONTEND_OPEN, 4);
	host_unmap();
}

static void bytes_go_both_ways(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;
	struct relay r = { .in = -1 };
	int to[2], from[2];
	char buf[8];

	assert_int_equal(pipe2(to, O_NONBLOCK), 0);
	assert_int_equal(pipe2(from, O_NONBLOCK), 0);
	host_attach(1, "a");
	f = open_device(1);
	r.in = to[0];
	r.out = from[1];
	host_write("hello");
	assert_true(relay_wants_output(&r, frontend_endpoint(f)));
	assert_int_equal(write(to[1], "there", 5), 5);
	assert_int_equal(relay_move(&r, frontend_endpoint(f)), RELAY_DONE);
	host_expect("there");
	assert_int_equal(read(from[0], buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "hello", 5);
	close(to[1]);
	assert_int_equal(relay_move(&r, frontend_endpoint(f)), RELAY_DONE);
	assert_true(r.in_ended);
	assert_true(relay_is_taken(frontend_endpoint(f)));
	host_unmap();
	close(to[0]);
	close(from[0]);
	close(from[1]);
}

/* What has no room stays in the pipe. */
static void a_host_that_does_not_read_holds_the_guest_back(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;
	char block[4096] = { 0 };
	struct relay r = { .out = -1 };
	int to[2];

	assert_int_equal(pipe2(to, O_NONBLOCK), 0);
	host_attach(1, "a");
	f = open_device(1);
	r.in = to[0];
	assert_int_equal(write(to[1], block, sizeof(block)), sizeof(block));
	for (int i = 0; i < 3; i++)
		assert_int_equal(relay_move(&r, frontend_endpoint(f)),
				 RELAY_DONE);
	assert_int_equal(r.sent, CONSOLE_RING_OUT_SIZE);
	assert_false(relay_wants_input(&r, frontend_endpoint(f)));
	assert_false(relay_is_taken(frontend_endpoint(f)));
	host_unmap();
	close(to[0]);
	close(to[1]);
}

static void a_backend_that_lies_about_the_ring_is_found_out(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;
	struct relay r = { .in = -1, .out = STDERR_FILENO };

	host_attach(1, "a");
	f = open_device(1);
	shm_store_u32(&host.page->in_prod, CONSOLE_RING_IN_SIZE + 1);
	assert_true(relay_wants_output(&r, frontend_endpoint(f)));
	assert_int_equal(relay_move(&r, frontend_endpoint(f)), RELAY_CORRUPT);
	host_unmap();
}

static void a_close_waits_for_the_backend_to_unmap(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;

	host_attach(1, "a");
	f = open_device(1);
	assert_int_equal(frontend_close(f), 0);
	expect(f, FRONTEND_CLOSING, 5);
	assert_int_equal(fake_host_live(GUEST, FAKE_SHARED_PAGES), 1);
	host_unmap();
	host_set_state(1, CONSOLE_STATE_CLOSED);
	/* Fresh for the next one. */
	expect(f, FRONTEND_CLOSED, 1);
	assert_int_equal(fake_host_live(GUEST, FAKE_SHARED_PAGES), 0);
}

static void the_next_one_opens_a_closed_channel_again(void **state)
{
	_cleanup_frontend_ struct frontend *first = NULL, *second = NULL;

	host_attach(1, "a");
	first = open_device(1);
	assert_int_equal(frontend_close(first), 0);
	host_unmap();
	host_set_state(1, CONSOLE_STATE_CLOSED);
	step(first);
	second = start(1, NULL);
	expect(second, FRONTEND_RENEWING, 1);
	host_set_state(1, CONSOLE_STATE_INIT_WAIT);
	expect(second, FRONTEND_OFFERED, 3);
	host_connect(1);
	expect(second, FRONTEND_OPEN, 4);
	host_unmap();
}

static void a_detach_is_answered_and_what_came_is_still_read(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;
	struct relay r = { .in = -1 };
	int from[2];
	char buf[8];

	assert_int_equal(pipe2(from, O_NONBLOCK), 0);
	r.out = from[1];
	host_attach(1, "a");
	f = open_device(1);
	host_write("last");
	host_set(1, CONSOLE_BE_ONLINE, "0");
	host_set_state(1, CONSOLE_STATE_CLOSING);
	expect(f, FRONTEND_HUNG_UP, 6);
	host_unmap();
	host_set_state(1, CONSOLE_STATE_CLOSED);
	host_remove(1);
	step(f);
	assert_int_equal(relay_receive(&r, frontend_endpoint(f)), RELAY_DONE);
	assert_int_equal(read(from[0], buf, sizeof(buf)), 4);
	assert_int_equal(frontend_close(f), 0);
	expect(f, FRONTEND_GONE, 0);
	close(from[0]);
	close(from[1]);
}

static void an_offline_device_is_not_opened(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;

	host_attach(1, "a");
	host_set(1, CONSOLE_BE_ONLINE, "0");
	f = start(1, NULL);
	expect(f, FRONTEND_VACANT, 1);
	host_set(1, CONSOLE_BE_ONLINE, "1");
	expect(f, FRONTEND_OFFERED, 3);
}

static void nodes_that_vanish_end_it(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;

	host_attach(1, "a");
	f = start(1, NULL);
	expect(f, FRONTEND_OFFERED, 3);
	host_remove(1);
	expect(f, FRONTEND_GONE, 0);
	assert_int_equal(fake_host_live(GUEST, FAKE_SHARED_PAGES), 0);
}

/* A close that comes after the nodes went must not make them again. */
static void removed_nodes_stay_removed(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;

	host_attach(1, "a");
	f = open_device(1);
	host_unmap();
	host_remove(1);
	assert_int_equal(frontend_close(f), 0);
	frontend_publish_open(f, true);
	expect(f, FRONTEND_GONE, 0);
}

static void what_a_dead_process_left_is_closed_first(void **state)
{
	_cleanup_frontend_ struct frontend *dead = NULL, *f = NULL;

	host_attach(1, "a");
	dead = open_device(1);
	frontend_free(TAKE_PTR(dead));
	f = start(1, NULL);
	expect(f, FRONTEND_EVICTING, 5);
	host_unmap();
	host_set_state(1, CONSOLE_STATE_CLOSED);
	expect(f, FRONTEND_RENEWING, 1);
	host_set_state(1, CONSOLE_STATE_INIT_WAIT);
	expect(f, FRONTEND_OFFERED, 3);
	host_connect(1);
	expect(f, FRONTEND_OPEN, 4);
	host_unmap();
}

/* As when the toolstack makes the nodes anew, and the kernel is there first. */
static void who_takes_the_device_meanwhile_is_asked_again(void **state)
{
	_cleanup_frontend_ struct frontend *dead = NULL, *f = NULL;
	struct console_path p;

	host_attach(1, "a");
	dead = open_device(1);
	frontend_free(TAKE_PTR(dead));
	f = start(1, NULL);
	expect(f, FRONTEND_EVICTING, 5);
	host_put(console_frontend_path(&p, GUEST, 1, CONSOLE_FE_STATE), "4",
		 NULL);
	expect(f, FRONTEND_EVICTING, 5);
	host_unmap();
}

/* QEMU unmaps at once, says 5, and waits for our 6. */
static void a_backend_that_closes_in_two_steps_is_followed(void **state)
{
	_cleanup_frontend_ struct frontend *dead = NULL, *f = NULL;

	host_attach(1, "a");
	dead = open_device(1);
	frontend_free(TAKE_PTR(dead));
	f = start(1, NULL);
	expect(f, FRONTEND_EVICTING, 5);
	host_unmap();
	host_set_state(1, CONSOLE_STATE_CLOSING);
	expect(f, FRONTEND_EVICTING, 6);
	host_set_state(1, CONSOLE_STATE_CLOSED);
	expect(f, FRONTEND_RENEWING, 1);
	host_set_state(1, CONSOLE_STATE_INITIALISING);
	expect(f, FRONTEND_OFFERED, 3);
}

static void a_restarted_backend_goes_on_with_the_ring(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;

	host_attach(1, "a");
	f = open_device(1);
	host_unmap();
	expect(f, FRONTEND_OPEN, 4);
	host_connect(1);
	expect(f, FRONTEND_OPEN, 4);
	host_unmap();
}

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

/* The kernel frees the page when it is unbound, mapped or not. */
static void the_kernel_is_unbound_after_the_backend_has_let_go(void **state)
{
	_cleanup_frontend_ struct frontend *kernel = NULL, *f = NULL;
	struct sysfs sys;

	sysfs_init(&sys, true);
	sysfs_bind(&sys);
	host_attach(1, "a");
	kernel = open_device(1);
	f = start(1, sys.dir);
	expect(f, FRONTEND_EVICTING, 5);
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

/* Each call of the host's fails once: nothing leaks, nothing crashes. */
static void a_failure_anywhere_leaves_nothing_behind(void **state)
{
	host_attach(1, "a");
	for (unsigned int n = 1;; n++) {
		struct frontend *f = start(1, NULL);
		struct console_path p;
		unsigned int left;
		int r;

		host_put(console_frontend_path(&p, GUEST, 1, CONSOLE_FE_STATE),
			 "1", NULL);
		fake_host_fail_in(GUEST, FAKE_ANY_CALL, n, ENOMEM);
		r = frontend_step(f);
		left = fake_host_faults_left();
		fake_host_clear_faults();
		frontend_free(f);
		assert_int_equal(fake_host_live(GUEST, FAKE_SHARED_PAGES), 0);
		assert_int_equal(fake_host_live(GUEST, FAKE_PORTS), 0);
		assert_int_equal(
			fake_host_live(FAKE_HOST_ANY_DOMAIN, FAKE_TRANSACTIONS),
			0);
		if (left) {
			assert_int_equal(r, 0);
			return;
		}
	}
}

/* 0: there is none. */
static pid_t child_called(const char *name)
{
	pid_t pid = 0;
	char path[64], is[16] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children",
		 (int)getpid());
	f = fopen(path, "r");
	assert_non_null(f);
	if (fscanf(f, "%d", &pid) != 1)
		pid = 0;
	fclose(f);
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	f = pid ? fopen(path, "r") : NULL;
	if (f && fscanf(f, "%15s", is) != 1)
		is[0] = '\0';
	if (f)
		fclose(f);
	return strcmp(is, name) ? 0 : pid;
}

/* The kernel dies of a port from before that is unbound or closed. */
static void ports_from_before_a_restore_are_left_to_a_holder(void **state)
{
	_cleanup_frontend_ struct frontend *f = NULL;
	pid_t holder = 0;

	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	host_attach(1, "a");
	f = open_device(1);
	host_unmap();
	slept_s = 1;
	host_remove(1);
	host_attach(1, "a");
	expect(f, FRONTEND_CLOSED, 1);
	for (int i = 0; i < 3000 && !holder; i++) {
		usleep(10000);
		holder = child_called("xenchan-restore");
	}
	assert_true(holder > 0);
	assert_int_equal(kill(holder, SIGTERM), 0);
	usleep(10000);
	assert_int_equal(waitpid(holder, NULL, WNOHANG), 0);
	assert_int_equal(kill(holder, SIGKILL), 0);
	assert_int_equal(waitpid(holder, NULL, 0), holder);
	slept_s = 0;
}

static int set_up(void **state)
{
	host_init();
	return 0;
}

static int tear_down(void **state)
{
	host_deinit();
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_fresh_device_is_offered_a_ring_as_linux_does),
		TEST(bytes_go_both_ways),
		TEST(a_host_that_does_not_read_holds_the_guest_back),
		TEST(a_backend_that_lies_about_the_ring_is_found_out),
		TEST(a_close_waits_for_the_backend_to_unmap),
		TEST(the_next_one_opens_a_closed_channel_again),
		TEST(a_detach_is_answered_and_what_came_is_still_read),
		TEST(an_offline_device_is_not_opened),
		TEST(nodes_that_vanish_end_it),
		TEST(removed_nodes_stay_removed),
		TEST(what_a_dead_process_left_is_closed_first),
		TEST(who_takes_the_device_meanwhile_is_asked_again),
		TEST(a_backend_that_closes_in_two_steps_is_followed),
		TEST(a_restarted_backend_goes_on_with_the_ring),
		TEST(the_kernel_is_unbound_after_the_backend_has_let_go),
		TEST(the_kernel_is_let_to_take_a_new_device_first),
		TEST(without_the_right_to_unbind_the_kernel_keeps_it),
		TEST(ports_from_before_a_restore_are_left_to_a_holder),
		TEST(the_kernel_keeps_what_qemu_serves),
		TEST(without_a_driver_qemus_is_opened_once),
		TEST(what_has_our_mark_is_not_qemus),
		TEST(a_failure_anywhere_leaves_nothing_behind),
	};

	return cmocka_run_group_tests_name("guest/frontend", tests, NULL, NULL);
}
