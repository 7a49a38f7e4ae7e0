// SPDX-License-Identifier: Apache-2.0
#include "local_services.h"
#include "../base/addr.h"
#include "../catalog/catalog.h"
#include "../catalog/registration.h"

/* As Consul tags a node: "lan", and "lan_ipv4" or "lan_ipv6" when it is a literal. */
static void tag_address(struct pw_map *tags, const char *tag, const char *address)
{
	struct pw_addr a;

	pw_map_set(tags, tag, address);
	if (pw_addr_parse(address, 1, &a) == 0) {
		pw_autofree char *family =
			pw_xasprintf("%s_%s", tag, a.u.sa.sa_family == AF_INET ? "ipv4" : "ipv6");

		pw_map_set(tags, family, address);
	}
}

static int register_node(struct pw_tx *tx, const struct pw_config *c, const char *node_id,
			 const char *node_address, struct pw_err *err)
{
	struct pw_registration r = { 0 };
	int rc;

	r.node.name = pw_xstrdup(c->node_name);
	r.node.id = pw_xstrdup(node_id);
	r.node.address = pw_xstrdup(node_address);
	r.node.datacenter = pw_xstrdup(c->datacenter);
	tag_address(&r.node.tagged_addresses, "lan", node_address);
	tag_address(&r.node.tagged_addresses, "wan", c->advertise_addr_wan);
	rc = pw_catalog_register(tx, &r, err);
	pw_registration_clear(&r);
	return rc;
}

static int register_block(struct pw_tx *tx, const struct pw_config *c, const json_t *block,
			  struct pw_strv *ids, struct pw_err *err)
{
	struct pw_registration r = { 0 };
	int rc;

	rc = pw_agent_service_decode(block, c->node_name, &r, err);
	if (rc < 0)
		return rc;
	r.skip_node_update = true;
	r.service->configured = true;
	pw_strv_add(ids, r.service->id);
	rc = pw_catalog_register(tx, &r, err);
	pw_registration_clear(&r);
	return rc;
}

/* Ids are collected first: the table must not be written while it is read. */
static int prune(struct pw_tx *tx, const struct pw_config *c, const struct pw_strv *wanted,
		 struct pw_err *err)
{
	pw_autofree char *prefix = pw_key(/* trailing= */ true, "", c->node_name, NULL);
	pw_cleanup(pw_strv_clear) struct pw_strv gone = { 0 };
	pw_autoiter struct pw_iter it = pw_store_iter(pw_tx_store(tx), PW_T_SERVICE, prefix);
	const struct pw_service *svc;
	int rc = 0;

	while ((svc = pw_iter_next(&it)))
		if (svc->configured && !pw_strv_has(wanted, svc->id))
			pw_strv_add(&gone, svc->id);
	for (size_t i = 0; i < gone.n && rc == 0; i++)
		rc = pw_catalog_deregister(tx, "", c->node_name, gone.items[i],
					   /* check_id= */ NULL, err);
	return rc;
}

int pw_local_services_sync(struct pw_store *s, const struct pw_config *c, const char *node_id,
			   const char *node_address, struct pw_err *err)
{
	pw_cleanup(pw_strv_clear) struct pw_strv ids = { 0 };
	pw_autotx struct pw_tx *tx = NULL;
	json_t *block;
	size_t i;
	int r;

	r = pw_tx_begin(s, &tx, err);
	if (r == 0)
		r = register_node(tx, c, node_id, node_address, err);
	if (r < 0)
		return r;
	json_array_foreach(c->services, i, block)
	{
		r = register_block(tx, c, block, &ids, err);
		if (r < 0)
			return pw_err_prefix(err, "service[%zu]", i);
	}
	r = prune(tx, c, &ids, err);
	if (r < 0)
		return r;
	return pw_tx_commit(&tx, err);
}
