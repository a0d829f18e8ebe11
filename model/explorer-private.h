/* SPDX-License-Identifier: MIT */
/* The state of a run: what the memory and the search share. */
#ifndef XENCHAN_MODEL_EXPLORER_PRIVATE_H
#define XENCHAN_MODEL_EXPLORER_PRIVATE_H

#include <ucontext.h>

#include "explorer.h"

#define N_WORDS 16
#define N_MESSAGES 64 /* of a word, in one run */
#define N_PAYLOAD 4
#define PAYLOAD_SIZE 4096
#define N_STEPS 2000 /* of a run: more is a loop without end */
#define N_CHOICES 4000

/* What a thread knows: of each word a message, of each thread a time. */
struct view {
	uint8_t at[N_WORDS];
	uint16_t clock[MODEL_THREADS];
};

struct message {
	uint32_t value;
	bool follows; /* a read-modify-write: nothing comes in between */
	struct view view;
};

struct word {
	void *p;
	size_t size;
	const char *name;
	unsigned int n;
	struct message messages[N_MESSAGES];
};

/* When each thread last read and wrote a byte, by its own clock. */
struct payload {
	uint8_t *base;
	size_t size;
	uint16_t read[MODEL_THREADS][PAYLOAD_SIZE];
	uint16_t written[MODEL_THREADS][PAYLOAD_SIZE];
};

struct thread {
	ucontext_t context;
	char *stack;
	struct view view;
	struct view acquired; /* what a fence makes known of what was read */
	struct view released; /* what was known at the last fence */
	uint64_t history;     /* a hash of all that it has observed */
	const struct word *sleeps;
	uint32_t until; /* a set of its values */
	bool ended;
	bool shown; /* what it did to payload so far may be known to the other */
};

struct choice {
	uint16_t n, taken;
};

/* A line of the trace, kept for the case of a failure. */
struct step {
	unsigned int thread;
	const char *what;
	const struct word *word;
	uint32_t value;
	unsigned int age; /* 0: the newest message */
	const struct model_site *site;
};

/* The search at work, and the run that it is in. */
struct model_run {
	const struct model_scenario *scenario;
	const struct model_mutation *mutation;
	ucontext_t searcher;
	struct thread threads[MODEL_THREADS];
	unsigned int self;
	bool running; /* a thread, not the set-up */
	struct word words[N_WORDS];
	unsigned int n_words;
	struct payload payload[N_PAYLOAD];
	unsigned int n_payload;
	struct view fences; /* what all full fences know */
	struct step steps[N_STEPS];
	unsigned int n_steps;
	unsigned int n_switches; /* that were not needed */
	unsigned int n_deaths;
	struct choice choices[N_CHOICES];
	unsigned int n_choices, depth; /* made so far; in this run */
	struct model_result result;
};

extern struct model_run model_run;

/* explorer.c */

/* Which of n ways this run goes. */
unsigned int explorer_choose(unsigned int n);

/* Before each operation on a word. */
struct step *explorer_begin_step(const char *what, const struct word *w,
				 const struct model_site *site);

/* Before an operation, and after a store. */
void explorer_may_die(bool before);

/* What the thread now knows, as part of its history. */
void explorer_observe(uint64_t v);

/* memory.c */

/* The thread has seen this message of the word. */
void memory_know(unsigned int word, unsigned int place);

#endif
