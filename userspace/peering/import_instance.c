// SPDX-License-Identifier: Apache-2.0
/* A peer's instances: checked, and turned into rows. Everything here was written by a stranger. */
#include "import_private.h"
#include "../base/uuid.h"

#include <string.h>

#define META_MAX_PAIRS 64
#define PEER_META_MAX  64
#define ADDRESSES_MAX  64
#define TAGS_MAX       256
#define CHECKS_MAX     256
#define WEIGHT_MAX     65535

const char *pw_import_service_name(const char *resource_id)
{
	const char *slash = strrchr(resource_id, '/');

	return slash ? slash + 1 : resource_id;
}

/* --- checks
 * ---------------------------------------------------------------------------------------- */

static int bad(struct pw_err *err, int *ret_code, int code, const char *what, const char *name)
{
	*ret_code = code;
	return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "%s \"%s\"", what, name);
}

/* Names become keys of the store and labels of metrics. */
static bool name_valid(const char *s)
{
	return *s && strlen(s) <= PW_IMPORT_NAME_MAX && !pw_str_has_control(s);
}

static int check_meta(const PW_PB(Service, NodeService) * s, const char *node, struct pw_err *err)
{
	if (s->n_meta > META_MAX_PAIRS)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, E2BIG,
				  "service \"%s\" has %zu pairs of Meta (limit: %d)", s->id,
				  s->n_meta, META_MAX_PAIRS);
	for (size_t i = 0; i < s->n_meta; i++) {
		int r = pw_meta_pair_validate(s->meta[i]->key, s->meta[i]->value, err);

		if (r < 0) {
			pw_err_prefix(err, "Invalid Service Meta for node %s and serviceID %s",
				      node, s->id);
			return r;
		}
	}
	return 0;
}

static int check_service(const pw_pb_instance *in, const char *name, int *ret_code,
			 struct pw_err *err)
{
	const PW_PB(Service, NodeService) *s = in->service;
	const PW_PB(Service, PeeringServiceMeta) *m = s->connect ? s->connect->peer_meta : NULL;

	if (!name_valid(s->id))
		return bad(err, ret_code, PW_GRPC_INVALID_ARGUMENT,
			   "an instance has no usable service ID:", s->id);
	if (!name_valid(s->service))
		return bad(err, ret_code, PW_GRPC_INVALID_ARGUMENT,
			   "an instance has no usable service name:", s->service);
	if (strcmp(s->service, name) != 0)
		return bad(err, ret_code, PW_GRPC_INTERNAL,
			   "an instance belongs to another service:", s->service);
	if (s->port < 0 || s->port > UINT16_MAX)
		return bad(err, ret_code, PW_GRPC_INTERNAL, "the port is not valid at instance",
			   s->id);
	if (m && (m->n_sni > PEER_META_MAX || m->n_spiffe_id > PEER_META_MAX))
		return bad(err, ret_code, PW_GRPC_INTERNAL, "PeerMeta is too long at instance",
			   s->id);
	*ret_code = PW_GRPC_INTERNAL;
	return check_meta(s, in->node->node, err);
}

static int check_checks(const pw_pb_instance *in, int *ret_code, struct pw_err *err)
{
	for (size_t i = 0; i < in->n_checks; i++) {
		const PW_PB(Service, HealthCheck) *c = in->checks[i];

		if (!name_valid(c->check_id))
			return bad(err, ret_code, PW_GRPC_INVALID_ARGUMENT,
				   "a check has no usable CheckID:", c->check_id);
		*ret_code = PW_GRPC_INTERNAL;
		if (strcmp(c->node, in->node->node) != 0)
			return pw_err_set(
				err, PW_ERR_BAD_REQUEST, EINVAL,
				"failed to register check: check node \"%s\" does not match node \"%s\"",
				c->node, in->node->node);
		if (*c->service_id && strcmp(c->service_id, in->service->id) != 0)
			return bad(err, ret_code, PW_GRPC_INTERNAL,
				   "a check belongs to another instance:", c->service_id);
	}
	return 0;
}

