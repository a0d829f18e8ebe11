/* SPDX-License-Identifier: MIT */
#ifndef FIDELITY_WORKER_H
#define FIDELITY_WORKER_H

#include <stdbool.h>

/* Serve operations on stdin until it ends. */
int worker_main(void);

#endif
