// SPDX-License-Identifier: Apache-2.0
#include "schema.h"
#include "time.h"
#include <inttypes.h>
#include <string.h>

/* Names of a thing that cannot go where it was put. */
struct place {
	const struct pw_schema *schema;
	const struct pw_field *field;
	unsigned flags;
	struct pw_err *err;
};

static const char *const type_names[] = {
	[PW_F_STR] = "string",
	[PW_F_BOOL] = "bool",
	[PW_F_INT] = "int",
	[PW_F_UINT] = "uint",
	[PW_F_DURATION_MS] = "duration",
	[PW_F_TIME_NS] = "time",
	[PW_F_STRV] = "[]string",
	[PW_F_MAP] = "map[string]string",
	[PW_F_OBJECT] = "object",
	[PW_F_POINTER] = "object",
	[PW_F_LIST] = "[]object",
	[PW_F_JSON] = "any",
};
_Static_assert(ARRAY_SIZE(type_names) == PW_F_TYPE_MAX_, "a name for each type");

static const char *json_type_name(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "object";
	case JSON_ARRAY:
		return "array";
	case JSON_STRING:
		return "string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "bool";
	case JSON_NULL:
		break;
	}
	return "null";
}

static int wrong_type(const struct place *p, const json_t *v)
{
	return pw_err_set(p->err, PW_ERR_BAD_REQUEST, EINVAL,
			  "json: cannot unmarshal %s into field %s.%s of type %s",
			  json_type_name(v), p->schema->name, p->field->name,
			  type_names[p->field->type]);
}

/* Keys are compared without case and underscores. */
static bool same_key(const char *a, const char *b)
{
	for (;; a++, b++) {
		char ca, cb;

		while (*a == '_')
			a++;
		while (*b == '_')
			b++;
		ca = *a >= 'A' && *a <= 'Z' ? (char)(*a + 'a' - 'A') : *a;
		cb = *b >= 'A' && *b <= 'Z' ? (char)(*b + 'a' - 'A') : *b;
		if (ca != cb)
			return false;
		if (!ca)
			return true;
	}
}

static const struct pw_field *find_field(const struct pw_schema *s, const char *key)
{
	for (size_t i = 0; i < s->n_fields; i++)
		if (same_key(s->fields[i].name, key))
			return &s->fields[i];
	return NULL;
}

static int decode_object(const struct pw_schema *s, const json_t *v, unsigned flags, void *obj,
			 struct pw_err *err);

static int decode_str(const struct place *p, const json_t *v, char **at)
{
	if (!json_is_string(v))
		return wrong_type(p, v);
	free(*at);
	*at = pw_xstrdup(json_string_value(v));
	return 0;
}

static int decode_int(const struct place *p, const json_t *v, int64_t *at)
{
	if (!json_is_integer(v))
		return wrong_type(p, v);
	if (p->field->type == PW_F_UINT && json_integer_value(v) < 0)
		return pw_err_set(p->err, PW_ERR_BAD_REQUEST, ERANGE,
				  "json: field %s.%s must not be negative, it is %" PRId64,
				  p->schema->name, p->field->name, (int64_t)json_integer_value(v));
	*at = json_integer_value(v);
	return 0;
}

static int decode_duration(const struct place *p, const json_t *v, int64_t *at)
{
	int64_t ns;
	int r;

	if (json_is_integer(v)) {
		ns = json_integer_value(v);
		*at = ns / 1000000;
		/* As in pw_duration_parse_ms: no duration becomes "none". */
		if (*at == 0 && ns != 0)
			*at = ns > 0 ? 1 : -1;
		return 0;
	}
	if (!json_is_string(v))
		return wrong_type(p, v);
	if (json_string_length(v) == 0) {
		*at = 0;
		return 0;
	}
	r = pw_duration_parse_ms(json_string_value(v), at);
	if (r < 0)
		return pw_err_set(
			p->err, PW_ERR_BAD_REQUEST, r,
			"field %s.%s: invalid duration \"%.64s\", write for example 15s, 250ms or 1h30m",
			p->schema->name, p->field->name, json_string_value(v));
	return 0;
}

static int decode_time(const struct place *p, const json_t *v, int64_t *at)
{
	int r;

	if (!json_is_string(v))
		return wrong_type(p, v);
	if (json_string_length(v) == 0) {
		*at = 0;
		return 0;
	}
	r = pw_time_parse_rfc3339(json_string_value(v), at);
	if (r < 0)
		return pw_err_set(
			p->err, PW_ERR_BAD_REQUEST, r,
			"field %s.%s: invalid time \"%.64s\", write for example 2024-05-01T10:00:15Z",
			p->schema->name, p->field->name, json_string_value(v));
	return 0;
}

static int decode_strv(const struct place *p, const json_t *v, struct pw_strv *at)
{
	struct pw_strv list = { 0 };
	const json_t *item;
	size_t i;

	if (json_is_string(v) && !(p->flags & PW_DECODE_STRICT)) {
		pw_strv_add(&list, json_string_value(v));
	} else if (!json_is_array(v)) {
		return wrong_type(p, v);
	} else {
		json_array_foreach((json_t *)v, i, item)
		{
			if (!json_is_string(item)) {
				pw_strv_clear(&list);
				return wrong_type(p, item);
			}
			pw_strv_add(&list, json_string_value(item));
		}
	}
	pw_strv_clear(at);
	*at = list;
	return 0;
}

static int decode_map(const struct place *p, const json_t *v, struct pw_map *at)
{
	struct pw_map map = { 0 };
	const char *key;
	json_t *value;

	if (!json_is_object(v))
		return wrong_type(p, v);
	json_object_foreach((json_t *)v, key, value)
	{
		if (!json_is_string(value) && !json_is_null(value)) {
			pw_map_clear(&map);
			return wrong_type(p, value);
		}
		pw_map_set(&map, key, json_string_value(value));
	}
	pw_map_clear(at);
	*at = map;
	return 0;
}

