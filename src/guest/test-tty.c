// SPDX-License-Identifier: MIT
/* The kernel's terminal of a channel, in a sysfs and a /dev of the test's. */
#include "guest/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define DRIVER "/bus/xen/drivers/xenconsole"
#define N 3

struct world {
	char dir[32];
	int master; /* of the terminal that all hvcN are */
	char spare[N][80];
};

static int by_inode(const void *a, const void *b)
{
	struct stat s, t;

	assert_int_equal(stat(a, &s), 0);
	assert_int_equal(stat(b, &t), 0);
	return s.st_ino < t.st_ino ? -1 : s.st_ino > t.st_ino;
}

static void make(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static int set_up(void **state)
{
	static struct world w;
	char command[128];

	strcpy(w.dir, "/tmp/test-tty-XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	snprintf(command, sizeof(command), "mkdir -p '%s" DRIVER "'", w.dir);
	assert_int_equal(system(command), 0);
	w.master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(w.master >= 0);
	assert_int_equal(grantpt(w.master), 0);
	assert_int_equal(unlockpt(w.master), 0);
	/* A file's number may be any: to be had in order they are sorted. */
	for (int i = 0; i < N; i++) {
		snprintf(w.spare[i], sizeof(w.spare[i]), "%s/spare-%d", w.dir,
			 i);
		make(w.spare[i]);
	}
	qsort(w.spare, N, sizeof(w.spare[0]), by_inode);
	*state = &w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	char command[64];

	close(w->master);
	snprintf(command, sizeof(command), "rm -r '%s'", w->dir);
	return system(command);
}

/* The driver took this device as the nth. */
static void bind_device(struct world *w, unsigned int device, int nth)
{
	char path[128];

	snprintf(path, sizeof(path), "%s" DRIVER "/console-%u", w->dir, device);
	assert_int_equal(rename(w->spare[nth], path), 0);
}

static void add_terminal(struct world *w, unsigned int number)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/hvc%u", w->dir, number);
	assert_int_equal(symlink(ptsname(w->master), path), 0);
}

static int open_kernel(struct world *w, unsigned int device,
		       const struct channels *all, char *number_r)
{
	struct tty_path path;
	int fd = -1,
	    r = tty_open_kernel(w->dir, w->dir, all, device, &path, &fd);

	if (!r) {
		*number_r = path.s[strlen(path.s) - 1];
		close(fd);
	}
	return r;
}

static const struct channels several = { .n = 3 };

static void taken_in_order_each_is_its_own_number(void **state)
{
	char number;

	for (unsigned int k = 1; k <= N; k++) {
		bind_device(*state, k, (int)k - 1);
		add_terminal(*state, k);
	}
	for (unsigned int k = 1; k <= N; k++) {
		assert_int_equal(open_kernel(*state, k, &several, &number), 0);
		assert_int_equal(number, '0' + (char)k);
	}
}

/* 1 was detached and is another now: it may have any number. */
static void what_was_taken_later_cannot_be_told(void **state)
{
	char number;

	bind_device(*state, 2, 0);
	bind_device(*state, 3, 1);
	bind_device(*state, 1, 2);
	for (unsigned int k = 1; k <= N; k++) {
		add_terminal(*state, k);
		assert_int_equal(open_kernel(*state, k, &several, &number),
				 -ENOTUNIQ);
	}
}

static void with_a_gap_it_cannot_be_told(void **state)
{
	char number;

	bind_device(*state, 1, 0);
	bind_device(*state, 3, 1);
	for (unsigned int k = 1; k <= N; k++)
		add_terminal(*state, k);
	assert_int_equal(open_kernel(*state, 1, &several, &number), 0);
	assert_int_equal(open_kernel(*state, 2, &several, &number), -ENOTUNIQ);
	assert_int_equal(open_kernel(*state, 3, &several, &number), -ENOTUNIQ);
}

static void the_only_one_is_whichever_opens(void **state)
{
	struct channels one = {
		.n = 1,
		.list = { { .device = 3, .state = CONSOLE_STATE_CONNECTED } }
	};
	char number;

	bind_device(*state, 3, 0);
	assert_int_equal(open_kernel(*state, 3, &one, &number), -ENODEV);
	add_terminal(*state, 2);
	assert_int_equal(open_kernel(*state, 3, &one, &number), 0);
	assert_int_equal(number, '2');
	one.list[0].state = CONSOLE_STATE_INITIALISED;
	assert_int_equal(open_kernel(*state, 3, &one, &number), -ENODEV);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(taken_in_order_each_is_its_own_number),
		TEST(what_was_taken_later_cannot_be_told),
		TEST(with_a_gap_it_cannot_be_told),
		TEST(the_only_one_is_whichever_opens),
	};

	return cmocka_run_group_tests_name("guest/tty", tests, NULL, NULL);
}
