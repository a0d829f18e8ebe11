// SPDX-License-Identifier: MIT
/* The search: threads, choices, and the states that were seen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explorer-private.h"

#define PAYLOAD_SMALL 16
#define STACK_SIZE (128 * 1024)
#define SEEN_BITS 23

struct model_run model_run;
void (*model_die)(void);

/* Of all searches since it was emptied; the number of each is in its hashes. */
static uint64_t *seen;
static unsigned long n_seen, n_searches;

/* Leaves the run: it has failed, or come to a state seen before. */
static void __attribute__((noreturn)) leave_run(void)
{
	setcontext(&model_run.searcher);
	abort();
}

void model_fail(const char *what)
{
	if (!model_run.running) {
		fprintf(stderr, "model: %s\n", what);
		abort();
	}
	model_run.result.failure = what;
	leave_run();
}

unsigned int explorer_choose(unsigned int n)
{
	struct choice *c = &model_run.choices[model_run.depth];

	if (n == 1)
		return 0;
	if (model_run.depth == N_CHOICES)
		model_fail("too many choices for the explorer");
	if (model_run.depth++ == model_run.n_choices) {
		*c = (struct choice){ .n = (uint16_t)n };
		model_run.n_choices++;
	}
	return c->taken;
}

/*
 * Hashes
 */

/* splitmix64's, of what has been and what comes */
static uint64_t mix(uint64_t h, uint64_t v)
{
	h = h * 3 + v + 0x9e3779b97f4a7c15u;
	h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
	h = (h ^ h >> 27) * 0x94d049bb133111ebu;
	return h ^ h >> 31;
}

/* What nobody can read any more is all the same. */
static uint64_t mix_view(uint64_t h, const struct view *v, const uint8_t *floor)
{
	uint64_t eight = 0;

	for (unsigned int i = 0; i < model_run.n_words; i++) {
		unsigned int above =
			v->at[i] > floor[i] ? v->at[i] - floor[i] : 0;

		eight = eight << 8 | above;
		if (i % 8 == 7)
			h = mix(h, eight);
	}
	h = mix(h, eight);
	return mix(h, (uint64_t)v->clock[0] << 16 | v->clock[1]);
}

/* Of large ones nothing: what was done there is part of the histories. */
static uint64_t mix_payload(uint64_t h, const struct payload *pl)
{
	for (size_t i = 0; pl->size <= PAYLOAD_SMALL && i < pl->size; i++) {
		h = mix(h, (uint64_t)pl->read[0][i] << 16 | pl->read[1][i]);
		h = mix(h,
			(uint64_t)pl->written[0][i] << 16 | pl->written[1][i]);
		h = mix(h, pl->base[i]);
	}
	return h;
}

static uint64_t state_hash(void)
{
	uint64_t h = mix(mix(n_searches, model_run.n_switches),
			 model_run.self | model_run.n_deaths << 8);
	uint8_t floor[N_WORDS];

	for (unsigned int i = 0; i < model_run.n_words; i++) {
		uint8_t a = model_run.threads[0].view.at[i];
		uint8_t b = model_run.threads[1].view.at[i];

		floor[i] = a < b ? a : b;
	}
	for (unsigned int i = 0; i < MODEL_THREADS; i++) {
		const struct thread *t = &model_run.threads[i];

		h = mix(h, t->history);
		h = mix(h,
			(uintptr_t)t->sleeps << 2 | t->ended << 1 | t->shown);
		h = mix_view(h, &t->view, floor);
		h = mix_view(h, &t->acquired, floor);
		h = mix_view(h, &t->released, floor);
	}
	h = mix_view(h, &model_run.fences, floor);
	for (unsigned int i = 0; i < model_run.n_words; i++) {
		const struct word *w = &model_run.words[i];

		for (unsigned int j = floor[i]; j < w->n; j++) {
			h = mix(h, (uint64_t)w->messages[j].value << 1 |
					   w->messages[j].follows);
			h = mix_view(h, &w->messages[j].view, floor);
		}
	}
	for (unsigned int i = 0; i < model_run.n_payload; i++)
		h = mix_payload(h, &model_run.payload[i]);
	return h ? h : 1;
}

/* Whether the state is new; it no longer is then. */
static bool state_is_new(void)
{
	const uint64_t mask = ((uint64_t)1 << SEEN_BITS) - 1;
	uint64_t h = state_hash();

	for (uint64_t i = h & mask;; i = (i + 1) & mask) {
		if (seen[i] == h)
			return false;
		if (seen[i])
			continue;
		seen[i] = h;
		model_run.result.states++;
		if (++n_seen > mask / 4 * 3)
			model_fail("too many states for the explorer");
		return true;
	}
}

/*
 * Threads
 */

static bool can_run(const struct thread *t)
{
	const struct word *w = t->sleeps;

	return !t->ended && (!w || t->until >> w->messages[w->n - 1].value & 1);
}

static void switch_to(unsigned int next)
{
	unsigned int old = model_run.self;

	if (next == old)
		return;
	model_run.self = next;
	swapcontext(&model_run.threads[old].context,
		    &model_run.threads[next].context);
}

static bool may_switch(void)
{
	unsigned int max = model_run.scenario->max_switches;

	return !max || model_run.n_switches < max;
}

/* Who is next: the one that calls this, or another. */
static void schedule(void)
{
	unsigned int other = 1 - model_run.self;
	bool self_runs = can_run(&model_run.threads[model_run.self]);
	bool other_runs = can_run(&model_run.threads[other]);

	if (!self_runs && !other_runs)
		model_fail("both sleep, or one does for ever");
	if (model_run.depth == model_run.n_choices && !state_is_new())
		leave_run();
	if (!self_runs) {
		switch_to(other);
	} else if (other_runs && may_switch() && explorer_choose(2)) {
		model_run.n_switches += model_run.scenario->max_switches != 0;
		switch_to(other);
	}
}

