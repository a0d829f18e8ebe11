/* SPDX-License-Identifier: MIT */
/*
 * What of the daemon is not under test: memory, the spool's file, nodes, logs.
 * A model supplies its client (sink.h: has_client, write, peek, read, want),
 * the ring's page, event channels, and the two functions at the end.
 */
#ifndef XENCHAN_MODEL_CHANNEL_HOST_H
#define XENCHAN_MODEL_CHANNEL_HOST_H

#include <stddef.h>
#include <stdint.h>

#include "backend/nodes.h"
#include "backend/sink.h"

/* The spool's file: its header, and one page of data. */
#define MODEL_PAGE 4096
#define MODEL_FILE_SIZE (2 * MODEL_PAGE)
extern uint8_t model_file[MODEL_FILE_SIZE];

/* Of the channel that nodes_read_config() describes. */
extern struct channel_config model_config;

/* An empty file, and all that the code under test had allocated is gone. */
void model_forget_all(void);

/* The process has died: what it had allocated is gone. */
void model_forget_heap(void);

/* Tells the channel of its client. */
void model_sink_event(enum sink_event event);

/* nodes_read_view() and nodes_write_state(). */
void model_read_view(struct channel_view *out);
void model_write_state(enum console_state s);

#endif