/* Lists of one instance that readers, and we, walk in no special hurry. */
static int check_counts(const pw_pb_instance *in, struct pw_err *err)
{
	const struct {
		const char *what;
		size_t n, max;
	} lists[] = {
		{ "pairs of Meta of its node", in->node->n_meta, META_MAX_PAIRS },
		{ "addresses of its node", in->node->n_tagged_addresses, ADDRESSES_MAX },
		{ "addresses", in->service->n_tagged_addresses, ADDRESSES_MAX },
		{ "tags", in->service->n_tags, TAGS_MAX },
		{ "checks", in->n_checks, CHECKS_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		if (lists[i].n > lists[i].max)
			return pw_err_set(err, PW_ERR_BAD_REQUEST, E2BIG,
					  "instance \"%s\" has %zu %s (limit: %zu)",
					  in->service->id, lists[i].n, lists[i].what, lists[i].max);
	return 0;
}

static int check_instance(const pw_pb_instance *in, const char *name, int *ret_code,
			  struct pw_err *err)
{
	int r;

	if (!in->node || !name_valid(in->node->node))
		return bad(err, ret_code, PW_GRPC_INVALID_ARGUMENT,
			   "an instance has no usable node name in service", name);
	if (!in->service)
		return bad(err, ret_code, PW_GRPC_INVALID_ARGUMENT,
			   "an instance without service on node", in->node->node);
	if (*in->node->id && !pw_uuid_valid(in->node->id))
		return bad(err, ret_code, PW_GRPC_INTERNAL,
			   "failed to register node: its ID is not a UUID:", in->node->id);
	r = check_service(in, name, ret_code, err);
	if (r == 0)
		r = check_counts(in, err);
	return r < 0 ? r : check_checks(in, ret_code, err);
}

int pw_import_check_service(const char *resource_id, const pw_pb_exported_service *es,
			    int *ret_code, struct pw_err *err)
{
	const char *name = pw_import_service_name(resource_id);

	if (!name_valid(name))
		return bad(err, ret_code, PW_GRPC_INVALID_ARGUMENT,
			   "the resource has no usable service name:", resource_id);
	for (size_t i = 0; i < es->n_nodes; i++) {
		int r = check_instance(es->nodes[i], name, ret_code, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* --- rows
 * ------------------------------------------------------------------------------------------ */

static json_t *locality_json(const PW_PB(Common, Locality) * l)
{
	json_t *o;

	if (!l)
		return NULL;
	o = json_object();
	json_object_set_new(o, "Region", json_string(l->region));
	json_object_set_new(o, "Zone", json_string(l->zone));
	return o;
}

struct pw_node *pw_import_node(const char *peer, const pw_pb_instance *i)
{
	const PW_PB(Service, Node) *n = i->node;
	struct pw_node *row = pw_new0(struct pw_node);

	row->peer = pw_xstrdup(peer);
	row->name = pw_xstrdup(n->node);
	row->id = pw_xstrdup(n->id);
	row->address = pw_xstrdup(n->address);
	row->datacenter = pw_xstrdup(n->datacenter);
	for (size_t k = 0; k < n->n_tagged_addresses; k++)
		pw_map_set(&row->tagged_addresses, n->tagged_addresses[k]->key,
			   n->tagged_addresses[k]->value);
	for (size_t k = 0; k < n->n_meta; k++)
		pw_map_set(&row->meta, n->meta[k]->key, n->meta[k]->value);
	row->locality = locality_json(n->locality);
	return row;
}

static void set_weights(struct pw_service *row, const PW_PB(Service, Weights) * w)
{
	bool sane = w && w->passing >= 1 && w->passing <= WEIGHT_MAX && w->warning >= 0 &&
		    w->warning <= WEIGHT_MAX;

	row->weights.passing = sane ? w->passing : 1;
	row->weights.warning = sane ? w->warning : 1;
}

static void set_tagged_addresses(struct pw_service *row, const PW_PB(Service, NodeService) * s)
{
	for (size_t k = 0; k < s->n_tagged_addresses; k++) {
		const PW_PB(Service, NodeService__TaggedAddressesEntry) *e = s->tagged_addresses[k];
		struct pw_service_address *a;

		/* virtual addresses are the importer's to give */
		if (!e->value || strcmp(e->key, "virtual") == 0 ||
		    strcmp(e->key, "consul-virtual") == 0)
			continue;
		a = pw_new0(struct pw_service_address);
		a->tag = pw_xstrdup(e->key);
		a->address = pw_xstrdup(e->value->address);
		a->port = e->value->port;
		pw_list_add(&row->tagged_addresses, a);
	}
}

static void set_proxy(struct pw_service *row, const PW_PB(Service, ConnectProxyConfig) * p)
{
	if (!p)
		return;
	row->proxy.destination_service_name = pw_xstrdup(p->destination_service_name);
	row->proxy.destination_service_id = pw_xstrdup(p->destination_service_id);
	row->proxy.local_service_address = pw_xstrdup(p->local_service_address);
	row->proxy.local_service_port = p->local_service_port;
	row->proxy.mode = pw_xstrdup(p->mode);
}

static void set_connect(struct pw_service *row, const PW_PB(Service, ServiceConnect) * c)
{
	const PW_PB(Service, PeeringServiceMeta) *m = c ? c->peer_meta : NULL;
	struct pw_peer_meta *meta;

	if (!c)
		return;
	row->connect.native = c->native;
	if (!m)
		return;
	meta = pw_new0(struct pw_peer_meta);
	for (size_t k = 0; k < m->n_sni; k++)
		pw_strv_add(&meta->sni, m->sni[k]);
	for (size_t k = 0; k < m->n_spiffe_id; k++)
		pw_strv_add(&meta->spiffe_id, m->spiffe_id[k]);
	meta->protocol = pw_xstrdup(m->protocol);
	row->connect.peer_meta = meta;
}

struct pw_service *pw_import_service(const char *peer, const pw_pb_instance *i)
{
	const PW_PB(Service, NodeService) *s = i->service;
	struct pw_service *row = pw_new0(struct pw_service);

	row->peer = pw_xstrdup(peer);
	row->node = pw_xstrdup(i->node->node);
	row->kind = pw_xstrdup(s->kind);
	row->id = pw_xstrdup(s->id);
	row->name = pw_xstrdup(s->service);
	for (size_t k = 0; k < s->n_tags; k++)
		pw_strv_add(&row->tags, s->tags[k]);
	row->address = pw_xstrdup(s->address);
	set_tagged_addresses(row, s);
	for (size_t k = 0; k < s->n_meta; k++)
		pw_map_set(&row->meta, s->meta[k]->key, s->meta[k]->value);
	row->port = s->port;
	row->socket_path = pw_xstrdup(s->socket_path);
	set_weights(row, s->weights);
	row->enable_tag_override = s->enable_tag_override;
	set_proxy(row, s->proxy);
	set_connect(row, s->connect);
	row->locality = locality_json(s->locality);
	return row;
}

/* Cut at a character. */
static char *cut(const char *s, size_t max)
{
	size_t n = strlen(s);

	if (n <= max)
		return pw_xstrdup(s);
	n = max;
	while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--;
	return pw_xstrndup(s, n);
}

/* An unknown status is not one that anybody should be sent to. */
static const char *status_name(const char *s)
{
	static const char *const known[] = { "passing", "warning", "critical", "maintenance" };

	for (size_t k = 0; k < ARRAY_SIZE(known); k++)
		if (strcmp(known[k], s) == 0)
			return s;
	return "critical";
}

struct pw_check *pw_import_check(const char *peer, const pw_pb_instance *i, size_t n)
{
	const PW_PB(Service, HealthCheck) *c = i->checks[n];
	struct pw_check *row = pw_new0(struct pw_check);

	row->peer = pw_xstrdup(peer);
	row->node = pw_xstrdup(i->node->node);
	row->id = pw_xstrdup(c->check_id);
	row->name = pw_xstrdup(c->name);
	row->status = pw_xstrdup(status_name(c->status));
	row->notes = cut(c->notes, PW_IMPORT_OUTPUT_MAX);
	row->output = cut(c->output, PW_IMPORT_OUTPUT_MAX);
	row->service_id = pw_xstrdup(i->service->id);
	row->service_name = pw_xstrdup(i->service->service);
	/* The wire carries none for a flattened check; readers expect the instance's, as Consul
	 * shows. */
	for (size_t k = 0; k < i->service->n_tags; k++)
		pw_strv_add(&row->service_tags, i->service->tags[k]);
	row->type = pw_xstrdup(c->type);
	row->interval = pw_xstrdup(c->interval);
	row->timeout = pw_xstrdup(c->timeout);
	return row;
}
