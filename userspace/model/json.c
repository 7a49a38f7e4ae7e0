// SPDX-License-Identifier: Apache-2.0
/* Catalog objects as the API shows them. */
#include "model.h"

void pw_obj_json_indexes(const struct pw_obj *obj, json_t *into)
{
	json_object_set_new(into, "CreateIndex", json_integer((json_int_t)obj->create_index));
	json_object_set_new(into, "ModifyIndex", json_integer((json_int_t)obj->modify_index));
}

json_t *pw_service_addresses_json(const struct pw_list *addresses)
{
	json_t *map = json_object();

	for (size_t i = 0; i < addresses->n; i++) {
		const struct pw_service_address *a = addresses->items[i];

		json_object_set_new(map, pw_str_or_empty(a->tag),
				    json_pack("{s:s, s:I}", "Address", pw_str_or_empty(a->address),
					      "Port", (json_int_t)a->port));
	}
	return map;
}

json_t *pw_node_json(const struct pw_node *n)
{
	json_t *v = pw_schema_encode(&pw_node_schema, n, /* flags= */ 0);

	pw_obj_json_indexes(&n->obj, v);
	return v;
}

json_t *pw_service_json(const struct pw_service *s)
{
	json_t *v = pw_schema_encode(&pw_service_schema, s, /* flags= */ 0);

	/* Setting a key that is there keeps its place in the order. */
	if (json_object_get(v, "TaggedAddresses"))
		json_object_set_new(v, "TaggedAddresses",
				    pw_service_addresses_json(&s->tagged_addresses));
	pw_obj_json_indexes(&s->obj, v);
	return v;
}

json_t *pw_check_json(const struct pw_check *c)
{
	pw_autojson json_t *encoded = pw_schema_encode(&pw_check_schema, c, /* flags= */ 0);
	json_t *v = json_object(), *value;
	const char *key;

	/* ExposedPort stands behind Timeout; we expose no ports for checks, so it is always 0. */
	json_object_foreach(encoded, key, value)
	{
		json_object_set(v, key, value);
		if (pw_streq(key, "Timeout"))
			json_object_set_new(v, "ExposedPort", json_integer(0));
	}
	pw_obj_json_indexes(&c->obj, v);
	return v;
}
