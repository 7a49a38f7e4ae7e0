// SPDX-License-Identifier: Apache-2.0
#include "util.h"
#include "log.h"
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A gateway that goes on with half an object is worse than one that restarts from its store. */
static _Noreturn void out_of_memory(void)
{
	pw_log(PW_LOG_ERROR, "process.out_of_memory", NULL);
	abort();
}

void pw_freep(void *pointer_to_pointer)
{
	void *p;

	/* Through memcpy, for the caller's pointer has a type of its own. */
	memcpy(&p, pointer_to_pointer, sizeof(p));
	free(p);
	p = NULL;
	memcpy(pointer_to_pointer, &p, sizeof(p));
}

void pw_closep(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

void *pw_xcalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		out_of_memory();
	return p;
}

void *pw_xrealloc(void *p, size_t size)
{
	void *grown = realloc(p, size ? size : 1);

	if (!grown)
		out_of_memory();
	return grown;
}

char *pw_xstrdup(const char *s)
{
	return s ? pw_xstrndup(s, strlen(s)) : NULL;
}

char *pw_xstrndup(const char *s, size_t n)
{
	size_t len = s ? strnlen(s, n) : 0;
	char *copy;

	if (!s)
		return NULL;
	copy = pw_xcalloc(1, len + 1);
	memcpy(copy, s, len);
	return copy;
}

char *pw_xasprintf(const char *fmt, ...)
{
	char *text = NULL;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	if (len < 0)
		out_of_memory();
	return text;
}

void pw_secret_freep(char **secret)
{
	if (!*secret)
		return;
	OPENSSL_cleanse(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}
