/* SPDX-License-Identifier: MIT */
/*
 * Ending in good order on SIGINT, SIGTERM and SIGHUP: the first one asks to
 * stop, by making a descriptor readable; the second one ends the process
 * whatever it is doing.
 */
#ifndef XENCHAN_CLI_STOP_H
#define XENCHAN_CLI_STOP_H

/* Installs the handlers, and ignores SIGPIPE. 0, or negative errno. */
int stop_install(void);

/* Readable once a signal has come; to be polled, not to be read. */
int stop_fd(void);

/* The signal that came, or 0. */
int stop_signal(void);

#endif
