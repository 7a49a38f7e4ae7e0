// SPDX-License-Identifier: Apache-2.0
#include "str.h"
#include <string.h>

/* Capacity is not stored: it is the next power of two of n, so growing happens exactly when n is
 * one. */
static void *grow(void *items, size_t n, size_t item_size)
{
	if (n != 0 && (n & (n - 1)) != 0)
		return items;
	return pw_xrealloc(items, (n ? n * 2 : 1) * item_size);
}

void pw_strv_add(struct pw_strv *v, const char *s)
{
	char *copy = pw_xstrdup(pw_str_or_empty(s));

	v->items = grow(v->items, v->n, sizeof(*v->items));
	v->items[v->n++] = copy;
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void pw_strv_sort(struct pw_strv *v)
{
	if (v->n > 1)
		qsort(v->items, v->n, sizeof(*v->items), compare_strings);
}

bool pw_strv_has(const struct pw_strv *v, const char *s)
{
	for (size_t i = 0; i < v->n; i++)
		if (pw_streq(v->items[i], s))
			return true;
	return false;
}

bool pw_strv_has_sorted(const struct pw_strv *v, const char *s)
{
	size_t low = 0, high = v->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(v->items[middle], s);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

bool pw_strv_equal(const struct pw_strv *a, const struct pw_strv *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return true;
}

void pw_strv_copy(struct pw_strv *dst, const struct pw_strv *src)
{
	struct pw_strv copy = { 0 };

	for (size_t i = 0; i < src->n; i++)
		pw_strv_add(&copy, src->items[i]);
	pw_strv_clear(dst);
	*dst = copy;
}

char *pw_strv_join(const struct pw_strv *v, const char *sep)
{
	struct pw_strbuf b = { 0 };

	pw_strbuf_add_n(&b, "", 0);
	for (size_t i = 0; i < v->n; i++) {
		if (i)
			pw_strbuf_add_n(&b, sep, strlen(sep));
		pw_strbuf_add_n(&b, v->items[i], strlen(v->items[i]));
	}
	return TAKE_PTR(b.text);
}

void pw_strv_split(struct pw_strv *v, const char *s, const char *seps)
{
	while (s && *s) {
		size_t len = strcspn(s, seps);

		if (len) {
			pw_autofree char *part = pw_xstrndup(s, len);

			pw_strv_add(v, part);
		}
		s += len;
		s += *s ? 1 : 0;
	}
}

void pw_strv_clear(struct pw_strv *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->items[i]);
	free(v->items);
	*v = (struct pw_strv){ 0 };
}

/* Returns where key is or belongs. */
static size_t map_position(const struct pw_map *m, const char *key, bool *ret_found)
{
	size_t low = 0, high = m->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(m->items[mid].key, key);

		if (order == 0) {
			*ret_found = true;
			return mid;
		}
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*ret_found = false;
	return low;
}

void pw_map_set(struct pw_map *m, const char *key, const char *value)
{
	char *copy = pw_xstrdup(pw_str_or_empty(value));
	bool found;
	size_t at = map_position(m, key, &found);

	if (found) {
		free(m->items[at].value);
		m->items[at].value = copy;
		return;
	}
	m->items = grow(m->items, m->n, sizeof(*m->items));
	memmove(&m->items[at + 1], &m->items[at], (m->n - at) * sizeof(*m->items));
	m->items[at] = (struct pw_kv){ .key = pw_xstrdup(key), .value = copy };
	m->n++;
}

const char *pw_map_get(const struct pw_map *m, const char *key)
{
	bool found;
	size_t at = map_position(m, key, &found);

	return found ? m->items[at].value : NULL;
}

void pw_map_copy(struct pw_map *dst, const struct pw_map *src)
{
	struct pw_map copy = { 0 };

	for (size_t i = 0; i < src->n; i++)
		pw_map_set(&copy, src->items[i].key, src->items[i].value);
	pw_map_clear(dst);
	*dst = copy;
}

bool pw_map_equal(const struct pw_map *a, const struct pw_map *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->items[i].key, b->items[i].key) != 0 ||
		    strcmp(a->items[i].value, b->items[i].value) != 0)
			return false;
	return true;
}

void pw_map_clear(struct pw_map *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->items[i].key);
		free(m->items[i].value);
	}
	free(m->items);
	*m = (struct pw_map){ 0 };
}

void pw_list_add(struct pw_list *l, void *item)
{
	l->items = grow(l->items, l->n, sizeof(*l->items));
	l->items[l->n++] = item;
}
