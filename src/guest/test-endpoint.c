// SPDX-License-Identifier: MIT
/* What becomes of an endpoint when its domain has slept. */
#include "guest/test-frontend.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ports_from_before_a_restore_are_left_to_a_holder),
	};

	return cmocka_run_group_tests_name("guest/endpoint", tests, NULL, NULL);
}
