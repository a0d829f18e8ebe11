// SPDX-License-Identifier: MIT
/* The memory: words as lists of messages, views of them, and payload. */
#include <stdio.h>
#include <string.h>

#include "explorer-private.h"

#define N_MUTATIONS 512

static struct model_mutation mutations[N_MUTATIONS];
static size_t n_mutations;

void model_word(void *p, size_t size, const char *name)
{
	if (model_run.n_words == N_WORDS)
		model_fail("too many words for the explorer");
	model_run.words[model_run.n_words++] =
		(struct word){ .p = p, .size = size, .name = name, .n = 1 };
}

void model_payload(void *p, size_t size)
{
	struct payload *pl = &model_run.payload[model_run.n_payload++];

	if (model_run.n_payload > N_PAYLOAD || size > PAYLOAD_SIZE)
		model_fail("too much payload for the explorer");
	pl->base = p;
	pl->size = size;
	for (unsigned int i = 0; i < MODEL_THREADS; i++) {
		memset(pl->read[i], 0, size * sizeof(pl->read[i][0]));
		memset(pl->written[i], 0, size * sizeof(pl->written[i][0]));
	}
}

/*
 * Views
 */

static void view_join(struct view *v, const struct view *other)
{
	for (unsigned int i = 0; i < model_run.n_words; i++)
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
		SHIFT(&model_run.threads[i].view);
		SHIFT(&model_run.threads[i].acquired);
		SHIFT(&model_run.threads[i].released);
	}
	SHIFT(&model_run.fences);
	for (unsigned int i = 0; i < model_run.n_words; i++)
		for (unsigned int j = 0; j < model_run.words[i].n; j++)
			SHIFT(&model_run.words[i].messages[j].view);
#undef SHIFT
}

void memory_know(unsigned int word, unsigned int place)
{
	struct thread *t = &model_run.threads[model_run.self];

	t->view.at[word] = (uint8_t)place;
	if (t->acquired.at[word] < place)
		t->acquired.at[word] = (uint8_t)place;
}

static void read_message(unsigned int word, unsigned int place,
			 unsigned int order)
{
	struct thread *t = &model_run.threads[model_run.self];
	const struct view *v = &model_run.words[word].messages[place].view;

	memory_know(word, place);
	view_join(&t->acquired, v);
	if (order & MODEL_ACQUIRE)
		view_join(&t->view, v);
}

static void write_message(unsigned int word, unsigned int place, uint32_t value,
			  const struct view *read, unsigned int order)
{
	struct thread *t = &model_run.threads[model_run.self];
	struct word *w = &model_run.words[word];
	struct message *msg = &w->messages[place];

	if (w->n == N_MESSAGES)
		model_fail("too many messages for the explorer");
	if (place < w->n) {
		views_shift(word, place);
		memmove(msg + 1, msg, (w->n - place) * sizeof(*msg));
	}
	w->n++;
	memory_know(word, place);
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
	struct thread *t = &model_run.threads[model_run.self];

	view_join(&t->view, &t->acquired);
	view_join(&t->view, &model_run.fences);
	model_run.fences = t->acquired = t->released = t->view;
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
	const struct model_mutation *mut = model_run.mutation;
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
	for (unsigned int i = 0; i < model_run.n_words; i++)
		if (model_run.words[i].p == p)
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

	if (!model_run.running) {
		memcpy(&v, p, size);
		return v;
	}
	i = word_at(p);
	w = &model_run.words[i];
	order = effective(order, w, site);
	s = explorer_begin_step("loads", w, site);
	oldest = model_run.threads[model_run.self].view.at[i];
	age = explorer_choose(w->n - oldest);
	read_message(i, w->n - 1 - age, order);
	v = w->messages[w->n - 1 - age].value;
	s->value = v;
	s->age = age;
	explorer_observe(v);
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
	return places[explorer_choose(n)];
}

void model_store(void *p, size_t size, uint32_t v, unsigned int order,
		 const struct model_site *site)
{
	unsigned int i, place;
	struct word *w;
	struct step *s;

	if (!model_run.running) {
		memcpy(p, &v, size);
		return;
	}
	i = word_at(p);
	w = &model_run.words[i];
	order = effective(order, w, site);
	s = explorer_begin_step("stores", w, site);
	place = choose_place(w, model_run.threads[model_run.self].view.at[i]);
	s->value = v;
	s->age = w->n - place;
	write_message(i, place, v, NULL, order);
	if (order & MODEL_FENCE)
		fence();
	explorer_may_die(false);
}

