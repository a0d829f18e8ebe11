/* SPDX-License-Identifier: MIT */
/*
 * That files are opened, told for any number of them through one inotify
 * instance: a user may have 128. How often is not told: the kernel makes one
 * event of several that nobody has read yet.
 */
#ifndef XENCHAN_BACKEND_PTY_WATCH_H
#define XENCHAN_BACKEND_PTY_WATCH_H

#include <stdbool.h>
#include <uv.h>

struct pty_watch;

/* surely: it was opened; otherwise events were lost. */
typedef void (*pty_watch_fn)(void *userdata, bool surely);

int pty_watch_new(struct pty_watch **out, uv_loop_t *loop);
void pty_watch_free(struct pty_watch *w);

/* The number of the watch, or a negative errno. */
int pty_watch_add(struct pty_watch *w, const char *path, pty_watch_fn fn,
		  void *userdata);
void pty_watch_remove(struct pty_watch *w, int id);

#endif
