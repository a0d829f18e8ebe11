// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "agent.h"

#define N_REFS 2048

static sigjmp_buf fault_return;

static xengntshr_handle *gntshr(struct handles *h)
{
	if (!h->gntshr)
		h->gntshr = xengntshr_open(NULL, 0);
	if (!h->gntshr)
		say("xengntshr_open: ");
	return h->gntshr;
}

static xengnttab_handle *gnttab(struct handles *h)
{
	if (!h->gnttab)
		h->gnttab = xengnttab_open(NULL, 0);
	if (!h->gnttab)
		say("xengnttab_open: ");
	return h->gnttab;
}

static void adopt_pages(struct handles *h, const char *name,
			enum object_kind kind, void *pages, uint32_t n)
{
	struct object *o;

	say_outcome(pages);
	if (!pages)
		return;
	o = object_new(name, kind, h);
	o->pages = pages;
	o->n_pages = n;
}

/* share NAME DOMAIN COUNT rw|ro */
static void op_share(struct handles *h, int argc, char **argv)
{
	static uint32_t refs[N_REFS];
	uint32_t n = atoi(argv[2]);
	void *pages;

	if (n > N_REFS)
		abort();
	pages = xengntshr_share_pages(gntshr(h), atoi(argv[1]), n, refs,
				      !strcmp(argv[3], "rw"));
	adopt_pages(h, argv[0], OBJECT_SHARE, pages, n);
	if (pages)
		export_value(argv[0], refs, n < 16 ? n : 16);
}

/* "-": no byte to clear, no port to notify */
static uint32_t number_or_none(const char *word)
{
	return *word == '-' ? UINT32_MAX : strtoul(word, NULL, 10);
}

/* share-notify NAME DOMAIN rw|ro OFFSET PORT */
static void op_share_notify(struct handles *h, int argc, char **argv)
{
	uint32_t ref;
	void *page = xengntshr_share_page_notify(
		gntshr(h), atoi(argv[1]), &ref, !strcmp(argv[2], "rw"),
		number_or_none(argv[3]), number_or_none(argv[4]));

	adopt_pages(h, argv[0], OBJECT_SHARE, page, 1);
	if (page)
		export_value(argv[0], &ref, 1);
}

static void op_unshare(struct handles *h, int argc, char **argv)
{
	struct object *o = object_find(argv[0], OBJECT_SHARE);

	if (!o)
		return;
	say_outcome(!xengntshr_unshare(gntshr(h), o->pages, o->n_pages));
	object_free(o);
}

static uint32_t parse_refs(char *list, uint32_t *refs)
{
	uint32_t n = 0;

	for (char *w = strtok(list, ","); w && n < N_REFS;
	     w = strtok(NULL, ","))
		refs[n++] = strtoul(w, NULL, 10);
	return n;
}

static int protection(const char *word)
{
	return !strcmp(word, "rw")   ? PROT_READ | PROT_WRITE
	       : !strcmp(word, "wo") ? PROT_WRITE
				     : PROT_READ;
}

/* map NAME DOMAIN REF,REF... rw|ro */
static void op_map(struct handles *h, int argc, char **argv)
{
	static uint32_t refs[N_REFS];
	uint32_t n = parse_refs(argv[2], refs);
	int prot = protection(argv[3]);
	void *pages;

	if (n == 1)
		pages = xengnttab_map_grant_ref(gnttab(h), atoi(argv[1]),
						refs[0], prot);
	else
		pages = xengnttab_map_domain_grant_refs(
			gnttab(h), n, atoi(argv[1]), refs, prot);
	adopt_pages(h, argv[0], OBJECT_MAP, pages, n);
}

/* map-domains NAME DOMAIN,DOMAIN... REF,REF... rw|ro */
static void op_map_domains(struct handles *h, int argc, char **argv)
{
	static uint32_t refs[N_REFS], domains[N_REFS];
	uint32_t n = parse_refs(argv[2], refs);

	parse_refs(argv[1], domains);
	adopt_pages(h, argv[0], OBJECT_MAP,
		    xengnttab_map_grant_refs(gnttab(h), n, domains, refs,
					     protection(argv[3])),
		    n);
}

/* map-notify NAME DOMAIN REF rw|ro OFFSET PORT */
static void op_map_notify(struct handles *h, int argc, char **argv)
{
	void *page = xengnttab_map_grant_ref_notify(
		gnttab(h), atoi(argv[1]), strtoul(argv[2], NULL, 10),
		protection(argv[3]), number_or_none(argv[4]),
		number_or_none(argv[5]));

	adopt_pages(h, argv[0], OBJECT_MAP, page, 1);
}