uint8_t model_rmw(void *p, uint8_t keep, uint8_t set, unsigned int order,
		  const struct model_site *site)
{
	unsigned int i, place;
	struct view read;
	struct word *w;
	struct step *s;
	uint8_t old;

	if (!model_run.running) {
		old = *(uint8_t *)p;
		*(uint8_t *)p = (uint8_t)((old & keep) | set);
		return old;
	}
	i = word_at(p);
	w = &model_run.words[i];
	order = effective(order, w, site);
	s = explorer_begin_step("changes", w, site);
	/* It follows a message that nothing else follows yet. */
	place = choose_place(w, model_run.threads[model_run.self].view.at[i]);
	read_message(i, place - 1, order);
	read = w->messages[place - 1].view;
	old = (uint8_t)w->messages[place - 1].value;
	s->value = (old & keep) | set;
	s->age = w->n - place;
	write_message(i, place, (uint8_t)((old & keep) | set), &read, order);
	if (order & MODEL_FENCE)
		fence();
	explorer_observe(old);
	explorer_may_die(false);
	return old;
}

/*
 * The messages that it may read, the last first: one that is not `old`, as a load
 * does, or one that is, and that nothing else follows yet.
 */
static unsigned int choose_read(const struct word *w, unsigned int known,
				uint8_t old)
{
	uint8_t places[N_MESSAGES];
	unsigned int n = 0;

	for (unsigned int i = w->n; i-- > known;) {
		bool last = i + 1 == w->n;

		if (w->messages[i].value != old || last ||
		    !w->messages[i + 1].follows)
			places[n++] = (uint8_t)i;
	}
	return places[explorer_choose(n)];
}

bool model_replace(void *p, uint8_t old, uint8_t set, unsigned int order,
		   const struct model_site *site)
{
	unsigned int i, place;
	struct view read;
	struct word *w;
	struct step *s;
	bool is_old;

	if (!model_run.running) {
		is_old = *(uint8_t *)p == old;
		if (is_old)
			*(uint8_t *)p = set;
		return is_old;
	}
	i = word_at(p);
	w = &model_run.words[i];
	order = effective(order, w, site);
	s = explorer_begin_step("replaces", w, site);
	place = choose_read(w, model_run.threads[model_run.self].view.at[i],
			    old);
	is_old = w->messages[place].value == old;
	/* One that fails is a relaxed load. */
	read_message(i, place, is_old ? order : 0);
	s->value = is_old ? set : w->messages[place].value;
	s->age = w->n - 1 - place;
	if (is_old) {
		read = w->messages[place].view;
		write_message(i, place + 1, set, &read, order);
		if (order & MODEL_FENCE)
			fence();
	}
	explorer_observe(s->value);
	explorer_may_die(false);
	return is_old;
}

void model_fence(const struct model_site *site)
{
	unsigned int order;

	if (!model_run.running)
		return;
	order = effective(MODEL_FENCE, NULL, site);
	explorer_begin_step("fences", NULL, site);
	if (order & MODEL_FENCE)
		fence();
}

static bool is_after(uint16_t theirs)
{
	return theirs <=
	       model_run.threads[model_run.self].view.clock[1 - model_run.self];
}

/* The thread's time, later than all that it has shown. */
static uint16_t tick(struct thread *t)
{
	if (t->shown)
		t->acquired.clock[model_run.self] =
			++t->view.clock[model_run.self];
	t->shown = false;
	return t->view.clock[model_run.self];
}

/* The access of n bytes at p: ordered after what the other thread did there. */
static void touch(const uint8_t *p, size_t n, bool write)
{
	uint16_t now = tick(&model_run.threads[model_run.self]);
	struct payload *pl = model_run.payload;
	size_t at;

	while (pl < model_run.payload + model_run.n_payload &&
	       !(p >= pl->base && p + n <= pl->base + pl->size))
		pl++;
	if (pl == model_run.payload + model_run.n_payload)
		model_fail("bytes that are nobody's");
	at = (size_t)(p - pl->base);
	for (size_t i = at; i < at + n; i++) {
		if (!is_after(pl->written[1 - model_run.self][i]) ||
		    (write && !is_after(pl->read[1 - model_run.self][i])))
			model_fail("a byte is read and written at once");
		(write ? pl->written : pl->read)[model_run.self][i] = now;
	}
}

void model_copy_from(void *dst, const void *src, size_t n)
{
	memcpy(dst, src, n);
	if (!model_run.running || !n)
		return;
	touch(src, n, false);
	for (size_t i = 0; i < n; i++)
		explorer_observe(((uint8_t *)dst)[i]);
}

void model_copy_to(void *dst, const void *src, size_t n)
{
	if (model_run.running && n)
		touch(dst, n, true);
	memcpy(dst, src, n);
}

void model_zero(void *dst, size_t n)
{
	if (model_run.running && n)
		touch(dst, n, true);
	memset(dst, 0, n);
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
