// SPDX-License-Identifier: Apache-2.0
/*
 * /v1/connect/intentions…: another view of the service-intentions entries. Peer sources
 * ("peer:NAME/SERVICE") can be read, checked and, unlike in Consul, written here.
 */
#include "intention_rows.h"
#include "../ca/spiffe.h"
#include "../catalog/config_entry.h"
#include <string.h>

int pw_h_intentions(struct pw_request *r, struct pw_err *err)
{
	return pw_reply_rows(r, pw_intention_rows(r->api->opt.store, PW_BY_ANY, NULL), err);
}

static int required(const struct pw_request *r, const char *key, const char **ret,
		    struct pw_err *err)
{
	*ret = pw_request_param(r, key);
	if (pw_str_empty(*ret))
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
				  "required query parameter '%s' not set", key);
	return 0;
}

int pw_h_intention_match(struct pw_request *r, struct pw_err *err)
{
	pw_cleanup(pw_strv_clear) struct pw_strv names = { 0 };
	enum pw_intention_by by;
	const char *text;
	json_t *answer;
	int rc;

	rc = required(r, "by", &text, err);
	if (rc < 0)
		return rc;
	by = pw_streq(text, "source") ? PW_BY_SOURCE : PW_BY_DESTINATION;
	if (by == PW_BY_DESTINATION && !pw_streq(text, "destination"))
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
				  "'by' parameter must be one of 'source' or 'destination'");
	rc = required(r, "name", &text, err);
	if (rc < 0)
		return rc;
	pw_query_all(&r->query, "name", &names);
	answer = json_object();
	for (size_t i = 0; i < names.n && rc == 0; i++) {
		pw_cleanup(pw_intention_end_clear) struct pw_intention_end end = { 0 };

		rc = pw_intention_end_parse("name", names.items[i], &end, err);
		if (rc == 0)
			json_object_set_new(answer, end.name,
					    pw_intention_rows(r->api->opt.store, by, end.name));
	}
	if (rc < 0) {
		json_decref(answer);
		return rc;
	}
	return pw_reply_json(r, 200, answer);
}

static int get_ends(const struct pw_request *r, struct pw_intention_end *source,
		    struct pw_intention_end *destination, struct pw_err *err)
{
	const char *from, *to;
	int rc;

	rc = required(r, "source", &from, err);
	if (rc == 0)
		rc = required(r, "destination", &to, err);
	if (rc == 0)
		rc = pw_intention_end_parse("source", from, source, err);
	if (rc == 0)
		rc = pw_intention_end_parse("destination", to, destination, err);
	if (rc == 0 && !pw_str_empty(destination->peer))
		rc = pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
				"destination \"%s\" is invalid: cannot specify a peer here", to);
	return rc;
}

/* The policy in force decides; without an agent around (tests) it is compiled for the question. */
static struct pw_verdict verdict_of(const struct pw_api *api, const char *peer, const char *source,
				    const char *destination)
{
	struct pw_policy *p = api->opt.policy ? api->opt.policy(api->opt.arg) : NULL;
	struct pw_verdict v;

	p = p ? pw_policy_ref(p) : pw_policy_compile(api->opt.store, &api->opt.policy_defaults);
	v = pw_policy_check(p, pw_str_or_empty(peer), source, destination);
	pw_policy_unref(&p);
	return v;
}

int pw_h_intention_check(struct pw_request *r, struct pw_err *err)
{
	pw_cleanup(pw_intention_end_clear) struct pw_intention_end source = { 0 };
	pw_cleanup(pw_intention_end_clear) struct pw_intention_end destination = { 0 };
	int rc = get_ends(r, &source, &destination, err);
	struct pw_verdict v;

	if (rc < 0)
		return rc;
	v = verdict_of(r->api, source.peer, source.name, destination.name);
	return pw_reply_json(r, 200,
			     json_pack("{s:b}", "Allowed", v.action == PW_ACTION_ALLOW ? 1 : 0));
}

int pw_h_intention_get(struct pw_request *r, struct pw_err *err)
{
	pw_cleanup(pw_intention_end_clear) struct pw_intention_end source = { 0 };
	pw_cleanup(pw_intention_end_clear) struct pw_intention_end destination = { 0 };
	pw_autojson json_t *rows = NULL;
	json_t *row;
	size_t i;
	int rc = get_ends(r, &source, &destination, err);

	if (rc < 0)
		return rc;
	rows = pw_intention_rows(r->api->opt.store, PW_BY_EXACT, destination.name);
	json_array_foreach(rows, i, row)
	{
		if (pw_streq(pw_json_str(row, "SourceName"), source.name) &&
		    pw_streq(pw_json_str(row, "SourcePeer"), source.peer))
			return pw_reply_json(r, 200, json_incref(row));
	}
	return pw_err_set(err, PW_ERR_NOT_FOUND, ENOENT, "Intention not found");
}