void explorer_observe(uint64_t v)
{
	struct thread *t = &model_run.threads[model_run.self];

	t->history = mix(t->history, v);
}

void model_forget(const void *state, size_t size)
{
	const uint8_t *p = state;
	uint64_t h = 1;

	for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
		size_t left = size - i;
		uint64_t v = 0;

		memcpy(&v, p + i, left < sizeof(v) ? left : sizeof(v));
		h = mix(h, v);
	}
	model_run.threads[model_run.self].history = h;
}

void explorer_may_die(bool before)
{
	if (model_run.self != 0 || !model_die ||
	    model_run.n_deaths == model_run.scenario->max_deaths ||
	    !explorer_choose(2))
		return;
	model_run.n_deaths++;
	model_run.threads[0].sleeps = NULL;
	/* What the thread has done since the last operation is no part of its
	 * history otherwise. */
	explorer_observe(before);
	model_die();
}

/* Before each operation on a word. */
struct step *explorer_begin_step(const char *what, const struct word *w,
				 const struct model_site *site)
{
	struct step *s;

	schedule();
	explorer_may_die(true);
	if (model_run.n_steps == N_STEPS)
		model_fail("a loop without end");
	explorer_observe(model_run.threads[model_run.self]
				 .history); /* that it is a step further */
	s = &model_run.steps[model_run.n_steps++];
	*s = (struct step){ model_run.self, what, w, 0, 0, site };
	return s;
}

void model_sleep_until(const void *p, uint32_t values)
{
	struct thread *t = &model_run.threads[model_run.self];
	struct word *w = model_run.words;

	while (w->p != p)
		w++;
	t->sleeps = w;
	t->until = values;
	if (!can_run(t))
		explorer_begin_step("wakes up by", w, NULL);
	t->sleeps = NULL;
	/* Else it could sleep again for what it has been woken by. */
	memory_know((unsigned int)(w - model_run.words), w->n - 1);
}

static void thread_main(void)
{
	unsigned int other = 1 - model_run.self;

	model_run.scenario->thread[model_run.self]();
	model_run.threads[model_run.self].ended = true;
	if (model_run.threads[other].ended)
		leave_run();
	schedule();
	abort();
}

/*
 * The search
 */

static void begin_thread(unsigned int i)
{
	struct thread *t = &model_run.threads[i];
	char *stack = t->stack ? t->stack : malloc(STACK_SIZE);

	if (!stack)
		abort();
	*t = (struct thread){ .stack = stack };
	t->shown = true; /* the set-up */
	getcontext(&t->context);
	t->context.uc_stack.ss_sp = stack;
	t->context.uc_stack.ss_size = STACK_SIZE;
	makecontext(&t->context, thread_main, 0);
}

static void run(void)
{
	volatile bool entered = false;

	model_run.running = false;
	model_run.n_words = model_run.n_payload = model_run.n_steps =
		model_run.n_deaths = model_run.n_switches = model_run.depth = 0;
	model_run.fences = (struct view){ 0 };
	model_run.scenario->set_up();
	for (unsigned int i = 0; i < model_run.n_words; i++) {
		struct message *first = &model_run.words[i].messages[0];

		*first = (struct message){ 0 };
		memcpy(&first->value, model_run.words[i].p,
		       model_run.words[i].size);
	}
	for (unsigned int i = 0; i < MODEL_THREADS; i++)
		begin_thread(i);
	model_run.self = 0;
	model_run.result.runs++;
	getcontext(&model_run.searcher);
	if (!entered) {
		entered = model_run.running = true;
		setcontext(&model_run.threads[0].context);
	}
	model_run.running = false;
	model_run.scenario->tear_down();
}

/* The next run takes another way at the last choice that has one left. */
static bool another_way(void)
{
	while (model_run.n_choices) {
		struct choice *c = &model_run.choices[model_run.n_choices - 1];

		if (++c->taken < c->n)
			return true;
		model_run.n_choices--;
	}
	return false;
}

static void print_trace(void)
{
	for (unsigned int i = 0; i < model_run.n_steps; i++) {
		const struct step *s = &model_run.steps[i];

		printf("  %*s%c %s %s", s->thread ? 40 : 0, "",
		       (int)('A' + s->thread), s->what,
		       s->word ? s->word->name : "");
		printf(" %#x", s->value);
		if (s->age)
			printf(" (%u behind)", s->age);
		if (s->site)
			printf("  [%s:%d]", s->site->file, s->site->line);
		printf("\n");
	}
	printf("  %c: %s\n", (int)('A' + model_run.self),
	       model_run.result.failure);
}

struct model_result model_explore(const struct model_scenario *s,
				  const struct model_mutation *mut, bool trace)
{
	size_t size = ((size_t)1 << SEEN_BITS) * sizeof(*seen);

	if (!seen)
		seen = calloc(1, size);
	if (!seen)
		abort();
	if (n_seen > ((size_t)1 << SEEN_BITS) / 4) {
		memset(seen, 0, size);
		n_seen = 0;
	}
	n_searches++;
	model_run.scenario = s;
	model_run.mutation = mut;
	model_run.n_choices = 0;
	model_run.result = (struct model_result){ 0 };
	do {
		run();
	} while (!model_run.result.failure && another_way());
	if (model_run.result.failure && trace)
		print_trace();
	return model_run.result;
}
