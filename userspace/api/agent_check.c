// SPDX-License-Identifier: Apache-2.0
/* /v1/agent/check… and /v1/agent/health… */
#include "internal.h"
#include "../base/time.h"
#include "../catalog/catalog.h"
#include <stdio.h>
#include <string.h>

#define MAX_OUTPUT 4096 /* Consul's default of OutputMaxSize */

int pw_h_agent_checks(struct pw_request *r, struct pw_err *err)
{
	pw_autofree char *prefix = pw_key(/* trailing= */ true, "", r->api->node_name, NULL);
	pw_autoiter struct pw_iter it = pw_store_iter(r->api->opt.store, PW_T_CHECK, prefix);
	const struct pw_check *c;
	json_t *rows = json_object();

	while ((c = pw_iter_next(&it)))
		if (c->agent)
			json_object_set_new(rows, c->id, pw_check_json(c));
	return pw_reply_rows(r, rows, err);
}

/* At most max bytes, cut at a character. */
static char *cut_text(const char *s, size_t max)
{
	size_t len = strlen(s);

	if (len > max) {
		len = max;
		while (len && ((unsigned char)s[len] & 0xc0) == 0x80)
			len--;
	}
	return pw_xstrndup(s, len);
}

static int update(struct pw_request *r, const char *status, const char *output, struct pw_err *err)
{
	pw_autofree char *cut = cut_text(output, MAX_OUTPUT);
	int rc;

	if (!r->api->opt.checks)
		return pw_err_set(err, PW_ERR_UNAVAILABLE, EAGAIN,
				  "checks are not running on this agent");
	rc = pw_checks_ttl_update(r->api->opt.checks, r->api->node_name, r->rest, status, cut, err);
	return rc < 0 ? rc : pw_reply_empty(r, 200);
}

static const char *note(const struct pw_request *r)
{
	return pw_str_or_empty(pw_request_param(r, "note"));
}

int pw_h_agent_check_pass(struct pw_request *r, struct pw_err *err)
{
	return update(r, "passing", note(r), err);
}

int pw_h_agent_check_warn(struct pw_request *r, struct pw_err *err)
{
	return update(r, "warning", note(r), err);
}

int pw_h_agent_check_fail(struct pw_request *r, struct pw_err *err)
{
	return update(r, "critical", note(r), err);
}

struct check_update {
	char *status, *output;
};
static const struct pw_field update_fields[] = {
	PW_FIELD(struct check_update, "Status", status, PW_F_STR, 0),
	PW_FIELD(struct check_update, "Output", output, PW_F_STR, 0),
};
static const struct pw_schema update_schema =
	PW_SCHEMA("checkUpdate", struct check_update, update_fields);

static void check_update_clear(struct check_update *u)
{
	pw_schema_clear(&update_schema, u);
}

int pw_h_agent_check_update(struct pw_request *r, struct pw_err *err)
{
	pw_cleanup(check_update_clear) struct check_update u = { 0 };
	enum pw_status status;
	int rc;

	rc = pw_request_decode(r, "Request decode failed", &update_schema, &u, err);
	if (rc < 0)
		return rc;
	if (pw_status_parse(pw_str_or_empty(u.status), &status) < 0 ||
	    status == PW_STATUS_MAINTENANCE)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "Invalid check status: '%.64s'",
				  pw_str_or_empty(u.status));
	return update(r, u.status, pw_str_or_empty(u.output), err);
}

static json_t *definition_json(const struct pw_check *c)
{
	pw_autofree char *after = pw_duration_format_ms(c->deregister_after_ms);

	return json_pack("{s:s, s:s, s:s, s:s, s:n, s:s, s:s, s:s, s:b, s:s, s:b, s:s, s:s, s:s, "
			 "s:b}",
			 "Interval", pw_str_empty(c->interval) ? "0s" : c->interval, "Timeout",
			 pw_str_empty(c->timeout) ? "0s" : c->timeout,
			 "DeregisterCriticalServiceAfter", after, "HTTP", "", "Header", "Method",
			 "", "Body", "", "TLSServerName", "", "TLSSkipVerify", 0, "TCP",
			 pw_str_or_empty(c->tcp), "TCPUseTLS", 0, "UDP", "", "GRPC", "",
			 "OSService", "", "GRPCUseTLS", 0);
}

static json_t *health_json(const struct pw_api *api, const struct pw_service *svc)
{
	const struct pw_store *s = api->opt.store;
	const struct pw_check **checks = NULL;
	size_t n = pw_catalog_instance_checks(s, svc, &checks);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *v = pw_check_json(checks[i]);

		json_object_set_new(v, "Definition", definition_json(checks[i]));
		json_array_append_new(list, v);
	}
	free(checks);
	return json_pack("{s:s, s:o, s:o}", "AggregatedStatus",
			 pw_status_name(pw_catalog_instance_status(s, svc)), "Service",
			 pw_agent_service_json(api, svc), "Checks", list);
}

static int status_code(enum pw_status status)
{
	switch (status) {
	case PW_STATUS_PASSING:
		return 200;
	case PW_STATUS_WARNING:
		return 429;
	default:
		return 503;
	}
}

struct own_instances {
	const struct pw_api *api;
	json_t *rows;
	enum pw_status worst;
};

static bool add_instance(void *arg, const struct pw_service *svc)
{
	struct own_instances *own = arg;
	enum pw_status status;

	if (!svc->agent || !pw_streq(svc->node, own->api->node_name))
		return true;
	status = pw_catalog_instance_status(own->api->opt.store, svc);
	own->worst = pw_max(own->worst, status);
	json_array_append_new(own->rows, health_json(own->api, svc));
	return true;
}

static bool wants_text(const struct pw_request *r)
{
	return pw_streq(pw_request_param(r, "format"), "text");
}

int pw_h_agent_health_name(struct pw_request *r, struct pw_err *err)
{
	struct own_instances own = { .api = r->api };
	bool none;

	if (!*r->rest)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "Missing service Name");
	own.rows = json_array();
	pw_catalog_each(r->api->opt.store, /* peer= */ "", r->rest, add_instance, &own);
	none = !json_array_size(own.rows);
	if (!wants_text(r))
		return pw_reply_json(r, none ? 404 : status_code(own.worst), own.rows);
	json_decref(own.rows);
	if (none)
		return pw_reply_text(r, 404, "ServiceName %s Not Found", r->rest);
	return pw_reply_text(r, status_code(own.worst), "%s", pw_status_name(own.worst));
}

int pw_h_agent_health_id(struct pw_request *r, struct pw_err *err)
{
	const struct pw_service *svc =
		pw_catalog_service(r->api->opt.store, /* peer= */ "", r->api->node_name, r->rest);
	enum pw_status status;

	if (!*r->rest)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "Missing serviceID");
	if (!svc || !svc->agent)
		return pw_err_set(err, PW_ERR_NOT_FOUND, ENOENT, "ServiceId %s not found", r->rest);
	status = pw_catalog_instance_status(r->api->opt.store, svc);
	if (wants_text(r))
		return pw_reply_text(r, status_code(status), "%s", pw_status_name(status));
	return pw_reply_json(r, status_code(status), health_json(r->api, svc));
}
