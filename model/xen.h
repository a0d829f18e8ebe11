/* SPDX-License-Identifier: MIT */
/*
 * What is below the code under test: event channels as words of the explorer's
 * memory.
 *
 * Sending an event changes a word that only read-modify-writes touch. It hands
 * on what a full fence has made known before, and no more: a hypercall is not
 * one on every machine. Taking an event is a system call and was an interrupt;
 * it acquires. The order of the other system calls is of no use to anybody.
 */
#ifndef XENCHAN_MODEL_XEN_H
#define XENCHAN_MODEL_XEN_H

#include <xenevtchn.h>

#include "explorer.h"

/*
 * A port: an event is there; it was taken, and none is shown until unmasked;
 * and, as each end sleeps on one word: there is a watch event too.
 */
enum {
	MODEL_PORT_PENDING = 1,
	MODEL_PORT_MASKED = 2,
	MODEL_PORT_WATCH = 4,
	MODEL_PORT_VALUES = 8,
};

/* In set_up: makes the ports anew, and declares their words. */
void model_events_reset(void);

/* The event channel of this end (0 or 1): what xenevtchn_open() gives to it. */
xenevtchn_handle *model_event(unsigned int end);
uint8_t *model_port(unsigned int end);

/* Sleeps until there is an event for the end that calls this. */
void model_wait_for_event(unsigned int end);

#endif
