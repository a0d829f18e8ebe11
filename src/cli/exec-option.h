/* SPDX-License-Identifier: MIT */
/* --exec CMD...: all that follows it belongs to the command. */
#ifndef XENCHAN_CLI_EXEC_OPTION_H
#define XENCHAN_CLI_EXEC_OPTION_H

/* Where the options end and CMD begins; argc if there is no --exec. */
int find_exec_option(int argc, char **argv);

#endif
