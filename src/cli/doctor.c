// SPDX-License-Identifier: MIT
/* xenchan doctor: can this domain have vchans, and if not, what mends it. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/host-probe.h"
#include "cli/json.h"
#include "cli/say.h"

static const char help[] =
	"usage: xenchan doctor [--json]\n"
	"\n"
	"Tries what a vchan needs, by using it, and says what is missing and "
	"which command\n"
	"mends it.\n"
	"\n"
	"      --json    for programs: see xenchan(1)\n"
	"  -h, --help    this text\n"
	"\n"
	"Exit status: 0 all is well, 1 something is missing, 2 usage.\n";

enum { LIMIT_GNTALLOC, LIMIT_GNTDEV, LIMIT_N };

static const struct limit {
	const char *name, *path, *meaning;
} limits[LIMIT_N] = {
	[LIMIT_GNTALLOC] = { "gntalloc_pages",
			     "/sys/module/xen_gntalloc/parameters/limit",
			     "pages that all servers here may share" },
	[LIMIT_GNTDEV] = { "gntdev_pages",
			   "/sys/module/xen_gntdev/parameters/limit",
			   "pages that a client here may map" },
};

struct diagnosis {
	struct identity identity;
	struct finding findings[PROBE_N];
	long long limits[LIMIT_N]; /* -1: not known */
	bool ok;
};

static void diagnose(struct diagnosis *d)
{
	d->ok = true;
	probe_identity(&d->identity);
	for (int i = 0; i < PROBE_N; i++) {
		probe_host((enum probe)i, &d->findings[i]);
		d->ok = d->ok && !d->findings[i].error;
	}
	for (int i = 0; i < LIMIT_N; i++)
		d->limits[i] = probe_parameter(limits[i].path);
}

static void print_finding(const struct finding *f)
{
	if (!f->error) {
		printf("%-9s ok       %s: %s\n", f->name, f->need, f->detail);
		return;
	}
	printf("%-9s MISSING  %s: %s%s%s%s\n", f->name, f->need,
	       strerror(f->error), f->missing_module ? "; kernel module " : "",
	       f->missing_module ? f->missing_module : "",
	       f->missing_module ? " is not loaded" : "");
	printf("%-9s remedy   %s\n", "", f->remedy);
}

static void print_text(const struct diagnosis *d)
{
	if (d->identity.domid < 0)
		printf("domain    unknown\n");
	else
		printf("domain    %ld%s%s\n", d->identity.domid,
		       *d->identity.name ? " " : "", d->identity.name);
	for (int i = 0; i < PROBE_N; i++)
		print_finding(&d->findings[i]);
	for (int i = 0; i < LIMIT_N; i++) {
		if (d->limits[i] >= 0)
			printf("limit     %lld %s (%s)\n", d->limits[i],
			       limits[i].meaning, limits[i].path);
	}
}

static void put_text(struct json *j, const char *key, const char *value)
{
	if (value)
		json_string(j, key, value);
	else
		json_null(j, key);
}

/* A negative number is one that is not known. */
static void put_count(struct json *j, const char *key, long long n)
{
	if (n >= 0)
		json_number(j, key, (uint64_t)n);
	else
		json_null(j, key);
}

static void put_finding(struct json *j, const struct finding *f)
{
	json_open(j, NULL, '{');
	json_string(j, "name", f->name);
	json_bool(j, "ok", !f->error);
	json_number(j, "errno", (uint64_t)f->error);
	put_text(j, "error", f->error ? strerror(f->error) : NULL);
	json_string(j, "need", f->need);
	put_text(j, "missing_module", f->missing_module);
	put_text(j, "remedy", f->remedy);
	json_close(j, '}');
}

static void print_json(const struct diagnosis *d)
{
	struct json j = { .out = stdout };

	json_open(&j, NULL, '{');
	json_bool(&j, "ok", d->ok);
	put_count(&j, "domain", d->identity.domid);
	put_text(&j, "name", *d->identity.name ? d->identity.name : NULL);
	json_open(&j, "checks", '[');
	for (int i = 0; i < PROBE_N; i++)
		put_finding(&j, &d->findings[i]);
	json_close(&j, ']');
	json_open(&j, "limits", '{');
	for (int i = 0; i < LIMIT_N; i++)
		put_count(&j, limits[i].name, d->limits[i]);
	json_close(&j, '}');
	json_close(&j, '}');
	printf("\n");
}

int command_doctor(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct diagnosis d;
	bool json = false;
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) >= 0) {
		if (option == 'h')
			return say_text(help);
		if (option != 'j')
			return say_option("doctor", option, argv);
		json = true;
	}
	if (optind < argc)
		return say_usage("doctor", "no argument is wanted: %s",
				 argv[optind]);
	diagnose(&d);
	if (json)
		print_json(&d);
	else
		print_text(&d);
	if (say_text("") != STATUS_DONE)
		return STATUS_FAILED;
	return d.ok ? STATUS_DONE : STATUS_FAILED;
}
