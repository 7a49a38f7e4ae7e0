// SPDX-License-Identifier: Apache-2.0
#include "schema.h"
#include "time.h"
#include <string.h>
/*
 * Everything but decoding (schema_decode.c). Fields with PW_F_ALIAS point at a member that another
 * field owns, so each walk here passes them by.
 */

static void *member(const struct pw_field *f, const void *obj)
{
	return (char *)obj + f->offset;
}

void pw_schema_list_clear(const struct pw_schema *s, struct pw_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		pw_schema_free(s, l->items[i]);
	free(l->items);
	*l = (struct pw_list){ 0 };
}

static void clear_field(const struct pw_field *f, void *at)
{
	switch (f->type) {
	case PW_F_STR:
		/* A hidden string is mostly a secret: wiped rather than asked about. */
		if (f->flags & PW_F_HIDDEN)
			pw_secret_freep(at);
		else
			pw_freep(at);
		break;
	case PW_F_STRV:
		pw_strv_clear(at);
		break;
	case PW_F_MAP:
		pw_map_clear(at);
		break;
	case PW_F_OBJECT:
		pw_schema_clear(f->sub, at);
		break;
	case PW_F_POINTER:
		pw_schema_free(f->sub, *(void **)at);
		*(void **)at = NULL;
		break;
	case PW_F_LIST:
		pw_schema_list_clear(f->sub, at);
		break;
	case PW_F_JSON:
		pw_json_decrefp(at);
		break;
	case PW_F_BOOL:
		*(bool *)at = false;
		break;
	case PW_F_INT:
	case PW_F_UINT:
	case PW_F_DURATION_MS:
	case PW_F_TIME_NS:
		*(int64_t *)at = 0;
		break;
	case PW_F_TYPE_MAX_:
		break;
	}
}

void pw_schema_clear(const struct pw_schema *s, void *obj)
{
	for (size_t i = 0; i < s->n_fields; i++)
		if (!(s->fields[i].flags & PW_F_ALIAS))
			clear_field(&s->fields[i], member(&s->fields[i], obj));
	memset(obj, 0, s->size);
}

void pw_schema_free(const struct pw_schema *s, void *obj)
{
	if (!obj)
		return;
	pw_schema_clear(s, obj);
	free(obj);
}

static void copy_list(const struct pw_schema *sub, struct pw_list *dst, const struct pw_list *src)
{
	for (size_t i = 0; i < src->n; i++)
		pw_list_add(dst, pw_schema_dup(sub, src->items[i]));
}

/* dst is zeroed. */
static void copy_field(const struct pw_field *f, void *dst, const void *src)
{
	switch (f->type) {
	case PW_F_STR:
		*(char **)dst = pw_xstrdup(*(char *const *)src);
		break;
	case PW_F_STRV:
		pw_strv_copy(dst, src);
		break;
	case PW_F_MAP:
		pw_map_copy(dst, src);
		break;
	case PW_F_OBJECT:
		pw_schema_copy(f->sub, dst, src);
		break;
	case PW_F_POINTER:
		*(void **)dst = pw_schema_dup(f->sub, *(void *const *)src);
		break;
	case PW_F_LIST:
		copy_list(f->sub, dst, src);
		break;
	case PW_F_JSON:
		*(json_t **)dst = json_deep_copy(*(json_t *const *)src);
		break;
	case PW_F_BOOL:
		*(bool *)dst = *(const bool *)src;
		break;
	case PW_F_INT:
	case PW_F_UINT:
	case PW_F_DURATION_MS:
	case PW_F_TIME_NS:
		*(int64_t *)dst = *(const int64_t *)src;
		break;
	case PW_F_TYPE_MAX_:
		break;
	}
}

void pw_schema_copy(const struct pw_schema *s, void *dst, const void *src)
{
	if (dst == src)
		return;
	pw_schema_clear(s, dst);
	for (size_t i = 0; i < s->n_fields; i++) {
		const struct pw_field *f = &s->fields[i];

		if (!(f->flags & PW_F_ALIAS))
			copy_field(f, member(f, dst), member(f, src));
	}
}

