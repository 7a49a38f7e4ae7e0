// SPDX-License-Identifier: Apache-2.0
/* service-intentions: who may call a service. */
#include "catalog_private.h"
#include "config_private.h"

#include <string.h>

#define INTENTIONS_KIND "service-intentions"
#define MAX_DESCRIPTION 512
#define MAX_SOURCES	4096 /* of one destination */

int pw_intention_precedence(const char *source, const char *destination)
{
	bool any_source = pw_streq(source, "*"), any_destination = pw_streq(destination, "*");

	if (any_destination)
		return any_source ? 5 : 6;
	return any_source ? 8 : 9;
}

static bool partial_wildcard(const char *name)
{
	return name && strchr(name, '*') && strcmp(name, "*");
}

/* --- validation ----------------------------------------------------------------------------- */

static int check_tenancy(const struct pw_intention_source *s, size_t i, struct pw_err *err)
{
	if (!config_is_default(s->partition))
		return config_refuse(
			err, "Sources[%zu].Partition: partitions are an enterprise-only feature",
			i);
	if (!config_is_default(s->ns))
		return config_refuse(
			err, "Sources[%zu].Namespace: namespaces are an enterprise-only feature",
			i);
	if (!pw_str_empty(s->sameness_group))
		return config_refuse(
			err,
			"Sources[%zu].SamenessGroup: sameness-groups are an enterprise-only feature",
			i);
	return 0;
}

static int check_source_name(const struct pw_intention_source *s, size_t i, struct pw_err *err)
{
	int r;

	if (pw_str_empty(s->name))
		return config_refuse(err, "Sources[%zu].Name is required", i);
	if (partial_wildcard(s->name))
		return config_refuse(
			err,
			"Sources[%zu].Name: wildcard character '*' cannot be used with partial values",
			i);
	if (s->peer && strchr(s->peer, '*'))
		return config_refuse(err, "Sources[%zu].Peer: cannot use wildcard '*' in peer", i);
	r = catalog_check_name("Name", s->name, err);
	if (r == 0 && !pw_str_empty(s->peer))
		r = catalog_check_name("Peer", s->peer, err);
	return r < 0 ? pw_err_prefix(err, "Sources[%zu]", i) : 0;
}

static bool has_permissions(const struct pw_intention_source *s)
{
	return json_array_size(s->permissions) > 0 || json_is_object(s->permissions);
}

static int check_action(const struct pw_intention_source *s, size_t i, const char *destination,
			struct pw_err *err)
{
	if (!has_permissions(s)) {
		if (!pw_streq(s->action, "allow") && !pw_streq(s->action, "deny"))
			return config_refuse(err,
					     "Sources[%zu].Action must be set to 'allow' or 'deny'",
					     i);
		return 0;
	}
	if (!pw_str_empty(s->action))
		return config_refuse(
			err, "Sources[%zu].Action must be omitted if Permissions are specified", i);
	if (pw_streq(destination, "*"))
		return config_refuse(
			err,
			"Sources[%zu].Permissions cannot be specified on intentions with wildcarded destinations",
			i);
	return 0;
}

static int check_source(struct pw_intention_source *s, size_t i, const char *destination,
			struct pw_err *err)
{
	int r = check_source_name(s, i, err);

	if (r == 0)
		r = check_tenancy(s, i, err);
	if (r < 0)
		return r;
	if (!pw_str_empty(s->type) && !pw_streq(s->type, "consul"))
		return config_refuse(err, "Sources[%zu].Type must be set to 'consul'", i);
	if (strlen(pw_str_or_empty(s->description)) > MAX_DESCRIPTION)
		return config_refuse(err, "Sources[%zu].Description exceeds maximum length %d", i,
				     MAX_DESCRIPTION);
	return check_action(s, i, destination, err);
}

static int compare_sources(const void *a, const void *b)
{
	const struct pw_intention_source *x = *(struct pw_intention_source *const *)a;
	const struct pw_intention_source *y = *(struct pw_intention_source *const *)b;
	int r = strcmp(pw_str_or_empty(x->peer), pw_str_or_empty(y->peer));

	return r ? r : strcmp(pw_str_or_empty(x->name), pw_str_or_empty(y->name));
}

/* Sorted by what must be unique, a double stands behind its twin; the later of the two is the one
 * to name. */
