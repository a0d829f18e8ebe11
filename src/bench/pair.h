/* SPDX-License-Identifier: MIT */
/* Two processes that are the ends of one transport, started and told what to do. */
#ifndef XENCHAN_BENCH_PAIR_H
#define XENCHAN_BENCH_PAIR_H

#include <stdbool.h>
#include <sys/types.h>

#include "bench/job.h"

/* Where an end runs, and how it is set. */
struct end_place {
	int cpu; /* or -1 */
	bool fifo;
	const char *spin; /* $XENVCHAN_SPIN_NS, or NULL: as it is */
};

/* What is compared: a transport, for a vchan with the library of each end. */
struct contender {
	const char *name;
	enum kind kind;
	char *libraries[2]; /* the client's, who sends; the server's */
	const char *spin;
	int idle; /* other vchans in the server's event loop; 0: it blocks */
	struct hellos hellos; /* of the last pair */
};

/* How pairs are started: here with a host of our own, or one end of them. */
struct stage {
	const char *self; /* this program */
	const char
		*xenhost; /* the command, with the host's directory; or NULL: */
	const char *host_dir;
	int peer;         /* the other end is in this domain, */
	const char *path; /* and this is where */
	int cpus[2];      /* the client's, the server's */
	bool fifo;
};

struct pair {
	pid_t pids[2]; /* client, server; 0: not ours */
	int to, from;  /* the client's standard input and output */
	struct hellos hellos;
};

/*
 * Starts both ends, or with stage->peer the client alone, for rings of that
 * size; index tells pairs apart. 0, or -1 after they have said why.
 */
int pair_start(struct pair *p, const struct contender *c,
	       const struct stage *stage, size_t ring, unsigned int index);
/* Starts the server alone, for a client elsewhere. Its pid, or -1. */
pid_t pair_serve(const struct contender *c, const struct stage *stage,
		 size_t ring, unsigned int index);
/* 0, or -1: an end is gone. */
int pair_do(struct pair *p, const struct job *job, struct outcome *outcome);
void pair_stop(struct pair *p);

/* The inverse of what pair_start() gives an end as arguments. 0, or -1. */
int end_arguments_parse(int argc, char **argv, struct end_setup *setup,
			struct end_place *place);

#endif
