// SPDX-License-Identifier: Apache-2.0
#include "json.h"
#include "str.h"
#include <string.h>

/* Room for what HCL of the deepest kind becomes (hcl.h), flat enough for every recursive walk over
 * it. */
#define JSON_MAX_DEPTH 80
#define JSON_DUMP      (JSON_ENCODE_ANY | JSON_REAL_PRECISION(15))

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Jansson's own limit is 2048 and fixed at its build, so brackets are counted before it sees them.
 */
static bool too_deep(const char *text, size_t len)
{
	bool in_string = false;
	size_t depth = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > JSON_MAX_DEPTH)
				return true;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return false;
}

static int parse_error(const json_error_t *e, struct pw_err *err)
{
	int what_len = (int)strlen(e->text);
	const char *near = strstr(e->text, " near ");

	if (json_error_code(e) == json_error_premature_end_of_input)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "unexpected EOF");
	/* What stands near may be a secret, or half a kilobyte: the position is enough. */
	if (near)
		what_len = (int)(near - e->text);
	return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "line %d, column %d: %.*s", e->line,
			  e->column, what_len, e->text);
}

int pw_json_parse(const char *text, size_t len, json_t **ret, struct pw_err *err)
{
	json_error_t e;
	json_t *v;

	if (len > PW_JSON_MAX_BYTES)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EMSGSIZE,
				  "JSON of %zu bytes is larger than the limit of %d", len,
				  PW_JSON_MAX_BYTES);
	while (len > 0 && is_space(text[len - 1]))
		len--;
	if (len == 0)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "EOF");
	if (too_deep(text, len))
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "JSON is nested deeper than %d levels", JSON_MAX_DEPTH);
	v = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
	if (!v)
		return parse_error(&e, err);
	*ret = v;
	return 0;
}

static char *dump(const json_t *v, size_t flags)
{
	char *text = v ? json_dumps(v, JSON_DUMP | flags) : NULL;

	/* NULL is a json_t the caller never made, or no memory: "null" keeps every reader alive. */
	return text ? text : pw_xstrdup("null");
}

char *pw_json_dump(const json_t *v)
{
	return dump(v, JSON_COMPACT);
}

char *pw_json_pretty(const json_t *v)
{
	return dump(v, JSON_INDENT(4));
}

void pw_json_decrefp(json_t **v)
{
	json_decref(*v);
	*v = NULL;
}

const char *pw_json_str(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

int64_t pw_json_int(const json_t *o, const char *key, int64_t fallback)
{
	const json_t *v = json_object_get(o, key);

	return json_is_integer(v) ? (int64_t)json_integer_value(v) : fallback;
}

bool pw_json_bool(const json_t *o, const char *key, bool fallback)
{
	const json_t *v = json_object_get(o, key);

	return json_is_boolean(v) ? json_is_true(v) : fallback;
}
