// SPDX-License-Identifier: MIT
/* What Xen and Linux do with grants, and how the fake shows misuse. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <xengnttab.h>

#include "xenhost/fake/fake-host.h"

enum { PAGE = 4096, RW = PROT_READ | PROT_WRITE };

struct hosts {
	xengntshr_handle *shr; /* domain 1 */
	xengnttab_handle *tab; /* domain 2 */
};

static int set_up(void **state)
{
	static struct hosts t;

	fake_host_reset();
	fake_host_create(1);
	fake_host_create(2);
	fake_host_set_domain(1);
	t.shr = xengntshr_open(NULL, 0);
	fake_host_set_domain(2);
	t.tab = xengnttab_open(NULL, 0);
	*state = &t;
	return !(t.shr && t.tab);
}

static int tear_down(void **state)
{
	struct hosts *t = *state;

	xengntshr_close(t->shr);
	xengnttab_close(t->tab);
	fake_host_reset();
	return fake_host_memory_pages() > 0;
}

/* A write (or a read) here kills the process. */
static bool faults(volatile char *p, bool write)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		/* A sanitizer must not turn the signal into a report. */
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		if (write)
			*p = 1;
		else
			(void)*p;
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status);
}

static void pages_are_zeroed_and_seen_by_both(void **state)
{
	struct hosts *t = *state;
	static const char zero[4 * PAGE];
	uint32_t refs[4];
	char *a, *b;

	a = xengntshr_share_pages(t->shr, 2, 4, refs, 1);
	assert_non_null(a);
	assert_int_equal((uintptr_t)a % PAGE, 0);
	assert_memory_equal(a, zero, 4 * PAGE);
	for (int i = 0; i < 4; i++)
		assert_true(refs[i] >= 8); /* the first ones are Xen's */
	b = xengnttab_map_domain_grant_refs(t->tab, 4, 1, refs, RW);
	assert_ptr_equal(a, b); /* one mapping, for race detectors */
	assert_int_equal(xengnttab_unmap(t->tab, b, 4), 0);
	b = xengnttab_map_grant_ref(t->tab, 1, refs[2], RW);
	assert_ptr_equal(a + 2 * PAGE, b);
	assert_int_equal(xengnttab_unmap(t->tab, b, 1), 0);
	assert_int_equal(xengntshr_unshare(t->shr, a, 4), 0);
	assert_int_equal(
		fake_host_live(FAKE_HOST_ANY_DOMAIN, FAKE_SHARED_PAGES), 0);
}

static void any_order_of_references_makes_one_mapping(void **state)
{
	struct hosts *t = *state;
	uint32_t refs[3], list[6];
	char *a, *b;

	a = xengntshr_share_pages(t->shr, 2, 3, refs, 1);
	for (int i = 0; i < 3; i++)
		memset(a + i * PAGE, '0' + i, PAGE);
	for (int i = 0; i < 6; i++)
		list[i] = refs[(5 - i) % 3]; /* a mirror, too */
	b = xengnttab_map_domain_grant_refs(t->tab, 6, 1, list, RW);
	assert_non_null(b);
	for (int i = 0; i < 6; i++)
		assert_int_equal(b[i * PAGE], '0' + (5 - i) % 3);
	b[0] = 'x';
	assert_int_equal(a[2 * PAGE], 'x');
	assert_int_equal(b[3 * PAGE], 'x');
	assert_int_equal(fake_host_live(2, FAKE_MAPPED_PAGES), 6);
	assert_int_equal(xengnttab_unmap(t->tab, b, 6), 0);
	assert_int_equal(xengntshr_unshare(t->shr, a, 3), 0);
}

