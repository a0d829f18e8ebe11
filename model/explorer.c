// SPDX-License-Identifier: MIT
#include "explorer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define N_WORDS 16
#define N_MESSAGES 64 /* of a word, in one run */
#define N_PAYLOAD 4
#define PAYLOAD_SIZE 4096
#define PAYLOAD_SMALL 16
#define N_STEPS 2000 /* of a run: more is a loop without end */
#define N_CHOICES 4000
#define N_MUTATIONS 512
#define STACK_SIZE (128 * 1024)
#define SEEN_BITS 23

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

static struct {
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
	struct choice choices[N_CHOICES];
	unsigned int n_choices, depth; /* made so far; in this run */
	struct model_result result;
} m;

/* Of all searches since it was emptied; the number of each is in its hashes. */
static uint64_t *seen;
static unsigned long n_seen, n_searches;
static struct model_mutation mutations[N_MUTATIONS];
static size_t n_mutations;

/* Leaves the run: it has failed, or come to a state seen before. */
static void __attribute__((noreturn)) leave_run(void)
{
	setcontext(&m.searcher);
	abort();
}

void model_fail(const char *what)
{
	if (!m.running) {
		fprintf(stderr, "model: %s\n", what);
		abort();
	}
	m.result.failure = what;
	leave_run();
}

