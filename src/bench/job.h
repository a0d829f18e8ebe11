/* SPDX-License-Identifier: MIT */
/* What the two ends of a pair are told to do, and what they answer. */
#ifndef XENCHAN_BENCH_JOB_H
#define XENCHAN_BENCH_JOB_H

#include <stdint.h>

#include "bench/histogram.h"
#include "bench/transport.h"

enum work {
	WORK_STREAM,  /* write and read */
	WORK_PACKET,  /* send and recv */
	WORK_BATCH,   /* several messages in one reserve and commit */
	WORK_INPLACE, /* one message, made and looked at in the ring */
	WORK_LATENCY, /* there and back, one at a time */
	WORK_N,
	WORK_QUIT,
};

/*
 * What travels through the rings beside the messages has the size of a cache
 * line, so that these stay aligned.
 */
#define JOB_ALIGN 64

/* By the client, through what is measured, to the server. */
struct job {
	_Alignas(JOB_ALIGN) uint32_t work;
	uint32_t verify; /* every byte, and no times */
	uint64_t size;   /* of a message */
	uint64_t count;  /* of messages, or of round trips */
	uint64_t batch;  /* messages in a commit, with spans */
};

/* What an end has used. */
struct tally {
	_Alignas(JOB_ALIGN) uint64_t ns;
	uint64_t cpu_ns;
	uint64_t events, syscalls;
	uint64_t failed; /* an enum below */
};

enum {
	FAILED_DATA = 1,
	FAILED_CALL = 2,
};

/* By the client, to who has started it. */
struct outcome {
	struct tally client, server;
	struct histogram times; /* of WORK_LATENCY */
};

/* The first thing that an end says, the server's first to the client. */
struct hello {
	_Alignas(JOB_ALIGN) uint64_t setup_ns;
	uint64_t requests; /* to xenstore */
	uint64_t fds;      /* that setting up has opened */
	/* The same of one more server in the process, which finds there what
	 * all share. */
	uint64_t more_requests, more_fds;
};

struct hellos {
	struct hello client, server;
};

/* Runs a job. */
struct tally work_do(struct transport *t, const struct job *job, bool sends,
		     struct histogram *times);

/* The whole of an end's process. argv as pair.c makes it. */
int end_main(int argc, char **argv);

#endif
