/* SPDX-License-Identifier: MIT */
/* Where victim and liar meet. */
#ifndef XENCHAN_HOSTILE_VCHAN_NAMES_H
#define XENCHAN_HOSTILE_VCHAN_NAMES_H

#define SERVER_ID 1
#define CLIENT_ID 2
#define VICTIM_NAME "data/vchan/victim"
#define VICTIM_PATH "/local/domain/1/" VICTIM_NAME

#endif
