// SPDX-License-Identifier: Apache-2.0
/* /v1/config */
#include "internal.h"
#include "../catalog/config_entry.h"
#include <string.h>

struct change {
	struct pw_config_entry *entry; /* put */
	const char *kind, *name;       /* delete */
	const uint64_t *cas;
	bool done;
};

static int get_cas(const struct pw_request *r, uint64_t *value, const uint64_t **ret,
		   struct pw_err *err)
{
	const char *text = pw_request_param(r, "cas");

	if (pw_str_empty(text))
		return 0;
	if (pw_str_to_u64(text, UINT64_MAX, value) < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL, "cas \"%.64s\" is not an index",
				  text);
	*ret = value;
	return 0;
}

static int do_put(struct pw_tx *tx, void *arg, struct pw_err *err)
{
	struct change *c = arg;

	return pw_config_entry_put(tx, TAKE_PTR(c->entry), c->cas, &c->done, err);
}

int pw_h_config_put(struct pw_request *r, struct pw_err *err)
{
	pw_autojson json_t *body = NULL;
	struct change c = { 0 };
	uint64_t cas;
	int rc;

	rc = pw_request_json(r, "Request decoding failed", &body, err);
	if (rc == 0)
		rc = get_cas(r, &cas, &c.cas, err);
	if (rc == 0)
		rc = pw_config_entry_decode(body, &c.entry, err);
	if (rc < 0)
		return rc;
	rc = pw_api_write(r->api, do_put, &c, err);
	pw_schema_free(&pw_config_entry_schema, c.entry);
	return rc < 0 ? rc : pw_reply_json(r, 200, json_boolean(c.done));
}

static int list_kind(struct pw_request *r, const char *kind, struct pw_err *err)
{
	pw_autofree char *prefix = pw_key(/* trailing= */ true, kind, NULL);
	pw_autoiter struct pw_iter it = pw_store_iter(r->api->opt.store, PW_T_CONFIG, prefix);
	const struct pw_config_entry *e;
	json_t *rows = json_array();

	while ((e = pw_iter_next(&it)))
		json_array_append_new(rows, pw_config_entry_json(e));
	return pw_reply_rows(r, rows, err);
}

/* "kind/name" or "kind"; the name may hold slashes. */
static char *split_kind(const char *rest, const char **ret_name)
{
	const char *slash = strchr(rest, '/');

	*ret_name = slash && slash[1] ? slash + 1 : NULL;
	return pw_xstrndup(rest, slash ? (size_t)(slash - rest) : strlen(rest));
}

int pw_h_config_get(struct pw_request *r, struct pw_err *err)
{
	const char *name;
	pw_autofree char *kind = split_kind(r->rest, &name);
	const struct pw_config_entry *e;

	if (!*kind)
		return pw_err_set(err, PW_ERR_NOT_FOUND, ENOENT,
				  "Must provide either a kind or both kind and name");
	if (!pw_config_kind_valid(kind))
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL, "invalid config entry kind: %s",
				  kind);
	if (!name)
		return list_kind(r, kind, err);
	e = pw_config_entry_get(r->api->opt.store, kind, name);
	if (!e)
		return pw_err_set(err, PW_ERR_NOT_FOUND, ENOENT,
				  "Config entry not found for \"%s\" / \"%s\"", kind, name);
	return pw_reply_json(r, 200, pw_config_entry_json(e));
}

static int do_delete(struct pw_tx *tx, void *arg, struct pw_err *err)
{
	struct change *c = arg;

	return pw_config_entry_delete(tx, c->kind, c->name, c->cas, &c->done, err);
}

int pw_h_config_delete(struct pw_request *r, struct pw_err *err)
{
	const char *name;
	pw_autofree char *kind = split_kind(r->rest, &name);
	struct change c = { .kind = kind, .name = name };
	uint64_t cas;
	int rc;

	if (!*kind || !name)
		return pw_err_set(err, PW_ERR_NOT_FOUND, ENOENT,
				  "Must provide both a kind and name to delete");
	if (!pw_config_kind_valid(kind))
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "invalid config entry kind: %s",
				  kind);
	rc = get_cas(r, &cas, &c.cas, err);
	if (rc == 0)
		rc = pw_api_write(r->api, do_delete, &c, err);
	if (rc < 0)
		return rc;
	return pw_reply_json(r, 200, c.cas ? json_boolean(c.done) : json_object());
}