static int decode_pointer(const struct place *p, const json_t *v, void **at)
{
	if (!json_is_object(v))
		return wrong_type(p, v);
	if (!*at)
		*at = pw_xcalloc(1, p->field->sub->size);
	return decode_object(p->field->sub, v, p->flags, *at, p->err);
}

static int add_list_item(const struct place *p, const json_t *v, struct pw_list *l)
{
	void *item;
	int r;

	if (!json_is_object(v))
		return wrong_type(p, v);
	item = pw_xcalloc(1, p->field->sub->size);
	r = decode_object(p->field->sub, v, p->flags, item, p->err);
	if (r < 0) {
		pw_schema_free(p->field->sub, item);
		return r;
	}
	pw_list_add(l, item);
	return 0;
}

static int decode_list(const struct place *p, const json_t *v, struct pw_list *at)
{
	struct pw_list list = { 0 };
	const json_t *item;
	size_t i;
	int r = 0;

	if (json_is_object(v) && !(p->flags & PW_DECODE_STRICT))
		r = add_list_item(p, v, &list);
	else if (!json_is_array(v))
		return wrong_type(p, v);
	json_array_foreach((json_t *)v, i, item)
	{
		r = add_list_item(p, item, &list);
		if (r < 0)
			break;
	}
	if (r < 0) {
		pw_schema_list_clear(p->field->sub, &list);
		return r;
	}
	pw_schema_list_clear(p->field->sub, at);
	*at = list;
	return 0;
}

/* null empties what can be empty; numbers, booleans and structs keep what they have, as Go does it.
 */
static void decode_null(const struct pw_field *f, void *at)
{
	switch (f->type) {
	case PW_F_STR:
		pw_freep(at);
		break;
	case PW_F_STRV:
		pw_strv_clear(at);
		break;
	case PW_F_MAP:
		pw_map_clear(at);
		break;
	case PW_F_LIST:
		pw_schema_list_clear(f->sub, at);
		break;
	case PW_F_POINTER:
		pw_schema_free(f->sub, *(void **)at);
		*(void **)at = NULL;
		break;
	case PW_F_JSON:
		pw_json_decrefp(at);
		break;
	case PW_F_TIME_NS:
		*(int64_t *)at = 0;
		break;
	default:
		break;
	}
}

static int decode_field(const struct place *p, const json_t *v, void *at)
{
	if (json_is_null(v)) {
		decode_null(p->field, at);
		return 0;
	}
	switch (p->field->type) {
	case PW_F_STR:
		return decode_str(p, v, at);
	case PW_F_BOOL:
		if (!json_is_boolean(v))
			return wrong_type(p, v);
		*(bool *)at = json_is_true(v);
		return 0;
	case PW_F_INT:
	case PW_F_UINT:
		return decode_int(p, v, at);
	case PW_F_DURATION_MS:
		return decode_duration(p, v, at);
	case PW_F_TIME_NS:
		return decode_time(p, v, at);
	case PW_F_STRV:
		return decode_strv(p, v, at);
	case PW_F_MAP:
		return decode_map(p, v, at);
	case PW_F_OBJECT:
		if (!json_is_object(v))
			return wrong_type(p, v);
		return decode_object(p->field->sub, v, p->flags, at, p->err);
	case PW_F_POINTER:
		return decode_pointer(p, v, at);
	case PW_F_LIST:
		return decode_list(p, v, at);
	case PW_F_JSON:
		pw_json_decrefp(at);
		*(json_t **)at = json_deep_copy(v);
		return 0;
	case PW_F_TYPE_MAX_:
		break;
	}
	return wrong_type(p, v);
}

static int decode_key(const struct pw_schema *s, const char *key, const json_t *v, unsigned flags,
		      void *obj, uint64_t *seen, struct pw_err *err)
{
	const struct pw_field *f = find_field(s, key);
	struct place p = { .schema = s, .field = f, .flags = flags, .err = err };
	uint64_t bit;

	if (!f) {
		if (flags & PW_DECODE_LOOSE)
			return 0;
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "json: unknown field \"%.128s\"",
				  key);
	}
	/* "Name" beside "name" is two answers to one question. */
	bit = 1ULL << (f - s->fields) % 64;
	if (s->n_fields <= 64 && (*seen & bit))
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "json: field %s.%s is given twice, the second time as \"%.128s\"",
				  s->name, f->name, key);
	*seen |= bit;
	if ((f->flags & PW_F_READONLY) && !(flags & PW_DECODE_ALL))
		return 0;
	return decode_field(&p, v, (char *)obj + f->offset);
}

static int decode_object(const struct pw_schema *s, const json_t *v, unsigned flags, void *obj,
			 struct pw_err *err)
{
	uint64_t seen = 0;
	const char *key;
	json_t *value;
	int r;

	json_object_foreach((json_t *)v, key, value)
	{
		r = decode_key(s, key, value, flags, obj, &seen, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int pw_schema_decode(const struct pw_schema *s, const json_t *v, unsigned flags, void *obj,
		     struct pw_err *err)
{
	pw_autofree void *work = NULL;
	int r;

	if (!json_is_object(v))
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "json: cannot unmarshal %s into value of type %s",
				  v ? json_type_name(v) : "nothing", s->name);
	/* I2: the work is done on a copy, which replaces obj only when all of it went well. */
	work = pw_schema_dup(s, obj);
	r = decode_object(s, v, flags, work, err);
	if (r < 0) {
		pw_schema_clear(s, work);
		return r;
	}
	pw_schema_move(s, obj, work);
	return 0;
}