struct intention_body {
	char *id, *description, *source_partition, *source_ns, *source_name, *source_peer;
	char *source_group, *destination_partition, *destination_ns, *destination_name;
	char *source_type, *action;
	json_t *permissions, *jwt;
	struct pw_map meta;
	int64_t precedence;
};
#define BODY(key, member, type) PW_FIELD(struct intention_body, key, member, type, 0)
static const struct pw_field intention_fields[] = {
	BODY("ID", id, PW_F_STR),
	BODY("Description", description, PW_F_STR),
	BODY("SourcePartition", source_partition, PW_F_STR),
	BODY("SourceNS", source_ns, PW_F_STR),
	BODY("SourceName", source_name, PW_F_STR),
	BODY("SourcePeer", source_peer, PW_F_STR),
	BODY("SourceSamenessGroup", source_group, PW_F_STR),
	BODY("DestinationPartition", destination_partition, PW_F_STR),
	BODY("DestinationNS", destination_ns, PW_F_STR),
	BODY("DestinationName", destination_name, PW_F_STR),
	BODY("SourceType", source_type, PW_F_STR),
	BODY("Action", action, PW_F_STR),
	BODY("Permissions", permissions, PW_F_JSON),
	BODY("JWT", jwt, PW_F_JSON),
	BODY("Meta", meta, PW_F_MAP),
	BODY("Precedence", precedence, PW_F_INT),
};
static const struct pw_schema intention_schema =
	PW_SCHEMA("Intention", struct intention_body, intention_fields);

static void intention_body_clear(struct intention_body *b)
{
	pw_schema_clear(&intention_schema, b);
}

static int check_intention(const struct intention_body *b, struct pw_err *err)
{
	if (!pw_str_empty(b->source_peer))
		return pw_err_set(
			err, PW_ERR_INTERNAL, EINVAL,
			"SourcePeer field is not supported on this endpoint. Use config entries instead");
	if (b->meta.n)
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL, "Meta must not be specified");
	if (json_object_size(b->jwt))
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
				  "JWT is not supported by this version");
	return 0;
}

struct intention_change {
	const struct pw_intention_end *source, *destination;
	const struct intention_body *body; /* NULL: delete */
};

static json_t *source_json(const struct intention_change *c)
{
	json_t *v = json_object();

	json_object_set_new(v, "Name", json_string(c->source->name));
	if (!pw_str_empty(c->source->peer))
		json_object_set_new(v, "Peer", json_string(c->source->peer));
	if (!pw_str_empty(c->body->action))
		json_object_set_new(v, "Action", json_string(c->body->action));
	if (json_array_size(c->body->permissions))
		json_object_set(v, "Permissions", c->body->permissions);
	if (!pw_str_empty(c->body->description))
		json_object_set_new(v, "Description", json_string(c->body->description));
	return v;
}

/* Index of the source in the list; its size: not there. */
static size_t find_source(const json_t *sources, const struct pw_intention_end *end)
{
	json_t *source;
	size_t i;

	json_array_foreach(sources, i, source)
	{
		if (pw_streq(pw_json_str(source, "Name"), end->name) &&
		    pw_streq(pw_json_str(source, "Peer"), end->peer))
			break;
	}
	return i;
}

/* Puts the source into the entry's list, or takes it out. Returns whether anything is to be
 * written. */
static bool change_source(json_t *sources, const struct intention_change *c)
{
	size_t at = find_source(sources, c->source);
	bool found = at < json_array_size(sources);

	if (!c->body)
		return found && json_array_remove(sources, at) == 0;
	if (found)
		json_array_set_new(sources, at, source_json(c));
	else
		json_array_append_new(sources, source_json(c));
	return true;
}

static json_t *entry_body(const struct pw_store *s, const char *destination)
{
	const struct pw_config_entry *e = pw_config_entry_get(s, "service-intentions", destination);

	if (e)
		return json_deep_copy(e->body);
	return json_pack("{s:s, s:s, s:[]}", "Kind", "service-intentions", "Name", destination,
			 "Sources");
}

static int do_change(struct pw_tx *tx, void *arg, struct pw_err *err)
{
	const struct intention_change *c = arg;
	pw_autojson json_t *body = entry_body(pw_tx_store(tx), c->destination->name);
	json_t *sources = json_object_get(body, "Sources");
	struct pw_config_entry *entry = NULL;
	bool done;
	int rc;

	if (!change_source(sources, c))
		return 0;
	if (!json_array_size(sources))
		return pw_config_entry_delete(tx, "service-intentions", c->destination->name,
					      /* cas= */ NULL, &done, err);
	rc = pw_config_entry_decode(body, &entry, err);
	return rc < 0 ? rc : pw_config_entry_put(tx, entry, /* cas= */ NULL, &done, err);
}

