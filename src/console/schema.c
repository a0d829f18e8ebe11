// SPDX-License-Identifier: MIT
#include "console/schema.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

static const char *const state_names[] = {
	[CONSOLE_STATE_UNKNOWN] = "unknown",
	[CONSOLE_STATE_INITIALISING] = "initialising",
	[CONSOLE_STATE_INIT_WAIT] = "init-wait",
	[CONSOLE_STATE_INITIALISED] = "initialised",
	[CONSOLE_STATE_CONNECTED] = "connected",
	[CONSOLE_STATE_CLOSING] = "closing",
	[CONSOLE_STATE_CLOSED] = "closed",
	[CONSOLE_STATE_RECONFIGURING] = "reconfiguring",
	[CONSOLE_STATE_RECONFIGURED] = "reconfigured",
};
static_assert(sizeof(state_names) / sizeof(state_names[0]) == CONSOLE_STATE_N,
	      "a name for each state");

static const char *const state_texts[] = { "0", "1", "2", "3", "4",
					   "5", "6", "7", "8" };
static_assert(sizeof(state_texts) / sizeof(state_texts[0]) == CONSOLE_STATE_N,
	      "a number for each state");

static const char *const kinds[] = {
	[CONSOLE_PTY] = "pty",
	[CONSOLE_SOCKET] = "socket",
};
static_assert(sizeof(kinds) / sizeof(kinds[0]) == CONSOLE_KIND_N,
	      "a word for each kind");

static const char *const overflows[] = {
	[CONSOLE_BLOCK] = "block",
	[CONSOLE_DROP_OLDEST] = "drop-oldest",
	[CONSOLE_DROP_NEWEST] = "drop-newest",
};
static_assert(sizeof(overflows) / sizeof(overflows[0]) == CONSOLE_OVERFLOW_N,
	      "a word for each policy");

static int find_word(const char *text, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(text, words[i]))
			return (int)i;
	}
	return -EINVAL;
}

/* The numbers are bounded: the longest path and key are about 70 bytes. */
static const char *finish(struct console_path *p, int len, const char *key)
{
	assert(len > 0 &&
	       (size_t)len + (key ? strlen(key) : 0) + 2 <= sizeof(p->s));
	if (key) {
		p->s[len] = '/';
		strcpy(p->s + len + 1, key);
	}
	return p->s;
}

const char *console_frontend_path(struct console_path *p, unsigned int domid,
				  unsigned int device, const char *key)
{
	int n = snprintf(p->s, sizeof(p->s),
			 "/local/domain/%u/device/console/%u", domid, device);

	return finish(p, n, key);
}

const char *console_backend_path(struct console_path *p, unsigned int backend,
				 unsigned int domid, unsigned int device,
				 const char *key)
{
	int n = snprintf(p->s, sizeof(p->s),
			 "/local/domain/%u/backend/console/%u/%u", backend,
			 domid, device);

	return finish(p, n, key);
}

const char *console_libxl_path(struct console_path *p, unsigned int domid,
			       unsigned int device, const char *key)
{
	int n = snprintf(p->s, sizeof(p->s), "/libxl/%u/device/console/%u",
			 domid, device);

	return finish(p, n, key);
}

const char *console_own_path(struct console_path *p, unsigned int device,
			     const char *key)
{
	int n = snprintf(p->s, sizeof(p->s), CONSOLE_OWN_ROOT "/%u", device);

	return finish(p, n, key);
}

const char *console_backend_root(struct console_path *p, unsigned int backend)
{
	snprintf(p->s, sizeof(p->s), "/local/domain/%u/backend/console",
		 backend);
	return p->s;
}

/* Steps over a fixed part of a path. */
static bool take_literal(const char **p, const char *literal)
{
	size_t n = strlen(literal);

	if (strncmp(*p, literal, n) != 0)
		return false;
	*p += n;
	return true;
}

/* Steps over a number as we would print it: digits, no leading zero. */
static bool take_number(const char **p, unsigned int max, unsigned int *out)
{
	char digits[6];
	size_t n = strspn(*p, "0123456789");
	uint32_t v;

	if (!n || n >= sizeof(digits) || (**p == '0' && n > 1))
		return false;
	memcpy(digits, *p, n);
	digits[n] = '\0';
	if (parse_u32(digits, max, &v))
		return false;
	*out = v;
	*p += n;
	return true;
}

