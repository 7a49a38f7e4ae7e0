// SPDX-License-Identifier: Apache-2.0
/*
 * ?filter=Selector == value: one comparison for equality. The other operators of Consul's
 * expressions are refused by name, and what is no expression at all as such: nothing is ever let
 * through unfiltered.
 */
#include "internal.h"
#include <ctype.h>
#include <string.h>

#define MAX_FILTER 1024

static size_t skip_blank(const char *s, size_t i)
{
	while (s[i] && isspace((unsigned char)s[i]))
		i++;
	return i;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '/' || c == ':';
}

/* A selector or a value: word, "word" or `word`. Returns what follows it; 0: none there. */
static size_t read_word(const char *s, size_t i, bool selector, char **ret)
{
	const char *end;
	size_t n = 0;

	if (s[i] == '"' || s[i] == '`') {
		end = selector ? NULL : strchr(s + i + 1, s[i]);
		if (!end)
			return 0;
		*ret = pw_xstrndup(s + i + 1, (size_t)(end - s) - i - 1);
		return (size_t)(end - s) + 1;
	}
	while (is_word(s[i + n]) || s[i + n] == '.')
		n++;
	if (!n)
		return 0;
	*ret = pw_xstrndup(s + i, n);
	return i + n;
}

static bool is_operator(const char *word)
{
	static const char *const words[] = {
		"and", "or", "not", "in", "is", "contains", "matches"
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (pw_streq(word, words[i]))
			return true;
	return false;
}

static int malformed(size_t at, struct pw_err *err)
{
	return pw_err_set(
		err, PW_ERR_INTERNAL, EINVAL,
		"Failed to create boolean expression evaluator: 1:%zu: this is no expression",
		at + 1);
}

/* Tells an expression that we do not know from text that is none: parentheses balance, words and
 * operators are whole. */
static int refuse(const char *s, struct pw_err *err)
{
	bool known = false;
	int depth = 0;
	size_t i = 0;

	while (s[i = skip_blank(s, i)]) {
		pw_autofree char *word = NULL;
		size_t next = read_word(s, i, /* selector= */ false, &word);

		if (next) {
			known = known || is_operator(word);
			i = next;
		} else if (!strncmp(s + i, "==", 2) || !strncmp(s + i, "!=", 2)) {
			known = true;
			i += 2;
		} else if (s[i] == '(' || s[i] == ')') {
			depth += s[i++] == '(' ? 1 : -1;
			if (depth < 0)
				return malformed(i - 1, err);
		} else {
			return malformed(i, err);
		}
	}
	if (depth || !known)
		return malformed(i, err);
	return pw_err_set(
		err, PW_ERR_BAD_REQUEST, EOPNOTSUPP,
		"filter: only a single comparison (Field == \"value\") is supported by this version");
}

int pw_filter_parse(const char *text, json_t **ret, struct pw_err *err)
{
	pw_autofree char *selector = NULL, *value = NULL;
	size_t i;

	if (strlen(text) > MAX_FILTER)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EMSGSIZE,
				  "filter is longer than %d bytes", MAX_FILTER);
	i = read_word(text, skip_blank(text, 0), /* selector= */ true, &selector);
	i = i ? skip_blank(text, i) : 0;
	if (!i || strncmp(text + i, "==", 2) != 0)
		return refuse(text, err);
	i = read_word(text, skip_blank(text, i + 2), /* selector= */ false, &value);
	if (!i || text[skip_blank(text, i)])
		return refuse(text, err);
	*ret = json_pack("{s:s, s:s}", "path", selector, "value", value);
	if (!*ret)
		return malformed(0, err);
	return 0;
}

/* The row's value at "A.B"; NULL: it has none. Borrowed. */
static const json_t *lookup(const json_t *row, const char *path)
{
	while (row && *path) {
		size_t len = strcspn(path, ".");
		pw_autofree char *key = pw_xstrndup(path, len);

		row = json_object_get(row, key);
		path += len;
		if (*path == '.')
			path++;
	}
	return row;
}

static bool equal(const json_t *v, const char *want)
{
	pw_autofree char *text = NULL;

	if (json_is_string(v))
		return pw_streq(json_string_value(v), want);
	if (!json_is_integer(v) && !json_is_boolean(v))
		return false;
	text = pw_json_dump(v);
	return pw_streq(text, want);
}

struct filter_run {
	const char *path, *value;
	bool known; /* a row has the field */
};

static bool keeps(struct filter_run *run, const json_t *row)
{
	const json_t *v = lookup(row, run->path);

	run->known = run->known || v;
	return v && equal(v, run->value);
}

static bool run_array(struct filter_run *run, json_t *rows)
{
	bool any = json_array_size(rows) > 0;

	for (size_t i = json_array_size(rows); i-- > 0;)
		if (!keeps(run, json_array_get(rows, i)))
			json_array_remove(rows, i);
	return any;
}

static bool run_object(struct filter_run *run, json_t *rows)
{
	bool any = json_object_size(rows) > 0;
	const char *key;
	json_t *row;
	void *next;

	json_object_foreach_safe(rows, next, key, row)
	{
		if (!keeps(run, row))
			json_object_del(rows, key);
	}
	return any;
}

int pw_filter_apply(const json_t *filter, json_t *rows, struct pw_err *err)
{
	struct filter_run run = { .path = pw_json_str(filter, "path"),
				  .value = pw_json_str(filter, "value") };
	bool any = json_is_array(rows) ? run_array(&run, rows) : run_object(&run, rows);

	if (any && !run.known)
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL, "Selector \"%s\" is not valid",
				  run.path);
	return 0;
}
