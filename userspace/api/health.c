// SPDX-License-Identifier: Apache-2.0
/* GET /v1/health/… */
#include "internal.h"
#include "../catalog/catalog.h"

int pw_h_health_service(struct pw_request *r, struct pw_err *err)
{
	return pw_list_instances(r, pw_catalog_each, pw_row_health, err);
}

int pw_h_health_connect(struct pw_request *r, struct pw_err *err)
{
	return pw_list_instances(r, pw_catalog_each_connect, pw_row_health, err);
}

/* No ingress gateway can be configured, so none is bound to any service. */
int pw_h_health_ingress(struct pw_request *r, struct pw_err *err)
{
	return pw_list_instances(r, /* each= */ NULL, pw_row_health, err);
}

static int list_checks(struct pw_request *r, const char *prefix_node,
		       bool (*wanted)(const struct pw_check *c, const char *arg),
		       struct pw_err *err)
{
	const char *peer = pw_str_or_empty(pw_request_param(r, "peer"));
	pw_autofree char *prefix = pw_key(/* trailing= */ true, peer, prefix_node, NULL);
	pw_autoiter struct pw_iter it = pw_store_iter(r->api->opt.store, PW_T_CHECK, prefix);
	json_t *rows = json_array();
	const struct pw_check *c;

	while ((c = pw_iter_next(&it)))
		if (!wanted || wanted(c, r->rest))
			json_array_append_new(rows, pw_check_json(c));
	return pw_reply_rows(r, rows, err);
}

int pw_h_health_node(struct pw_request *r, struct pw_err *err)
{
	if (!*r->rest)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "Missing node name");
	return list_checks(r, r->rest, /* wanted= */ NULL, err);
}

static bool of_service(const struct pw_check *c, const char *service)
{
	return pw_streq(c->service_name, service);
}

int pw_h_health_checks(struct pw_request *r, struct pw_err *err)
{
	if (!*r->rest)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "Missing service name");
	return list_checks(r, /* prefix_node= */ NULL, of_service, err);
}

static bool in_state(const struct pw_check *c, const char *state)
{
	return pw_streq(state, "any") || pw_streq(c->status, state);
}

int pw_h_health_state(struct pw_request *r, struct pw_err *err)
{
	if (!*r->rest)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "Missing check state");
	return list_checks(r, /* prefix_node= */ NULL, in_state, err);
}
