// SPDX-License-Identifier: MIT
/*
 * usage: model-NAME            explores every scenario but the large ones
 *        model-NAME large      those
 *        model-NAME mutations  takes every ordering away, one at a time: some
 *                              scenario has to fail then
 *        model-NAME sites      the places in the sources where those orderings
 *                              are, one a line: for test-sites.py
 */
#include <stdio.h>
#include <string.h>

#include "scenarios.h"

static bool holds(const struct model_scenario *s)
{
	struct model_result r = model_explore(s, NULL, true);

	printf("%-4s %s: %lu states, %lu runs\n", r.failure ? "FAIL" : "ok",
	       s->name, r.states, r.runs);
	fflush(stdout);
	return !r.failure;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static const char *exception_for(const struct model_mutation *m)
{
	for (size_t i = 0; i < n_exceptions; i++)
		if (m->order == exceptions[i].order &&
		    !strcmp(m->site.function, exceptions[i].function))
			return exceptions[i].why;
	return NULL;
}

/* Two switches that are not needed have always been enough to see it. */
static const char *what_fails(const struct model_mutation *m)
{
	for (size_t i = 0; i < n_scenarios; i++) {
		struct model_scenario s = scenarios[i];

		if (!s.max_switches || s.max_switches > 2)
			s.max_switches = 2;
		if (model_explore(&s, m, false).failure)
			return s.name;
	}
	return NULL;
}

static bool is_needed(const struct model_mutation *m)
{
	const char *why = exception_for(m);
	const char *fails = why ? NULL : what_fails(m);

	printf("%s:%d without %s of %s: ", base_name(m->site.file),
	       m->site.line, model_order_name(m->order),
	       m->word ? m->word : "all");
	if (why)
		printf("not tried: %s\n", why);
	else if (fails)
		printf("fails: %s\n", fails);
	else
		printf("NOTHING FAILS\n");
	fflush(stdout);
	return why || fails;
}

/* Those that are met in the small scenarios; the large ones meet no others. */
static bool all_are_needed(void)
{
	const struct model_mutation *list;
	size_t n, n_idle = 0;

	n = model_mutations(&list);
	for (size_t i = 0; i < n; i++)
		n_idle += !is_needed(&list[i]);
	printf("%zu orderings, %zu without need\n", n, n_idle);
	return n && !n_idle;
}

/* Most switches meet no more of them, and take much longer. */
static int print_sites(void)
{
	const struct model_mutation *list;
	size_t n;

	for (size_t i = 0; i < n_scenarios; i++) {
		struct model_scenario s = scenarios[i];

		s.max_switches = 1;
		if (!s.large && model_explore(&s, NULL, true).failure)
			return 1;
	}
	n = model_mutations(&list);
	for (size_t i = 0; i < n; i++)
		printf("%s\t%d\t%s\n", list[i].site.file, list[i].site.line,
		       list[i].site.function);
	return 0;
}

int main(int argc, char **argv)
{
	bool mutate = argc > 1 && !strcmp(argv[1], "mutations");
	bool large = argc > 1 && !strcmp(argv[1], "large");
	bool ok = true;

	if (argc > 1 && !strcmp(argv[1], "sites"))
		return print_sites();
	for (size_t i = 0; i < n_scenarios; i++)
		if (scenarios[i].large == large)
			ok &= holds(&scenarios[i]);
	if (ok && mutate)
		ok = all_are_needed();
	return !ok;
}
