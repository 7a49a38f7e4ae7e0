// SPDX-License-Identifier: Apache-2.0
#include "str.h"
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STRBUF_MIN 64

void pw_strbuf_add(struct pw_strbuf *b, const char *fmt, ...)
{
	va_list args, again;
	int need;

	va_start(args, fmt);
	va_copy(again, args);
	need = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (need >= 0) {
		pw_strbuf_add_n(b, NULL, (size_t)need);
		vsnprintf(b->text + b->len - need, (size_t)need + 1, fmt, again);
	}
	va_end(again);
}

/* s may be NULL: the room is made and left for the caller to write. */
void pw_strbuf_add_n(struct pw_strbuf *b, const char *s, size_t n)
{
	size_t want = b->len + n + 1;

	/* The text may have been taken with TAKE_PTR: start anew. */
	if (!b->text) {
		b->len = b->size = 0;
		want = n + 1;
	}
	if (want > b->size) {
		b->size = pw_max(want, pw_max(b->size * 2, (size_t)STRBUF_MIN));
		b->text = pw_xrealloc(b->text, b->size);
	}
	if (s && n)
		memcpy(b->text + b->len, s, n);
	b->len += n;
	b->text[b->len] = '\0';
}

void pw_strbuf_clear(struct pw_strbuf *b)
{
	free(b->text);
	*b = (struct pw_strbuf){ 0 };
}

bool pw_streq(const char *a, const char *b)
{
	return strcmp(pw_str_or_empty(a), pw_str_or_empty(b)) == 0;
}

const char *pw_str_or_empty(const char *s)
{
	return s ? s : "";
}

bool pw_str_starts(const char *s, const char *prefix)
{
	return strncmp(pw_str_or_empty(s), prefix, strlen(prefix)) == 0;
}

bool pw_str_ends(const char *s, const char *suffix)
{
	size_t len = strlen(pw_str_or_empty(s)), want = strlen(suffix);

	return len >= want && strcmp(pw_str_or_empty(s) + len - want, suffix) == 0;
}

char *pw_str_lower(const char *s)
{
	char *lower = pw_xstrdup(pw_str_or_empty(s));

	for (char *c = lower; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c += 'a' - 'A';
	return lower;
}

bool pw_str_has_control(const char *s)
{
	for (; s && *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

bool pw_str_equal_secret(const char *a, const char *b)
{
	size_t len = strlen(pw_str_or_empty(a));

	if (len != strlen(pw_str_or_empty(b)))
		return false;
	return CRYPTO_memcmp(pw_str_or_empty(a), pw_str_or_empty(b), len) == 0;
}

int pw_str_to_u64(const char *s, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (pw_str_empty(s))
		return -EINVAL;
	for (const char *c = s; *c; c++)
		if (*c < '0' || *c > '9')
			return -EINVAL;
	for (; *s; s++)
		if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return -ERANGE;
	if (v > max)
		return -ERANGE;
	*ret = v;
	return 0;
}

void pw_str_fill(char *dst, size_t n, const char *src)
{
	size_t len;

	if (n == 0)
		return;
	len = src ? strnlen(src, n - 1) : 0;
	if (len)
		memcpy(dst, src, len);
	memset(dst + len, 0, n - len);
}