static size_t field_size(enum pw_field_type type)
{
	switch (type) {
	case PW_F_STRV:
		return sizeof(struct pw_strv);
	case PW_F_MAP:
		return sizeof(struct pw_map);
	case PW_F_LIST:
		return sizeof(struct pw_list);
	case PW_F_BOOL:
		return sizeof(bool);
	default:
		return sizeof(int64_t);
	}
}
_Static_assert(sizeof(void *) == sizeof(int64_t), "pointers move as 8 bytes");

void pw_schema_move(const struct pw_schema *s, void *dst, void *src)
{
	for (size_t i = 0; i < s->n_fields; i++) {
		const struct pw_field *f = &s->fields[i];
		void *from = member(f, src), *to = member(f, dst);

		if (f->flags & PW_F_ALIAS)
			continue;
		if (f->type == PW_F_OBJECT) {
			pw_schema_move(f->sub, to, from);
			continue;
		}
		clear_field(f, to);
		memcpy(to, from, field_size(f->type));
		memset(from, 0, field_size(f->type));
	}
}

void *pw_schema_dup(const struct pw_schema *s, const void *src)
{
	void *copy;

	if (!src)
		return NULL;
	copy = pw_xcalloc(1, s->size);
	pw_schema_copy(s, copy, src);
	return copy;
}

static bool equal_lists(const struct pw_schema *sub, const struct pw_list *a,
			const struct pw_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!pw_schema_equal(sub, a->items[i], b->items[i]))
			return false;
	return true;
}

static bool equal_pointers(const struct pw_schema *sub, const void *a, const void *b)
{
	if (!a || !b)
		return a == b;
	return pw_schema_equal(sub, a, b);
}

/* Absent and JSON's null say the same. */
static bool equal_json(const json_t *a, const json_t *b)
{
	bool none_a = !a || json_is_null(a), none_b = !b || json_is_null(b);

	return none_a || none_b ? none_a == none_b : json_equal(a, b);
}

static bool equal_field(const struct pw_field *f, const void *a, const void *b)
{
	switch (f->type) {
	case PW_F_STR:
		return pw_streq(*(char *const *)a, *(char *const *)b);
	case PW_F_STRV:
		return pw_strv_equal(a, b);
	case PW_F_MAP:
		return pw_map_equal(a, b);
	case PW_F_OBJECT:
		return pw_schema_equal(f->sub, a, b);
	case PW_F_POINTER:
		return equal_pointers(f->sub, *(void *const *)a, *(void *const *)b);
	case PW_F_LIST:
		return equal_lists(f->sub, a, b);
	case PW_F_JSON:
		return equal_json(*(json_t *const *)a, *(json_t *const *)b);
	case PW_F_BOOL:
		return *(const bool *)a == *(const bool *)b;
	case PW_F_INT:
	case PW_F_UINT:
	case PW_F_DURATION_MS:
	case PW_F_TIME_NS:
		return *(const int64_t *)a == *(const int64_t *)b;
	case PW_F_TYPE_MAX_:
		break;
	}
	return true;
}

bool pw_schema_equal(const struct pw_schema *s, const void *a, const void *b)
{
	for (size_t i = 0; i < s->n_fields; i++) {
		const struct pw_field *f = &s->fields[i];

		if (!(f->flags & PW_F_ALIAS) && !equal_field(f, member(f, a), member(f, b)))
			return false;
	}
	return true;
}

static bool is_zero(const struct pw_schema *s, const void *obj);

