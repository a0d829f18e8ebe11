// SPDX-License-Identifier: MIT
/*
 * What strangers' programs do with the libraries, beyond what libxenvchan does.
 *
 *   stand-ins MODE DOMID     DOMID is the domain that it runs in
 *
 * Each mode is a function below. 0, or 1 and what failed on stderr.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#define check(ok)                                                        \
	do {                                                             \
		if (!(ok)) {                                             \
			fprintf(stderr, "stand-ins: line %d: %s (%s)\n", \
				__LINE__, #ok, strerror(errno));         \
			exit(1);                                         \
		}                                                        \
	} while (0)

#define PAGE 4096
#define WAIT_MS 20000 /* a guard against hangs */

static unsigned int self;

/* Two ends of an event channel, each on a handle of its own. */
struct pair {
	xenevtchn_handle *server, *client;
	int port, client_port;
};

static bool has_event(xenevtchn_handle *h, int timeout)
{
	struct pollfd p = { .fd = xenevtchn_fd(h), .events = POLLIN };

	return poll(&p, 1, timeout) == 1;
}

static void take_event(xenevtchn_handle *h, int port)
{
	check(has_event(h, WAIT_MS));
	check(xenevtchn_pending(h) == port);
	check(xenevtchn_unmask(h, port) == 0);
}

static void bind_client(struct pair *p)
{
	check(p->client = xenevtchn_open(NULL, 0));
	p->port = xenevtchn_bind_unbound_port(p->server, self);
	check(p->port > 0);
	p->client_port = xenevtchn_bind_interdomain(p->client, self, p->port);
	check(p->client_port > 0);
	take_event(p->client, p->client_port);
}

static struct pair make_pair(void)
{
	struct pair p;

	check(p.server = xenevtchn_open(NULL, 0));
	bind_client(&p);
	return p;
}

static void close_pair(struct pair *p)
{
	check(xenevtchn_close(p->client) == 0);
	check(xenevtchn_close(p->server) == 0);
}

/* No descriptor is free between these two. */
static struct rlimit old_limit;

