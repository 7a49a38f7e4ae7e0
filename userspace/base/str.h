/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_BASE_STR_H
#define PW_BASE_STR_H
/* Strings, lists and maps of strings. Every struct is valid when zeroed; _clear frees the content
 * and zeroes it. */
#include "util.h"

struct pw_strv {
	char **items;
	size_t n;
};
struct pw_kv {
	char *key;
	char *value;
};
struct pw_map {
	struct pw_kv *items;
	size_t n;
}; /* sorted by key, keys unique */
struct pw_list {
	void **items;
	size_t n;
}; /* owning list of heap objects; freed by who knows their type */

void pw_strv_add(struct pw_strv *v, const char *s);
void pw_strv_sort(struct pw_strv *v);
bool pw_strv_has(const struct pw_strv *v, const char *s);
/* The same for a list in the order of pw_strv_sort(). */
bool pw_strv_has_sorted(const struct pw_strv *v, const char *s);
bool pw_strv_equal(const struct pw_strv *a, const struct pw_strv *b);
void pw_strv_copy(struct pw_strv *dst, const struct pw_strv *src); /* dst is cleared first */
char *pw_strv_join(const struct pw_strv *v, const char *sep);	   /* never NULL */
/* Splits at any of seps, drops empty parts. */
void pw_strv_split(struct pw_strv *v, const char *s, const char *seps);
void pw_strv_clear(struct pw_strv *v);

void pw_map_set(struct pw_map *m, const char *key, const char *value);
const char *pw_map_get(const struct pw_map *m, const char *key); /* NULL: not there */
void pw_map_copy(struct pw_map *dst, const struct pw_map *src);
bool pw_map_equal(const struct pw_map *a, const struct pw_map *b);
void pw_map_clear(struct pw_map *m);

void pw_list_add(struct pw_list *l, void *item);

/* A growing string. text is never NULL after the first add; take with TAKE_PTR(b.text). */
struct pw_strbuf {
	char *text;
	size_t len;
	size_t size;
};
void pw_strbuf_add(struct pw_strbuf *b, const char *fmt, ...) pw_printf(2, 3);
void pw_strbuf_add_n(struct pw_strbuf *b, const char *s, size_t n);
void pw_strbuf_clear(struct pw_strbuf *b);

bool pw_streq(const char *a, const char *b); /* NULL equals "" */
const char *pw_str_or_empty(const char *s);
static inline bool pw_str_empty(const char *s)
{
	return !s || !*s;
}
bool pw_str_starts(const char *s, const char *prefix);
bool pw_str_ends(const char *s, const char *suffix);
char *pw_str_lower(const char *s);	/* ASCII, new string */
bool pw_str_has_control(const char *s); /* any byte < 0x20 or 0x7f */
/* Compares without a data-dependent time; different lengths compare unequal at once. */
bool pw_str_equal_secret(const char *a, const char *b);
int pw_str_to_u64(const char *s, uint64_t max, uint64_t *ret); /* decimal only; -EINVAL, -ERANGE */
/* Copies into a fixed array of size n, cuts, zero-fills the rest (for abi.h names). */
void pw_str_fill(char *dst, size_t n, const char *src);
#endif