static void scattered_references_are_not_a_run(void **state)
{
	struct hosts *t = *state;
	uint32_t refs[8];
	char *a, *b;

	fake_host_scatter_references(true);
	a = xengntshr_share_pages(t->shr, 2, 8, refs, 1);
	for (int i = 1; i < 8; i++)
		assert_int_not_equal(refs[i], refs[i - 1] + 1);
	b = xengnttab_map_domain_grant_refs(t->tab, 8, 1, refs, RW);
	assert_ptr_equal(a, b);
	xengnttab_unmap(t->tab, b, 8);
	xengntshr_unshare(t->shr, a, 8);
}

static void a_bogus_reference_or_domain_is_einval(void **state)
{
	struct hosts *t = *state;
	uint32_t refs[2], bad[2];
	char *a = xengntshr_share_pages(t->shr, 2, 2, refs, 1);

	assert_null(xengnttab_map_grant_ref(t->tab, 1, 0, RW));
	assert_int_equal(errno, EINVAL);
	assert_null(xengnttab_map_grant_ref(t->tab, 1, refs[1] + 1, RW));
	assert_int_equal(errno, EINVAL);
	assert_null(xengnttab_map_grant_ref(t->tab, 1, UINT32_MAX, RW));
	assert_int_equal(errno, EINVAL);
	assert_null(xengnttab_map_grant_ref(t->tab, 7, refs[0], RW));
	assert_int_equal(errno, EINVAL);
	bad[0] = refs[0];
	bad[1] = 3;
	/* All or nothing. */
	assert_null(xengnttab_map_domain_grant_refs(t->tab, 2, 1, bad, RW));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(fake_host_live(2, FAKE_MAPPED_PAGES), 0);
	xengntshr_unshare(t->shr, a, 2);
}

static void a_grant_is_for_one_domain(void **state)
{
	struct hosts *t = *state;
	xengnttab_handle *other;
	uint32_t ref;
	char *a = xengntshr_share_pages(t->shr, 2, 1, &ref, 1);

	fake_host_create(3);
	fake_host_set_domain(3);
	other = xengnttab_open(NULL, 0);
	assert_null(xengnttab_map_grant_ref(other, 1, ref, RW));
	assert_int_equal(errno, EINVAL);
	xengnttab_close(other);
	xengntshr_unshare(t->shr, a, 1);
}

static void a_domain_may_map_what_it_grants_to_itself(void **state)
{
	struct hosts *t = *state;
	xengnttab_handle *own;
	uint32_t ref;
	char *a = xengntshr_share_pages(t->shr, 1, 1, &ref, 1);
	char *b;

	fake_host_set_domain(1);
	own = xengnttab_open(NULL, 0);
	b = xengnttab_map_grant_ref(own, 1, ref, RW);
	assert_non_null(b);
	xengnttab_unmap(own, b, 1);
	xengnttab_close(own);
	xengntshr_unshare(t->shr, a, 1);
}

static void a_read_only_grant_cannot_be_mapped_writable(void **state)
{
	struct hosts *t = *state;
	uint32_t ref;
	char *a = xengntshr_share_pages(t->shr, 2, 1, &ref, 0);
	char *b;

	assert_null(xengnttab_map_grant_ref(t->tab, 1, ref, RW));
	assert_int_equal(errno, EINVAL);
	b = xengnttab_map_grant_ref(t->tab, 1, ref, PROT_READ);
	assert_non_null(b);
	xengnttab_unmap(t->tab, b, 1);
	xengntshr_unshare(t->shr, a, 1);
}

static void a_byte_of_a_read_only_map_cannot_be_cleared(void **state)
{
	struct hosts *t = *state;
	uint32_t ref;
	char *a = xengntshr_share_pages(t->shr, 2, 1, &ref, 1);

	assert_null(xengnttab_map_grant_ref_notify(t->tab, 1, ref, PROT_READ,
						   20, -1));
	assert_int_equal(errno, EINVAL);
	xengntshr_unshare(t->shr, a, 1);
}

