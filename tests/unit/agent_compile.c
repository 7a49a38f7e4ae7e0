// SPDX-License-Identifier: Apache-2.0
/* What the data path is told: each line of the routing and of the maps follows from the store, and
 * nothing else gets in. */
#include "userspace/agent/compile.h"
#include "userspace/catalog/catalog.h"
#include "userspace/catalog/config_entry.h"
#include "userspace/catalog/registration.h"
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

struct world {
	struct event_base *base;
	struct pw_store *store;
	struct pw_ca *ca;
	struct pw_config config;
	struct pw_compiler compiler;
	struct pw_routing *routing;
	struct pw_kernel_state state;
};
static struct world w;

static void ok(int r, const struct pw_err *err)
{
	if (r < 0)
		fail_msg("%d: %s", r, err->text);
}

static void nothing_changed(void *arg) {}

static int setup(void **state)
{
	const struct pw_store_options opt = { .tables = pw_tables, .n_tables = PW_T_MAX };
	struct pw_err err = PW_ERR_INIT;

	memset(&w, 0, sizeof(w));
	w.base = event_base_new();
	ok(pw_store_open(&w.store, &opt, &err), &err);
	const struct pw_ca_options ca = { .base = w.base,
					  .store = w.store,
					  .datacenter = "dc-west" };
	ok(pw_ca_new(&w.ca, &ca, &err), &err);
	w.config.peering.enabled = true;
	w.config.gateway.passthrough = true;
	w.compiler = (struct pw_compiler){ .config = &w.config,
					   .store = w.store,
					   .ca = w.ca,
					   .ids = pw_ids_new(),
					   .defaults = { .allow_local = true } };
	ok(pw_resolver_new(&w.compiler.resolver, w.base, nothing_changed, NULL, &err), &err);
	return 0;
}

static int teardown(void **state)
{
	pw_routing_unref(&w.routing);
	pw_kernel_state_clear(&w.state);
	pw_compiler_clear(&w.compiler);
	pw_resolver_free(&w.compiler.resolver);
	pw_ids_free(&w.compiler.ids);
	pw_ca_free(&w.ca);
	pw_store_close(&w.store);
	event_base_loop(w.base, EVLOOP_NONBLOCK); /* open questions to DNS end here */
	event_base_free(w.base);
	libevent_global_shutdown();
	return 0;
}

static void compile(void)
{
	struct pw_err err = PW_ERR_INIT;

	pw_routing_unref(&w.routing);
	pw_kernel_state_clear(&w.state);
	w.compiler.generation++;
	ok(pw_compile(&w.compiler, &w.routing, &w.state, &err), &err);
}

static json_t *json(const char *text)
{
	json_t *v = json_loads(text, 0, NULL);

	assert_non_null(v);
	return v;
}

static struct pw_tx *begin(void)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_tx *tx = NULL;

	ok(pw_tx_begin(w.store, &tx, &err), &err);
	return tx;
}

static void commit(struct pw_tx *tx)
{
	struct pw_err err = PW_ERR_INIT;

	ok(pw_tx_commit(&tx, &err), &err);
}

static void put(unsigned table, void *obj)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_tx *tx = begin();

	ok(pw_tx_put(tx, table, obj, &err), &err);
	commit(tx);
}

/* As PUT /v1/catalog/register. */
static void registered(const char *body)
{
	pw_autojson json_t *v = json(body);
	struct pw_registration r = { 0 };
	struct pw_err err = PW_ERR_INIT;
	struct pw_tx *tx = begin();

	ok(pw_registration_decode(v, &r, &err), &err);
	ok(pw_catalog_register(tx, &r, &err), &err);
	pw_registration_clear(&r);
	commit(tx);
}

/* As PUT /v1/agent/service/register. */
static void agent_service(const char *body)
{
	pw_autojson json_t *v = json(body);
	struct pw_registration r = { 0 };
	struct pw_err err = PW_ERR_INIT;
	struct pw_tx *tx;

	registered("{\"Node\":\"gw\",\"Address\":\"10.2.1.1\"}");
	tx = begin();
	ok(pw_agent_service_decode(v, "gw", &r, &err), &err);
	r.skip_node_update = true;
	ok(pw_catalog_register(tx, &r, &err), &err);
	pw_registration_clear(&r);
	commit(tx);
}

