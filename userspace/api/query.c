// SPDX-License-Identifier: Apache-2.0
#include "query.h"
#include "../base/json.h"
#include "../base/hash.h"
#include <string.h>

/* Jansson takes nothing else into an answer, so it is the judge. */
static bool is_utf8(const char *s)
{
	json_t *v = json_string(s);
	bool valid = v != NULL;

	json_decref(v);
	return valid;
}

int pw_percent_decode(const char *s, size_t len, bool plus, char **ret)
{
	pw_autofree char *out = pw_xcalloc(len + 1, 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = s[i];

		if (c == '%') {
			bool whole = len - i > 2;
			int high = whole ? pw_hex_digit(s[i + 1]) : -1;
			int low = whole ? pw_hex_digit(s[i + 2]) : -1;

			if (high < 0 || low < 0)
				return -EINVAL;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		if (!c)
			return -EINVAL;
		out[n++] = c;
	}
	if (!is_utf8(out))
		return -EINVAL;
	*ret = TAKE_PTR(out);
	return 0;
}

static int add_param(struct pw_query *q, const char *s, size_t len)
{
	const char *eq = memchr(s, '=', len);
	size_t key_len = eq ? (size_t)(eq - s) : len;
	pw_autofree char *key = NULL, *value = NULL;
	int r;

	if (q->n == PW_QUERY_MAX)
		return -E2BIG;
	r = pw_percent_decode(s, key_len, /* plus= */ true, &key);
	if (r < 0)
		return r;
	if (eq)
		r = pw_percent_decode(eq + 1, len - key_len - 1, /* plus= */ true, &value);
	else
		value = pw_xstrdup("");
	if (r < 0)
		return r;
	q->items = pw_xrealloc(q->items, (q->n + 1) * sizeof(*q->items));
	q->items[q->n++] = (struct pw_kv){ .key = TAKE_PTR(key), .value = TAKE_PTR(value) };
	return 0;
}

int pw_query_parse(const char *s, struct pw_query *ret)
{
	pw_cleanup(pw_query_clear) struct pw_query q = { 0 };

	while (s && *s) {
		size_t len = strcspn(s, "&");
		int r = len ? add_param(&q, s, len) : 0;

		if (r < 0)
			return r;
		s += len;
		if (*s == '&')
			s++;
	}
	*ret = q;
	q = (struct pw_query){ 0 };
	return 0;
}

void pw_query_clear(struct pw_query *q)
{
	for (size_t i = 0; i < q->n; i++) {
		free(q->items[i].key);
		free(q->items[i].value);
	}
	free(q->items);
	*q = (struct pw_query){ 0 };
}

const char *pw_query_get(const struct pw_query *q, const char *key)
{
	for (size_t i = 0; i < q->n; i++)
		if (pw_streq(q->items[i].key, key))
			return q->items[i].value;
	return NULL;
}

void pw_query_all(const struct pw_query *q, const char *key, struct pw_strv *ret)
{
	for (size_t i = 0; i < q->n; i++)
		if (pw_streq(q->items[i].key, key))
			pw_strv_add(ret, q->items[i].value);
}