static int check_doubles(const struct pw_service_intentions *e, struct pw_err *err)
{
	size_t n = e->sources.n;
	pw_autofree struct pw_intention_source **sorted = pw_xcalloc(n, sizeof(*sorted));
	const struct pw_intention_source *twin = NULL;

	memcpy(sorted, e->sources.items, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_sources);
	for (size_t i = 1; i < n && !twin; i++)
		if (!compare_sources(&sorted[i - 1], &sorted[i]))
			twin = sorted[i];
	if (!twin)
		return 0;
	for (size_t i = 0, seen = 0; i < n; i++) {
		const struct pw_intention_source *s = e->sources.items[i];

		if (compare_sources(&s, &twin) || seen++ == 0)
			continue;
		if (pw_str_empty(s->peer))
			return config_refuse(err, "Sources[%zu] defines \"%s\" more than once", i,
					     s->name);
		return config_refuse(err, "Sources[%zu] defines peer(\"%s\") \"%s\" more than once",
				     i, s->peer, s->name);
	}
	return 0;
}

/* Every service here is TCP: what Consul says of HTTP rules on a TCP service holds for all of them.
 */
static int check_protocol(const struct pw_service_intentions *e, struct pw_err *err)
{
	bool l7 = e->jwt && json_object_size(e->jwt);

	for (size_t i = 0; i < e->sources.n; i++)
		l7 |= has_permissions(e->sources.items[i]);
	if (!l7)
		return 0;
	return config_refuse(
		err,
		"service \"%s\" has protocol \"tcp\", which is incompatible with L7 intentions permissions",
		e->name);
}

static int check_intentions(const struct pw_service_intentions *e, struct pw_err *err)
{
	int r;

	if (pw_str_empty(e->name))
		return config_refuse(err, "Name is required");
	if (partial_wildcard(e->name))
		return config_refuse(
			err, "Name: wildcard character '*' cannot be used with partial values");
	if (!config_is_default(e->partition) || !config_is_default(e->ns))
		return config_refuse(err,
				     "namespaces and partitions are an enterprise-only feature");
	r = catalog_check_name("Name", e->name, err);
	if (r == 0)
		r = config_check_meta(&e->meta, err);
	if (r < 0)
		return r;
	if (!e->sources.n)
		return config_refuse(err, "At least one source is required");
	if (e->sources.n > MAX_SOURCES)
		return config_refuse(err, "more than %d sources", MAX_SOURCES);
	for (size_t i = 0; r == 0 && i < e->sources.n; i++)
		r = check_source(e->sources.items[i], i, e->name, err);
	if (r == 0)
		r = check_doubles(e, err);
	return r < 0 ? r : check_protocol(e, err);
}

/* --- normal form ---------------------------------------------------------------------------- */

static void set(char **field, char *value)
{
	free(*field);
	*field = value;
}

static void lower_peers(struct pw_service_intentions *e)
{
	for (size_t i = 0; i < e->sources.n; i++) {
		struct pw_intention_source *s = e->sources.items[i];

		if (!pw_str_empty(s->peer)) /* peers have lower-case names */
			set(&s->peer, pw_str_lower(s->peer));
	}
}

/* Highest first, in the order of writing among equals: there are two values at most, so two passes
 * sort. */
static void normalise(struct pw_service_intentions *e)
{
	struct pw_list sorted = { 0 };

	for (int any = 0; any < 2; any++)
		for (size_t i = 0; i < e->sources.n; i++) {
			struct pw_intention_source *s = e->sources.items[i];

			if (pw_streq(s->name, "*") != (any == 1))
				continue;
			s->precedence = pw_intention_precedence(s->name, e->name);
			set(&s->type, pw_xstrdup("consul"));
			pw_list_add(&sorted, s);
		}
	free(e->sources.items);
	e->sources = sorted;
}

static void clear_intentions(struct pw_service_intentions *e)
{
	pw_schema_clear(&pw_service_intentions_schema, e);
}

int config_decode_intentions(const json_t *body, json_t **ret_body, char **ret_name,
			     struct pw_err *err)
{
	pw_cleanup(clear_intentions) struct pw_service_intentions e = { 0 };
	int r = pw_schema_decode(&pw_service_intentions_schema, body, /* flags= */ 0, &e, err);

	if (r < 0)
		return r;
	lower_peers(&e);
	r = check_intentions(&e, err);
	if (r < 0)
		return r;
	normalise(&e);
	*ret_body = pw_schema_encode(&pw_service_intentions_schema, &e, /* flags= */ 0);
	*ret_name = pw_xstrdup(e.name);
	return 0;
}

struct pw_service_intentions *pw_intentions_get(const struct pw_store *s, const char *destination)
{
	const struct pw_config_entry *entry = pw_config_entry_get(s, INTENTIONS_KIND, destination);
	struct pw_service_intentions *e;

	if (!entry)
		return NULL;
	e = pw_new0(struct pw_service_intentions);
	if (pw_schema_decode(&pw_service_intentions_schema, entry->body, PW_DECODE_LOOSE, e,
			     /* err= */ NULL) < 0) {
		pw_schema_free(&pw_service_intentions_schema, e);
		return NULL;
	}
	return e;
}