static void configured(const char *body)
{
	pw_autojson json_t *v = json(body);
	struct pw_config_entry *e = NULL;
	struct pw_err err = PW_ERR_INIT;
	struct pw_tx *tx = begin();
	bool written;

	ok(pw_config_entry_decode(v, &e, &err), &err);
	ok(pw_config_entry_put(tx, e, NULL, &written, &err), &err);
	commit(tx);
}

static void peered(const char *name, enum pw_peering_state state)
{
	struct pw_peering *p = pw_new0(struct pw_peering);

	p->id = pw_xasprintf("0d9a2c6e-9a0f-4a36-9d0c-0000000000%02x", name[0]);
	p->name = pw_xstrdup(name);
	p->state = state;
	put(PW_T_PEERING, p);
}

static void bundle_of(const char *peer)
{
	struct pw_trust_bundle *b = pw_new0(struct pw_trust_bundle);

	b->peer = pw_xstrdup(peer);
	b->trust_domain = pw_xstrdup("aaaaaaaa-0000-4000-8000-000000000000.consul");
	pw_ca_root_pems(w.ca, &b->root_pems); /* any root that parses */
	put(PW_T_TRUST_BUNDLE, b);
}

/* A peer's gateway for `service`, as its stream would store it. */
static void imported(const char *peer, const char *service, const char *address)
{
	struct pw_node *n = pw_new0(struct pw_node);
	struct pw_service *s = pw_new0(struct pw_service);

	n->peer = pw_xstrdup(peer);
	n->name = pw_xasprintf("node-%s", address);
	n->address = pw_xstrdup(address);
	s->peer = pw_xstrdup(peer);
	s->node = pw_xstrdup(n->name);
	s->kind = pw_xstrdup("connect-proxy");
	s->id = pw_xasprintf("%s-sidecar-proxy-instance-0", service);
	s->name = pw_xasprintf("%s-sidecar-proxy", service);
	s->port = 8443;
	s->weights = (struct pw_weights){ 1, 1 };
	s->proxy.destination_service_name = pw_xstrdup(service);
	s->connect.peer_meta = pw_new0(struct pw_peer_meta);
	pw_strv_add(&s->connect.peer_meta->sni, "BILLING.default.default.east.external.td");
	pw_strv_add(&s->connect.peer_meta->spiffe_id, "spiffe://td/ns/default/dc/dc1/svc/billing");
	put(PW_T_NODE, n);
	put(PW_T_SERVICE, s);
}

#define EXPORT_BILLING                                                                              \
	"{\"Kind\":\"exported-services\",\"Name\":\"default\",\"Services\":[{\"Name\":\"billing\"," \
	"\"Consumers\":[{\"Peer\":\"east\"}]}]}"
#define BILLING                                                                             \
	"{\"Node\":\"n1\",\"Address\":\"10.2.1.2\",\"Service\":{\"ID\":\"b1\",\"Service\":" \
	"\"billing\",\"Port\":7000}}"

static const struct pw_policy_value *policy(const char *peer, const char *source,
					    const char *destination)
{
	for (size_t i = 0; i < w.state.n_policies; i++) {
		const struct pw_policy_value *v = &w.state.policies[i].value;

		if (!strcmp(v->peer, peer) && !strcmp(v->source, source) &&
		    !strcmp(v->destination, destination))
			return v;
	}
	return NULL;
}

