// SPDX-License-Identifier: MIT
#include "cli/exec-option.h"

#include <string.h>

int find_exec_option(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--exec"))
			return i;
		if (!strcmp(argv[i], "--"))
			break;
	}
	return argc;
}
