// SPDX-License-Identifier: MIT
/*
 * Every call that the library makes of the host fails once, with every errno
 * that it is likely to fail with: in each life of test-sweep-lives.c, each call
 * of each kind. A function that fails then says so by an errno that its manual
 * page lists, the next attempt works, no byte is lost, and in the end nothing is
 * left of the vchan. A hang ends the test by SIGALRM.
 *
 *   test-sweep MAN-DIRECTORY [LIFE]
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vchan/test-sweep.h"

#define SECONDS_TO_HANG 60

static const char *man_directory;

static struct sweep {
	const char *life;
	unsigned int domid;
	enum fake_host_call kind;
	unsigned int n;
	int err; /* 0: nothing fails, the calls are counted */
	unsigned int n_failures;
} now;

static void __attribute__((format(printf, 1, 2), noreturn))
fail(const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "FAIL: life %s, domain %u, ", now.life, now.domid);
	if (now.err)
		fprintf(stderr, "call %u of %s fails with %s: ", now.n,
			fake_host_call_name(now.kind),
			strerrorname_np(now.err));
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

void sweep_check(bool good, const char *what, const char *where, int line)
{
	if (!good)
		fail("%s:%d: not so: %s", where, line, what);
}

/*
 * What the calls are likely to fail with, each list ended by 0: what Linux 6.1's
 * drivers, Xen 4.17 and its xenstored give, and EIO for what else may be.
 */
static const int of_open[] = { ENOENT, ENODEV, ENXIO,  EACCES, EPERM,
			       EMFILE, ENFILE, ENOMEM, EIO,    0 };
static const int of_share[] = { ENOSPC, ENOMEM, EAGAIN, EINVAL, EIO, 0 };
static const int of_unshare[] = { EINVAL, ENOMEM, 0 };
static const int of_map[] = { EINVAL, ENOMEM, ENOSPC, EAGAIN, EFAULT, EIO, 0 };
static const int of_unmap[] = { EINVAL, ENOENT, ENOMEM, 0 };
static const int of_bind[] = { ENOSPC, ENOMEM, EINVAL, ESRCH,
			       EPERM,  EACCES, EIO,    0 };
static const int of_notify[] = { ENOTCONN, EINVAL, ENOMEM, EIO, 0 };
static const int of_pending[] = { EFBIG, EINTR, EFAULT, EIO, 0 };
static const int of_unmask[] = { ENOMEM, EINVAL, EFAULT, EIO, 0 };
static const int of_xs_open[] = { ENOENT,       EACCES, EPERM,
				  ECONNREFUSED, EMFILE, ENFILE,
				  ENOMEM,       EIO,    0 };
static const int of_xs[] = { EIO,   ENOMEM, EBADF,  EPIPE,  EBUSY,
			     EPERM, EACCES, ENOENT, EINVAL, 0 };
static const int of_xs_change[] = { EIO,   ENOMEM, EBADF,  EPIPE,  ENOSPC,
				    E2BIG, EPERM,  EACCES, EINVAL, 0 };
static const int of_xs_start[] = { ENOSPC, EBUSY, EIO, ENOMEM, EBADF, 0 };
static const int of_xs_end[] = { EAGAIN, ENOSPC, EIO, ENOMEM, EBADF, 0 };

static const int *errors_of(enum fake_host_call kind)
{
	static const int *const errors[FAKE_ANY_CALL] = {
		[FAKE_GNTSHR_OPEN] = of_open,
		[FAKE_SHARE] = of_share,
		[FAKE_UNSHARE] = of_unshare,
		[FAKE_GNTTAB_OPEN] = of_open,
		[FAKE_MAP] = of_map,
		[FAKE_UNMAP] = of_unmap,
		[FAKE_EVTCHN_OPEN] = of_open,
		[FAKE_BIND_UNBOUND] = of_bind,
		[FAKE_BIND_INTERDOMAIN] = of_bind,
		[FAKE_NOTIFY] = of_notify,
		[FAKE_PENDING] = of_pending,
		[FAKE_UNMASK] = of_unmask,
		[FAKE_XS_OPEN] = of_xs_open,
		[FAKE_XS_WRITE] = of_xs_change,
		[FAKE_XS_MKDIR] = of_xs_change,
		[FAKE_XS_SET_PERMISSIONS] = of_xs_change,
		[FAKE_XS_TRANSACTION_START] = of_xs_start,
		[FAKE_XS_TRANSACTION_END] = of_xs_end,
	};

	return errors[kind] ? errors[kind] : of_xs;
}

