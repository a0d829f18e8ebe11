// SPDX-License-Identifier: MIT
/* xenchan doctor: can this domain have vchans, and if not, what mends it. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/channel-probe.h"
#include "cli/command.h"
#include "cli/host-probe.h"
#include "cli/json.h"
#include "cli/say.h"
#include "toolstack/control.h"

static const char help[] =
	"usage: xenchan doctor [--json] [--run-dir DIR]\n"
	"\n"
	"Tries what a vchan needs, by using it, and says what is missing and "
	"which command\n"
	"mends it; and what there is of channels, which are not needed for "
	"vchans.\n"
	"\n"
	"      --json           for programs: see xenchan(1)\n"
	"      --run-dir DIR    that of xenchanneld\n"
	"  -h, --help           this text\n"
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
	struct channel_report channels;
	bool ok;
};

static void diagnose(struct diagnosis *d, const char *run_dir)
{
	d->ok = true;
	probe_identity(&d->identity);
	for (int i = 0; i < PROBE_N; i++) {
		probe_host((enum probe)i, &d->findings[i]);
		d->ok = d->ok && !d->findings[i].error;
	}
	for (int i = 0; i < LIMIT_N; i++)
		d->limits[i] = probe_parameter(limits[i].path);
	channel_probe(&d->channels, run_dir);
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

static void print_channels(const struct channel_report *c)
{
	if (c->daemon_error)
		printf("channels  daemon   none answers in %s (%s); where "
		       "channels are served: systemctl start xenchanneld\n",
		       c->run_dir, strerror(c->daemon_error));
	else
		printf("channels  daemon   xenchanneld in %s serves %u\n",
		       c->run_dir, c->n_served);
	if (!c->own_error && c->n_own)
		printf("channels  own      %u of this domain; QEMU serves %u, "
		       "the kernel's driver has %u: xenchan channel names\n",
		       c->n_own, c->n_qemus, c->n_kernels);
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
	print_channels(&d->channels);
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

static void put_channels(struct json *j, const struct channel_report *c)
{
	bool own = !c->own_error;

	json_open(j, "channels", '{');
	json_string(j, "run_dir", c->run_dir);
	put_text(j, "daemon_error",
		 c->daemon_error ? strerror(c->daemon_error) : NULL);
	put_count(j, "served", c->daemon_error ? -1 : (long long)c->n_served);
	put_count(j, "own", own ? (long long)c->n_own : -1);
	put_count(j, "served_by_qemu", own ? (long long)c->n_qemus : -1);
	put_count(j, "held_by_kernel", own ? (long long)c->n_kernels : -1);
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
	put_channels(&j, &d->channels);
	json_close(&j, '}');
	printf("\n");
}

int command_doctor(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "run-dir", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *run_dir = CONTROL_RUN_DIR;
	struct diagnosis d;
	bool json = false;
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) >= 0) {
		if (option == 'h')
			return say_text(help);
		if (option == 'j')
			json = true;
		else if (option == 'r')
			run_dir = optarg;
		else
			return say_option("doctor", option, argv);
	}
	if (optind < argc)
		return say_usage("doctor", "no argument is wanted: %s",
				 argv[optind]);
	diagnose(&d, run_dir);
	if (json)
		print_json(&d);
	else
		print_text(&d);
	if (say_text("") != STATUS_DONE)
		return STATUS_FAILED;
	return d.ok ? STATUS_DONE : STATUS_FAILED;
}
