// SPDX-License-Identifier: MIT
/* SIGKILL after each instruction of making a socket that changes something. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "backend/own-socket.h"
#include "backend/test-single-step.h"

static char dir[] = "/tmp/test-sock.XXXXXX";
static char path[64];

static struct deaths {
	struct own_socket *own, before; /* own: in shared memory */
	struct stat st;
	unsigned int n, n_max;
} deaths;

static int make(void)
{
	const struct socket_access access = { 0600, -1, -1 };
	int fd = -1, r = own_socket_listen(deaths.own, path, &access, &fd);

	return r ? r : fd;
}

static void make_one(void *userdata)
{
	if (make() < 0)
		abort();
}

static const char *die_in_time(void *userdata)
{
	struct stat st = { 0 };

	lstat(path, &st);
	/* Padding is copied along. NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c) */
	if (!memcmp(&deaths.before, deaths.own, sizeof(deaths.before)) &&
	    st.st_ino == deaths.st.st_ino && st.st_mode == deaths.st.st_mode)
		return NULL;
	deaths.before = *deaths.own;
	deaths.st = st;
	return ++deaths.n > deaths.n_max ? "killed" : NULL;
}

static const char *no_turn(void *userdata)
{
	return NULL;
}

static void what_a_kill_leaves_is_replaced(void **state)
{
	const struct single_step s = { make_one, die_in_time, no_turn, NULL };
	const char *killed = "killed";

	deaths.own = mmap(NULL, sizeof(*deaths.own), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(deaths.own, MAP_FAILED);
	/* The first one finds nothing, the others a socket that is ours. */
	while (killed) {
		int fd;

		deaths.before = *deaths.own;
		deaths.st = (struct stat){ 0 };
		lstat(path, &deaths.st);
		deaths.n = 0;
		killed = single_step(&s);
		fd = make();
		if (fd < 0)
			fail_msg("in the way after change %u", deaths.n);
		close(fd);
		deaths.n_max++;
	}
	print_message("             killed after each of %u changes\n",
		      deaths.n);
	assert_true(deaths.n > 4);
	own_socket_remove(deaths.own);
	munmap(deaths.own, sizeof(*deaths.own));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_kill_leaves_is_replaced),
	};
	int r;

	if (!single_step_is_possible()) {
		puts("a process cannot be single-stepped here");
		return 77;
	}
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/s", dir);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	rmdir(dir);
	return r;
}
