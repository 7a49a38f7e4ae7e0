// SPDX-License-Identifier: Apache-2.0
/* What a peer gets, and that it gets nothing twice. */
#include "peering_fake.h"

static struct cluster c;
static struct fake *f;

static int setup(void **state)
{
	pw_log_set_level(PW_LOG_LEVEL_MAX_);
	cluster_new(&c, "dc-west");
	c.opt.advertise_host = "203.0.113.9";
	c.opt.gateway_port = 8443;
	cluster_start(&c);
	f = fake_new(&c, "east", NULL);
	return 0;
}

static int teardown(void **state)
{
	fake_free(f);
	cluster_free(&c);
	world_free();
	return 0;
}

static PW_PB(Peerstream, ExportedService) * sent_service(const char *id)
{
	const Response *r = fake_sent(f, PW_RESOURCE_SERVICE, id);
	PW_PB(Peerstream, ExportedService) *es = NULL;

	assert_non_null(r);
	assert_int_equal(pw_pb_decode_any(&PW_PB_DESC(peerstream, exported_service), r->resource,
					  &es),
			 0);
	return es;
}

static size_t listed(const char *first)
{
	const Response *r = fake_sent(f, PW_RESOURCE_LIST, "exported-service-list");
	pw_autopb PW_PB(Peerstream, ExportedServiceList) *l = NULL;

	assert_non_null(r);
	assert_int_equal(pw_pb_decode_any(&PW_PB_DESC(peerstream, exported_service_list),
					  r->resource, &l),
			 0);
	if (first)
		assert_string_equal(l->services[0], first);
	return l->n_services;
}

static void without_exports_the_list_is_an_any_without_value(void **state)
{
	fake_subscribe_all(f);
	assert_int_equal(
		fake_sent(f, PW_RESOURCE_LIST, "exported-service-list")->resource->value.len, 0);
	assert_int_equal(fake_count(f, PAYLOAD(RESPONSE)), 3);
}

static void a_plain_service_is_offered_through_the_gateway(void **state)
{
	pw_autopb PW_PB(Peerstream, ExportedService) *es = NULL;
	pw_autopb PW_PB(Peerstream, ExportedService) *proxy = NULL;
	const PW_PB(Service, CheckServiceNode) * p;
	pw_autofree char *sni =
		pw_xasprintf("billing.default.default.east.external.%s", pw_ca_trust_domain(c.ca));
	pw_autofree char *id = pw_xasprintf("spiffe://%s/ns/default/dc/dc-west/svc/billing",
					    pw_ca_trust_domain(c.ca));

	cluster_service(&c, "n1", "billing-1", "billing", 7000, "passing");
	cluster_export(&c, "billing", "east");
	fake_subscribe_all(f);
	es = sent_service("billing");
	assert_int_equal(es->n_nodes, 1);
	assert_string_equal(es->nodes[0]->checks[0]->check_id, "billing-1:overall-check");
	assert_non_null(es->nodes[0]->service->enterprise_meta);
	assert_null(es->nodes[0]->service->connect);
	assert_string_equal(es->nodes[0]->node->datacenter, "dc-west");
	proxy = sent_service("billing-sidecar-proxy");
	assert_int_equal(proxy->n_nodes, 1);
	p = proxy->nodes[0];
	assert_string_equal(p->node->node, "gw");
	assert_string_equal(p->service->kind, "connect-proxy");
	assert_string_equal(p->service->id, "billing-sidecar-proxy-instance-0");
	assert_string_equal(p->service->address, "203.0.113.9");
	assert_int_equal(p->service->port, 8443);
	assert_string_equal(p->service->tagged_addresses[0]->key, "wan");
	assert_string_equal(p->service->tagged_addresses[0]->value->address, "203.0.113.9");
	assert_string_equal(p->service->proxy->destination_service_name, "billing");
	assert_string_equal(p->service->proxy->destination_service_id, "billing-instance-0");
	assert_string_equal(p->service->connect->peer_meta->sni[0], sni);
	assert_string_equal(p->service->connect->peer_meta->spiffe_id[0], id);
	assert_int_equal(p->service->connect->peer_meta->n_spiffe_id, 2);
	assert_string_equal(p->service->connect->peer_meta->protocol, "tcp");
	assert_string_equal(p->checks[0]->status, "passing");
}

static void a_name_without_instances_is_listed_and_empty(void **state)
{
	cluster_export(&c, "ghost", "east");
	fake_subscribe_all(f);
	assert_int_equal(listed("ghost"), 1);
	assert_int_equal(fake_sent(f, PW_RESOURCE_SERVICE, "ghost")->resource->value.len, 0);
	assert_null(fake_sent(f, PW_RESOURCE_SERVICE, "ghost-sidecar-proxy"));
}

static void what_did_not_change_is_not_sent(void **state)
{
	cluster_service(&c, "n1", "a-1", "a", 80, "passing");
	cluster_service(&c, "n1", "b-1", "b", 80, "passing");
	cluster_export(&c, "a b", "east");
	fake_subscribe_all(f);
	fake_forget(f);
	/* the same again, another service, another peer's export: nothing for this one */
	cluster_service(&c, "n1", "a-1", "a", 80, "passing");
	cluster_service(&c, "n2", "x-1", "x", 80, "passing");
	fake_run();
	assert_int_equal(f->n_out, 0);
	cluster_service(&c, "n1", "a-1", "a", 80, "critical");
	fake_run();
	assert_int_equal(fake_count(f, PAYLOAD(RESPONSE)), 2); /* a and its proxy */
	assert_non_null(fake_sent(f, PW_RESOURCE_SERVICE, "a"));
	assert_non_null(fake_sent(f, PW_RESOURCE_SERVICE, "a-sidecar-proxy"));
}

