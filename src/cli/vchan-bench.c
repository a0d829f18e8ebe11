// SPDX-License-Identifier: MIT
/*
 * xenchan vchan bench: runs the program that measures. That one must not be
 * linked to a libxenvchan, as this one is.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/say.h"

#define PROGRAM "xenchan-vchan-bench"

/* From this program, installed or built. */
static const char *const places[] = { "../libexec/xenchan/" PROGRAM,
				      "../bench/" PROGRAM };

int command_vchan_bench(int argc, char **argv)
{
	char self[PATH_MAX], path[2 * PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return say_failure("/proc/self/exe: %s", strerror(errno));
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		snprintf(path, sizeof(path), "%s/%s", self, places[i]);
		execv(path, argv);
	}
	return say_failure("%s: %s: it is installed separately from xenchan",
			   path, strerror(errno));
}
