// SPDX-License-Identifier: Apache-2.0
#include "intention_rows.h"
#include "../base/time.h"
#include "../catalog/config_entry.h"
#include <string.h>

static bool is_default(const char *s, size_t len)
{
	return !len || (len == 7 && !strncmp(s, "default", 7));
}

int pw_intention_end_parse(const char *what, const char *text, struct pw_intention_end *ret,
			   struct pw_err *err)
{
	const char *rest = text, *slash;
	pw_autofree char *peer = NULL;

	if (pw_str_starts(text, "peer:")) {
		slash = strchr(text, '/');
		if (!slash || slash == text + 5)
			return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
					  "%s \"%.200s\" is invalid: expected peer:NAME/SERVICE",
					  what, text);
		peer = pw_xstrndup(text + 5, (size_t)(slash - text) - 5);
		rest = slash + 1;
	}
	while ((slash = strchr(rest, '/'))) {
		if (!is_default(rest, (size_t)(slash - rest)))
			return pw_err_set(
				err, PW_ERR_BAD_REQUEST, EINVAL,
				"%s \"%.200s\" is invalid: Namespaces are a Consul Enterprise feature",
				what, text);
		rest = slash + 1;
	}
	if (!*rest || pw_str_has_control(text))
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
				  "%s is invalid: it names no service", what);
	ret->peer = TAKE_PTR(peer);
	ret->name = pw_xstrdup(rest);
	return 0;
}

void pw_intention_end_clear(struct pw_intention_end *e)
{
	free(e->peer);
	free(e->name);
	*e = (struct pw_intention_end){ 0 };
}

static void set_string(json_t *v, const char *key, const char *value)
{
	if (!pw_str_empty(value))
		json_object_set_new(v, key, json_string(value));
}

static void set_time(json_t *v, const char *key, int64_t ns)
{
	pw_autofree char *text = ns ? pw_time_rfc3339(ns) : NULL;

	set_string(v, key, text);
}

static json_t *map_json(const struct pw_map *m)
{
	json_t *v = json_object();

	for (size_t i = 0; i < m->n; i++)
		json_object_set_new(v, m->items[i].key, json_string(m->items[i].value));
	return v;
}

static json_t *row_json(const struct pw_service_intentions *in, const struct pw_intention_source *s,
			const struct pw_obj *obj)
{
	const struct pw_map *meta = s->legacy_meta.n ? &s->legacy_meta : &in->meta;
	json_t *v = json_object();

	set_string(v, "ID", s->legacy_id);
	set_string(v, "Description", s->description);
	set_string(v, "SourceNS", "default");
	set_string(v, "SourceName", s->name);
	set_string(v, "DestinationNS", "default");
	set_string(v, "DestinationName", in->name);
	set_string(v, "SourcePeer", s->peer);
	set_string(v, "SourceType", pw_str_empty(s->type) ? "consul" : s->type);
	set_string(v, "Action", s->action);
	if (json_array_size(s->permissions))
		json_object_set(v, "Permissions", s->permissions);
	if (meta->n)
		json_object_set_new(v, "Meta", map_json(meta));
	json_object_set_new(v, "Precedence",
			    json_integer(pw_intention_precedence(s->name, in->name)));
	set_time(v, "CreatedAt", s->created_ns);
	set_time(v, "UpdatedAt", s->updated_ns);
	pw_obj_json_indexes(obj, v);
	return v;
}

static bool selects(enum pw_intention_by by, const char *name, const char *value)
{
	return by == PW_BY_ANY || pw_streq(name, value) ||
	       (by != PW_BY_EXACT && pw_streq(value, "*"));
}

static void add_entry(json_t *rows, const struct pw_store *s, const struct pw_config_entry *e,
		      enum pw_intention_by by, const char *name)
{
	struct pw_service_intentions *in;

	if (by != PW_BY_SOURCE && !selects(by, name, e->name))
		return;
	in = pw_intentions_get(s, e->name);
	for (size_t i = 0; in && i < in->sources.n; i++) {
		const struct pw_intention_source *source = in->sources.items[i];

		if (by != PW_BY_SOURCE || selects(by, name, source->name))
			json_array_append_new(rows, row_json(in, source, &e->obj));
	}
	pw_schema_free(&pw_service_intentions_schema, in);
}

/* Consul's order: precedence, then peer, source and destination. */
static int compare(const void *a, const void *b)
{
	static const char *const keys[] = { "SourcePeer", "SourceName", "DestinationName" };
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int64_t px = pw_json_int(x, "Precedence", 0), py = pw_json_int(y, "Precedence", 0);

	if (px != py)
		return px > py ? -1 : 1;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		int c = strcmp(pw_str_or_empty(pw_json_str(x, keys[i])),
			       pw_str_or_empty(pw_json_str(y, keys[i])));

		if (c)
			return c;
	}
	return 0;
}

static json_t *sorted(json_t *rows)
{
	size_t n = json_array_size(rows);
	pw_autofree json_t **list = pw_xcalloc(n + 1, sizeof(*list));
	json_t *out = json_array();

	for (size_t i = 0; i < n; i++)
		list[i] = json_array_get(rows, i);
	qsort(list, n, sizeof(*list), compare);
	for (size_t i = 0; i < n; i++)
		json_array_append(out, list[i]);
	json_decref(rows);
	return out;
}

json_t *pw_intention_rows(const struct pw_store *s, enum pw_intention_by by, const char *name)
{
	pw_autofree char *prefix = pw_key(/* trailing= */ true, "service-intentions", NULL);
	pw_autoiter struct pw_iter it = pw_store_iter(s, PW_T_CONFIG, prefix);
	const struct pw_config_entry *e;
	json_t *rows = json_array();

	while ((e = pw_iter_next(&it)))
		add_entry(rows, s, e, by, name);
	return sorted(rows);
}
