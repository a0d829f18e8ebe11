// SPDX-License-Identifier: MIT
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "hv.h"

struct hv_conn {
	pthread_mutex_t lock; /* one request at a time */
	pid_t pid;            /* who connected */
	unsigned int n_refs;  /* under current_lock */
	int fd;
	int board_fd; /* owner */
	unsigned int domid;
	struct list pages; /* under lock */
	struct domain_page *domain;
};

/* A page of the board that is mapped here. */
struct board_page {
	struct list link;
	uint32_t number;
	unsigned int n_refs;
	void *addr;
};

/* Guards current and every n_refs; held across fork. */
static pthread_mutex_t current_lock = PTHREAD_MUTEX_INITIALIZER;
static struct hv_conn *current;

static void before_fork(void)
{
	pthread_mutex_lock(&current_lock);
	if (current)
		pthread_mutex_lock(&current->lock);
}

static void after_fork(void)
{
	if (current)
		pthread_mutex_unlock(&current->lock);
	pthread_mutex_unlock(&current_lock);
}

__attribute__((constructor)) static void hv_init(void)
{
	pthread_atfork(before_fork, after_fork, after_fork);
}

static void page_free(struct board_page *page)
{
	list_remove(&page->link);
	munmap(page->addr, BOARD_PAGE_SIZE);
	free(page);
}

static void conn_free(struct hv_conn *conn)
{
	struct list *pos, *tmp;

	if (!conn)
		return;
	list_for_each_safe (pos, tmp, &conn->pages)
		page_free(list_entry(pos, struct board_page, link));
	if (conn->board_fd >= 0)
		close(conn->board_fd);
	if (conn->fd >= 0)
		close(conn->fd);
	free(conn);
}
DEFINE_CLEANUP(struct hv_conn *, conn, conn_free)

static int conn_connect(int *fd_r)
{
	const char *dir = getenv(HV_ENV_DIR), *domid = getenv(HV_ENV_DOMAIN);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;
	int n;

	if (!dir || !domid)
		return -ENODEV;
	n = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s.hv", dir,
		     domid);
	if (n < 0 || (size_t)n >= sizeof(addr.sun_path))
		return -ENODEV;

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	while (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		if (errno != EINTR)
			return errno == ECONNREFUSED || errno == ENOENT
				       ? -ENODEV
				       : -errno;
	*fd_r = TAKE_FD(fd);
	return 0;
}

static int conn_new(struct hv_conn **conn_r)
{
	const struct hv_request req = { .op = HV_HELLO, .id = HV_PROTO };
	_cleanup_(cleanup_connp) struct hv_conn *conn = NULL;
	struct hv_reply reply;
	void *domain;
	int r;

	conn = calloc(1, sizeof(*conn));
	if (!conn)
		return -ENOMEM;
	pthread_mutex_init(&conn->lock, NULL);
	conn->pid = getpid();
	conn->fd = conn->board_fd = -1;
	list_init(&conn->pages);
	r = conn_connect(&conn->fd);
	if (r < 0)
		return r;
	r = hv_call(conn, &req, NULL, 0, &reply, &conn->board_fd);
	if (r == 0)
		r = hv_page_get(conn, reply.page, &domain);
	if (r < 0)
		return r;
	conn->domid = reply.domid;
	conn->domain = domain;
	*conn_r = TAKE_PTR(conn);
	return 0;
}

int hv_conn_get(struct hv_conn **conn_r)
{
	int r = 0;

	pthread_mutex_lock(&current_lock);
	if (!current || current->pid != getpid()) {
		struct hv_conn *conn = NULL;

		r = conn_new(&conn);
		if (r == 0) {
			if (current && current->n_refs == 0)
				conn_free(current);
			current = conn;
		}
	}
	if (r == 0) {
		current->n_refs++;
		*conn_r = current;
	}
	pthread_mutex_unlock(&current_lock);
	return r;
}

struct hv_conn *hv_conn_ref(struct hv_conn *conn)
{
	pthread_mutex_lock(&current_lock);
	conn->n_refs++;
	pthread_mutex_unlock(&current_lock);
	return conn;
}

void hv_conn_put(struct hv_conn *conn)
{
	if (!conn)
		return;
	pthread_mutex_lock(&current_lock);
	/*
	 * Our own stays, even unused: its end would release what the process
	 * closed the handle of but still has mapped. An inherited one goes
	 * with its last handle, or it would keep the parent's alive.
	 */
	if (--conn->n_refs == 0 && hv_conn_inherited(conn)) {
		if (current == conn)
			current = NULL;
		conn_free(conn);
	}
	pthread_mutex_unlock(&current_lock);
}

bool hv_conn_inherited(const struct hv_conn *conn)
{
	return conn->pid != getpid();
}

unsigned int hv_conn_domid(const struct hv_conn *conn)
{
	return conn->domid;
}

struct domain_page *hv_conn_domain(const struct hv_conn *conn)
{
	return conn->domain;
}

static struct board_page *find_page(struct hv_conn *conn, uint32_t number)
{
	struct list *pos;

