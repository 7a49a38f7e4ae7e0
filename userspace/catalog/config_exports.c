// SPDX-License-Identifier: Apache-2.0
/* exported-services: which service goes to which peer. */
#include "catalog_private.h"
#include "config_private.h"

#include <string.h>
#include <uthash.h>

#define EXPORTS_KIND  "exported-services"
#define EXPORTS_NAME  "default"
#define MAX_CONSUMERS 1024 /* of one service */

struct consumer {
	char *peer;
	struct pw_strv names;
	bool all; /* what a wildcard covers, besides */
	UT_hash_handle hh;
};
struct pw_exports {
	struct consumer *consumers;
};

/* --- writing -------------------------------------------------------------------------------- */

static int check_consumer(struct pw_export_consumer *c, size_t i, size_t j, struct pw_err *err)
{
	unsigned set = !pw_str_empty(c->peer) + !pw_str_empty(c->partition) +
		       !pw_str_empty(c->sameness_group);
	char *lower;

	if (set > 1)
		return config_refuse(
			err,
			"Services[%zu].Consumers[%zu]: must define at most one of Peer, Partition, or SamenessGroup",
			i, j);
	if (pw_streq(c->peer, "*"))
		return config_refuse(
			err,
			"Services[%zu].Consumers[%zu]: exporting to all peers (wildcard) is not supported",
			i, j);
	if (!pw_str_empty(c->partition))
		return config_refuse(
			err,
			"Services[%zu].Consumers[%zu]: partitions are an enterprise-only feature",
			i, j);
	if (!pw_str_empty(c->sameness_group))
		return config_refuse(
			err,
			"Services[%zu].Consumers[%zu]: sameness-groups are an enterprise-only feature",
			i, j);
	if (pw_str_empty(c->peer))
		return config_refuse(err, "Services[%zu].Consumers[%zu]: must define a Peer", i, j);
	lower = pw_str_lower(c->peer); /* peers have lower-case names */
	free(c->peer);
	c->peer = lower;
	return catalog_check_name("Peer", c->peer, err);
}

static int check_exported(struct pw_exported_service *s, size_t i, struct pw_err *err)
{
	int r = 0;

	if (pw_str_empty(s->name))
		return config_refuse(err, "Services[%zu]: service name cannot be empty", i);
	if (!config_is_default(s->ns))
		return config_refuse(err,
				     "Services[%zu]: namespaces are an enterprise-only feature", i);
	if (!s->consumers.n)
		return config_refuse(err, "Services[%zu]: must have at least one consumer", i);
	if (s->consumers.n > MAX_CONSUMERS)
		return config_refuse(err, "Services[%zu]: has more than %d consumers", i,
				     MAX_CONSUMERS);
	r = catalog_check_name("the service name", s->name, err);
	for (size_t j = 0; r == 0 && j < s->consumers.n; j++)
		r = check_consumer(s->consumers.items[j], i, j, err);
	return r;
}

static int check_exports(struct pw_exported_services *e, struct pw_err *err)
{
	int r;

	if (!pw_streq(e->name, EXPORTS_NAME))
		return config_refuse(err, "exported-services Name must be \"default\"");
	if (!config_is_default(e->partition))
		return config_refuse(err, "partitions are an enterprise-only feature");
	r = config_check_meta(&e->meta, err);
	for (size_t i = 0; r == 0 && i < e->services.n; i++)
		r = check_exported(e->services.items[i], i, err);
	return r;
}

static void clear_exports(struct pw_exported_services *e)
{
	pw_schema_clear(&pw_exported_services_schema, e);
}

int config_decode_exports(const json_t *body, json_t **ret_body, char **ret_name,
			  struct pw_err *err)
{
	pw_cleanup(clear_exports) struct pw_exported_services e = { 0 };
	int r = pw_schema_decode(&pw_exported_services_schema, body, /* flags= */ 0, &e, err);

	if (r == 0)
		r = check_exports(&e, err);
	if (r < 0)
		return r;
	*ret_body = pw_schema_encode(&pw_exported_services_schema, &e, /* flags= */ 0);
	*ret_name = pw_xstrdup(EXPORTS_NAME);
	return 0;
}

/* --- reading -------------------------------------------------------------------------------- */

static const json_t *exported_list(const struct pw_store *s)
{
	const struct pw_config_entry *e = pw_config_entry_get(s, EXPORTS_KIND, EXPORTS_NAME);

	return e ? json_object_get(e->body, "Services") : NULL;
}

/* Names of our own making that stand for a sidecar are never exported by a wildcard, nor is the
 * control service. */
