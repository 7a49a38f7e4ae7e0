// SPDX-License-Identifier: Apache-2.0
/* What several resources show, and which rows a request selects. */
#include "internal.h"
#include "../catalog/catalog.h"
#include <string.h>
#include <strings.h>

static int parse_bool(const char *s, bool *ret)
{
	static const char *const yes[] = { "", "1", "t", "T", "true", "TRUE", "True" };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		if (pw_streq(s, yes[i])) {
			*ret = true;
			return 0;
		}
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		if (pw_streq(s, no[i])) {
			*ret = false;
			return 0;
		}
	return -EINVAL;
}

int pw_selection_get(const struct pw_request *r, struct pw_selection *ret, struct pw_err *err)
{
	const char *passing = pw_request_param(r, "passing");
	struct pw_selection sel = { .peer = pw_str_or_empty(pw_request_param(r, "peer")) };

	if (passing && parse_bool(passing, &sel.passing) < 0)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "Invalid value for ?passing");
	if (pw_str_has_control(sel.peer))
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "Invalid value for ?peer");
	pw_query_all(&r->query, "tag", &sel.tags);
	pw_query_all(&r->query, "node-meta", &sel.node_meta);
	*ret = sel;
	return 0;
}

void pw_selection_clear(struct pw_selection *s)
{
	pw_strv_clear(&s->tags);
	pw_strv_clear(&s->node_meta);
}

static bool has_tag(const struct pw_strv *tags, const char *want)
{
	for (size_t i = 0; i < tags->n; i++)
		if (strcasecmp(tags->items[i], want) == 0)
			return true;
	return false;
}

static bool has_meta(const struct pw_map *meta, const char *pair)
{
	const char *colon = strchr(pair, ':');
	pw_autofree char *key = colon ? pw_xstrndup(pair, (size_t)(colon - pair)) : NULL;
	const char *value = key ? pw_map_get(meta, key) : pw_map_get(meta, pair);

	return value && pw_streq(value, colon ? colon + 1 : "");
}

bool pw_selection_has_node(const struct pw_selection *sel, const struct pw_node *n)
{
	for (size_t i = 0; i < sel->node_meta.n; i++)
		if (!n || !has_meta(&n->meta, sel->node_meta.items[i]))
			return false;
	return true;
}

bool pw_selection_has(const struct pw_request *r, const struct pw_selection *sel,
		      const struct pw_service *svc)
{
	const struct pw_store *s = r->api->opt.store;

	for (size_t i = 0; i < sel->tags.n; i++)
		if (!has_tag(&svc->tags, sel->tags.items[i]))
			return false;
	if (sel->passing && pw_catalog_instance_status(s, svc) != PW_STATUS_PASSING)
		return false;
	return !sel->node_meta.n ||
	       pw_selection_has_node(sel, pw_catalog_node(s, svc->peer, svc->node));
}

json_t *pw_row_node(const struct pw_request *r, const struct pw_node *n)
{
	json_t *v = n ? pw_node_json(n) : json_null();

	/* A row from before a datacenter was asked for is of ours. */
	if (n && pw_str_empty(n->datacenter))
		json_object_set_new(v, "Datacenter", json_string(r->api->datacenter));
	return v;
}

json_t *pw_row_checks(const struct pw_store *s, const struct pw_service *svc)
{
	json_t *checks = json_array();
	const struct pw_check **list = NULL;
	size_t n = pw_catalog_instance_checks(s, svc, &list);

	for (size_t i = 0; i < n; i++)
		json_array_append_new(checks, pw_check_json(list[i]));
	free(list);
	return checks;
}

json_t *pw_row_health(const struct pw_request *r, const struct pw_service *svc)
{
	const struct pw_store *s = r->api->opt.store;
	json_t *row = json_object();

	json_object_set_new(row, "Node", pw_row_node(r, pw_catalog_node(s, svc->peer, svc->node)));
	json_object_set_new(row, "Service", pw_service_json(svc));
	json_object_set_new(row, "Checks", pw_row_checks(s, svc));
	return row;
}

struct listing {
	const struct pw_request *r;
	struct pw_selection sel;
	pw_row_fn *row;
	json_t *rows;
};

static bool add_row(void *arg, const struct pw_service *svc)
{
	struct listing *l = arg;

	if (pw_selection_has(l->r, &l->sel, svc))
		json_array_append_new(l->rows, l->row(l->r, svc));
	return true;
}

int pw_list_instances(struct pw_request *r, pw_each_fn *each, pw_row_fn *row, struct pw_err *err)
{
	struct listing l = { .r = r, .row = row };
	int rc;

	if (!*r->rest)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "Missing service name");
	rc = pw_selection_get(r, &l.sel, err);
	if (rc < 0)
		return rc;
	l.rows = json_array();
	if (each)
		each(r->api->opt.store, l.sel.peer, r->rest, add_row, &l);
	pw_selection_clear(&l.sel);
	return pw_reply_rows(r, l.rows, err);
}
