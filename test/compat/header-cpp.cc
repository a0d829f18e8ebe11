// SPDX-License-Identifier: MIT
// Names without C++'s mangling, or this does not link.
#include "header-c.c"
