/* SPDX-License-Identifier: MIT */
/* A liar's lives: one process after the other, until standard input ends. */
#ifndef XENCHAN_HOSTILE_LIVES_H
#define XENCHAN_HOSTILE_LIVES_H

#include <stdint.h>

/* The exit status of a life that has seen what is none of its business. */
#define LIFE_LEAKED 3

/*
 * Runs live(n) in a process of its own, for n from 0 on; what it returns is that
 * process's status. Returns 1 once one is not 0. A line says how many there were.
 */
int lives_run(int (*live)(uint64_t n));

#endif
