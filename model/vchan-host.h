/* SPDX-License-Identifier: MIT */
/* A host with one vchan on it, and nothing else. */
#ifndef XENCHAN_MODEL_VCHAN_HOST_H
#define XENCHAN_MODEL_VCHAN_HOST_H

#include "vchan/page.h"
#include "xen.h"

/* The page that the server shares, and its grant. */
extern struct vchan_page *model_page;
#define MODEL_GRANT 8

/* In set_up: makes the page and the ports anew, and declares their words. */
void model_host_reset(void);

#endif