#define DOMID_MAX 32751u /* DOMID_FIRST_RESERVED - 1 */
#define DEVICE_ANY 9999u /* what others may have made */

/* What follows a directory's path: nothing, or a slash and a key. */
static bool take_key(const char *p, const char **key)
{
	if (*p && *p != '/')
		return false;
	*key = *p ? p + 1 : p;
	return true;
}

int console_parse_backend_path(const char *path, struct console_backend_id *out)
{
	struct console_backend_id id = { 0 };

	if (!take_literal(&path, "/local/domain/") ||
	    !take_number(&path, DOMID_MAX, &id.backend) ||
	    !take_literal(&path, "/backend/console/") ||
	    !take_number(&path, DOMID_MAX, &id.domid) ||
	    !take_literal(&path, "/") ||
	    !take_number(&path, DEVICE_ANY, &id.device) ||
	    !take_key(path, &id.key))
		return -EINVAL;
	*out = id;
	return 0;
}

int console_parse_frontend_path(const char *path,
				struct console_backend_id *out)
{
	struct console_backend_id id = { 0 };

	if (!take_literal(&path, "/local/domain/") ||
	    !take_number(&path, DOMID_MAX, &id.domid) ||
	    !take_literal(&path, "/device/console/") ||
	    !take_number(&path, DEVICE_ANY, &id.device) ||
	    !take_key(path, &id.key))
		return -EINVAL;
	*out = id;
	return 0;
}

int console_parse_state(const char *text, enum console_state *out)
{
	int i = find_word(text, state_texts, CONSOLE_STATE_N);

	if (i < 0)
		return -EINVAL;
	*out = (enum console_state)i;
	return 0;
}

const char *console_state_text(enum console_state s)
{
	return state_texts[s];
}

const char *console_state_name(enum console_state s)
{
	return state_names[s];
}

int console_parse_kind(const char *text, enum console_kind *out)
{
	int i = find_word(text, kinds, CONSOLE_KIND_N);

	if (i < 0)
		return -EINVAL;
	*out = (enum console_kind)i;
	return 0;
}

const char *console_kind_text(enum console_kind k)
{
	return kinds[k];
}

int console_parse_overflow(const char *text, enum console_overflow *out)
{
	int i = find_word(text, overflows, CONSOLE_OVERFLOW_N);

	if (i < 0)
		return -EINVAL;
	*out = (enum console_overflow)i;
	return 0;
}

const char *console_overflow_text(enum console_overflow o)
{
	return overflows[o];
}

int console_parse_device(const char *text, unsigned int *out)
{
	unsigned int v;

	if (!take_number(&text, CONSOLE_DEVICE_MAX, &v) || *text ||
	    v < CONSOLE_DEVICE_MIN)
		return -EINVAL;
	*out = v;
	return 0;
}

static bool has_control(const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	}
	return false;
}

static bool is_dots(const char *s, size_t n)
{
	return (n == 1 && s[0] == '.') || (n == 2 && !memcmp(s, "..", 2));
}

int console_check_name(const char *name)
{
	size_t n = strlen(name);

	if (n > CONSOLE_NAME_MAX)
		return -ENAMETOOLONG;
	if (!n || strchr(name, '/') || has_control(name) || is_dots(name, n))
		return -EINVAL;
	return 0;
}

int console_check_path(const char *path, size_t max)
{
	if (strlen(path) > max)
		return -ENAMETOOLONG;
	if (path[0] != '/' || has_control(path))
		return -EINVAL;
	while (*path == '/') {
		size_t n = strcspn(++path, "/");

		if (!n || is_dots(path, n))
			return -EINVAL;
		path += n;
	}
	return 0;
}

int console_parse_mode(const char *text, unsigned int *out)
{
	size_t n = strlen(text);
	unsigned int v = 0;

	if (n < 3 || n > 4 || strspn(text, "01234567") != n)
		return -EINVAL;
	for (; *text; text++)
		v = v << 3 | (unsigned int)(*text - '0');
	if (v > 0777)
		return -EINVAL;
	*out = v;
	return 0;
}

int console_check_id(const char *id)
{
	return strlen(id) == CONSOLE_ID_LEN &&
			       strspn(id, "0123456789abcdef") == CONSOLE_ID_LEN
		       ? 0
		       : -EINVAL;
}