static void an_exported_service_is_found_by_the_importers_alias(void **state)
{
	pw_autofree char *sni = NULL;

	peered("east", PW_PEERING_PENDING);
	bundle_of("east");
	registered(BILLING);
	compile();
	assert_int_equal(w.routing->n_ingress, 0); /* not exported: not there */
	configured(EXPORT_BILLING);
	compile();
	assert_int_equal(w.routing->n_ingress, 1);
	sni = pw_xasprintf("billing.default.default.east.external.%s", pw_ca_trust_domain(w.ca));
	assert_string_equal(w.routing->ingress[0]->sni, sni);
	assert_int_equal(w.routing->ingress[0]->mode, PW_INGRESS_TERMINATE);
	assert_non_null(w.routing->ingress[0]->identity);
	assert_non_null(w.routing->ingress[0]->trust);
	assert_int_equal(w.routing->ingress[0]->n_endpoints, 1);
	assert_false(w.routing->ingress[0]->endpoints[0].unhealthy);
	assert_int_equal(w.state.n_services, 1);
	assert_int_equal(w.state.services[0].value.exported, 1);
}

static void a_sick_instance_is_flagged_and_one_without_bundle_has_no_trust(void **state)
{
	peered("east", PW_PEERING_PENDING);
	registered(BILLING);
	registered(
		"{\"Node\":\"n1\",\"Address\":\"10.2.1.2\",\"Check\":{\"Node\":\"n1\",\"CheckID\":"
		"\"c\",\"Name\":\"c\",\"Status\":\"critical\",\"ServiceID\":\"b1\"}}");
	configured(EXPORT_BILLING);
	compile();
	assert_int_equal(w.routing->ingress[0]->n_endpoints, 1);
	assert_true(w.routing->ingress[0]->endpoints[0].unhealthy);
	assert_null(w.routing->ingress[0]->trust);
	assert_int_equal(w.state.services[0].value.healthy, 0);
	assert_int_equal(w.state.routes[0].value.health, PW_HEALTH_CRITICAL);
}

static void a_deleted_or_terminated_peering_exports_nothing(void **state)
{
	registered(BILLING);
	configured(EXPORT_BILLING);
	peered("east", PW_PEERING_DELETING);
	compile();
	assert_int_equal(w.routing->n_ingress, 0);
	peered("east", PW_PEERING_TERMINATED);
	compile();
	assert_int_equal(w.routing->n_ingress, 0);
	peered("east", PW_PEERING_PENDING);
	compile();
	assert_int_equal(w.routing->n_ingress, 1);
}

static void a_native_service_is_passed_through_by_peer_and_destination(void **state)
{
	peered("east", PW_PEERING_PENDING);
	registered(
		"{\"Node\":\"n1\",\"Address\":\"10.2.1.2\",\"Service\":{\"ID\":\"b1\",\"Service\":"
		"\"billing\",\"Port\":7443,\"Connect\":{\"Native\":true}}}");
	configured(EXPORT_BILLING);
	compile();
	assert_int_equal(w.routing->ingress[0]->mode, PW_INGRESS_PASSTHROUGH);
	assert_null(w.routing->ingress[0]->identity);
	assert_int_equal(policy("east", "opaque", "billing")->action, PW_ACTION_DENY);
	configured(
		"{\"Kind\":\"service-intentions\",\"Name\":\"billing\",\"Sources\":[{\"Name\":\"web\","
		"\"Peer\":\"east\",\"Action\":\"allow\"}]}");
	compile();
	assert_int_equal(policy("east", "opaque", "billing")->action, PW_ACTION_ALLOW);
	assert_int_equal(policy("east", "web", "billing")->precedence, 9);
}

static void an_upstream_takes_name_and_identities_from_the_peer(void **state)
{
	const struct pw_egress *e;
	char text[PW_ADDR_TEXT];

	peered("east", PW_PEERING_PENDING);
	bundle_of("east");
	imported("east", "billing", "198.51.100.2");
	agent_service("{\"Name\":\"web\",\"Port\":80,\"Address\":\"10.2.1.9\",\"Upstreams\":[{"
		      "\"DestinationName\":\"billing\",\"DestinationPeer\":\"east\","
		      "\"LocalBindAddress\":\"10.2.1.1\",\"LocalBindPort\":9000}]}");
	compile();
	assert_int_equal(w.routing->n_egress, 1);
	e = w.routing->egress[0];
	assert_string_equal(e->sni, "billing.default.default.east.external.td");
	assert_true(pw_strv_has(&e->spiffe_ids, "spiffe://td/ns/default/dc/dc1/svc/billing"));
	assert_string_equal(e->source, "web");
	assert_int_equal(e->n_allowed, 1);
	assert_string_equal(pw_addr_ip_text(&e->allowed[0], text), "10.2.1.9");
	assert_int_equal(e->n_endpoints, 1);
	assert_string_equal(pw_addr_text(&e->endpoints[0].addr, text), "198.51.100.2:8443");
	assert_non_null(e->identity);
	assert_non_null(e->trust);
}

