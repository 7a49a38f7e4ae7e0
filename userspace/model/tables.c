// SPDX-License-Identifier: Apache-2.0
#include "model.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

char *pw_key(bool trailing, const char *a, ...)
{
	struct pw_strbuf b = { 0 };
	va_list ap;

	pw_strbuf_add_n(&b, pw_str_or_empty(a), strlen(pw_str_or_empty(a)));
	va_start(ap, a);
	for (const char *part = va_arg(ap, const char *); part; part = va_arg(ap, const char *)) {
		pw_strbuf_add_n(&b, PW_KEY_SEP, 1);
		pw_strbuf_add_n(&b, part, strlen(part));
	}
	va_end(ap);
	if (trailing)
		pw_strbuf_add_n(&b, PW_KEY_SEP, 1);
	return TAKE_PTR(b.text);
}

/* A NULL among the parts would end the list early, so every part is made a string first. */
#define S(s) pw_str_or_empty(s)

static char *cluster_key(const void *obj)
{
	return pw_xstrdup("cluster");
}

static char *node_key(const void *obj)
{
	const struct pw_node *n = obj;

	return pw_key(/* trailing= */ false, n->peer, S(n->name), NULL);
}

static char *node_id_key(const void *obj)
{
	const struct pw_node *n = obj;

	return pw_key(/* trailing= */ false, n->peer, S(n->id), S(n->name), NULL);
}

static char *service_key(const void *obj)
{
	const struct pw_service *s = obj;

	return pw_key(/* trailing= */ false, s->peer, S(s->node), S(s->id), NULL);
}

static char *service_name_key(const void *obj)
{
	const struct pw_service *s = obj;

	return pw_key(/* trailing= */ false, s->peer, S(s->name), S(s->node), S(s->id), NULL);
}

/* Proxies by what they stand in front of: finding the sidecars of a service must not read all
 * services. */
static char *service_destination_key(const void *obj)
{
	const struct pw_service *s = obj;

	if (!pw_streq(s->kind, "connect-proxy"))
		return NULL;
	return pw_key(/* trailing= */ false, s->peer, S(s->proxy.destination_service_name),
		      S(s->node), S(s->id), NULL);
}

static char *check_key(const void *obj)
{
	const struct pw_check *c = obj;

	return pw_key(/* trailing= */ false, c->peer, S(c->node), S(c->id), NULL);
}

static char *check_service_key(const void *obj)
{
	const struct pw_check *c = obj;

	return pw_key(/* trailing= */ false, c->peer, S(c->node), S(c->service_id), S(c->id), NULL);
}

/* The checks that the agent runs itself, which are few among many. */
static char *check_agent_key(const void *obj)
{
	const struct pw_check *c = obj;

	return c->agent ? check_key(obj) : NULL;
}

static char *config_key(const void *obj)
{
	const struct pw_config_entry *e = obj;

	return pw_key(/* trailing= */ false, e->kind, S(e->name), NULL);
}

static char *peering_key(const void *obj)
{
	return pw_xstrdup(S(((const struct pw_peering *)obj)->name));
}

static char *peering_secret_key(const void *obj)
{
	return pw_xstrdup(S(((const struct pw_peering_secret *)obj)->id));
}

static char *trust_bundle_key(const void *obj)
{
	return pw_xstrdup(S(((const struct pw_trust_bundle *)obj)->peer));
}

static char *import_key(const void *obj)
{
	return pw_xstrdup(S(((const struct pw_import *)obj)->peer));
}

static char *ca_root_key(const void *obj)
{
	return pw_xstrdup(S(((const struct pw_ca_root *)obj)->id));
}

/* Names are on disk: never change one without a migration. */
const struct pw_table_def pw_tables[PW_T_MAX] = {
	[PW_T_CLUSTER] = { .name = "cluster", .schema = &pw_cluster_schema, .key = cluster_key },
	[PW_T_NODE] = { .name = "node",
			.schema = &pw_node_schema,
			.key = node_key,
			.alt_key = node_id_key },
	[PW_T_SERVICE] = { .name = "service",
			   .schema = &pw_service_schema,
			   .key = service_key,
			   .alt_key = service_name_key,
			   .part_key = service_destination_key },
	[PW_T_CHECK] = { .name = "check",
			 .schema = &pw_check_schema,
			 .key = check_key,
			 .alt_key = check_service_key,
			 .part_key = check_agent_key },
	[PW_T_CONFIG] = { .name = "config", .schema = &pw_config_entry_schema, .key = config_key },
	[PW_T_PEERING] = { .name = "peering", .schema = &pw_peering_schema, .key = peering_key },
	[PW_T_PEERING_SECRET] = { .name = "peering_secret",
				  .schema = &pw_peering_secret_schema,
				  .key = peering_secret_key,
				  .secret = true },
	[PW_T_TRUST_BUNDLE] = { .name = "trust_bundle",
				.schema = &pw_trust_bundle_schema,
				.key = trust_bundle_key },
	[PW_T_IMPORT] = { .name = "import", .schema = &pw_import_schema, .key = import_key },
	[PW_T_CA_ROOT] = { .name = "ca_root",
			   .schema = &pw_ca_root_schema,
			   .key = ca_root_key,
			   .secret = true },
};

static const char *const state_names[] = {
	[PW_PEERING_UNDEFINED] = "UNDEFINED",	    [PW_PEERING_PENDING] = "PENDING",
	[PW_PEERING_ESTABLISHING] = "ESTABLISHING", [PW_PEERING_ACTIVE] = "ACTIVE",
	[PW_PEERING_FAILING] = "FAILING",	    [PW_PEERING_DELETING] = "DELETING",
	[PW_PEERING_TERMINATED] = "TERMINATED",
};
static_assert(ARRAY_SIZE(state_names) == PW_PEERING_STATE_MAX_, "each state needs a name");

const char *pw_peering_state_name(enum pw_peering_state s)
{
	return (unsigned)s < ARRAY_SIZE(state_names) ? state_names[s] : "UNDEFINED";
}