static void unexport_withdraws_the_proxy_then_the_name_and_export_sends_all_again(void **state)
{
	cluster_service(&c, "n1", "a-1", "a", 80, "passing");
	cluster_service(&c, "n1", "b-1", "b", 80, "passing");
	cluster_export(&c, "a b", "east");
	fake_subscribe_all(f);
	fake_forget(f);
	cluster_export(&c, "b", "east");
	fake_run();
	assert_int_equal(fake_count(f, PAYLOAD(RESPONSE)), 2);
	assert_string_equal(f->out[0]->response->resource_id, "a-sidecar-proxy");
	assert_int_equal(f->out[0]->response->resource->value.len, 0);
	assert_int_equal(listed("b"), 1);
	fake_forget(f);
	cluster_export(&c, "a b", "east");
	fake_run();
	assert_int_equal(fake_count(f, PAYLOAD(RESPONSE)), 3);
	assert_non_null(fake_sent(f, PW_RESOURCE_SERVICE, "a"));
}

static void the_last_instance_gone_leaves_an_empty_service_and_proxy(void **state)
{
	cluster_service(&c, "n1", "a-1", "a", 80, "passing");
	cluster_export(&c, "a", "east");
	fake_subscribe_all(f);
	fake_forget(f);
	cluster_deregister(&c, "n1", "a-1");
	fake_run();
	assert_int_equal(fake_sent(f, PW_RESOURCE_SERVICE, "a")->resource->value.len, 0);
	assert_int_equal(fake_sent(f, PW_RESOURCE_SERVICE, "a-sidecar-proxy")->resource->value.len,
			 0);
	assert_null(fake_sent(f, PW_RESOURCE_LIST, "exported-service-list"));
}

static void a_wildcard_follows_the_catalog_without_control_and_imports(void **state)
{
	struct sample s;

	cluster_service(&c, "n1", "consul", "consul", 8300, "passing");
	cluster_service(&c, "n1", "a-1", "a", 80, "passing");
	cluster_export(&c, "*", "east");
	fake_subscribe_all(f);
	assert_int_equal(listed("a"), 1);
	sample_init(&s, "n", "far-1", "far");
	fake_response(f, "1", PW_RESOURCE_SERVICE, "far", &s.es);
	cluster_service(&c, "n1", "late-1", "late", 80, "passing");
	fake_run();
	assert_int_equal(listed("a"), 2); /* never far: it is not ours to pass on */
	assert_null(fake_sent(f, PW_RESOURCE_SERVICE, "far"));
}

static void one_too_large_service_is_named_and_stops_no_other(void **state)
{
	struct pw_service *svc = pw_new0(struct pw_service);
	struct pw_peering_status st;
	struct pw_err err = PW_ERR_INIT;
	struct pw_tx *tx = NULL;
	char *tag = pw_xcalloc(1, 9 * 1024 * 1024 + 1);

	memset(tag, 't', 9 * 1024 * 1024);
	cluster_service(&c, "n1", "z-1", "z", 80, "passing");
	svc->peer = pw_xstrdup("");
	svc->node = pw_xstrdup("n1");
	svc->id = pw_xstrdup("huge-1");
	svc->name = pw_xstrdup("huge");
	pw_strv_add(&svc->tags, tag);
	free(tag);
	assert_int_equal(pw_tx_begin(c.store, &tx, &err), 0);
	assert_int_equal(pw_tx_put(tx, PW_T_SERVICE, svc, &err), 0);
	assert_int_equal(pw_tx_commit(&tx, &err), 0);
	cluster_export(&c, "huge z", "east");
	fake_subscribe_all(f);
	assert_null(fake_sent(f, PW_RESOURCE_SERVICE, "huge"));
	assert_non_null(fake_sent(f, PW_RESOURCE_SERVICE, "z"));
	pw_peering_status(c.peering, pw_peering_get(c.peering, "east"), &st);
	assert_true(st.last_error && strstr(st.last_error, "service \"huge\" is not sent"));
	pw_peering_status_clear(&st);
}

static void addresses_and_roots_are_sent_as_we_advertise_them(void **state)
{
	pw_autopb PW_PB(Peering, PeeringServerAddresses) *a = NULL;
	pw_autopb PW_PB(Peering, PeeringTrustBundle) *b = NULL;

	fake_subscribe_all(f);
	assert_int_equal(
		pw_pb_decode_any(&PW_PB_DESC(peering, peering_server_addresses),
				 fake_sent(f, PW_RESOURCE_ADDRESSES, "server-addrs")->resource, &a),
		0);
	assert_string_equal(a->addresses[0], "203.0.113.9:8443");
	assert_int_equal(pw_pb_decode_any(&PW_PB_DESC(peering, peering_trust_bundle),
					  fake_sent(f, PW_RESOURCE_BUNDLE, "roots")->resource, &b),
			 0);
	assert_string_equal(b->trust_domain, pw_ca_trust_domain(c.ca));
	assert_int_equal(b->n_root_pems, 1);
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(without_exports_the_list_is_an_any_without_value),
		T(a_plain_service_is_offered_through_the_gateway),
		T(a_name_without_instances_is_listed_and_empty),
		T(what_did_not_change_is_not_sent),
		T(unexport_withdraws_the_proxy_then_the_name_and_export_sends_all_again),
		T(the_last_instance_gone_leaves_an_empty_service_and_proxy),
		T(a_wildcard_follows_the_catalog_without_control_and_imports),
		T(one_too_large_service_is_named_and_stops_no_other),
		T(addresses_and_roots_are_sent_as_we_advertise_them),
	};

	return cmocka_run_group_tests_name("peering_export", tests, NULL, NULL);
}
