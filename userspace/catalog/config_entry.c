// SPDX-License-Identifier: Apache-2.0
/* Config entries: kinds, compare-and-set, reading back. Each kind's own rules stand in config_*.c.
 */
#include "../base/hash.h"
#include "catalog_private.h"
#include "config_private.h"
#include "decode_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Kinds that Consul knows; those without a decoder are not built and are refused like unknown ones.
 */
static const struct {
	const char *name;
	config_decode_fn *decode;
} kinds[] = {
	{ "exported-services", config_decode_exports },
	{ "service-intentions", config_decode_intentions },
	{ "mesh", config_decode_mesh },
	{ "service-defaults", NULL },
	{ "proxy-defaults", NULL },
	{ "service-router", NULL },
	{ "service-splitter", NULL },
	{ "service-resolver", NULL },
	{ "ingress-gateway", NULL },
	{ "terminating-gateway", NULL },
	{ "sameness-group", NULL },
	{ "api-gateway", NULL },
	{ "bound-api-gateway", NULL },
	{ "inline-certificate", NULL },
	{ "file-system-certificate", NULL },
	{ "http-route", NULL },
	{ "tcp-route", NULL },
	{ "jwt-provider", NULL },
	{ "control-plane-request-limit", NULL },
};

bool pw_config_kind_valid(const char *kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (pw_streq(kind, kinds[i].name))
			return true;
	return false;
}

int config_refuse(struct pw_err *err, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return pw_err_set(err, PW_ERR_INTERNAL, EINVAL, "%s", text);
}

bool config_is_default(const char *tenancy)
{
	return pw_str_empty(tenancy) || pw_streq(tenancy, "default");
}

int config_check_meta(const struct pw_map *meta, struct pw_err *err)
{
	if (meta->n > CATALOG_MAX_META)
		return config_refuse(err, "Meta: cannot contain more than %d key/value pairs",
				     CATALOG_MAX_META);
	for (size_t i = 0; i < meta->n; i++)
		if (strlen(meta->items[i].key) > 128 ||
		    strlen(pw_str_or_empty(meta->items[i].value)) > 512)
			return config_refuse(
				err,
				"Meta: \"%.128s\" is too long (limit: 128 bytes of key, 512 of value)",
				meta->items[i].key);
	return 0;
}

/* --- decoding ------------------------------------------------------------------------------- */

static config_decode_fn *decoder_of(const char *kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (pw_streq(kind, kinds[i].name))
			return kinds[i].decode;
	return NULL;
}

/* What is read back may be written again: the indexes that came with it are dropped. */
static json_t *without_indexes(const json_t *body)
{
	static const char *const drop[] = { "CreateIndex", "ModifyIndex", "Hash" };
	json_t *copy = json_copy((json_t *)body), *value;
	const char *key;
	void *next;

	json_object_foreach_safe(copy, next, key, value) for (size_t i = 0; i < ARRAY_SIZE(drop);
							      i++) if (decode_key_is(key, drop[i]))
	{
		json_object_del(copy, key);
		break;
	}
	return copy;
}

static const char *kind_of(const json_t *body)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)body, key,
			    value) if (decode_key_is(key, "Kind")) return json_string_value(value);
	return NULL;
}

int pw_config_entry_decode(const json_t *body, struct pw_config_entry **ret, struct pw_err *err)
{
	pw_autojson json_t *clean = NULL;
	pw_autojson json_t *normal = NULL;
	pw_autofree char *name = NULL;
	struct pw_config_entry *e;
	config_decode_fn *decode;
	const char *kind;
	int r;

	kind = json_is_object(body) ? kind_of(body) : NULL;
	if (pw_str_empty(kind))
		return pw_err_set(
			err, PW_ERR_BAD_REQUEST, EINVAL,
			"Request decoding failed: Payload does not contain a kind/Kind key at the top level");
	decode = decoder_of(kind);
	if (!decode)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "Request decoding failed: invalid config entry kind: %.128s",
				  kind);
	clean = without_indexes(body);
	r = decode(clean, &normal, &name, err);
	if (r < 0 && err && err->class == PW_ERR_BAD_REQUEST)
		return pw_err_prefix(err, "Request decoding failed");
	if (r < 0)
		return r;
	e = pw_new0(struct pw_config_entry);
	e->kind = pw_xstrdup(kind);
	e->name = TAKE_PTR(name);
	e->body = TAKE_PTR(normal);
	*ret = e;
	return 0;
}

/* --- store ---------------------------------------------------------------------------------- */

static char *entry_key(const char *kind, const char *name)
{
	return pw_key(/* trailing= */ false, kind, pw_str_or_empty(name), NULL);
}

const struct pw_config_entry *pw_config_entry_get(const struct pw_store *s, const char *kind,
						  const char *name)
{
	pw_autofree char *key = entry_key(kind, name);

	return pw_store_get(s, PW_T_CONFIG, key);
}

static bool cas_matches(const struct pw_config_entry *e, const uint64_t *cas)
{
	return !cas || *cas == (e ? e->obj.modify_index : 0);
}

int pw_config_entry_put(struct pw_tx *tx, struct pw_config_entry *entry, const uint64_t *cas,
			bool *ret_written, struct pw_err *err)
{
	int r;

	if (!cas_matches(pw_config_entry_get(pw_tx_store(tx), entry->kind, entry->name), cas)) {
		pw_schema_free(&pw_config_entry_schema, entry);
		*ret_written = false;
		return 0;
	}
	r = pw_tx_put(tx, PW_T_CONFIG, entry, err);
	if (r < 0)
		return r;
	*ret_written = true;
	return 0;
}

int pw_config_entry_delete(struct pw_tx *tx, const char *kind, const char *name,
			   const uint64_t *cas, bool *ret_deleted, struct pw_err *err)
{
	const struct pw_config_entry *e = pw_config_entry_get(pw_tx_store(tx), kind, name);
	pw_autofree char *key = entry_key(kind, name);
	int r;

	if (!e || !cas_matches(e, cas)) {
		*ret_deleted = false;
		return 0;
	}
	r = pw_tx_delete(tx, PW_T_CONFIG, key, err);
	if (r < 0)
		return r;
	*ret_deleted = true;
	return 0;
}

json_t *pw_config_entry_json(const struct pw_config_entry *e)
{
	json_t *v = json_deep_copy(e->body);
	pw_autofree char *text = pw_json_dump(e->body);

	json_object_set_new(v, "Hash",
			    json_integer((json_int_t)(pw_hash64(text, strlen(text)) & INT64_MAX)));
	pw_obj_json_indexes(&e->obj, v);
	return v;
}