static unsigned int choose(unsigned int n)
{
	struct choice *c = &m.choices[m.depth];

	if (n == 1)
		return 0;
	if (m.depth == N_CHOICES)
		model_fail("too many choices for the explorer");
	if (m.depth++ == m.n_choices) {
		*c = (struct choice){ .n = (uint16_t)n };
		m.n_choices++;
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
	for (unsigned int i = 0; i < m.n_words; i++)
		h = mix(h, v->at[i] > floor[i] ? v->at[i] - floor[i] : 0);
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
	uint64_t h = mix(mix(n_searches, m.n_switches), m.self);
	uint8_t floor[N_WORDS];

	for (unsigned int i = 0; i < m.n_words; i++) {
		uint8_t a = m.threads[0].view.at[i];
		uint8_t b = m.threads[1].view.at[i];

		floor[i] = a < b ? a : b;
	}
	for (unsigned int i = 0; i < MODEL_THREADS; i++) {
		const struct thread *t = &m.threads[i];

		h = mix(h, t->history);
		h = mix(h,
			(uintptr_t)t->sleeps << 2 | t->ended << 1 | t->shown);
		h = mix_view(h, &t->view, floor);
		h = mix_view(h, &t->acquired, floor);
		h = mix_view(h, &t->released, floor);
	}
	h = mix_view(h, &m.fences, floor);
	for (unsigned int i = 0; i < m.n_words; i++) {
		const struct word *w = &m.words[i];

		for (unsigned int j = floor[i]; j < w->n; j++) {
			h = mix(h, (uint64_t)w->messages[j].value << 1 |
					   w->messages[j].follows);
			h = mix_view(h, &w->messages[j].view, floor);
		}
	}
	for (unsigned int i = 0; i < m.n_payload; i++)
		h = mix_payload(h, &m.payload[i]);
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
		m.result.states++;
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
	unsigned int old = m.self;

	if (next == old)
		return;
	m.self = next;
	swapcontext(&m.threads[old].context, &m.threads[next].context);
}

static bool may_switch(void)
{
	unsigned int max = m.scenario->max_switches;

	return !max || m.n_switches < max;
}

/* Who is next: the one that calls this, or another. */
static void schedule(void)
{
	unsigned int other = 1 - m.self;
	bool self_runs = can_run(&m.threads[m.self]);
	bool other_runs = can_run(&m.threads[other]);

	if (!self_runs && !other_runs)
		model_fail("both sleep, or one does for ever");
	if (m.depth == m.n_choices && !state_is_new())
		leave_run();
	if (!self_runs) {
		switch_to(other);
	} else if (other_runs && may_switch() && choose(2)) {
		m.n_switches += m.scenario->max_switches != 0;
		switch_to(other);
	}
}

static void observe(uint64_t v)
{
	struct thread *t = &m.threads[m.self];

	t->history = mix(t->history, v);
}

void model_forget(const void *state, size_t size)
{
	const uint8_t *p = state;
	uint64_t h = 1;

	for (size_t i = 0; i < size; i++)
		h = mix(h, p[i]);
	m.threads[m.self].history = h;
}

/* Before each operation on a word. */
static struct step *begin_step(const char *what, const struct word *w,
			       const struct model_site *site)
{
	struct step *s;

	schedule();
	if (m.n_steps == N_STEPS)
		model_fail("a loop without end");
	observe(m.threads[m.self].history); /* that it is a step further */
	s = &m.steps[m.n_steps++];
	*s = (struct step){ m.self, what, w, 0, 0, site };
	return s;
}

static void know(unsigned int word, unsigned int place);

void model_sleep_until(const void *p, uint32_t values)
{
	struct thread *t = &m.threads[m.self];
	struct word *w = m.words;

	while (w->p != p)
		w++;
	t->sleeps = w;
	t->until = values;
	if (!can_run(t))
		begin_step("wakes up by", w, NULL);
	t->sleeps = NULL;
	/* Else it could sleep again for what it has been woken by. */
	know((unsigned int)(w - m.words), w->n - 1);
}

static void thread_main(void)
{
	unsigned int other = 1 - m.self;

	m.scenario->thread[m.self]();
	m.threads[m.self].ended = true;
	if (m.threads[other].ended)
		leave_run();
	schedule();
	abort();
}

/*
 * Views
 */

static void view_join(struct view *v, const struct view *other)
{
	for (unsigned int i = 0; i < m.n_words; i++)
		if (v->at[i] < other->at[i])
			v->at[i] = other->at[i];
	for (unsigned int i = 0; i < MODEL_THREADS; i++)
		if (v->clock[i] < other->clock[i])
			v->clock[i] = other->clock[i];
}

/* A message is put in at `place`: what is known beyond moves up. */
static void views_shift(unsigned int word, unsigned int place)
{
#define SHIFT(v) ((v)->at[word] += (v)->at[word] >= place)
	for (unsigned int i = 0; i < MODEL_THREADS; i++) {
		SHIFT(&m.threads[i].view);
		SHIFT(&m.threads[i].acquired);
		SHIFT(&m.threads[i].released);
	}
	SHIFT(&m.fences);
	for (unsigned int i = 0; i < m.n_words; i++)
		for (unsigned int j = 0; j < m.words[i].n; j++)
			SHIFT(&m.words[i].messages[j].view);
#undef SHIFT
}

static void know(unsigned int word, unsigned int place)
{
	struct thread *t = &m.threads[m.self];

	t->view.at[word] = (uint8_t)place;
	if (t->acquired.at[word] < place)
		t->acquired.at[word] = (uint8_t)place;
}

static void read_message(unsigned int word, unsigned int place,
			 unsigned int order)
{
	struct thread *t = &m.threads[m.self];
	const struct view *v = &m.words[word].messages[place].view;

	know(word, place);
	view_join(&t->acquired, v);
	if (order & MODEL_ACQUIRE)
		view_join(&t->view, v);
}

static void write_message(unsigned int word, unsigned int place, uint32_t value,
			  const struct view *read, unsigned int order)
{
	struct thread *t = &m.threads[m.self];
	struct word *w = &m.words[word];
	struct message *msg = &w->messages[place];

	if (w->n == N_MESSAGES)
		model_fail("too many messages for the explorer");
	if (place < w->n) {
		views_shift(word, place);
		memmove(msg + 1, msg, (w->n - place) * sizeof(*msg));
	}
	w->n++;
	know(word, place);
	*msg = (struct message){ .value = value, .follows = read };
	msg->view = order & MODEL_RELEASE ? t->view : t->released;
	if (read)
		view_join(&msg->view, read);
	if (msg->view.at[word] < place)
		msg->view.at[word] = (uint8_t)place;
	t->shown = true;
}

static void fence(void)
{
	struct thread *t = &m.threads[m.self];

	view_join(&t->view, &t->acquired);
	view_join(&t->view, &m.fences);
	m.fences = t->acquired = t->released = t->view;
	t->shown = true;
}

/*
 * Operations
 */

static bool is_same_place(const struct model_mutation *a,
			  const struct model_site *site, const char *word)
{
	if (a->site.line != site->line || strcmp(a->site.file, site->file))
		return false;
	return a->word && word ? !strcmp(a->word, word) : a->word == word;
}

static void record_mutation(const struct model_mutation *mut)
{
	for (size_t i = 0; i < n_mutations; i++) {
		const struct model_mutation *o = &mutations[i];

		if (o->order == mut->order &&
		    is_same_place(o, &mut->site, mut->word))
			return;
	}
	if (n_mutations == N_MUTATIONS)
		model_fail("too many orderings for the explorer");
	mutations[n_mutations++] = *mut;
}

/* The ordering that is left of what the code asks for. */
static unsigned int effective(unsigned int order, const struct word *w,
			      const struct model_site *site)
{
	const struct model_mutation *mut = m.mutation;
	const char *name = w ? w->name : NULL;

	for (unsigned int bit = 1; !mut && bit <= order; bit <<= 1)
		if (order & bit)
			record_mutation(
				&(struct model_mutation){ *site, name, bit });
	if (mut && is_same_place(mut, site, name))
		order &= ~mut->order;
	if (order & MODEL_FULL)
		order |= MODEL_ACQUIRE | MODEL_RELEASE | MODEL_FENCE;
	return order;
}

static unsigned int word_at(const void *p)
{
	for (unsigned int i = 0; i < m.n_words; i++)
		if (m.words[i].p == p)
			return i;
	model_fail("a word that the scenario has not declared");
}

uint32_t model_load(const void *p, size_t size, unsigned int order,
		    const struct model_site *site)
{
	unsigned int i, oldest, age;
	struct word *w;
	struct step *s;
	uint32_t v = 0;

	if (!m.running) {
		memcpy(&v, p, size);
		return v;
	}
	i = word_at(p);
	w = &m.words[i];
	order = effective(order, w, site);
	s = begin_step("loads", w, site);
	oldest = m.threads[m.self].view.at[i];
	age = choose(w->n - oldest);
	read_message(i, w->n - 1 - age, order);
	v = w->messages[w->n - 1 - age].value;
	s->value = v;
	s->age = age;
	observe(v);
	return v;
}

/* The places after what is known where a message may be put; the last first. */
static unsigned int choose_place(const struct word *w, unsigned int known)
{
	uint8_t places[N_MESSAGES];
	unsigned int n = 0;

	for (unsigned int i = w->n; i > known; i--)
		if (i == w->n || !w->messages[i].follows)
			places[n++] = (uint8_t)i;
	return places[choose(n)];
}

void model_store(void *p, size_t size, uint32_t v, unsigned int order,
		 const struct model_site *site)
{
	unsigned int i, place;
	struct word *w;
	struct step *s;

	if (!m.running) {
		memcpy(p, &v, size);
		return;
	}
	i = word_at(p);
	w = &m.words[i];
	order = effective(order, w, site);
	s = begin_step("stores", w, site);
	place = choose_place(w, m.threads[m.self].view.at[i]);
	s->value = v;
	s->age = w->n - place;
	write_message(i, place, v, NULL, order);
	if (order & MODEL_FENCE)
		fence();
}

uint8_t model_rmw(void *p, uint8_t keep, uint8_t set, unsigned int order,
		  const struct model_site *site)
{
	unsigned int i, place;
	struct view read;
	struct word *w;
	struct step *s;
	uint8_t old;

	if (!m.running) {
		old = *(uint8_t *)p;
		*(uint8_t *)p = (uint8_t)((old & keep) | set);
		return old;
	}
	i = word_at(p);
	w = &m.words[i];
	order = effective(order, w, site);
	s = begin_step("changes", w, site);
	/* It follows a message that nothing else follows yet. */
	place = choose_place(w, m.threads[m.self].view.at[i]);
	read_message(i, place - 1, order);
	read = w->messages[place - 1].view;
	old = (uint8_t)w->messages[place - 1].value;
	s->value = (old & keep) | set;
	s->age = w->n - place;
	write_message(i, place, (uint8_t)((old & keep) | set), &read, order);
	if (order & MODEL_FENCE)
		fence();
	observe(old);
	return old;
}

void model_fence(const struct model_site *site)
{
	unsigned int order;

	if (!m.running)
		return;
	order = effective(MODEL_FENCE, NULL, site);
	begin_step("fences", NULL, site);
	if (order & MODEL_FENCE)
		fence();
}

static bool is_after(uint16_t theirs)
{
	return theirs <= m.threads[m.self].view.clock[1 - m.self];
}

/* The thread's time, later than all that it has shown. */
static uint16_t tick(struct thread *t)
{
	if (t->shown)
		t->acquired.clock[m.self] = ++t->view.clock[m.self];
	t->shown = false;
	return t->view.clock[m.self];
}

/* The access of n bytes at p: ordered after what the other thread did there. */
static void touch(const uint8_t *p, size_t n, bool write)
{
	uint16_t now = tick(&m.threads[m.self]);
	struct payload *pl = m.payload;
	size_t at;

	while (pl < m.payload + m.n_payload &&
	       !(p >= pl->base && p + n <= pl->base + pl->size))
		pl++;
	if (pl == m.payload + m.n_payload)
		model_fail("bytes that are nobody's");
	at = (size_t)(p - pl->base);
	for (size_t i = at; i < at + n; i++) {
		if (!is_after(pl->written[1 - m.self][i]) ||
		    (write && !is_after(pl->read[1 - m.self][i])))
			model_fail("a byte is read and written at once");
		(write ? pl->written : pl->read)[m.self][i] = now;
	}
}

void model_copy_from(void *dst, const void *src, size_t n)
{
	memcpy(dst, src, n);
	if (!m.running || !n)
		return;
	touch(src, n, false);
	for (size_t i = 0; i < n; i++)
		observe(((uint8_t *)dst)[i]);
}

void model_copy_to(void *dst, const void *src, size_t n)
{
	if (m.running && n)
		touch(dst, n, true);
	memcpy(dst, src, n);
}

void model_zero(void *dst, size_t n)
{
	if (m.running && n)
		touch(dst, n, true);
	memset(dst, 0, n);
}

/*
 * The search
 */

void model_word(void *p, size_t size, const char *name)
{
	if (m.n_words == N_WORDS)
		model_fail("too many words for the explorer");
	m.words[m.n_words++] =
		(struct word){ .p = p, .size = size, .name = name, .n = 1 };
}

void model_payload(void *p, size_t size)
{
	struct payload *pl = &m.payload[m.n_payload++];

	if (m.n_payload > N_PAYLOAD || size > PAYLOAD_SIZE)
		model_fail("too much payload for the explorer");
	pl->base = p;
	pl->size = size;
	for (unsigned int i = 0; i < MODEL_THREADS; i++) {
		memset(pl->read[i], 0, size * sizeof(pl->read[i][0]));
		memset(pl->written[i], 0, size * sizeof(pl->written[i][0]));
	}
}

static void begin_thread(unsigned int i)
{
	struct thread *t = &m.threads[i];
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

	m.running = false;
	m.n_words = m.n_payload = m.n_steps = m.n_switches = m.depth = 0;
	m.fences = (struct view){ 0 };
	m.scenario->set_up();
	for (unsigned int i = 0; i < m.n_words; i++) {
		struct message *first = &m.words[i].messages[0];

		*first = (struct message){ 0 };
		memcpy(&first->value, m.words[i].p, m.words[i].size);
	}
	for (unsigned int i = 0; i < MODEL_THREADS; i++)
		begin_thread(i);
	m.self = 0;
	m.result.runs++;
	getcontext(&m.searcher);
	if (!entered) {
		entered = m.running = true;
		setcontext(&m.threads[0].context);
	}
	m.running = false;
	m.scenario->tear_down();
}

/* The next run takes another way at the last choice that has one left. */
static bool another_way(void)
{
	while (m.n_choices) {
		struct choice *c = &m.choices[m.n_choices - 1];

		if (++c->taken < c->n)
			return true;
		m.n_choices--;
	}
	return false;
}

static void print_trace(void)
{
	for (unsigned int i = 0; i < m.n_steps; i++) {
		const struct step *s = &m.steps[i];

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
	printf("  %c: %s\n", (int)('A' + m.self), m.result.failure);
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
	m.scenario = s;
	m.mutation = mut;
	m.n_choices = 0;
	m.result = (struct model_result){ 0 };
	do {
		run();
	} while (!m.result.failure && another_way());
	if (m.result.failure && trace)
		print_trace();
	return m.result;
}

size_t model_mutations(const struct model_mutation **list)
{
	*list = mutations;
	return n_mutations;
}

const char *model_order_name(unsigned int order)
{
	switch (order) {
	case MODEL_ACQUIRE:
		return "acquire";
	case MODEL_RELEASE:
		return "release";
	case MODEL_FENCE:
		return "fence";
	}
	return "read-modify-write's ordering";
}
