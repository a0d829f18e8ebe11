/* SPDX-License-Identifier: MIT */
/* The xenhost command: one file for a group of subcommands, listed in main.c. */
#ifndef XENCHAN_XENHOST_CLI_H
#define XENCHAN_XENHOST_CLI_H

#include <limits.h>
#include <stdbool.h>

#include "xenhost/ctl-proto.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

/* Sockets in it must fit into a sun_path. */
#define CLI_MAX_DIR 108
#define CLI_MAX_PATH (CLI_MAX_DIR + NAME_MAX + 1)

struct cli {
	char dir[CLI_MAX_DIR]; /* the host's directory; absolute, no links */
	const char *command;
};

/* "xenhost: COMMAND: ..." on stderr; the exit code to return. */
__attribute__((format(printf, 2, 3))) int cli_failed(const struct cli *cli,
						     const char *format, ...);
__attribute__((format(printf, 2, 3))) int cli_misused(const struct cli *cli,
						      const char *format, ...);

/* A domain id, or EXIT_USAGE with a message. */
int cli_parse_domid(const struct cli *cli, const char *text,
		    unsigned int *domid_r);

/* A connection to the host's ctl; -errno: it is not up. */
int ctl_connect(const char *dir, int *fd_r);

/*
 * One request, words up to a NULL, and its reply; -errno as hostd answered,
 * -EPIPE if it went away.
 */
int ctl_call(int fd, const char *const *words, struct ctl_reply *reply);

/*
 * A request to a host that must be up; a message and an exit code if it is
 * not. Else EXIT_DONE and hostd's answer in *r_r.
 */
int cli_call(const struct cli *cli, const char *const *words,
	     struct ctl_reply *reply, int *r_r);

/* Starts the host unless it is up. A message and an exit code on failure. */
int cli_start_host(const struct cli *cli, bool foreground);

/* argv[0] is the subcommand. The exit code. */
int cmd_up(struct cli *cli, int argc, char **argv);
int cmd_down(struct cli *cli, int argc, char **argv);
int cmd_list(struct cli *cli, int argc, char **argv);
int cmd_create(struct cli *cli, int argc, char **argv);
int cmd_destroy(struct cli *cli, int argc, char **argv);
int cmd_run(struct cli *cli, int argc, char **argv);
int cmd_fault(struct cli *cli, int argc, char **argv);

/* cmd-run's: what keeps a program from being a process of a domain. */
const char *program_trouble(const char *path);

#endif
