// SPDX-License-Identifier: Apache-2.0
/* Checks in the definition of a service: what the agent is to run. */
#include "../base/addr.h"
#include "../base/time.h"
#include "decode_private.h"

#include <inttypes.h>

#define MAX_CHECKS	   64 /* of one service */
#define MIN_INTERVAL_MS	   1000
#define DEFAULT_TIMEOUT_MS 10000
#define MIN_DEREGISTER_MS  60000

struct check_body {
	struct pw_check check;
	struct decode_extra extra;
};
static const struct pw_field check_fields[] = {
	PW_FIELD(struct check_body, "CheckID", check.id, PW_F_STR, 0),
	PW_FIELD(struct check_body, "ID", check.id, PW_F_STR, PW_F_ALIAS),
	PW_FIELD(struct check_body, "Name", check.name, PW_F_STR, 0),
	PW_FIELD(struct check_body, "Notes", check.notes, PW_F_STR, 0),
	PW_FIELD(struct check_body, "Status", check.status, PW_F_STR, 0),
	PW_FIELD(struct check_body, "TTL", check.ttl_ms, PW_F_DURATION_MS, 0),
	PW_FIELD(struct check_body, "TCP", check.tcp, PW_F_STR, 0),
	PW_FIELD(struct check_body, "Interval", check.interval_ms, PW_F_DURATION_MS, 0),
	PW_FIELD(struct check_body, "Timeout", check.timeout_ms, PW_F_DURATION_MS, 0),
	PW_FIELD(struct check_body, "DeregisterCriticalServiceAfter", check.deregister_after_ms,
		 PW_F_DURATION_MS, 0),
	PW_FIELD(struct check_body, "SuccessBeforePassing", check.success_before_passing, PW_F_INT,
		 0),
	PW_FIELD(struct check_body, "FailuresBeforeCritical", check.failures_before_critical,
		 PW_F_INT, 0),
	EXTRA_FIELDS(struct check_body),
};
static const struct pw_schema check_schema =
	PW_SCHEMA("CheckType", struct check_body, check_fields);

static void clear_check(struct check_body *b)
{
	pw_schema_clear(&check_schema, b);
}

static int bad(struct pw_err *err, const char *text)
{
	return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "Invalid check: %s", text);
}

static bool says_nothing(const json_t *v)
{
	return json_is_null(v) || json_is_false(v) ||
	       (json_is_string(v) && !json_string_length(v)) ||
	       (json_is_integer(v) && !json_integer_value(v)) ||
	       (json_is_array(v) && !json_array_size(v)) ||
	       (json_is_object(v) && !json_object_size(v));
}

/* Consul's kinds of checks and their details, none of which runs here: refused by name, never
 * ignored. */
static int refuse_unbuilt(const char *key, const json_t *value, bool *ret_drop, struct pw_err *err)
{
	static const char *const names[] = {
		"HTTP",		 "Method",
		"Header",	 "Body",
		"H2PING",	 "H2PingUseTLS",
		"GRPC",		 "GRPCUseTLS",
		"UDP",		 "Args",
		"ScriptArgs",	 "Shell",
		"AliasNode",	 "AliasService",
		"OSService",	 "DockerContainerID",
		"TCPUseTLS",	 "TLSServerName",
		"TLSSkipVerify", "DisableRedirects",
		"OutputMaxSize", "FailuresBeforeWarning",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!decode_key_is(key, names[i]))
			continue;
		*ret_drop = true;
		if (says_nothing(value))
			return 0;
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EOPNOTSUPP,
				  "Invalid check: %s is not supported: use TTL or TCP", names[i]);
	}
	*ret_drop = false;
	return 0;
}

static int built_part(const json_t *v, json_t **ret, struct pw_err *err)
{
	pw_autojson json_t *copy = json_object();
	const char *key;
	json_t *value;

	if (!json_is_object(v)) {
		pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "json: a check must be an object");
		return decode_failed(err);
	}
	json_object_foreach((json_t *)v, key, value)
	{
		bool drop;
		int r = refuse_unbuilt(key, value, &drop, err);

		if (r < 0)
			return r;
		if (!drop)
			json_object_set(copy, key, value);
	}
	*ret = TAKE_PTR(copy);
	return 0;
}

