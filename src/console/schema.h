/* SPDX-License-Identifier: MIT */
/*
 * Where channels are in xenstore, and what their values may be: the one place
 * that knows. Device K of domain N, served by domain B, has three directories
 *
 *	frontend  /local/domain/N/device/console/K
 *	backend   /local/domain/B/backend/console/N/K
 *	libxl     /libxl/N/device/console/K
 *
 * The guest owns the frontend directory, and of its keys those that the
 * protocol has it write; it may remove the whole directory. It can only read
 * the other two's. Nothing here trusts a value: each is parsed whole or
 * refused. See xen-channel(7).
 */
#ifndef XENCHAN_CONSOLE_SCHEMA_H
#define XENCHAN_CONSOLE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Device 0 is the domain's console. Linux takes the last character of the
 * node's name for the number, so 10 collides with 0; 8 does not connect.
 */
#define CONSOLE_DEVICE_MIN 1
#define CONSOLE_DEVICE_MAX 7

#define CONSOLE_NAME_MAX 255
#define CONSOLE_SOCKET_MAX 107 /* sun_path without its NUL */
#define CONSOLE_VALUE_MAX 1024 /* longer than any value that we believe */

#define CONSOLE_LIMIT_MIN 4096u
#define CONSOLE_LIMIT_DEFAULT 1048576u /* what libxl writes */
#define CONSOLE_LIMIT_MAX (1u << 30)

/*
 * Paths
 */

struct console_path {
	char s[128];
};

/*
 * All return p->s. key: a key of ours, below the directory; NULL: the directory
 * itself.
 */
const char *console_frontend_path(struct console_path *p, unsigned int domid,
				  unsigned int device, const char *key);
const char *console_backend_path(struct console_path *p, unsigned int backend,
				 unsigned int domid, unsigned int device,
				 const char *key);
const char *console_libxl_path(struct console_path *p, unsigned int domid,
			       unsigned int device, const char *key);

/*
 * A guest's own frontend directories, relative to its home, whatever its id is
 * now: what a frontend reads, writes and watches.
 */
#define CONSOLE_OWN_ROOT "device/console"
const char *console_own_path(struct console_path *p, unsigned int device,
			     const char *key);

/* /local/domain/B/backend/console: what a backend watches. */
const char *console_backend_root(struct console_path *p, unsigned int backend);

/* A path below /local/domain/B/backend/console. */
struct console_backend_id {
	unsigned int backend;
	unsigned int domid;
	unsigned int device;
	const char *key; /* within the path; "" if it is the directory */
};

/*
 * Takes the path of a backend directory, or below one, apart; the device may be
 * 0 here. 0 or -EINVAL.
 */
int console_parse_backend_path(const char *path,
			       struct console_backend_id *out);

/* The same with the frontend's: out->backend is then 0. */
int console_parse_frontend_path(const char *path,
				struct console_backend_id *out);

/*
 * Keys. The guest writes the first group; the others it can only read.
 */

#define CONSOLE_FE_BACKEND "backend"
#define CONSOLE_FE_BACKEND_ID "backend-id"
#define CONSOLE_FE_STATE "state"
#define CONSOLE_FE_PROTOCOL "protocol"
#define CONSOLE_FE_RING_REF "ring-ref"
#define CONSOLE_FE_PORT "port"
/* Ours: "1" while a program in the guest has the channel open. */
#define CONSOLE_FE_OPEN "guest-open"

#define CONSOLE_FE_NAME "name"
#define CONSOLE_FE_LIMIT "limit"
#define CONSOLE_FE_TYPE "type"
#define CONSOLE_TYPE_QEMU "ioemu"
#define CONSOLE_FE_OUTPUT "output"
#define CONSOLE_FE_TTY "tty"

#define CONSOLE_BE_FRONTEND "frontend"
#define CONSOLE_BE_FRONTEND_ID "frontend-id"
#define CONSOLE_BE_ONLINE "online"
#define CONSOLE_BE_STATE "state"
#define CONSOLE_BE_PROTOCOL "protocol"
#define CONSOLE_BE_NAME "name"
#define CONSOLE_BE_CONNECTION "connection"
#define CONSOLE_BE_KIND "kind" /* what others call it */
#define CONSOLE_BE_PATH "path"
#define CONSOLE_BE_HOTPLUG_STATUS "hotplug-status"
/*
 * Ours, in a directory of their own. It says that xenchanneld serves this
 * device, whatever its type.
 */
#define CONSOLE_BE_OURS "xenchan"
#define CONSOLE_BE_ID CONSOLE_BE_OURS "/id"
#define CONSOLE_BE_MODE CONSOLE_BE_OURS "/mode"
#define CONSOLE_BE_UID CONSOLE_BE_OURS "/uid"
#define CONSOLE_BE_GID CONSOLE_BE_OURS "/gid"
#define CONSOLE_BE_OVERFLOW CONSOLE_BE_OURS "/overflow"
#define CONSOLE_BE_LIMIT CONSOLE_BE_OURS "/limit"
#define CONSOLE_BE_LOG CONSOLE_BE_OURS "/log"
#define CONSOLE_BE_SIGNAL CONSOLE_BE_OURS "/signal-client"
#define CONSOLE_BE_ERROR CONSOLE_BE_OURS "/error"

/*
 * Values. The parsers return 0, or -EINVAL and leave *out alone.
 */

/* enum xenbus_state of xen/include/public/io/xenbus.h */
enum console_state {
	CONSOLE_STATE_UNKNOWN,
	CONSOLE_STATE_INITIALISING,
	CONSOLE_STATE_INIT_WAIT,
	CONSOLE_STATE_INITIALISED,
	CONSOLE_STATE_CONNECTED,
	CONSOLE_STATE_CLOSING,
	CONSOLE_STATE_CLOSED,
	CONSOLE_STATE_RECONFIGURING,
	CONSOLE_STATE_RECONFIGURED,
	CONSOLE_STATE_N,
};

int console_parse_state(const char *text, enum console_state *out);
const char *console_state_text(enum console_state s); /* "1" ... */
const char *console_state_name(enum console_state s); /* "initialising" ... */

/* `connection` in the nodes that libxl writes; others call it `kind`. */
enum console_kind {
	CONSOLE_PTY,
	CONSOLE_SOCKET,
	CONSOLE_KIND_N,
};

int console_parse_kind(const char *text, enum console_kind *out);
const char *console_kind_text(enum console_kind k);

/* What happens to the guest's output when the spool is full. */
enum console_overflow {
	CONSOLE_BLOCK,
	CONSOLE_DROP_OLDEST,
	CONSOLE_DROP_NEWEST,
	CONSOLE_OVERFLOW_N,
};

int console_parse_overflow(const char *text, enum console_overflow *out);
const char *console_overflow_text(enum console_overflow o);

/* A device number that we serve. */
int console_parse_device(const char *text, unsigned int *out);

/*
 * A name: 1 to 255 bytes, no slash, no control character, neither "." nor
 * "..": it becomes a file name in the guest. 0; -EINVAL; -ENAMETOOLONG.
 */
int console_check_name(const char *name);

/*
 * The path of a socket or a log: absolute, no control characters, no empty
 * component, no "." or "..", at most max bytes. 0; -EINVAL; -ENAMETOOLONG.
 */
int console_check_path(const char *path, size_t max);

/* Three or four octal digits, no set-id or sticky bit. */
int console_parse_mode(const char *text, unsigned int *out);

/*
 * The id that tells one attachment of a device from the next: as many
 * lower-case hexadecimal digits.
 */
#define CONSOLE_ID_LEN 16

int console_check_id(const char *id);

#endif
