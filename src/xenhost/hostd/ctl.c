// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/parse.h"
#include "host.h"
#include "xenhost/ctl-proto.h"

#define NO_RUN UINT32_MAX

struct ctl {
	struct list link;
	struct host *host;
	struct watch *watch;
	uint32_t run_domid; /* what a `xenhost run` waits for, or NO_RUN */
};

static void ctl_free(struct ctl *ctl)
{
	list_remove(&ctl->link);
	watch_free(ctl->watch);
	free(ctl);
}

void ctl_free_all(struct host *host)
{
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &host->ctl_clients)
		ctl_free(list_entry(pos, struct ctl, link));
}

void ctl_domain_gone(struct host *host, unsigned int domid)
{
	struct list *pos;

	/* Freed when the loop sees the end: this may be its own request. */
	list_for_each (pos, &host->ctl_clients) {
		struct ctl *ctl = list_entry(pos, struct ctl, link);

		if (ctl->run_domid == domid)
			shutdown(ctl->watch->fd, SHUT_RDWR);
	}
}

static int serve_ping(struct ctl *ctl, char **words, struct ctl_reply *reply)
{
	snprintf(reply->text, CTL_MAX_TEXT, "%d", (int)getpid());
	return 0;
}

static bool name_is_valid(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) &&
		    !strchr("-_.+@", name[i]))
			return false;
	return len > 0 && len <= CTL_MAX_NAME;
}

/* The limits, in words; "-" keeps what is there. */
static int parse_options(char **words, struct domain_options *o)
{
	uint32_t scatter = o->scatter;
	int r = 0;

	if (strcmp(words[0], "-") != 0)
		r = parse_u32(words[0], GRANT_MAX_REFS / 4, &o->grants);
	if (r == 0 && strcmp(words[1], "-") != 0)
		r = parse_u32(words[1], PORT_MAX, &o->ports);
	if (r == 0 && strcmp(words[2], "-") != 0)
		r = parse_u32(words[2], 1, &scatter);
	o->scatter = scatter;
	return r;
}

static const struct domain_options default_options = {
	.grants = GRANT_DEFAULT_LIMIT,
	.ports = PORT_DEFAULT_LIMIT,
};

static unsigned int lowest_free_id(struct host *host)
{
	unsigned int id = 1;

	while (domain_find(host, id))
		id++;
	return id;
}

static int create(struct host *host, unsigned int id, const char *name,
		  const struct domain_options *options)
{
	char default_name[32];

	if (strcmp(name, "-") == 0) {
		snprintf(default_name, sizeof(default_name), "domain%u", id);
		name = default_name;
	}
	return name_is_valid(name) ? domain_create(host, id, name, options)
				   : -EINVAL;
}

static int serve_create(struct ctl *ctl, char **words, struct ctl_reply *reply)
{
	struct domain_options options = default_options;
	unsigned int id = lowest_free_id(ctl->host);
	int r = 0;

	if (strcmp(words[1], "-") != 0)
		r = parse_domid(words[1], &id);
	if (r == 0)
		r = parse_options(words + 3, &options);
	if (r == 0)
		r = create(ctl->host, id, words[2], &options);
	if (r == 0)
		snprintf(reply->text, CTL_MAX_TEXT, "%u", id);
	return r;
}

/* The living domain that words[1] names. */
static int find(struct ctl *ctl, char **words, struct domain **domain_r)
{
	unsigned int id;
	int r = parse_domid(words[1], &id);

	if (r < 0)
		return r;
	*domain_r = domain_find(ctl->host, id);
	return *domain_r && (*domain_r)->state == DOMAIN_ALIVE ? 0 : -ESRCH;
}

static int serve_destroy(struct ctl *ctl, char **words, struct ctl_reply *reply)
{
	struct domain *domain;
	int r = find(ctl, words, &domain);

	if (r < 0)
		return r;
	if (domain->id == 0)
		return -EPERM;
	domain_destroy(domain);
	return 0;
}

/* One line of `list`; what each word means: cli/cmd-list.c. */
static int print_domain(const struct domain *d, char *buf, size_t size)
{
	uint64_t events =
		__atomic_load_n(&d->shared->n_events, __ATOMIC_RELAXED);

	return snprintf(
		buf, size, "%u\t%s\t%s\t%" PRIu64 "\t%u\t%u\t%u\t%u\t%u\t%u\n",
		d->id, d->name, d->state == DOMAIN_ALIVE ? "alive" : "dying",
		events, d->grants.n_shared, d->grants.n_mapped, d->n_maps,
		d->ports.n_used, d->n_processes, d->shared->n_faults);
}

static int serve_list(struct ctl *ctl, char **words, struct ctl_reply *reply)
{
	const struct domain *domain;
	size_t used = 0;
	unsigned int id;

	if (parse_domid(words[1], &id) < 0)
		return 0; /* past the last one there can be */
	while ((domain = domain_next(ctl->host, id)) &&
	       used + 512 < CTL_MAX_TEXT) {
		used += print_domain(domain, reply->text + used,
				     CTL_MAX_TEXT - used);
		id = domain->id + 1;
	}
	return 0;
}

static int serve_run(struct ctl *ctl, char **words, struct ctl_reply *reply)
{
	struct domain *domain;
	unsigned int id;
	int r = parse_domid(words[1], &id);

	if (r < 0)
		return r;
	domain = domain_find(ctl->host, id);
	if (!domain)
		r = create(ctl->host, id, "-", &default_options);
	else if (domain->state != DOMAIN_ALIVE)
		r = -EBUSY;
	if (r == 0)
		ctl->run_domid = id;
	return r;
}

