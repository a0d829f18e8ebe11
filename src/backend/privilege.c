// SPDX-License-Identifier: MIT
#include "backend/privilege.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static const unsigned int kept[] = { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER };

#define N_KEPT (sizeof(kept) / sizeof(kept[0]))

int privilege_drop(void)
{
	bool held[N_KEPT];

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	if (capng_get_caps_process())
		return -EPERM;
	if (capng_have_capabilities(CAPNG_SELECT_CAPS) == CAPNG_NONE)
		return 0;
	/* One that a container does not have cannot be kept. */
	for (unsigned int i = 0; i < N_KEPT; i++)
		held[i] = capng_have_capability(CAPNG_PERMITTED, kept[i]);
	capng_clear(CAPNG_SELECT_CAPS);
	for (unsigned int i = 0; i < N_KEPT; i++) {
		if (held[i])
			capng_update(CAPNG_ADD,
				     CAPNG_EFFECTIVE | CAPNG_PERMITTED,
				     kept[i]);
	}
	return capng_apply(CAPNG_SELECT_CAPS) ? -EPERM : 0;
}

void privilege_raise_fd_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l))
		return;
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
}
