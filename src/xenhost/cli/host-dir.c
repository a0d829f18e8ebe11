// SPDX-License-Identifier: MIT
/*
 * The directory of a host. Who holds the lock file in it is the host: the lock
 * ends with the process, however it ends, and what else hosts make there then
 * is stale. What the lock file says tells a host's directory from others, in
 * which nothing is touched.
 */
#include "host-dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

static const char magic[] = "xenhost: the lock of an emulated host\n";

void host_dir_path(const struct cli *cli, const char *name,
		   char path[static CLI_MAX_PATH])
{
	snprintf(path, CLI_MAX_PATH, "%s/%s", cli->dir, name);
}

int host_dir_make(const struct cli *cli)
{
	struct stat st;

	if (mkdir(cli->dir, 0700) == 0)
		return EXIT_DONE;
	if (errno != EEXIST)
		return cli_failed(cli, "%s: %s; choose another with --dir",
				  cli->dir, strerror(errno));
	if (lstat(cli->dir, &st) < 0 && errno == ENOENT)
		return EXIT_DONE; /* gone again: there is no lock to take */
	if (!S_ISDIR(st.st_mode) || st.st_uid != getuid())
		return cli_failed(cli,
				  "%s is not a directory of yours; choose "
				  "another with --dir",
				  cli->dir);
	return EXIT_DONE;
}

/* Whether there is nothing in the directory but, perhaps, a lock. */
static bool dir_is_empty(const struct cli *cli, bool lock_too)
{
	DIR *dir = opendir(cli->dir);
	const struct dirent *entry;
	bool empty = true;

	while (dir && empty && (entry = readdir(dir)))
		empty = strcmp(entry->d_name, ".") == 0 ||
			strcmp(entry->d_name, "..") == 0 ||
			(!lock_too && strcmp(entry->d_name, "lock") == 0);
	if (dir)
		closedir(dir);
	return empty;
}

static int open_lock(const struct cli *cli, const char *path, int *fd_r)
{
	const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	struct stat st;

	*fd_r = open(path, flags);
	if (*fd_r >= 0 || errno != ENOENT)
		return *fd_r < 0 ? -errno : 0;
	/* Who finds other files without a lock may only have looked too early. */
	if (!dir_is_empty(cli, true))
		return lstat(path, &st) == 0 ? -ESTALE : -ENOTEMPTY;
	*fd_r = open(path, flags | O_CREAT, 0600);
	if (*fd_r < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	return 0;
}

/* -ENOTEMPTY: the lock is no host's, nor an empty one in an empty directory. */
static int check_magic(const struct cli *cli, int fd)
{
	char text[sizeof(magic)];
	ssize_t n = pread(fd, text, sizeof(text), 0);

	if (n == 0 && dir_is_empty(cli, false))
		return pwrite(fd, magic, strlen(magic), 0) < 0 ? -errno : 0;
	return n == (ssize_t)strlen(magic) &&
			       memcmp(text, magic, strlen(magic)) == 0
		       ? 0
		       : -ENOTEMPTY;
}

int host_dir_lock(const struct cli *cli, int *fd_r)
{
	_cleanup_close_ int fd = -1;
	struct stat ours, there;
	char path[CLI_MAX_PATH];
	int r;

	host_dir_path(cli, "lock", path);
	r = open_lock(cli, path, &fd);
	if (r < 0)
		return r;
	if (fstat(fd, &ours) < 0)
		return -errno;
	if (!S_ISREG(ours.st_mode))
		return -ENOTEMPTY;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	if (lstat(path, &there) < 0 || ours.st_ino != there.st_ino ||
	    ours.st_dev != there.st_dev)
		return -ESTALE;
	r = check_magic(cli, fd);
	if (r < 0)
		return r;
	/* Only a user's own processes are to reach the sockets. */
	if (chmod(cli->dir, 0700) < 0)
		return -errno;
	*fd_r = TAKE_FD(fd);
	return 0;
}

/* ctl, and <domid>.hv and <domid>.xs */
static bool is_socket_name(const char *name)
{
	size_t digits = strspn(name, "0123456789");

	return strcmp(name, "ctl") == 0 ||
	       (digits > 0 && (strcmp(name + digits, ".hv") == 0 ||
			       strcmp(name + digits, ".xs") == 0));
}

static void remove_sockets(const struct cli *cli)
{
	DIR *dir = opendir(cli->dir);
	const struct dirent *entry;
	char path[CLI_MAX_PATH];
	struct stat st;

	while (dir && (entry = readdir(dir))) {
		if (!is_socket_name(entry->d_name))
			continue;
		host_dir_path(cli, entry->d_name, path);
		if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
			unlink(path);
	}
	if (dir)
		closedir(dir);
}

void host_dir_renew(const struct cli *cli)
{
	char current[CLI_MAX_PATH], former[CLI_MAX_PATH];
	struct stat st;

	remove_sockets(cli);
	host_dir_path(cli, "log", current);
	host_dir_path(cli, "log.old", former);
	if (stat(current, &st) == 0 && st.st_size > 0)
		rename(current, former);
}

void host_dir_remove(const struct cli *cli)
{
	static const char *const names[] = { "log", "log.old", "lock" };
	char path[CLI_MAX_PATH];

	remove_sockets(cli);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		host_dir_path(cli, names[i], path);
		unlink(path);
	}
	rmdir(cli->dir);
}