int pw_h_intention_put(struct pw_request *r, struct pw_err *err)
{
	pw_cleanup(pw_intention_end_clear) struct pw_intention_end source = { 0 };
	pw_cleanup(pw_intention_end_clear) struct pw_intention_end destination = { 0 };
	pw_cleanup(intention_body_clear) struct intention_body body = { 0 };
	struct intention_change c = { &source, &destination, &body };
	int rc;

	rc = get_ends(r, &source, &destination, err);
	if (rc == 0)
		rc = pw_request_decode(r, "Failed to decode request body", &intention_schema, &body,
				       err);
	if (rc == 0)
		rc = check_intention(&body, err);
	if (rc == 0)
		rc = pw_api_write(r->api, do_change, &c, err);
	return rc < 0 ? rc : pw_reply_true(r);
}

int pw_h_intention_delete(struct pw_request *r, struct pw_err *err)
{
	pw_cleanup(pw_intention_end_clear) struct pw_intention_end source = { 0 };
	pw_cleanup(pw_intention_end_clear) struct pw_intention_end destination = { 0 };
	struct intention_change c = { &source, &destination, /* body= */ NULL };
	int rc;

	rc = get_ends(r, &source, &destination, err);
	if (rc == 0)
		rc = pw_api_write(r->api, do_change, &c, err);
	return rc < 0 ? rc : pw_reply_true(r);
}

struct authorize_body {
	char *target, *uri, *serial;
};
static const struct pw_field authorize_fields[] = {
	PW_FIELD(struct authorize_body, "Target", target, PW_F_STR, 0),
	PW_FIELD(struct authorize_body, "ClientCertURI", uri, PW_F_STR, 0),
	PW_FIELD(struct authorize_body, "ClientCertSerial", serial, PW_F_STR, 0),
};
static const struct pw_schema authorize_schema =
	PW_SCHEMA("ConnectAuthorizeRequest", struct authorize_body, authorize_fields);

static void authorize_body_clear(struct authorize_body *b)
{
	pw_schema_clear(&authorize_schema, b);
}

/* Whose trust domain it is; "" : nobody's we know, or ours. */
static const char *peer_of(const struct pw_store *s, const char *trust_domain)
{
	pw_autoiter struct pw_iter it = pw_store_iter(s, PW_T_TRUST_BUNDLE, /* prefix= */ NULL);
	const struct pw_trust_bundle *b;

	while ((b = pw_iter_next(&it)))
		if (pw_streq(b->trust_domain, trust_domain))
			return b->peer;
	return "";
}

static char *authorize_reason(const struct pw_store *s, const char *peer, const char *source,
			      const char *target, bool allowed)
{
	pw_autojson json_t *rows = pw_intention_rows(s, PW_BY_DESTINATION, target);
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		const char *name = pw_json_str(row, "SourceName");

		if (!pw_streq(pw_json_str(row, "SourcePeer"), peer) ||
		    (!pw_streq(name, source) && !pw_streq(name, "*")))
			continue;
		return pw_xasprintf(
			"Matched %s intention: default/%s => default/%s (Precedence: %lld, Action: %s)",
			json_object_get(row, "Permissions") ? "L7" : "L4", name,
			pw_json_str(row, "DestinationName"),
			(long long)pw_json_int(row, "Precedence", 0), allowed ? "ALLOW" : "DENY");
	}
	return pw_xstrdup("Default behavior configured by ACLs");
}

int pw_h_authorize(struct pw_request *r, struct pw_err *err)
{
	pw_cleanup(authorize_body_clear) struct authorize_body b = { 0 };
	pw_cleanup(pw_spiffe_clear) struct pw_spiffe id = { 0 };
	const struct pw_store *s = r->api->opt.store;
	pw_autofree char *reason = NULL;
	const char *peer;
	bool allowed;
	int rc;

	rc = pw_request_decode(r, "Request decode failed", &authorize_schema, &b, err);
	if (rc < 0)
		return rc;
	if (pw_str_empty(b.target))
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "Target service must be specified");
	if (pw_str_empty(b.uri) || pw_spiffe_parse(b.uri, &id) < 0 || id.kind != PW_SPIFFE_SERVICE)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "ClientCertURI not a valid Service identifier");
	peer = peer_of(s, id.trust_domain);
	allowed = verdict_of(r->api, peer, id.service, b.target).action == PW_ACTION_ALLOW;
	reason = authorize_reason(s, peer, id.service, b.target, allowed);
	return pw_reply_json(r, 200,
			     json_pack("{s:b, s:s}", "Authorized", allowed ? 1 : 0, "Reason",
				       reason));
}