static int serve_fault_add(struct ctl *ctl, char **words,
			   struct ctl_reply *reply)
{
	struct domain *domain;
	enum fault_kind kind;
	struct fault *fault;
	uint32_t error, n;
	int r = find(ctl, words, &domain);

	if (r < 0)
		return r;
	n = domain->shared->n_faults;
	if (n >= DOMAIN_N_FAULTS)
		return -ENOSPC;
	fault = &domain->shared->faults[n];
	*fault = (struct fault){ 0 };
	if (fault_kind_parse(words[2], &kind) < 0 ||
	    parse_u32(words[3], UINT32_MAX, &fault->first) < 0 ||
	    parse_u32(words[4], UINT32_MAX, &fault->last) < 0 ||
	    parse_u32(words[5], 4095, &error) < 0 ||
	    parse_u32(words[6], UINT32_MAX, &fault->delay_us) < 0)
		return -EINVAL;
	fault->kind = kind;
	fault->error = (int32_t)error;
	/* pairs with the acquire in fault_check */
	__atomic_store_n(&domain->shared->n_faults, n + 1, __ATOMIC_RELEASE);
	return 0;
}

static int serve_fault_clear(struct ctl *ctl, char **words,
			     struct ctl_reply *reply)
{
	struct domain *domain;
	int r = find(ctl, words, &domain);

	if (r == 0)
		__atomic_store_n(&domain->shared->n_faults, 0,
				 __ATOMIC_RELEASE);
	return r;
}

static int serve_fault_list(struct ctl *ctl, char **words,
			    struct ctl_reply *reply)
{
	struct domain *domain;
	size_t used = 0;
	int r = find(ctl, words, &domain);

	for (uint32_t i = 0;
	     r == 0 && i < DOMAIN_N_FAULTS && i < domain->shared->n_faults;
	     i++) {
		const struct fault f = domain->shared->faults[i];

		used += snprintf(reply->text + used, CTL_MAX_TEXT - used,
				 "%u\t%s\t%u\t%u\t%d\t%u\t%u\n", domain->id,
				 fault_kind_name(f.kind), f.first, f.last,
				 f.error, f.delay_us, f.calls);
	}
	return r;
}

static int serve_limit(struct ctl *ctl, char **words, struct ctl_reply *reply)
{
	struct domain_options options;
	struct domain *domain;
	int r = find(ctl, words, &domain);

	if (r < 0)
		return r;
	options = (struct domain_options){
		.grants = domain->grants.limit,
		.ports = domain->ports.limit,
		.scatter = domain->grants.scatter,
	};
	r = parse_options(words + 2, &options);
	if (r < 0)
		return r;
	domain->grants.limit = options.grants;
	domain->grants.scatter = options.scatter;
	domain->ports.limit = options.ports;
	return 0;
}

static int serve_down(struct ctl *ctl, char **words, struct ctl_reply *reply)
{
	host_stop(ctl->host);
	return 0;
}

static const struct command {
	const char *name;
	int n_words;
	int (*serve)(struct ctl *ctl, char **words, struct ctl_reply *reply);
} commands[] = {
	{ "ping", 1, serve_ping },
	{ "create", 6, serve_create },
	{ "destroy", 2, serve_destroy },
	{ "list", 2, serve_list },
	{ "run", 2, serve_run },
	{ "fault-add", 7, serve_fault_add },
	{ "fault-clear", 2, serve_fault_clear },
	{ "fault-list", 2, serve_fault_list },
	{ "limit", 5, serve_limit },
	{ "down", 1, serve_down },
};

static int serve(struct ctl *ctl, char *request, size_t len,
		 struct ctl_reply *reply)
{
	char *words[CTL_MAX_WORDS + 1] = { NULL };
	int n_words = 0;

	for (char *p = request; p < request + len; p += strlen(p) + 1) {
		if (n_words == CTL_MAX_WORDS)
			return -EINVAL;
		words[n_words++] = p;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (n_words == commands[i].n_words &&
		    strcmp(words[0], commands[i].name) == 0)
			return commands[i].serve(ctl, words, reply);
	return -ENOSYS;
}

static void on_request(void *user)
{
	static char request[CTL_MAX_REQUEST + 1];
	static struct ctl_reply reply;
	struct ctl *ctl = user;
	ssize_t len;
	int r;

	len = recv(ctl->watch->fd, request, CTL_MAX_REQUEST, MSG_DONTWAIT);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len <= 0) {
		ctl_free(ctl);
		return;
	}
	request[len] = '\0';
	reply.text[0] = '\0';
	r = serve(ctl, request, len, &reply);
	reply.error = -r;
	len = offsetof(struct ctl_reply, text) + strlen(reply.text) + 1;
	if (send(ctl->watch->fd, &reply, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		ctl_free(ctl);
}

void ctl_accept(struct host *host, int fd)
{
	struct ctl *ctl = calloc(1, sizeof(*ctl));

	if (!ctl) {
		close(fd);
		return;
	}
	ctl->host = host;
	ctl->run_domid = NO_RUN;
	if (watch_new(&ctl->watch, &host->loop, fd, on_request, ctl) < 0) {
		free(ctl);
		return;
	}
	list_append(&host->ctl_clients, &ctl->link);
}
