// SPDX-License-Identifier: Apache-2.0
/* /v1/peering… and /v1/peerings */
#include "internal.h"
#include <openssl/crypto.h>
#include <string.h>

#define BODY_FAILED "Body decoding failed"

struct peering_body {
	char *peer_name, *partition, *token;
	struct pw_map meta;
	struct pw_strv server_external_addresses;
	bool retry;
};
static const struct pw_field token_fields[] = {
	PW_FIELD(struct peering_body, "PeerName", peer_name, PW_F_STR, 0),
	PW_FIELD(struct peering_body, "Partition", partition, PW_F_STR, 0),
	PW_FIELD(struct peering_body, "Meta", meta, PW_F_MAP, 0),
	PW_FIELD(struct peering_body, "ServerExternalAddresses", server_external_addresses,
		 PW_F_STRV, 0),
};
static const struct pw_schema token_schema =
	PW_SCHEMA("PeeringGenerateTokenRequest", struct peering_body, token_fields);
static const struct pw_field establish_fields[] = {
	PW_FIELD(struct peering_body, "PeerName", peer_name, PW_F_STR, 0),
	PW_FIELD(struct peering_body, "Partition", partition, PW_F_STR, 0),
	PW_FIELD(struct peering_body, "Meta", meta, PW_F_MAP, 0),
	PW_FIELD(struct peering_body, "PeeringToken", token, PW_F_STR, PW_F_HIDDEN),
	PW_FIELD(struct peering_body, "Retry", retry, PW_F_BOOL, 0), /* ours */
};
static const struct pw_schema establish_schema =
	PW_SCHEMA("PeeringEstablishRequest", struct peering_body, establish_fields);

static void body_clear(struct peering_body *b)
{
	pw_secret_freep(&b->token);
	pw_schema_clear(&token_schema, b);
}

static int need_manager(const struct pw_request *r, struct pw_err *err)
{
	if (r->api->opt.peering)
		return 0;
	return pw_err_set(err, PW_ERR_UNAVAILABLE, EAGAIN, "peering is not running on this agent");
}

/* Jansson frees its copy without wiping it. */
static void wipe_token(json_t *body)
{
	const char *key;
	json_t *v;

	json_object_foreach(body, key, v)
	{
		if (json_is_string(v))
			OPENSSL_cleanse((char *)json_string_value(v), json_string_length(v));
	}
}

static int decode_body(struct pw_request *r, const struct pw_schema *schema, struct peering_body *b,
		       struct pw_err *err)
{
	pw_autojson json_t *body = NULL;
	int rc;

	rc = pw_request_json(r, BODY_FAILED, &body, err);
	if (rc < 0)
		return rc;
	rc = pw_schema_decode(schema, body, PW_DECODE_STRICT, b, err);
	wipe_token(body);
	if (rc < 0)
		return pw_err_prefix(err, BODY_FAILED);
	if (!pw_str_empty(b->partition) && !pw_streq(b->partition, "default"))
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
				  "Partitions are a Consul Enterprise feature");
	return 0;
}

int pw_h_peering_token(struct pw_request *r, struct pw_err *err)
{
	pw_cleanup(body_clear) struct peering_body b = { 0 };
	pw_cleanup(pw_secret_freep) char *token = NULL;
	struct pw_token_request req;
	int rc;

	rc = need_manager(r, err);
	if (rc == 0)
		rc = decode_body(r, &token_schema, &b, err);
	if (rc < 0)
		return rc;
	if (pw_str_empty(b.peer_name))
		return pw_err_set(
			err, PW_ERR_BAD_REQUEST, EINVAL,
			"PeerName is required in the payload when generating a new peering token.");
	req = (struct pw_token_request){ .name = b.peer_name,
					 .meta = b.meta,
					 .server_external_addresses = b.server_external_addresses };
	rc = pw_peering_generate_token(r->api->opt.peering, &req, &token, err);
	if (rc < 0)
		return rc;
	return pw_reply_secret(r, pw_xasprintf("{\"PeeringToken\":\"%s\"}", token));
}

/* Outlives its request when the client goes away: the peering is then established without anyone to
 * tell. */
struct establishing {
	struct pw_request *r; /* NULL: gone */
};

static void forget_request(void *state)
{
	struct establishing *e = state;

	e->r = NULL;
}

static void on_established(void *arg, const struct pw_err *err)
{
	struct establishing *e = arg;
	struct pw_request *r = e->r;

	if (r) {
		r->state_free = NULL;
		if (err->code)
			pw_reply_err(r, err);
		else
			pw_reply_json(r, 200, json_object());
	}
	free(e);
}

int pw_h_peering_establish(struct pw_request *r, struct pw_err *err)
{
	pw_cleanup(body_clear) struct peering_body b = { 0 };
	struct pw_establish_request req;
	struct establishing *e;
	int rc;

	rc = need_manager(r, err);
	if (rc == 0)
		rc = decode_body(r, &establish_schema, &b, err);
	if (rc < 0)
		return rc;
	if (pw_str_empty(b.peer_name))
		return pw_err_set(
			err, PW_ERR_BAD_REQUEST, EINVAL,
			"PeerName is required in the payload when establishing a peering.");
	if (pw_str_empty(b.token))
		return pw_err_set(
			err, PW_ERR_BAD_REQUEST, EINVAL,
			"PeeringToken is required in the payload when establishing a peering.");
	req = (struct pw_establish_request){
		.name = b.peer_name, .token = b.token, .meta = b.meta, .retry = b.retry
	};
	e = pw_new0(struct establishing);
	rc = pw_peering_establish(r->api->opt.peering, &req, on_established, e, err);
	if (rc < 0) {
		free(e);
		return rc;
	}
	e->r = r;
	r->state = e;
	r->state_free = forget_request;
	pw_request_hold(r);
	return 0;
}

int pw_h_peering_read(struct pw_request *r, struct pw_err *err)
{
	const struct pw_peering *p;
	int rc = need_manager(r, err);

	if (rc < 0)
		return rc;
	if (!*r->rest)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "Must specify a name to fetch.");
	p = pw_peering_get(r->api->opt.peering, r->rest);
	if (!p)
		return pw_err_set(err, PW_ERR_NOT_FOUND, ENOENT, "Peering not found for \"%s\"",
				  r->rest);
	return pw_reply_json(r, 200, pw_peering_json(r->api->opt.peering, p));
}

int pw_h_peering_delete(struct pw_request *r, struct pw_err *err)
{
	int rc = need_manager(r, err);

	if (rc < 0)
		return rc;
	if (!*r->rest)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "Must specify a name to delete.");
	rc = pw_peering_delete(r->api->opt.peering, r->rest, err);
	return rc < 0 ? rc : pw_reply_empty(r, 200);
}

int pw_h_peerings(struct pw_request *r, struct pw_err *err)
{
	const struct pw_peering *p;
	json_t *rows;
	struct pw_iter it;
	int rc = need_manager(r, err);

	if (rc < 0)
		return rc;
	rows = json_array();
	it = pw_store_iter(r->api->opt.store, PW_T_PEERING, /* prefix= */ NULL);
	while ((p = pw_iter_next(&it)))
		json_array_append_new(rows, pw_peering_json(r->api->opt.peering, p));
	pw_iter_clear(&it);
	return pw_reply_rows(r, rows, err);
}