static void a_peer_cannot_make_us_dial_ourselves(void **state)
{
	static const char *const bad[] = { "127.0.0.1", "169.254.1.1", "224.0.0.1", "0.0.0.0",
					   "::1" };

	peered("east", PW_PEERING_PENDING);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		imported("east", "billing", bad[i]);
	agent_service(
		"{\"Name\":\"web\",\"Port\":80,\"Upstreams\":[{\"DestinationName\":\"billing\","
		"\"DestinationPeer\":\"east\",\"LocalBindPort\":9000}]}");
	compile();
	assert_int_equal(w.routing->egress[0]->n_endpoints, 0);
	w.config.dev = true; /* one host is the whole world there */
	compile();
	assert_int_equal(w.routing->egress[0]->n_endpoints, ARRAY_SIZE(bad));
}

static void a_local_upstream_is_plain_and_has_its_verdict_in_the_map(void **state)
{
	registered(BILLING);
	agent_service(
		"{\"Name\":\"web\",\"Port\":80,\"Upstreams\":[{\"DestinationName\":\"billing\","
		"\"LocalBindPort\":9000}]}");
	compile();
	assert_int_equal(w.routing->n_egress, 1);
	assert_null(w.routing->egress[0]->identity);
	assert_int_equal(w.routing->egress[0]->n_endpoints, 1);
	assert_int_equal(policy("", "web", "billing")->action, PW_ACTION_ALLOW);
	configured(
		"{\"Kind\":\"service-intentions\",\"Name\":\"billing\",\"Sources\":[{\"Name\":\"web\","
		"\"Action\":\"deny\"}]}");
	compile();
	assert_int_equal(policy("", "web", "billing")->action, PW_ACTION_DENY);
}

static void equal_names_here_and_at_a_peer_have_different_ids(void **state)
{
	uint32_t local = 0, theirs = 0;

	peered("east", PW_PEERING_PENDING);
	registered(BILLING);
	imported("east", "billing", "198.51.100.2");
	registered(
		"{\"Node\":\"n1\",\"Address\":\"10.2.1.2\",\"Service\":{\"ID\":\"x\",\"Service\":"
		"\"billing-sidecar-proxy\",\"Port\":1}}");
	compile();
	for (size_t i = 0; i < w.state.n_services; i++) {
		const struct pw_service_entry *e = &w.state.services[i];

		if (strcmp(e->key.name, "billing-sidecar-proxy") != 0)
			continue;
		*(e->key.peer[0] ? &theirs : &local) = e->value.service_id;
	}
	assert_int_not_equal(local, 0);
	assert_int_not_equal(theirs, 0);
	assert_int_not_equal(local, theirs);
}

static void a_denial_of_the_configuration_stands_in_the_guard(void **state)
{
	pw_strv_add(&w.config.gateway.guard.deny, "192.0.2.0/24");
	pw_strv_add(&w.config.gateway.guard.allow, "192.0.2.0/24");
	pw_strv_add(&w.config.gateway.guard.allow, "2001:db8::/32");
	compile();
	assert_int_equal(w.state.n_guards, 2);
	assert_int_equal(w.state.guards[0].value.action, PW_ACTION_DENY);
	assert_int_equal(w.state.guards[0].key.prefixlen, 96 + 24);
	assert_int_equal(w.state.guards[1].key.prefixlen, 32);
	assert_string_equal(w.state.guards[1].value.prefix, "2001:db8::/32");
	pw_strv_clear(&w.config.gateway.guard.deny);
	pw_strv_clear(&w.config.gateway.guard.allow);
}

