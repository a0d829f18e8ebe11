// SPDX-License-Identifier: MIT
#include "dm/monitor.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define RETRY (100 * NS_PER_MS)

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void drop_client(struct monitor *m)
{
	close_fd(&m->client);
	qmp_free(TAKE_PTR(m->qmp));
	m->n_in = m->n_taken = 0;
}

static int bind_for_us(int fd, const struct sockaddr_un *address)
{
	struct stat st;
	mode_t mask;
	int r;

	if (!lstat(address->sun_path, &st) && S_ISSOCK(st.st_mode))
		unlink(address->sun_path);
	mask = umask(0177);
	r = bind(fd, (const struct sockaddr *)address, sizeof(*address));
	r = r ? -errno : 0;
	umask(mask);
	return r;
}

int monitor_init(struct monitor *m, const struct dm_args *args,
		 const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int r;

	*m = (struct monitor){ .args = args, .listening = -1, .client = -1 };
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	m->listening =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (m->listening < 0)
		return -errno;
	r = bind_for_us(m->listening, &address);
	if (r)
		return r;
	m->path = path;
	return listen(m->listening, 1) ? -errno : 0;
}

void monitor_deinit(struct monitor *m)
{
	drop_client(m);
	close_fd(&m->listening);
	if (m->path)
		unlink(m->path);
	m->path = NULL;
}

int64_t monitor_deadline(const struct monitor *m)
{
	return m->client < 0 && m->accept_ns > clock_now_ns() ? m->accept_ns
							      : DEADLINE_NEVER;
}

struct pollfd monitor_pollfd(const struct monitor *m)
{
	size_t n;

	if (m->client < 0)
		return (struct pollfd){ monitor_deadline(m) == DEADLINE_NEVER
						? m->listening
						: -1,
					POLLIN, 0 };
	qmp_answer(m->qmp, &n);
	return (struct pollfd){ m->client, n ? POLLOUT : POLLIN, 0 };
}

static int take_client(struct monitor *m)
{
	int r;

	m->client =
		accept4(m->listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	/* Whoever waits goes on waiting where there is no descriptor left. */
	if (m->client < 0 && errno != EAGAIN)
		m->accept_ns = deadline_in(RETRY);
	if (m->client < 0)
		return 0;
	r = qmp_new(&m->qmp, m->args);
	if (r)
		close_fd(&m->client);
	return r;
}

static bool is_passing(int error)
{
	return error == EAGAIN || error == EINTR;
}

/* False: the client has left. */
static bool send_answer(struct monitor *m, const char *text, size_t n)
{
	ssize_t sent = send(m->client, text, n, MSG_NOSIGNAL);

	if (sent < 0)
		return is_passing(errno);
	qmp_sent(m->qmp, (size_t)sent);
	return true;
}

static bool receive(struct monitor *m)
{
	ssize_t n = recv(m->client, m->in, sizeof(m->in), 0);

	if (n < 0)
		return is_passing(errno);
	m->n_in = (size_t)n;
	m->n_taken = 0;
	return n > 0;
}

int monitor_turn(struct monitor *m)
{
	const char *text;
	size_t n;
	int r = 0;

	if (m->client < 0)
		return take_client(m);
	text = qmp_answer(m->qmp, &n);
	if (n && !send_answer(m, text, n))
		r = QMP_MALFORMED;
	else if (!n && !receive(m))
		r = QMP_MALFORMED;
	qmp_answer(m->qmp, &n);
	while (!r && !n && m->n_taken < m->n_in) {
		size_t taken;

		r = qmp_feed(m->qmp, m->in + m->n_taken, m->n_in - m->n_taken,
			     &taken);
		m->n_taken += taken;
		qmp_answer(m->qmp, &n);
	}
	if (r)
		drop_client(m);
	return r < 0 ? r : 0;
}