static int check_tcp(struct pw_check *c, struct pw_err *err)
{
	pw_autofree char *host = NULL;
	uint16_t port;

	if (pw_addr_split(c->tcp, &host, &port) < 0)
		return bad(err, "TCP must be host:port");
	if (c->interval_ms <= 0)
		return bad(err, "Interval must be > 0 for TCP checks");
	c->interval_ms = pw_max(c->interval_ms, MIN_INTERVAL_MS);
	c->interval = pw_duration_format_ms(c->interval_ms);
	if (c->timeout_ms > 0)
		c->timeout = pw_duration_format_ms(c->timeout_ms);
	else
		c->timeout_ms = DEFAULT_TIMEOUT_MS;
	c->type = pw_xstrdup("tcp");
	return 0;
}

static int check_form(struct pw_check *c, struct pw_err *err)
{
	enum pw_status status;

	if (!pw_str_empty(c->status) &&
	    (pw_status_parse(c->status, &status) < 0 || status == PW_STATUS_MAINTENANCE))
		return bad(err, "Status must be passing, warning or critical");
	if (c->ttl_ms < 0 || c->interval_ms < 0 || c->timeout_ms < 0 ||
	    c->deregister_after_ms < 0 || c->success_before_passing < 0 ||
	    c->failures_before_critical < 0)
		return bad(err, "durations and counts must not be negative");
	if (c->deregister_after_ms)
		c->deregister_after_ms = pw_max(c->deregister_after_ms, MIN_DEREGISTER_MS);
	if (c->ttl_ms && !pw_str_empty(c->tcp))
		return bad(err, "TTL and TCP exclude each other");
	if (!pw_str_empty(c->tcp))
		return check_tcp(c, err);
	if (!c->ttl_ms)
		return bad(err, "one of TTL (> 0) or TCP is required");
	c->type = pw_xstrdup("ttl");
	return 0;
}

static void name_check(struct pw_check *c, const struct pw_service *svc, size_t at, size_t total)
{
	if (pw_str_empty(c->id)) {
		free(c->id);
		c->id = total == 1 ? pw_xasprintf("service:%s", svc->id)
				   : pw_xasprintf("service:%s:%zu", svc->id, at + 1);
	}
	if (pw_str_empty(c->name)) {
		free(c->name);
		c->name = pw_xasprintf("Service '%s' check", svc->name);
	}
	c->service_id = pw_xstrdup(svc->id);
	c->agent = true;
}

static int decode_one(const struct pw_service *svc, const json_t *v, size_t at, size_t total,
		      struct pw_list *ret, struct pw_err *err)
{
	pw_cleanup(clear_check) struct check_body b = { 0 };
	pw_autojson json_t *part = NULL;
	struct pw_check *c;
	int r = built_part(v, &part, err);

	if (r < 0)
		return r;
	r = pw_schema_decode(&check_schema, part, /* flags= */ 0, &b, err);
	if (r < 0)
		return decode_failed(err);
	r = decode_extra_check(&b.extra, err);
	if (r < 0)
		return r;
	c = pw_new0(struct pw_check);
	pw_schema_move(&pw_check_schema, c, &b.check);
	pw_list_add(ret, c);
	r = check_form(c, err);
	if (r < 0)
		return r;
	name_check(c, svc, at, total);
	for (size_t i = 0; i + 1 < ret->n; i++)
		if (pw_streq(((struct pw_check *)ret->items[i])->id, c->id))
			return bad(err, "two checks of the service have the same ID");
	return 0;
}

/* Each of the two keys takes one object or a list: repeated HCL blocks come as a list. */
static void collect(json_t *into, json_t *v)
{
	if (json_is_array(v))
		json_array_extend(into, v);
	else if (v && !json_is_null(v))
		json_array_append(into, v);
}

int decode_agent_checks(const struct pw_service *svc, json_t *check, json_t *checks,
			struct pw_list *ret, struct pw_err *err)
{
	pw_autojson json_t *all = json_array();
	size_t total, i;
	json_t *v;

	collect(all, check);
	collect(all, checks);
	total = json_array_size(all);
	if (total > MAX_CHECKS)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, E2BIG,
				  "Invalid check: a service may have at most %d checks",
				  MAX_CHECKS);
	json_array_foreach(all, i, v)
	{
		int r = decode_one(svc, v, i, total, ret, err);

		if (r < 0)
			return r;
	}
	return 0;
}
