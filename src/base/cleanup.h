/* SPDX-License-Identifier: MIT */
/*
 * The one ownership idiom: a variable that owns a resource carries the cleanup
 * attribute, and is emptied by TAKE_PTR or TAKE_FD when the ownership moves.
 * No goto unwinding.
 */
#ifndef XENCHAN_BASE_CLEANUP_H
#define XENCHAN_BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#ifdef __cppcheck__ /* knows no such attribute, but what else does not leak */
#define _cleanup_(f) static
#else
#define _cleanup_(f) __attribute__((cleanup(f)))
#endif
#define _cleanup_free_ _cleanup_(cleanup_freep)
#define _cleanup_close_ _cleanup_(cleanup_closep)

/* The pointer's value; the variable no longer owns it. */
#define TAKE_PTR(p)                     \
	({                              \
		__typeof__(p) _p = (p); \
		(p) = NULL;             \
		_p;                     \
	})

/* The descriptor; the variable no longer owns it. */
#define TAKE_FD(fd)             \
	({                      \
		int _fd = (fd); \
		(fd) = -1;      \
		_fd;            \
	})

/*
 * Defines cleanup_NAMEp() for a variable of this pointer type, around a
 * destroyer that accepts NULL: _cleanup_(cleanup_NAMEp).
 */
#define DEFINE_CLEANUP(type, name, destroy)           \
	static inline void cleanup_##name##p(type *p) \
	{                                             \
		destroy(*p);                          \
	}

static inline void cleanup_freep(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#endif
