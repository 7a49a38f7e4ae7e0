/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_BASE_UTIL_H
#define PW_BASE_UTIL_H
/*
 * Ownership helpers used everywhere: cleanup attributes, TAKE_PTR, TAKE_FD, small macros.
 * Each owning local carries one of the attributes; what leaves a function leaves through TAKE_*.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define ARRAY_SIZE(a)	      (sizeof(a) / sizeof((a)[0]))
#define pw_cleanup(f)	      __attribute__((cleanup(f)))
#define pw_printf(fmt, first) __attribute__((format(printf, fmt, first)))
#define TAKE_PTR(p)                         \
	({                                  \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;                 \
		taken_;                     \
	})
#define TAKE_FD(fd)                \
	({                         \
		int taken_ = (fd); \
		(fd) = -1;         \
		taken_;            \
	})
#define pw_container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define pw_min(a, b)			   ((a) < (b) ? (a) : (b))
#define pw_max(a, b)			   ((a) > (b) ? (a) : (b))

/* Cleanup functions: each takes the address of the local, is NULL-safe (or -1-safe) and resets it.
 */
void pw_freep(void *pointer_to_pointer); /* use: pw_autofree char *s = NULL; */
void pw_closep(int *fd);
#define pw_autofree  pw_cleanup(pw_freep)
#define pw_autoclose pw_cleanup(pw_closep)

/* Allocation that never returns NULL: running out of memory ends the process with a log line. */
void *pw_xcalloc(size_t n, size_t size);
void *pw_xrealloc(void *p, size_t size);
char *pw_xstrdup(const char *s); /* NULL stays NULL */
char *pw_xstrndup(const char *s, size_t n);
char *pw_xasprintf(const char *fmt, ...) pw_printf(1, 2);
#define pw_new0(type) ((type *)pw_xcalloc(1, sizeof(type)))

/* Frees a secret string after wiping it; NULL-safe, nulls the pointer. */
void pw_secret_freep(char **secret);
#endif
