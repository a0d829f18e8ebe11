/* SPDX-License-Identifier: MIT */
/*
 * What there is of channels here: a daemon that serves them, and those of this
 * domain. That there is neither is no fault.
 */
#ifndef XENCHAN_CLI_CHANNEL_PROBE_H
#define XENCHAN_CLI_CHANNEL_PROBE_H

struct channel_report {
	const char *run_dir;
	int daemon_error;      /* of asking xenchanneld there; 0: it answers */
	unsigned int n_served; /* channels that it has */

	int own_error; /* of reading this domain's own, as a guest */
	unsigned int n_own, n_qemus, n_kernels; /* served, held by them */
};

void channel_probe(struct channel_report *report, const char *run_dir);

#endif
