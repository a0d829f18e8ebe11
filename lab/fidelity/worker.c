// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "worker.h"

#define N_WORDS 64
#define WORD_LEN 8192

static char result[65536], exported[4096];
static struct object *objects;
static struct handles *handle_sets;

void say(const char *format, ...)
{
	size_t n = strlen(result);
	va_list ap;

	va_start(ap, format);
	vsnprintf(result + n, sizeof result - n, format, ap);
	va_end(ap);
}

void say_errno(void)
{
	const char *name = strerrorname_np(errno);

	say("%s", name ? name : "errno?");
}

void say_outcome(bool ok)
{
	if (ok)
		say("ok");
	else
		say_errno();
}

static void say_bytes(const char *s, size_t n)
{
	size_t run;

	for (size_t i = 0; i < n; i += run) {
		unsigned char c = s[i];

		for (run = 1; i + run < n && s[i + run] == s[i]; run++)
			;
		if (run < 16)
			run = 1;
		else
			say("{");
		if (isprint(c) && c != '"' && c != '\\')
			say("%c", c);
		else
			say("\\x%02x", c);
		if (run > 1)
			say("*%zu}", run);
	}
}

void say_text(const char *s)
{
	say_bytes(s, strlen(s));
}

void say_quoted(const char *s, size_t n)
{
	say("\"");
	say_bytes(s, n);
	say("\"");
}

void export_value(const char *name, const uint32_t *values, size_t n)
{
	size_t used = snprintf(exported, sizeof exported, "\t%s=", name);

	for (size_t i = 0; i < n && used < sizeof exported - 16; i++)
		used += sprintf(exported + used, i ? ",%u" : "%u", values[i]);
}

struct object *object_first(void)
{
	return objects;
}

struct object *object_find(const char *name, enum object_kind kind)
{
	for (struct object *o = objects; o; o = o->next)
		if (o->kind == kind && !strcmp(o->name, name))
			return o;
	say("SCRIPT ERROR: no %s", name);
	return NULL;
}

struct object *object_new(const char *name, enum object_kind kind,
			  struct handles *h)
{
	struct object *o = calloc(1, sizeof *o);

	if (!o)
		abort();
	snprintf(o->name, sizeof o->name, "%s", name);
	o->kind = kind;
	o->handles = h;
	o->next = objects;
	objects = o;
	return o;
}

void object_free(struct object *o)
{
	for (struct object **p = &objects; *p; p = &(*p)->next)
		if (*p == o) {
			*p = o->next;
			free(o);
			return;
		}
}

static struct handles *find_handles(const char *name)
{
	struct handles *h;

	for (h = handle_sets; h; h = h->next)
		if (!strcmp(h->name, name))
			return h;
	h = calloc(1, sizeof *h);
	if (!h)
		abort();
	snprintf(h->name, sizeof h->name, "%s", name);
	h->next = handle_sets;
	handle_sets = h;
	return h;
}

static const struct op *find_op(const char *name)
{
	const struct op *tables[] = { ops_xenstore, ops_grants, ops_events };

	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
		for (const struct op *op = tables[i]; op->name; op++)
			if (!strcmp(op->name, name))
				return op;
	return NULL;
}

/* One word of the script: {a*300} is 300 a, \xNN a byte, "" nothing. */
static void expand_word(const char *in, char *out, size_t size)
{
	size_t n = 0;
	unsigned int count, byte;
	int len;
	char c;

	if (!strcmp(in, "\"\""))
		in = "";
	while (*in && n + 1 < size) {
		if (sscanf(in, "{%c*%u}%n", &c, &count, &len) == 2) {
			while (count-- && n + 1 < size)
				out[n++] = c;
			in += len;
		} else if (sscanf(in, "\\x%2x%n", &byte, &len) == 1) {
			out[n++] = byte;
			in += len;
		} else {
			out[n++] = *in++;
		}
	}
	out[n] = 0;
}

static void run_op(struct handles *h, int argc, char **argv)
{
	static char words[N_WORDS][WORD_LEN];
	char *args[N_WORDS];
	const struct op *op = find_op(argv[0]);

	if (!op || argc - 1 < op->n_min || argc - 1 > op->n_max) {
		say("SCRIPT ERROR: %s", op ? "arguments" : "no such operation");
		return;
	}
	for (int i = 1; i < argc; i++) {
		expand_word(argv[i], words[i], sizeof words[i]);
		args[i - 1] = words[i];
	}
	errno = 0;
	op->run(h, argc - 1, args);
}

/* The words of one round: the first % of each is the number of the round. */
static void number_words(long round, int argc, char **argv, char **args)
{
	static char words[N_WORDS][1024];

	for (int i = 0; i < argc; i++) {
		char *percent = strchr(argv[i], '%');
		int before = percent ? percent - argv[i] : 0;

		args[i] = words[i];
		if (percent)
			snprintf(words[i], sizeof words[i], "%.*s%ld%s", before,
				 argv[i], round, percent + 1);
		else
			snprintf(words[i], sizeof words[i], "%s", argv[i]);
	}
}

/*
 * repeat N OPERATION...: until one is not "ok". until-fails N OPERATION... the same
 * where the number of rounds is the host's own affair and is not told.
 */
static void run_repeat(struct handles *h, int argc, char **argv)
{
	char *args[N_WORDS], last[256] = "";
	bool tell = !strcmp(argv[0], "repeat");
	long rounds = atol(argv[1]), done;

	for (done = 0; done < rounds && !*last; done++) {
		number_words(done, argc - 2, argv + 2, args);
		result[0] = exported[0] = 0;
		run_op(h, argc - 2, args);
		if (strcmp(result, "ok"))
			snprintf(last, sizeof last, "%.*s",
				 (int)sizeof last - 1, result);
	}
	result[0] = exported[0] = 0;
	if (*last)
		done--;
	if (tell)
		say("%ld ok%s%s", done, *last ? ", then " : "", last);
	else
		say("%s", *last ? last : "never fails");
}

static void run_line(char *line)
{
	char *words[N_WORDS], *set;
	int n = 0;

	for (char *w = strtok(line, " "); w && n < N_WORDS;
	     w = strtok(NULL, " "))
		words[n++] = w;
	if (n < 2) {
		say("SCRIPT ERROR: no operation");
		return;
	}
	set = strchr(words[0], '/');
	if (n > 3 &&
	    (!strcmp(words[1], "repeat") || !strcmp(words[1], "until-fails")))
		run_repeat(find_handles(set ? set : ""), n - 1, words + 1);
	else
		run_op(find_handles(set ? set : ""), n - 1, words + 1);
}

int worker_main(void)
{
	static char line[65536];

	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = 0;
		result[0] = exported[0] = 0;
		run_line(line);
		printf("%s%s\n", result, exported);
		fflush(stdout);
	}
	/* Handles stay open: it is the host that has to clean up. */
	_exit(0);
}