static bool empty_field(const struct pw_field *f, const void *at)
{
	switch (f->type) {
	case PW_F_STR:
		return pw_str_empty(*(char *const *)at);
	case PW_F_STRV:
		return ((const struct pw_strv *)at)->n == 0;
	case PW_F_MAP:
		return ((const struct pw_map *)at)->n == 0;
	case PW_F_OBJECT:
		return is_zero(f->sub, at);
	case PW_F_POINTER:
		return !*(void *const *)at;
	case PW_F_LIST:
		return ((const struct pw_list *)at)->n == 0;
	case PW_F_JSON:
		return equal_json(*(json_t *const *)at, NULL);
	case PW_F_BOOL:
		return !*(const bool *)at;
	case PW_F_INT:
	case PW_F_UINT:
	case PW_F_DURATION_MS:
	case PW_F_TIME_NS:
		return *(const int64_t *)at == 0;
	case PW_F_TYPE_MAX_:
		break;
	}
	return true;
}

static bool is_zero(const struct pw_schema *s, const void *obj)
{
	for (size_t i = 0; i < s->n_fields; i++)
		if (!empty_field(&s->fields[i], member(&s->fields[i], obj)))
			return false;
	return true;
}

/* Text that is no UTF-8 (an old row, bytes of a peer) must not make the document disappear. */
static json_t *encode_str(const char *s)
{
	json_t *v = json_string(pw_str_or_empty(s));

	if (v)
		return v;
	pw_autofree char *safe = pw_xstrdup(s);

	for (char *c = safe; *c; c++)
		if (*c & 0x80)
			*c = '?';
	return json_string(safe);
}

static json_t *encode_owned(char *text)
{
	pw_autofree char *owned = text;

	return json_string(owned);
}

static json_t *encode_strv(const struct pw_strv *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < v->n; i++)
		json_array_append_new(list, encode_str(v->items[i]));
	return list;
}

static json_t *encode_map(const struct pw_map *m)
{
	json_t *o = json_object();

	for (size_t i = 0; i < m->n; i++)
		json_object_set_new(o, m->items[i].key, encode_str(m->items[i].value));
	return o;
}

static json_t *encode_list(const struct pw_schema *sub, const struct pw_list *l, unsigned flags)
{
	json_t *list = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(list, pw_schema_encode(sub, l->items[i], flags));
	return list;
}

static json_t *encode_uint(uint64_t v)
{
	return json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v);
}

static json_t *encode_field(const struct pw_field *f, const void *at, unsigned flags)
{
	bool empty = empty_field(f, at);

	if (empty && (f->flags & PW_F_NULL))
		return json_null();
	switch (f->type) {
	case PW_F_STR:
		return encode_str(*(char *const *)at);
	case PW_F_BOOL:
		return json_boolean(*(const bool *)at);
	case PW_F_INT:
		return json_integer(*(const int64_t *)at);
	case PW_F_UINT:
		return encode_uint(*(const uint64_t *)at);
	case PW_F_DURATION_MS:
		return encode_owned(pw_duration_format_ms(*(const int64_t *)at));
	case PW_F_TIME_NS:
		return empty ? json_null() : encode_owned(pw_time_rfc3339(*(const int64_t *)at));
	case PW_F_STRV:
		return encode_strv(at);
	case PW_F_MAP:
		return encode_map(at);
	case PW_F_OBJECT:
		return pw_schema_encode(f->sub, at, flags);
	case PW_F_POINTER:
		return empty ? json_null() : pw_schema_encode(f->sub, *(void *const *)at, flags);
	case PW_F_LIST:
		return encode_list(f->sub, at, flags);
	case PW_F_JSON:
		return empty ? json_object() : json_deep_copy(*(json_t *const *)at);
	case PW_F_TYPE_MAX_:
		break;
	}
	return json_null();
}

json_t *pw_schema_encode(const struct pw_schema *s, const void *obj, unsigned flags)
{
	json_t *o = json_object();

	for (size_t i = 0; i < s->n_fields; i++) {
		const struct pw_field *f = &s->fields[i];
		const void *at = member(f, obj);

		if ((f->flags & PW_F_ALIAS) ||
		    ((f->flags & PW_F_HIDDEN) && !(flags & PW_ENCODE_ALL)) ||
		    ((f->flags & PW_F_OMITEMPTY) && empty_field(f, at)))
			continue;
		json_object_set_new(o, f->name, encode_field(f, at, flags));
	}
	return o;
}