static void op_unmap(struct handles *h, int argc, char **argv)
{
	struct object *o = object_find(argv[0], OBJECT_MAP);

	if (!o)
		return;
	say_outcome(!xengnttab_unmap(gnttab(h), o->pages, o->n_pages));
	object_free(o);
}

static void op_set_max_grants(struct handles *h, int argc, char **argv)
{
	say_outcome(!xengnttab_set_max_grants(gnttab(h), atoi(argv[0])));
}

static void op_close_gntshr(struct handles *h, int argc, char **argv)
{
	say_outcome(!xengntshr_close(h->gntshr));
	h->gntshr = NULL;
}

static void op_close_gnttab(struct handles *h, int argc, char **argv)
{
	say_outcome(!xengnttab_close(h->gnttab));
	h->gnttab = NULL;
}

static struct object *find_pages(const char *name)
{
	for (struct object *o = object_first(); o; o = o->next)
		if (o->pages && !strcmp(o->name, name))
			return o;
	say("SCRIPT ERROR: no %s", name);
	return NULL;
}

static void on_fault(int signal)
{
	siglongjmp(fault_return, signal);
}

/* Do what touches the pages of NAME so that a fault is a result, not the end. */
static void touch(const char *name,
		  void (*fn)(struct object *o, int argc, char **argv), int argc,
		  char **argv)
{
	struct sigaction sa = { .sa_handler = on_fault };
	static struct object *o; /* survives the jump */
	int signal;

	o = find_pages(name);
	if (!o)
		return;
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	signal = sigsetjmp(fault_return, 1);
	if (!signal)
		fn(o, argc, argv);
	else
		say("%s", signal == SIGBUS ? "SIGBUS" : "SIGSEGV");
	sa.sa_handler = SIG_DFL;
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

static void do_peek(struct object *o, int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[2]) : 1;
	uint8_t bytes[64];

	if (n > (int)sizeof bytes)
		abort();
	memcpy(bytes, o->pages + atoi(argv[1]), n);
	for (int i = 0; i < n; i++)
		say(i ? " %02x" : "%02x", bytes[i]);
}

/* peek NAME OFFSET [COUNT] */
static void op_peek(struct handles *h, int argc, char **argv)
{
	touch(argv[0], do_peek, argc, argv);
}

static void do_poke(struct object *o, int argc, char **argv)
{
	*(volatile uint8_t *)(o->pages + atoi(argv[1])) =
		strtoul(argv[2], NULL, 16);
	say("ok");
}

/* poke NAME OFFSET BYTE */
static void op_poke(struct handles *h, int argc, char **argv)
{
	touch(argv[0], do_poke, argc, argv);
}

static void do_fill(struct object *o, int argc, char **argv)
{
	memset(o->pages, strtoul(argv[1], NULL, 16), (size_t)o->n_pages * PAGE);
	say("ok");
}

/* fill NAME BYTE */
static void op_fill(struct handles *h, int argc, char **argv)
{
	touch(argv[0], do_fill, argc, argv);
}

static void do_all(struct object *o, int argc, char **argv)
{
	uint8_t byte = strtoul(argv[1], NULL, 16);

	for (size_t i = 0; i < (size_t)o->n_pages * PAGE; i++)
		if (o->pages[i] != byte) {
			say("no");
			return;
		}
	say("yes");
}

/* all NAME BYTE: is every byte of every page this one? */
static void op_all(struct handles *h, int argc, char **argv)
{
	touch(argv[0], do_all, argc, argv);
}

const struct op ops_grants[] = {
	{ "share", 4, 4, op_share },
	{ "share-notify", 5, 5, op_share_notify },
	{ "unshare", 1, 1, op_unshare },
	{ "map", 4, 4, op_map },
	{ "map-domains", 4, 4, op_map_domains },
	{ "map-notify", 6, 6, op_map_notify },
	{ "unmap", 1, 1, op_unmap },
	{ "set-max-grants", 1, 1, op_set_max_grants },
	{ "close-gntshr", 0, 0, op_close_gntshr },
	{ "close-gnttab", 0, 0, op_close_gnttab },
	{ "peek", 2, 3, op_peek },
	{ "poke", 3, 3, op_poke },
	{ "fill", 2, 2, op_fill },
	{ "all", 2, 2, op_all },
	{ NULL, 0, 0, NULL },
};