	list_for_each (pos, &conn->pages) {
		struct board_page *page =
			list_entry(pos, struct board_page, link);

		if (page->number == number)
			return page;
	}
	return NULL;
}

static int map_page(struct hv_conn *conn, uint32_t number,
		    struct board_page **page_r)
{
	_cleanup_free_ struct board_page *page = calloc(1, sizeof(*page));

	if (!page || number >= BOARD_N_PAGES)
		return -ENOMEM;
	page->number = number;
	page->addr =
		mmap(NULL, BOARD_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		     conn->board_fd, (off_t)number << BOARD_PAGE_SHIFT);
	if (page->addr == MAP_FAILED)
		/* EAGAIN: over the limit of locked memory */
		return errno == EAGAIN ? -ENOMEM : -errno;
	madvise(page->addr, BOARD_PAGE_SIZE, MADV_DONTDUMP);
	list_append(&conn->pages, &page->link);
	*page_r = TAKE_PTR(page);
	return 0;
}

int hv_page_get(struct hv_conn *conn, uint32_t number, void **addr_r)
{
	struct board_page *page;
	int r = 0;

	pthread_mutex_lock(&conn->lock);
	page = find_page(conn, number);
	if (!page)
		r = map_page(conn, number, &page);
	if (r == 0) {
		page->n_refs++;
		*addr_r = page->addr;
	}
	pthread_mutex_unlock(&conn->lock);
	return r;
}

void hv_page_put(struct hv_conn *conn, const void *addr)
{
	struct list *pos, *tmp;

	pthread_mutex_lock(&conn->lock);
	list_for_each_safe (pos, tmp, &conn->pages) {
		struct board_page *page =
			list_entry(pos, struct board_page, link);

		if (page->addr == addr && --page->n_refs == 0)
			page_free(page);
	}
	pthread_mutex_unlock(&conn->lock);
}

static int hv_send(int fd, const struct hv_request *req, const uint32_t *refs)
{
	struct iovec iov[2] = {
		{ (void *)(uintptr_t)req, sizeof(*req) },
		{ (void *)(uintptr_t)refs, req->n_refs * sizeof(*refs) },
	};
	const struct msghdr msg = {
		.msg_iov = iov,
		.msg_iovlen = req->n_refs ? 2 : 1,
	};

	while (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return errno == EPIPE || errno == ECONNRESET ? -ENODEV
								     : -errno;
	return 0;
}

static int hv_receive(int fd, struct hv_reply *reply, uint32_t *refs,
		      uint32_t max_refs, int *fd_r)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov[2] = {
		{ reply, sizeof(*reply) },
		{ refs, max_refs * sizeof(*refs) },
	};
	struct msghdr msg = {
		.msg_iov = iov,
		.msg_iovlen = max_refs ? 2 : 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	const struct cmsghdr *cmsg;
	_cleanup_close_ int got = -1;
	ssize_t n;

	do {
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < (ssize_t)sizeof(*reply))
		return -ENODEV;

	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg && cmsg->cmsg_level == SOL_SOCKET &&
	    cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(&got, CMSG_DATA(cmsg), sizeof(got));
	/* The kernel drops what it has no descriptor left for. */
	if (reply->flags & HV_FD && got < 0)
		return -EMFILE;
	if (fd_r)
		*fd_r = TAKE_FD(got);
	return -(int)reply->error;
}

/* Takes back what the host did, and gave a descriptor that did not arrive. */
static void hv_undo(struct hv_conn *conn, const struct hv_request *done,
		    const struct hv_reply *reply)
{
	struct hv_request req = { .id = reply->id };

	switch (done->op) {
	case HV_EVTCHN_OPEN:
		req.op = HV_EVTCHN_CLOSE;
		break;
	case HV_SHARE:
	case HV_MAP:
		req.op = HV_RELEASE;
		req.flags = HV_QUIET;
		break;
	default:
		return;
	}
	hv_call(conn, &req, NULL, 0, NULL, NULL);
}

int hv_call(struct hv_conn *conn, const struct hv_request *req, uint32_t *refs,
	    uint32_t max_refs, struct hv_reply *reply, int *fd_r)
{
	struct hv_reply unused;
	int r;

	if (!reply)
		reply = &unused;
	*reply = (struct hv_reply){ 0 };
	if (fd_r)
		*fd_r = -1;
	pthread_mutex_lock(&conn->lock);
	r = hv_send(conn->fd, req, refs);
	if (r == 0)
		r = hv_receive(conn->fd, reply, refs,
			       req->n_refs ? 0 : max_refs, fd_r);
	pthread_mutex_unlock(&conn->lock);
	if (r < 0 && reply->flags & HV_FD)
		hv_undo(conn, req, reply);
	return r;
}

int hv_fault(struct hv_conn *conn, enum fault_kind kind)
{
	uint32_t delay_us;
	int error = fault_check(conn->domain, kind, &delay_us);

	if (delay_us) {
		struct timespec left = {
			.tv_sec = delay_us / 1000000,
			.tv_nsec = delay_us % 1000000 * 1000L,
		};

		while (nanosleep(&left, &left) < 0 && errno == EINTR)
			;
	}
	return -error;
}