static void gntalloc_stops_at_its_limit(void **state)
{
	struct hosts *t = *state;
	static uint32_t refs[1025];
	char *a, *b;

	assert_null(xengntshr_share_pages(t->shr, 2, 1025, refs, 1));
	assert_int_equal(errno, ENOSPC);
	a = xengntshr_share_pages(t->shr, 2, 1000, refs, 1);
	assert_non_null(a);
	assert_null(xengntshr_share_pages(t->shr, 2, 25, refs, 1));
	assert_int_equal(errno, ENOSPC);
	fake_host_set_page_limit(1025);
	b = xengntshr_share_pages(t->shr, 2, 25, refs, 1);
	assert_non_null(b);
	assert_int_equal(fake_host_live(1, FAKE_SHARED_PAGES), 1025);
	assert_int_equal(xengntshr_unshare(t->shr, b, 25), 0);
	assert_int_equal(xengntshr_unshare(t->shr, a, 1000), 0);
	assert_null(xengntshr_share_pages(t->shr, 2, 0, refs, 1));
	assert_int_equal(errno, EINVAL);
}

static void unmap_wants_a_whole_mapping(void **state)
{
	struct hosts *t = *state;
	uint32_t refs[2];
	char *a = xengntshr_share_pages(t->shr, 2, 2, refs, 1);
	char *b = xengnttab_map_domain_grant_refs(t->tab, 2, 1, refs, RW);

	assert_int_equal(xengnttab_unmap(t->tab, b, 1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(xengnttab_unmap(t->tab, b + PAGE, 1), -1);
	assert_int_equal(xengnttab_unmap(t->tab, NULL, 2), -1);
	assert_int_equal(xengnttab_unmap(t->tab, b, 2), 0);
	assert_int_equal(xengnttab_unmap(t->tab, b, 2), -1);
	assert_int_equal(xengntshr_unshare(t->shr, a, 1), -1);
	assert_int_equal(xengntshr_unshare(t->shr, a, 2), 0);
	assert_int_equal(xengntshr_unshare(t->shr, a, 2), -1);
	assert_int_equal(errno, EINVAL);
}

static void a_mapped_page_outlives_its_granter(void **state)
{
	struct hosts *t = *state;
	uint32_t ref;
	char *a = xengntshr_share_pages(t->shr, 2, 1, &ref, 1);
	char *b = xengnttab_map_grant_ref(t->tab, 1, ref, RW);

	a[100] = 'x';
	assert_int_equal(xengntshr_unshare(t->shr, a, 1), 0);
	assert_int_equal(fake_host_live(1, FAKE_SHARED_PAGES), 0);
	assert_int_equal(b[100], 'x');
	assert_int_equal(fake_host_memory_pages(), 1);
	assert_int_equal(xengnttab_unmap(t->tab, b, 1), 0);
	assert_int_equal(fake_host_memory_pages(), 0);
	assert_null(xengnttab_map_grant_ref(t->tab, 1, ref, RW));
	assert_int_equal(errno, EINVAL);
}

static void closing_without_unmapping_leaks(void **state)
{
	struct hosts *t = *state;
	uint32_t ref;

	assert_non_null(xengntshr_share_pages(t->shr, 2, 1, &ref, 1));
	assert_non_null(xengnttab_map_grant_ref(t->tab, 1, ref, RW));
	xengntshr_close(t->shr);
	xengnttab_close(t->tab);
	assert_int_equal(fake_host_live(1, FAKE_SHARED_PAGES), 1);
	assert_int_equal(fake_host_live(2, FAKE_MAPPED_PAGES), 1);
	assert_int_equal(
		fake_host_live(FAKE_HOST_ANY_DOMAIN, FAKE_GNTTAB_HANDLES), 0);
	/* Until the process ends. */
	fake_host_kill_handles(1);
	fake_host_kill_handles(2);
	assert_int_equal(fake_host_live_total(FAKE_HOST_ANY_DOMAIN), 0);
	t->shr = NULL;
	t->tab = NULL;
}

static void overruns_and_freed_pages_fault(void **state)
{
	struct hosts *t = *state;
	uint32_t refs[2], next;
	char *a = xengntshr_share_pages(t->shr, 2, 2, refs, 1);
	char *b = xengntshr_share_pages(t->shr, 2, 1, &next, 1);

	assert_true(faults(a - 1, true));
	assert_true(faults(a + 2 * PAGE, false));
	assert_false(faults(a + 2 * PAGE - 1, true));
	assert_true(faults(b - 1, true));
	xengntshr_unshare(t->shr, a, 2);
	assert_true(faults(a, false));
	assert_true(faults(a + PAGE, false));
	xengntshr_unshare(t->shr, b, 1);
}

static void apart_each_mapping_has_its_own_protection(void **state)
{
	struct hosts *t = *state;
	uint32_t refs[2];
	char *a, *b, *c;

	fake_host_map_apart(true);
	a = xengntshr_share_pages(t->shr, 2, 2, refs, 1);
	b = xengnttab_map_domain_grant_refs(t->tab, 2, 1, refs, PROT_READ);
	c = xengnttab_map_domain_grant_refs(t->tab, 2, 1, refs, RW);
	assert_ptr_not_equal(a, b);
	assert_ptr_not_equal(b, c);
	c[PAGE] = 'x';
	assert_int_equal(b[PAGE], 'x');
	assert_true(faults(b, true));
	assert_true(faults(c + 2 * PAGE, false));
	xengnttab_unmap(t->tab, c, 2);
	assert_true(faults(c, false));
	assert_false(faults(b, false));
	xengntshr_unshare(t->shr, a, 2);
	assert_true(faults(a, false));
	assert_int_equal(b[PAGE], 'x');
	xengnttab_unmap(t->tab, b, 2);
}

static void fresh_pages_are_zero_again(void **state)
{
	struct hosts *t = *state;
	static const char zero[PAGE];
	static uint32_t refs[512];

	/* More than once round the whole memory of the fake. */
	for (int i = 0; i < 1000; i++) {
		char *a = xengntshr_share_pages(t->shr, 2, 512, refs, 1);

		assert_non_null(a);
		assert_memory_equal(a, zero, PAGE);
		memset(a, 1, PAGE);
		xengntshr_unshare(t->shr, a, 512);
	}
}

static void the_fds_have_the_real_libraries_exec_flags(void **state)
{
	struct hosts *t = *state;

	assert_int_equal(fcntl(xengntshr_fd(t->shr), F_GETFD), 0);
	assert_int_equal(fcntl(xengnttab_fd(t->tab), F_GETFD), FD_CLOEXEC);
}

static void no_device_in_a_domain_that_is_not_there(void **state)
{
	fake_host_set_domain(9);
	assert_null(xengntshr_open(NULL, 0));
	assert_int_equal(errno, ENOENT);
	assert_null(xengnttab_open(NULL, 0));
	assert_int_equal(errno, ENOENT);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(pages_are_zeroed_and_seen_by_both),
		T(any_order_of_references_makes_one_mapping),
		T(scattered_references_are_not_a_run),
		T(a_bogus_reference_or_domain_is_einval),
		T(a_grant_is_for_one_domain),
		T(a_domain_may_map_what_it_grants_to_itself),
		T(a_read_only_grant_cannot_be_mapped_writable),
		T(a_byte_of_a_read_only_map_cannot_be_cleared),
		T(gntalloc_stops_at_its_limit),
		T(unmap_wants_a_whole_mapping),
		T(a_mapped_page_outlives_its_granter),
		T(closing_without_unmapping_leaks),
		T(overruns_and_freed_pages_fault),
		T(apart_each_mapping_has_its_own_protection),
		T(fresh_pages_are_zero_again),
		T(the_fds_have_the_real_libraries_exec_flags),
		T(no_device_in_a_domain_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