static bool wildcard_covers(const char *service)
{
	return !pw_streq(service, PW_AGENT_SERVICE) && !pw_str_ends(service, "-sidecar-proxy");
}

static bool found_plain(void *arg, const struct pw_service *svc)
{
	*(bool *)arg = pw_str_empty(svc->kind);
	return !*(bool *)arg;
}

static bool exists(const struct pw_store *s, const char *service)
{
	bool plain = false;

	pw_catalog_each(s, /* peer= */ "", service, found_plain, &plain);
	return plain;
}

static void sort_unique(struct pw_strv *v)
{
	size_t n = 0;

	pw_strv_sort(v);
	for (size_t i = 0; i < v->n; i++)
		if (n && pw_streq(v->items[n - 1], v->items[i]))
			free(v->items[i]);
		else
			v->items[n++] = v->items[i];
	v->n = n;
}

static void add_all(const struct pw_store *s, struct pw_strv *ret)
{
	pw_cleanup(pw_strv_clear) struct pw_strv names = { 0 };

	pw_catalog_names(s, &names);
	for (size_t i = 0; i < names.n; i++)
		if (wildcard_covers(names.items[i]))
			pw_strv_add(ret, names.items[i]);
}

static struct consumer *consumer_get(struct pw_exports *e, const char *peer)
{
	struct consumer *c;

	HASH_FIND_STR(e->consumers, peer, c);
	if (c)
		return c;
	c = pw_new0(struct consumer);
	c->peer = pw_xstrdup(peer);
	HASH_ADD_KEYPTR(hh, e->consumers, c->peer, strlen(c->peer), c);
	return c;
}

static void add_line(struct pw_exports *e, const json_t *exported)
{
	const char *name = pw_json_str(exported, "Name");
	const json_t *line;
	size_t i;

	if (pw_str_empty(name) || pw_streq(name, PW_AGENT_SERVICE))
		return;
	json_array_foreach(json_object_get(exported, "Consumers"), i, line)
	{
		const char *peer = pw_json_str(line, "Peer");
		struct consumer *c = pw_str_empty(peer) ? NULL : consumer_get(e, peer);

		if (c && pw_streq(name, "*"))
			c->all = true;
		else if (c)
			pw_strv_add(&c->names, name);
	}
}

struct pw_exports *pw_exports_new(const struct pw_store *s)
{
	pw_cleanup(pw_strv_clear) struct pw_strv all = { 0 };
	struct pw_exports *e = pw_new0(struct pw_exports);
	struct consumer *c, *tmp;
	const json_t *exported;
	size_t i;

	json_array_foreach(exported_list(s), i, exported) add_line(e, exported);
	HASH_ITER(hh, e->consumers, c, tmp)
	{
		if (c->all && !all.n)
			add_all(s, &all);
		for (i = 0; c->all && i < all.n; i++)
			pw_strv_add(&c->names, all.items[i]);
		sort_unique(&c->names);
	}
	return e;
}

const struct pw_strv *pw_exports_of(const struct pw_exports *e, const char *peer)
{
	static const struct pw_strv none;
	const struct consumer *c;

	HASH_FIND_STR(e->consumers, peer, c);
	return c ? &c->names : &none;
}

void pw_exports_free(struct pw_exports **exports)
{
	struct pw_exports *e = TAKE_PTR(*exports);
	struct consumer *c, *tmp;

	if (!e)
		return;
	HASH_ITER(hh, e->consumers, c, tmp)
	{
		HASH_DEL(e->consumers, c);
		pw_strv_clear(&c->names);
		free(c->peer);
		free(c);
	}
	free(e);
}

/* A wildcard covers what is registered, an exact name also what may come. */
static bool entry_covers(const struct pw_store *s, const json_t *exported, const char *service)
{
	const char *name = pw_json_str(exported, "Name");

	if (pw_streq(name, "*"))
		return wildcard_covers(service) && exists(s, service);
	return pw_streq(name, service);
}

void pw_exports_peers_of(const struct pw_store *s, const char *service, struct pw_strv *ret_peers)
{
	const json_t *list = exported_list(s), *exported, *consumer;
	size_t i, j;

	if (pw_str_empty(service) || pw_streq(service, PW_AGENT_SERVICE))
		return;
	json_array_foreach(list, i, exported)
	{
		if (!entry_covers(s, exported, service))
			continue;
		json_array_foreach(json_object_get(exported, "Consumers"), j,
				   consumer) if (pw_json_str(consumer, "Peer"))
			pw_strv_add(ret_peers, pw_json_str(consumer, "Peer"));
	}
	sort_unique(ret_peers);
}
