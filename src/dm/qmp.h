/* SPDX-License-Identifier: MIT */
/*
 * As much of QMP, QEMU's monitor protocol, as libxl and xenstat ask of the
 * device model of a guest that has channels and nothing else: the greeting, the
 * negotiation, and queries whose answer is known. Each object from the client
 * gets one answer, in order; all else is answered with an error.
 *
 * No descriptor and no system call here: bytes in, bytes out. What the client
 * sends is bounded by QMP_COMMAND_MAX bytes and QMP_DEPTH_MAX levels for each
 * object, and only one answer is kept.
 */
#ifndef XENCHAN_DM_QMP_H
#define XENCHAN_DM_QMP_H

#include <stddef.h>

#include "dm/args.h"

#define QMP_COMMAND_MAX 16384u
#define QMP_DEPTH_MAX 16

enum qmp_error {
	QMP_MALFORMED = 1, /* no JSON, or too much or too deep */
};

struct qmp;

/* args has to outlive it. 0 or -ENOMEM; the greeting waits to be sent. */
int qmp_new(struct qmp **out, const struct dm_args *args);
void qmp_free(struct qmp *q);

/* What is to be sent: n bytes, 0 if nothing. */
const char *qmp_answer(const struct qmp *q, size_t *n);

/* So many of them have been sent. */
void qmp_sent(struct qmp *q, size_t n);

/*
 * Bytes of the client's, taken while there is no answer to be sent. *taken is
 * how many were, up to the end of one object. 0; QMP_MALFORMED: the client is
 * to be dropped; or -ENOMEM.
 */
int qmp_feed(struct qmp *q, const char *data, size_t n, size_t *taken);

#endif
