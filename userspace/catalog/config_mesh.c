// SPDX-License-Identifier: Apache-2.0
/* mesh: of what Consul keeps there, the way to peers. Its TLS and HTTP settings are for sidecars
 * and not built. */
#include "config_private.h"

struct mesh_transparent {
	bool destinations_only;
};
struct mesh_peering {
	bool through_gateways;
};
struct mesh {
	char *kind;
	char *name;
	char *partition;
	struct mesh_transparent transparent;
	struct mesh_peering peering;
	struct pw_map meta;
};

static const struct pw_field transparent_fields[] = {
	PW_FIELD(struct mesh_transparent, "MeshDestinationsOnly", destinations_only, PW_F_BOOL, 0),
};
static const struct pw_schema transparent_schema =
	PW_SCHEMA("TransparentProxyMeshConfig", struct mesh_transparent, transparent_fields);

static const struct pw_field peering_fields[] = {
	PW_FIELD(struct mesh_peering, "PeerThroughMeshGateways", through_gateways, PW_F_BOOL, 0),
};
static const struct pw_schema peering_schema =
	PW_SCHEMA("PeeringMeshConfig", struct mesh_peering, peering_fields);

static const struct pw_field mesh_fields[] = {
	PW_FIELD(struct mesh, "Kind", kind, PW_F_STR, 0),
	PW_FIELD(struct mesh, "Name", name, PW_F_STR, PW_F_HIDDEN), /* always "mesh", not shown */
	PW_FIELD(struct mesh, "Partition", partition, PW_F_STR, PW_F_OMITEMPTY),
	PW_FIELD_SUB(struct mesh, "TransparentProxy", transparent, PW_F_OBJECT, 0,
		     &transparent_schema),
	PW_FIELD_SUB(struct mesh, "Peering", peering, PW_F_OBJECT, PW_F_OMITEMPTY, &peering_schema),
	PW_FIELD(struct mesh, "Meta", meta, PW_F_MAP, PW_F_OMITEMPTY),
};
static const struct pw_schema mesh_schema = PW_SCHEMA("MeshConfigEntry", struct mesh, mesh_fields);

static void clear_mesh(struct mesh *m)
{
	pw_schema_clear(&mesh_schema, m);
}

int config_decode_mesh(const json_t *body, json_t **ret_body, char **ret_name, struct pw_err *err)
{
	pw_cleanup(clear_mesh) struct mesh m = { 0 };
	int r = pw_schema_decode(&mesh_schema, body, /* flags= */ 0, &m, err);

	if (r == 0 && !pw_str_empty(m.name) && !pw_streq(m.name, "mesh"))
		r = config_refuse(err, "mesh Name must be \"mesh\"");
	if (r == 0 && !config_is_default(m.partition))
		r = config_refuse(err, "partitions are an enterprise-only feature");
	if (r == 0)
		r = config_check_meta(&m.meta, err);
	if (r < 0)
		return r;
	*ret_body = pw_schema_encode(&mesh_schema, &m, /* flags= */ 0);
	*ret_name = pw_xstrdup("mesh");
	return 0;
}