/*
 * What the pages say
 */

static char *read_page(const char *name)
{
	char path[4096];
	_cleanup_close_ int fd = -1;
	struct stat st;
	char *text;

	snprintf(path, sizeof(path), "%s/%s.3", man_directory, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		fail("%s: %s", path, strerror(errno));
	text = calloc(1, (size_t)st.st_size + 1);
	if (!text || read(fd, text, (size_t)st.st_size) != st.st_size)
		fail("%s: cannot be read", path);
	return text;
}

/* The part of a page from this heading on to the next of its kind. */
static void cut_section(char *page, const char *heading)
{
	char *from = strstr(page, heading), *end;
	const char next[] = { '\n', heading[0], heading[1], heading[2], '\0' };

	if (!from) {
		*page = '\0';
		return;
	}
	end = strstr(from + strlen(heading), next);
	if (end)
		*end = '\0';
	memmove(page, from, strlen(from) + 1);
}

static bool has_line(const char *text, const char *prefix, const char *name,
		     const char *suffix)
{
	char line[128];

	snprintf(line, sizeof(line), "%s%s%s", prefix, name, suffix);
	return strstr(text, line);
}

/* The call whose errors a page means by naming it, or NULL. */
static const char *name_in_pages(enum fake_host_call kind)
{
	switch (kind) {
	case FAKE_NOTIFY:
		return "xenevtchn_notify";
	case FAKE_PENDING:
		return "xenevtchn_pending";
	case FAKE_UNMASK:
		return "xenevtchn_unmask";
	default:
		return NULL;
	}
}

#define XR ".Xr libxenvchan"

/* Listed by name, as what a call gives that failed, or for all functions. */
static bool is_documented(const char *function, int err)
{
	const char *call = name_in_pages(now.kind),
		   *name = strerrorname_np(err);
	_cleanup_free_ char *page = read_page(function);
	_cleanup_free_ char *general = read_page("libxenvchan");

	cut_section(page, ".Sh ERRORS");
	cut_section(general, ".Ss Errors");
	if (has_line(page, ".It Bq Er ", name, "\n") ||
	    has_line(general, ".It Er ", name, "\n"))
		return true;
	if (call && err == now.err && has_line(page, ".Fn ", call, ""))
		return true;
	for (const char *p = page; (p = strstr(p, XR)); p++) {
		char other[64];

		/* "What that gives", not "see there" */
		if (sscanf(p, ".Xr %63s 3\n", other) == 1 &&
		    strcmp(other, "libxenvchan") && is_documented(other, err))
			return true;
	}
	return false;
}

/*
 * What there is
 */

static unsigned int descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	if (!d)
		fail("/proc/self/fd: %s", strerror(errno));
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static struct resources {
	unsigned int live[FAKE_RESOURCE_N];
	unsigned int descriptors;
} before_call;

static struct resources resources(void)
{
	struct resources r = { .descriptors = descriptors() };

	for (enum fake_host_resource i = 0; i < FAKE_RESOURCE_N; i++)
		r.live[i] = fake_host_live(FAKE_HOST_ANY_DOMAIN, i);
	return r;
}

/* The host itself has refused to take this back, or said that it is not. */
static bool may_be_left(enum fake_host_resource what)
{
	if (what == FAKE_SHARED_PAGES)
		return now.kind == FAKE_UNSHARE;
	if (what == FAKE_MAPPED_PAGES)
		return now.kind == FAKE_UNMAP;
	if (what == FAKE_PORTS) /* which the page's notification holds */
		return now.kind == FAKE_UNSHARE || now.kind == FAKE_UNMAP;
	return what == FAKE_NODES && now.kind >= FAKE_XS_READ &&
	       (now.err == ENOENT || now.err == EACCES || now.err == EPERM ||
		now.err == EINVAL);
}

static void expect_resources(const struct resources *old, const char *when)
{
	struct resources r = resources();

	for (enum fake_host_resource i = 0; i < FAKE_RESOURCE_N; i++) {
		if (r.live[i] != old->live[i] && !may_be_left(i))
			fail("%s: %s: %u, not %u", when,
			     fake_host_resource_name(i), r.live[i],
			     old->live[i]);
	}
	if (r.descriptors != old->descriptors)
		fail("%s: %u descriptors, not %u", when, r.descriptors,
		     old->descriptors);
}

/*
 * The calls of a life
 */

static bool is_init;

void sweep_before_call(void)
{
	is_init = false;
	errno = 0;
}

void sweep_before_init(void)
{
	before_call = resources();
	is_init = true;
	errno = 0;
}

bool sweep_has_struck(enum fake_host_call kind)
{
	return now.err && now.kind == kind && !fake_host_faults_left();
}

bool sweep_failed(const char *function, bool good)
{
	int err = errno;

	if (good)
		return false;
	if (!now.err || fake_host_faults_left())
		fail("%s fails with %s before any call has", function,
		     strerrorname_np(err));
	if (now.n_failures++)
		fail("%s fails with %s, after a failure", function,
		     strerrorname_np(err));
	if (!err)
		fail("%s fails without an errno", function);
	if (!is_documented(function, err))
		fail("%s fails with %s, which its page does not say", function,
		     strerrorname_np(err));
	if (is_init)
		expect_resources(&before_call, function);
	return true;
}

static void live(const struct life *l)
{
	struct resources old;

	alarm(SECONDS_TO_HANG);
	new_world();
	old = resources();
	now.n_failures = 0;
	if (now.err)
		fake_host_fail_in(now.domid, now.kind, now.n, now.err);
	l->run();
	/* How often it looks for its server is a matter of time. */
	if (now.err && fake_host_faults_left() && !l->is_long)
		fail("no such call in this life");
	expect_resources(&old, "in the end");
}

static unsigned int fail_each(const struct life *l, unsigned int n_calls)
{
	unsigned int n_lives = 0;

	if (l->has_next_client && now.kind == FAKE_UNMAP)
		return 0;
	for (now.n = 1; now.n <= n_calls; now.n++) {
		for (const int *e = errors_of(now.kind); *e; e++) {
			now.err = *e;
			live(l);
			n_lives++;
		}
	}
	now.err = 0;
	return n_lives;
}

static void sweep(const struct life *l)
{
	unsigned int n_lives = 0;

	now.life = l->name;
	/* What a process has once: its statistics, its domain's id. */
	new_world();
	l->run();
	for (now.domid = SERVER; now.domid <= CLIENT; now.domid++) {
		unsigned int n_calls[FAKE_ANY_CALL];

		live(l);
		for (now.kind = 0; now.kind < FAKE_ANY_CALL; now.kind++)
			n_calls[now.kind] = (unsigned int)fake_host_calls_in(
				now.domid, now.kind);
		for (now.kind = 0; now.kind < FAKE_ANY_CALL; now.kind++)
			n_lives += fail_each(l, n_calls[now.kind]);
	}
	printf("%s: %u lives\n", l->name, n_lives);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	man_directory = argv[1];
	for (size_t i = 0; i < sweep_n_lives; i++) {
		const struct life *l = &sweep_lives[i];

		if (argc < 3 ? !l->is_long : !strcmp(argv[2], l->name))
			sweep(l);
	}
	return 0;
}
