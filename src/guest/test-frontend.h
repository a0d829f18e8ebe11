/* SPDX-License-Identifier: MIT */
/* For tests of a front end, each on a host of its own, as the guest. */
#ifndef XENCHAN_GUEST_TEST_FRONTEND_H
#define XENCHAN_GUEST_TEST_FRONTEND_H

#include "guest/frontend.h"
#include "guest/test-host.h"

static inline struct frontend *start(unsigned int device, const char *sysfs)
{
	const struct channel c = { .device = device, .name = "a" };
	struct frontend *f;

	fake_host_set_domain(GUEST);
	assert_int_equal(frontend_new(&f, host.xs, sysfs, &c), 0);
	return f;
}

/* All that is due, and nothing that waits. */
static inline void step(struct frontend *f)
{
	enum frontend_phase before;

	do {
		before = frontend_phase(f);
		assert_int_equal(frontend_step(f), 0);
	} while (frontend_phase(f) != before);
}

static inline void expect(struct frontend *f, enum frontend_phase phase,
			  unsigned int state)
{
	step(f);
	assert_string_equal(frontend_phase_name(frontend_phase(f)),
			    frontend_phase_name(phase));
	assert_int_equal(host_guest_state(1), state);
}

static inline struct frontend *open_device(unsigned int device)
{
	struct frontend *f = start(device, NULL);

	step(f);
	host_connect(device);
	step(f);
	assert_int_equal(frontend_phase(f), FRONTEND_OPEN);
	return f;
}

static inline int set_up(void **state)
{
	host_init();
	return 0;
}

static inline int tear_down(void **state)
{
	host_deinit();
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