/* A peer may not fill maps that are also ours: later registrations here would be refused. */
static void a_peer_cannot_fill_the_maps(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	size_t of_peer = 0, own = 0;
	struct pw_node *n = pw_new0(struct pw_node);
	struct pw_tx *tx;

	peered("east", PW_PEERING_PENDING);
	n->peer = pw_xstrdup("east");
	n->name = pw_xstrdup("n");
	n->address = pw_xstrdup("198.51.100.2");
	put(PW_T_NODE, n);
	tx = begin();
	for (int i = 0; i < PW_MAX_SERVICES; i++) {
		struct pw_service *s = pw_new0(struct pw_service);

		s->peer = pw_xstrdup("east");
		s->node = pw_xstrdup("n");
		s->id = pw_xasprintf("s%05d", i);
		s->name = pw_xstrdup(s->id);
		s->port = 80;
		ok(pw_tx_put(tx, PW_T_SERVICE, s, &err), &err);
	}
	commit(tx);
	registered(BILLING);
	compile();
	for (size_t i = 0; i < w.state.n_services; i++)
		*(w.state.services[i].key.peer[0] ? &of_peer : &own) += 1;
	assert_int_equal(own, 1);
	assert_int_equal(of_peer, PW_MAX_SERVICES / 2);
}

static void a_peers_host_names_are_looked_up_only_for_upstreams_and_within_a_limit(void **state)
{
	peered("east", PW_PEERING_PENDING);
	for (int i = 0; i < 100; i++) {
		pw_autofree char *host = pw_xasprintf("gw-%d.invalid", i);

		imported("east", "billing", host);
	}
	compile();
	assert_int_equal(pw_resolver_names(w.compiler.resolver), 0);
	agent_service("{\"Name\":\"web\",\"Port\":80,\"Upstreams\":[{\"DestinationName\":"
		      "\"billing\",\"DestinationPeer\":\"east\",\"LocalBindPort\":9000}]}");
	compile();
	assert_int_equal(pw_resolver_names(w.compiler.resolver), 32);
}

static void a_bundle_is_parsed_once_until_it_changes(void **state)
{
	struct pw_trust_bundle *b = pw_new0(struct pw_trust_bundle);
	struct pw_trust *before;

	peered("east", PW_PEERING_PENDING);
	bundle_of("east");
	registered(BILLING);
	configured(EXPORT_BILLING);
	compile();
	before = pw_trust_ref(w.routing->ingress[0]->trust);
	compile();
	assert_ptr_equal(w.routing->ingress[0]->trust, before);
	b->peer = pw_xstrdup("east");
	b->trust_domain = pw_xstrdup("bbbbbbbb-0000-4000-8000-000000000000.consul");
	pw_ca_root_pems(w.ca, &b->root_pems);
	put(PW_T_TRUST_BUNDLE, b);
	compile();
	assert_ptr_not_equal(w.routing->ingress[0]->trust, before);
	pw_trust_unref(&before);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_exported_service_is_found_by_the_importers_alias),
		T(a_sick_instance_is_flagged_and_one_without_bundle_has_no_trust),
		T(a_deleted_or_terminated_peering_exports_nothing),
		T(a_native_service_is_passed_through_by_peer_and_destination),
		T(an_upstream_takes_name_and_identities_from_the_peer),
		T(a_peer_cannot_make_us_dial_ourselves),
		T(a_local_upstream_is_plain_and_has_its_verdict_in_the_map),
		T(equal_names_here_and_at_a_peer_have_different_ids),
		T(a_denial_of_the_configuration_stands_in_the_guard),
		T(a_peer_cannot_fill_the_maps),
		T(a_peers_host_names_are_looked_up_only_for_upstreams_and_within_a_limit),
		T(a_bundle_is_parsed_once_until_it_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
