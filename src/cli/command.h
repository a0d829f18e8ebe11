/* SPDX-License-Identifier: MIT */
/*
 * What main.c knows of the commands, and what they have in common: one function
 * a command, called with argv[0] being its last word, that returns the exit
 * status of the process.
 */
#ifndef XENCHAN_CLI_COMMAND_H
#define XENCHAN_CLI_COMMAND_H

enum exit_status {
	STATUS_DONE = 0,
	STATUS_FAILED = 1,   /* one line on standard error says why */
	STATUS_USAGE = 2,    /* the same */
	STATUS_SIGNAL = 128, /* plus the number of the signal that ended it */
};

int command_channel_attach(int argc, char **argv);
int command_channel_detach(int argc, char **argv);
int command_channel_events(int argc, char **argv);
int command_channel_list(int argc, char **argv);
int command_channel_log(int argc, char **argv);
int command_channel_names(int argc, char **argv);
int command_channel_open(int argc, char **argv);
int command_channel_serve(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_vchan_bench(int argc, char **argv);
int command_vchan_connect(int argc, char **argv);
int command_vchan_listen(int argc, char **argv);
int command_vchan_stats(int argc, char **argv);
int command_vchan_proxy(int argc, char **argv);

#endif