static void use_up_descriptors(void)
{
	struct rlimit limit;
	int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);

	check(lowest >= 0 && close(lowest) == 0);
	check(getrlimit(RLIMIT_NOFILE, &old_limit) == 0);
	limit = old_limit;
	limit.rlim_cur = lowest;
	check(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static void give_descriptors_back(void)
{
	check(setrlimit(RLIMIT_NOFILE, &old_limit) == 0);
}

/* What takes a descriptor fails with EMFILE, and has done nothing. */
static void fail_at_the_limit(xengntshr_handle *shr, xengnttab_handle *tab,
			      uint32_t ref, uint8_t *page)
{
	uint32_t refs[3];

	for (int i = 0; i < 5; i++) {
		errno = 0;
		check(!xengntshr_share_pages(shr, self, 3, refs, 1));
		check(errno == EMFILE);
		errno = 0;
		check(!xengnttab_map_grant_ref_notify(
			tab, self, ref, PROT_READ | PROT_WRITE, 0, -1));
		check(errno == EMFILE && *page == 1);
		errno = 0;
		check(!xenevtchn_open(NULL, 0) && errno == EMFILE);
		errno = 0;
		check(!xengntshr_open(NULL, 0) && errno == EMFILE);
	}
}

/*
 * At the limit of descriptors an event still comes, as it takes none on Xen.
 * The domain may share 4 pages.
 */
static void mode_descriptors(void)
{
	xengntshr_handle *shr = xengntshr_open(NULL, 0);
	xengnttab_handle *tab = xengnttab_open(NULL, 0);
	struct pair p = make_pair();
	uint32_t ref, refs[3];
	uint8_t *page;

	check(shr && tab);
	check(page = xengntshr_share_pages(shr, self, 1, &ref, 1));
	*page = 1;
	use_up_descriptors();
	for (int i = 0; i < 3; i++) {
		check(xenevtchn_notify(p.client, p.client_port) == 0);
		take_event(p.server, p.port);
	}
	fail_at_the_limit(shr, tab, ref, page);
	give_descriptors_back();

	check(xenevtchn_notify(p.client, p.client_port) == 0);
	take_event(p.server, p.port);
	check(xengntshr_share_pages(shr, self, 3, refs, 1));
	check(xengnttab_map_grant_ref(tab, self, ref, PROT_READ));
	close_pair(&p);
}

/* Opens, binds, shares and maps, and hears of an event. */
static void do_everything(void)
{
	xengntshr_handle *shr = xengntshr_open(NULL, 0);
	xengnttab_handle *tab = xengnttab_open(NULL, 0);
	struct pair p = make_pair();
	uint8_t *mine, *theirs;
	uint32_t ref;

	check(shr && tab);
	check(mine = xengntshr_share_pages(shr, self, 1, &ref, 1));
	check(theirs = xengnttab_map_grant_ref(tab, self, ref,
					       PROT_READ | PROT_WRITE));
	theirs[7] = 0x5a;
	check(mine[7] == 0x5a);
	check(xenevtchn_notify(p.client, p.client_port) == 0);
	take_event(p.server, p.port);
	close_pair(&p);
}

/* Memory that may not be swapped, within the usual limit of it. */
static void mode_locked(void)
{
	const struct rlimit limit = { 8 << 20, 8 << 20 };
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct none[2] = { 0 };

	/* Who may lock as much as he likes has no limit. */
	check(syscall(SYS_capset, &header, none) == 0);
	check(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
	check(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
	do_everything();
}

/* As under `ulimit -v`. */
static void mode_addresses(void)
{
	const struct rlimit limit = { 128 << 20, 128 << 20 };

	check(setrlimit(RLIMIT_AS, &limit) == 0);
	do_everything();
}

/* In the child: what it gives up is its own, by whichever handle it came. */
static void use_inherited(xengntshr_handle *inherited)
{
	xengntshr_handle *own = xengntshr_open(NULL, 0);
	xengnttab_handle *tab = xengnttab_open(NULL, 0);
	uint32_t own_ref, ref;
	uint8_t *own_page, *page;

	check(own && tab);
	check(own_page = xengntshr_share_pages(own, self, 1, &own_ref, 1));
	check(page = xengntshr_share_pages(inherited, self, 1, &ref, 1));
	*own_page = 0x77;
	check(xengntshr_unshare(inherited, page, 1) == 0);
	check(!xengnttab_map_grant_ref(tab, self, ref, PROT_READ));
	check(page = xengnttab_map_grant_ref(tab, self, own_ref, PROT_READ));
	check(*page == 0x77);
	check(xengntshr_unshare(own, own_page, 1) == 0);
}

/* Handles that a child inherits go on by the connection of the parent. */
static void mode_fork(void)
{
	xengntshr_handle *shr = xengntshr_open(NULL, 0);
	xengnttab_handle *tab = xengnttab_open(NULL, 0);
	uint8_t *page, *mapped;
	uint32_t ref;
	int status;
	pid_t pid;

	check(shr && tab);
	check(page = xengntshr_share_pages(shr, self, 1, &ref, 1));
	*page = 0x33;
	pid = fork();
	if (pid == 0) {
		use_inherited(shr);
		_exit(0);
	}
	check(waitpid(pid, &status, 0) == pid && status == 0);
	check(mapped = xengnttab_map_grant_ref(tab, self, ref, PROT_READ));
	check(*mapped == 0x33);
}

/*
 * A mapping goes as a whole, and shared pages go with the last of them; a
 * number of grants is nothing that gntdev keeps.
 */
static void mode_parts(void)
{
	xengntshr_handle *shr = xengntshr_open(NULL, 0);
	xengnttab_handle *tab = xengnttab_open(NULL, 0);
	uint8_t *pages, *map;
	uint32_t refs[3];

	check(shr && tab && xengnttab_set_max_grants(tab, 1) == 0);
	check(pages = xengntshr_share_pages(shr, self, 3, refs, 1));
	check(map = xengnttab_map_domain_grant_refs(tab, 3, self, refs,
						    PROT_READ | PROT_WRITE));
	for (unsigned int first = 0; first < 3; first++)
		for (unsigned int n = 0; n < 3; n++) {
			errno = 0;
			check(xengnttab_unmap(tab, map + first * PAGE, n) < 0 &&
			      errno == EINVAL);
		}
	errno = 0;
	check(xengnttab_unmap(tab, NULL, 3) < 0 && errno == EINVAL);
	map[2 * PAGE] = 5;
	check(pages[2 * PAGE] == 5);
	check(xengnttab_unmap(tab, map, 3) == 0);
	errno = 0;
	check(xengnttab_unmap(tab, map, 3) < 0 && errno == EINVAL);

	/* One that the program unmapped by itself is not there any more. */
	check(map = xengnttab_map_grant_ref(tab, self, refs[0], PROT_READ));
	check(munmap(map, PAGE) == 0);
	errno = 0;
	check(xengnttab_unmap(tab, map, 1) < 0 && errno == EINVAL);

	check(xengntshr_unshare(shr, pages + PAGE, 1) == 0);
	check(xengntshr_unshare(shr, pages, 1) == 0);
	check(map = xengnttab_map_grant_ref(tab, self, refs[1], PROT_READ));
	check(xengnttab_unmap(tab, map, 1) == 0);
	check(pages[2 * PAGE] == 5);
	check(xengntshr_unshare(shr, pages + 2 * PAGE, 1) == 0);
	for (int i = 0; i < 3; i++)
		check(!xengnttab_map_grant_ref(tab, self, refs[i], PROT_READ));
	check(xengnttab_close(tab) == 0 && xengntshr_close(shr) == 0);
}

/* As many pages as gntdev takes in one request, and one more. */
#define MAX_PAGES 65536

static void mode_many_pages(void)
{
	static uint32_t refs[MAX_PAGES + 1];
	xengntshr_handle *shr = xengntshr_open(NULL, 0);
	xengnttab_handle *tab = xengnttab_open(NULL, 0);
	uint8_t *pages, *map;

	check(shr && tab);
	check(pages = xengntshr_share_pages(shr, self, MAX_PAGES, refs, 1));
	check(map = xengnttab_map_domain_grant_refs(tab, MAX_PAGES, self, refs,
						    PROT_READ | PROT_WRITE));
	for (size_t i = 0; i < MAX_PAGES; i += MAX_PAGES - 1) {
		pages[i * PAGE] = 7;
		check(map[i * PAGE] == 7);
	}
	check(xengnttab_unmap(tab, map, MAX_PAGES) == 0);
	errno = 0;
	check(!xengnttab_map_domain_grant_refs(tab, MAX_PAGES + 1, self, refs,
					       PROT_READ));
	check(errno == EINVAL);

	/* More pieces than Linux lets a process have: all of it or nothing. */
	for (int i = 0; i < MAX_PAGES; i++)
		refs[i] = refs[0];
	map = xengnttab_map_domain_grant_refs(tab, MAX_PAGES, self, refs,
					      PROT_READ);
	check(map || errno == ENOMEM);
	if (map)
		check(xengnttab_unmap(tab, map, MAX_PAGES) == 0);
	check(map = xengnttab_map_grant_ref(tab, self, refs[0], PROT_READ));
	check(map[0] == 7);
	check(xengntshr_unshare(shr, pages, MAX_PAGES) == 0);
	check(xengnttab_close(tab) == 0 && xengntshr_close(shr) == 0);
}

static xengnttab_grant_copy_segment_t to_ref(void *bytes, uint32_t domid,
					     uint32_t ref, unsigned int offset,
					     unsigned int len)
{
	xengnttab_grant_copy_segment_t seg = {
		.source.virt = bytes,
		.len = len,
		.flags = GNTCOPY_dest_gref,
		.status = 99,
	};

	seg.dest.foreign.ref = ref;
	seg.dest.foreign.offset = offset;
	seg.dest.foreign.domid = domid;
	return seg;
}

/* What is refused is refused before anything is copied. */
static void refuse_copies(xengnttab_handle *tab, uint32_t ref, uint8_t *page)
{
	xengnttab_grant_copy_segment_t segs[2];
	char word[8] = "refused";

	for (int i = 0; i < 3; i++) {
		segs[0] = to_ref(word, self, ref, 0, sizeof(word));
		segs[1] = to_ref(word, self, ref, PAGE - 7, sizeof(word));
		if (i == 1) {
			segs[1].flags = 0;
		} else if (i == 2) {
			segs[1].source = segs[1].dest;
			segs[1].flags = GNTCOPY_source_gref;
		}
		memset(page, 0, PAGE);
		errno = 0;
		check(xengnttab_grant_copy(tab, 2, segs) < 0);
		check(errno == EINVAL && page[0] == 0);
	}
	segs[0] = to_ref((void *)8, self, ref, 0, 1);
	errno = 0;
	check(xengnttab_grant_copy(tab, 1, segs) < 0 && errno == EFAULT);
}

/* Each segment of a copy has a status; only what is malformed is an error. */
static void mode_copy(void)
{
	xengntshr_handle *shr = xengntshr_open(NULL, 0);
	xengnttab_handle *tab = xengnttab_open(NULL, 0);
	xengnttab_grant_copy_segment_t segs[7];
	char word[8] = "foreign", back[8] = "";
	uint8_t *page, *locked;
	uint32_t ref, ro;

	check(shr && tab);
	check(page = xengntshr_share_pages(shr, self, 1, &ref, 1));
	check(locked = xengntshr_share_pages(shr, self, 1, &ro, 0));
	segs[0] = to_ref(word, self, ref, PAGE - 8, 8);
	segs[1] = to_ref(word, 77, ref, 0, 8);
	segs[2] = to_ref(word, self, 4000000, 0, 8);
	segs[3] = to_ref(word, self, ro, 0, 8);
	segs[4] = to_ref(word, 77, 4000000, 0, 0);
	segs[5] = segs[0]; /* from a page to another place in it */
	segs[5].source = segs[0].dest;
	segs[5].dest.foreign.offset = 16;
	segs[5].flags = GNTCOPY_source_gref | GNTCOPY_dest_gref;
	segs[6] = segs[5]; /* and back to us */
	segs[6].source = segs[5].dest;
	segs[6].dest.virt = back;
	segs[6].flags = GNTCOPY_source_gref;
	check(xengnttab_grant_copy(tab, 7, segs) == 0);
	check(segs[0].status == GNTST_okay && segs[4].status == GNTST_okay);
	check(segs[1].status == GNTST_bad_domain);
	check(segs[2].status == GNTST_bad_gntref);
	check(segs[3].status == GNTST_general_error && locked[0] == 0);
	check(!strcmp((char *)page + PAGE - 8, word));
	check(!strcmp((char *)page + 16, word));
	check(segs[6].status == GNTST_okay && !strcmp(back, word));

	refuse_copies(tab, ref, page);
	check(xengnttab_close(tab) == 0 && xengntshr_close(shr) == 0);
}

static const struct {
	const char *name;
	void (*run)(void);
} modes[] = {
	{ "descriptors", mode_descriptors },
	{ "locked", mode_locked },
	{ "addresses", mode_addresses },
	{ "fork", mode_fork },
	{ "parts", mode_parts },
	{ "many-pages", mode_many_pages },
	{ "copy", mode_copy },
};

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	self = strtoul(argv[2], NULL, 10);
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		if (strcmp(argv[1], modes[i].name) == 0) {
			modes[i].run();
			return 0;
		}
	}
	return 2;
}
