// SPDX-License-Identifier: Apache-2.0
/* What a peer sends: what counts, what is refused, what never happens to anybody else. */
#include "peering_fake.h"

static struct cluster c;
static struct fake *f;
static struct sample s;

static int setup(void **state)
{
	pw_log_set_level(PW_LOG_LEVEL_MAX_);
	cluster_new(&c, "dc-east");
	cluster_start(&c);
	f = fake_new(&c, "west", NULL);
	sample_init(&s, "n", "a-1", "a");
	return 0;
}

static int teardown(void **state)
{
	fake_free(f);
	cluster_free(&c);
	world_free();
	return 0;
}

static int send_service(const char *id)
{
	int code;

	fake_response(f, "7", PW_RESOURCE_SERVICE, id, &s.es);
	assert_false(f->ended);
	code = fake_verdict(f, "7");
	if (code)
		print_message("%s\n", f->out[f->n_out - 1]->request->error->message);
	return code;
}

static int send_list(char **names, size_t n)
{
	PW_PB(Peerstream, ExportedServiceList) l = PW_PB_INIT(PEERSTREAM, EXPORTED_SERVICE_LIST);

	l.n_services = n;
	l.services = names;
	fake_response(f, "8", PW_RESOURCE_LIST, "exported-service-list", &l);
	return fake_verdict(f, "8");
}

static void an_instance_is_stored_under_the_peers_name_only(void **state)
{
	const struct pw_service *row;

	s.node.peer_name = (char *)"other";
	s.service.peer_name = (char *)"other";
	assert_int_equal(send_service("a"), 0);
	row = cluster_imported(&c, "west", "n", "a-1");
	assert_non_null(row);
	assert_int_equal(row->weights.passing, 1);
	assert_null(cluster_imported(&c, "other", "n", "a-1"));
	assert_null(cluster_imported(&c, "", "n", "a-1"));
	assert_true(cluster_check_is(&c, "west", "n", "overall", "passing"));
}

static void empty_names_are_nacked_and_kill_nobody(void **state)
{
	s.node.node = s.check.node = (char *)"";
	assert_int_equal(send_service("a"), 3);
	sample_init(&s, "n", "", "a");
	assert_int_equal(send_service("a"), 3);
	sample_init(&s, "n", "a-1", "a");
	s.check.check_id = (char *)"";
	assert_int_equal(send_service("a"), 3);
	sample_init(&s, "n", "a-1", "a");
	s.instance.node = NULL;
	assert_int_equal(send_service("a"), 3);
	s.instance.node = &s.node;
	s.instance.service = NULL;
	assert_int_equal(send_service("a"), 3);
	assert_int_equal(pw_store_count(c.store, PW_T_SERVICE), 0);
	assert_int_equal(pw_store_count(c.store, PW_T_NODE), 0);
}

static void faulty_instances_are_nacked_with_internal(void **state)
{
	PW_PB(Service, NodeService__MetaEntry)
	meta = PW_PB_INIT(SERVICE, NODE_SERVICE__META_ENTRY), *metas[] = { &meta };

	s.node.id = (char *)"abc";
	assert_int_equal(send_service("a"), 13);
	sample_init(&s, "n", "a-1", "a");
	s.check.node = (char *)"elsewhere";
	assert_int_equal(send_service("a"), 13);
	sample_init(&s, "n", "a-1", "other");
	assert_int_equal(send_service("a"), 13);
	sample_init(&s, "n", "a-1", "a");
	s.service.port = 70000;
	assert_int_equal(send_service("a"), 13);
	sample_init(&s, "n", "a-1", "a");
	meta.key = (char *)"a b";
	meta.value = (char *)"x";
	s.service.n_meta = 1;
	s.service.meta = metas;
	assert_int_equal(send_service("a"), 13);
	assert_true(strstr(f->out[f->n_out - 1]->request->error->message,
			   "Key contains invalid characters"));
	sample_init(&s, "n\x1f", "a-1", "a");
	assert_int_equal(send_service("a"), 3);
	assert_int_equal(pw_store_count(c.store, PW_T_SERVICE), 0);
}

static void an_update_replaces_instances_checks_and_idle_nodes(void **state)
{
	assert_int_equal(send_service("a"), 0);
	sample_init(&s, "m", "a-2", "a");
	s.check.check_id = (char *)"other";
	assert_int_equal(send_service("a"), 0);
	assert_null(cluster_imported(&c, "west", "n", "a-1"));
	assert_null(pw_catalog_node(c.store, "west", "n"));
	assert_non_null(cluster_imported(&c, "west", "m", "a-2"));
	assert_int_equal(pw_store_count(c.store, PW_T_CHECK), 1);
	s.es.n_nodes = 0;
	assert_int_equal(send_service("a"), 0);
	assert_int_equal(pw_store_count(c.store, PW_T_SERVICE), 0);
	assert_int_equal(pw_store_count(c.store, PW_T_CHECK), 0);
	assert_int_equal(pw_store_count(c.store, PW_T_NODE), 0);
}

static void the_list_prunes_what_it_does_not_name(void **state)
{
	char *only_b[] = { (char *)"b", (char *)"b" };
	struct pw_peering_status st;

	assert_int_equal(send_service("a"), 0);
	sample_init(&s, "n", "a-p", "a-sidecar-proxy");
	s.check.check_id = (char *)"p";
	assert_int_equal(send_service("a-sidecar-proxy"), 0);
	sample_init(&s, "n", "b-p", "b-sidecar-proxy");
	s.check.check_id = (char *)"bp";
	assert_int_equal(send_service("b-sidecar-proxy"), 0);
	assert_int_equal(send_list(only_b, 2), 0);
	assert_null(cluster_imported(&c, "west", "n", "a-1"));
	assert_null(cluster_imported(&c, "west", "n", "a-p"));
	assert_non_null(cluster_imported(&c, "west", "n", "b-p"));
	pw_peering_status(c.peering, pw_peering_get(c.peering, "west"), &st);
	assert_true(st.imported_set);
	assert_int_equal(st.imported.n, 1);
	pw_peering_status_clear(&st);
	assert_int_equal(send_list(NULL, 0), 0);
	pw_peering_status(c.peering, pw_peering_get(c.peering, "west"), &st);
	assert_false(st.imported_set);
	pw_peering_status_clear(&st);
	assert_int_equal(pw_store_count(c.store, PW_T_SERVICE), 0);
}

static void a_list_over_the_limit_is_nacked(void **state)
{
	static char *names[PW_PEER_SERVICES_MAX + 1];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		names[i] = (char *)"service-x";
	assert_int_equal(send_list(names, ARRAY_SIZE(names)), 13);
	assert_int_equal(send_list(names, ARRAY_SIZE(names) - 1), 0);
}

static void what_a_peer_may_take_of_our_memory_is_limited(void **state)
{
	PW_PB(Service, Node__MetaEntry) entry = PW_PB_INIT(SERVICE, NODE__META_ENTRY);
	PW_PB(Service, Node__MetaEntry) * meta[] = { &entry };
	pw_autofree char *large = pw_xcalloc(40001, 1);
	size_t before;

	memset(large, 'x', 40000);
	c.peering->peer_bytes_max = 50000;
	assert_int_equal(send_service("a"), 0);
	before = f->link->usage.bytes;
	assert_true(before > 0 && before < 10000);
	/* again: nothing is counted twice */
	s.service.port++;
	assert_int_equal(send_service("a"), 0);
	assert_int_equal(f->link->usage.bytes, before);
	assert_int_equal(f->link->usage.instances, 1);

	entry.key = (char *)"k";
	entry.value = large;
	s.node.n_meta = 1;
	s.node.meta = meta;
	assert_int_equal(send_service("a"), 0);
	sample_init(&s, "n2", "a-2", "b");
	s.node.n_meta = 1;
	s.node.meta = meta;
	assert_int_equal(send_service("b"), 13);
	assert_null(cluster_imported(&c, "west", "n2", "a-2"));
	/* what is kept in memory is what a count of the rows says */
	f->link->usage.known = false;
	size_t kept = f->link->usage.bytes;
	assert_int_equal(send_list(NULL, 0), 0);
	assert_int_equal(f->link->usage.bytes, 0);
	assert_int_equal(f->link->usage.instances, 0);
	assert_true(kept > 40000);
	assert_int_equal(send_service("b"), 0);
}

static void long_lists_of_an_instance_are_nacked(void **state)
{
	PW_PB(Service, Node__MetaEntry) entry = PW_PB_INIT(SERVICE, NODE__META_ENTRY);
	PW_PB(Service, Node__MetaEntry) * meta[65];
	PW_PB(Service, HealthCheck) * checks[257];
	char *tags[257];

	entry.key = (char *)"k";
	entry.value = (char *)"v";
	for (size_t i = 0; i < ARRAY_SIZE(meta); i++)
		meta[i] = &entry;
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		tags[i] = (char *)"t";
		checks[i] = &s.check;
	}
	s.node.meta = meta;
	s.service.tags = tags;
	s.instance.checks = checks;
	s.node.n_meta = 65;
	assert_int_equal(send_service("a"), 13);
	s.node.n_meta = 64;
	s.service.n_tags = 257;
	assert_int_equal(send_service("a"), 13);
	s.service.n_tags = 256;
	s.instance.n_checks = 257;
	assert_int_equal(send_service("a"), 13);
	s.instance.n_checks = 256;
	assert_int_equal(send_service("a"), 0);
}

static void other_peers_and_local_services_are_never_touched(void **state)
{
	struct fake *north = fake_new(&c, "north", NULL);

	cluster_service(&c, "n", "a-1", "a", 80, "passing");
	assert_int_equal(send_service("a"), 0);
	fake_response(north, "1", PW_RESOURCE_SERVICE, "a", &s.es);
	assert_int_equal(send_list(NULL, 0), 0);
	assert_null(cluster_imported(&c, "west", "n", "a-1"));
	assert_non_null(cluster_imported(&c, "north", "n", "a-1"));
	assert_non_null(cluster_imported(&c, "", "n", "a-1"));
	fake_free(north);
}

static int send_bundle(struct cluster *of, const char *td, const char *pem)
{
	PW_PB(Peering, PeeringTrustBundle) b = PW_PB_INIT(PEERING, PEERING_TRUST_BUNDLE);
	struct pw_strv pems = { 0 };
	char *one[] = { (char *)pem };

	pw_ca_root_pems(of->ca, &pems);
	b.trust_domain = (char *)td;
	b.n_root_pems = 1;
	b.root_pems = pem ? one : pems.items;
	fake_response(f, "9", PW_RESOURCE_BUNDLE, "roots", &b);
	pw_strv_clear(&pems);
	return fake_verdict(f, "9");
}

static void a_bundle_is_kept_and_shown_and_false_ones_are_refused(void **state)
{
	assert_int_equal(send_bundle(&c, "", NULL), 13);
	assert_int_equal(send_bundle(&c, pw_ca_trust_domain(c.ca), NULL), 13);
	assert_int_equal(send_bundle(&c, "x.consul", "junk"), 13);
	assert_null(pw_store_get(c.store, PW_T_TRUST_BUNDLE, "west"));
	assert_int_equal(send_bundle(&c, "x.consul", NULL), 0);
	assert_non_null(pw_store_get(c.store, PW_T_TRUST_BUNDLE, "west"));
	assert_int_equal(pw_peering_get(c.peering, "west")->peer_ca_pems.n, 1);
}

static void a_bundle_that_the_data_path_cannot_use_replaces_nothing(void **state)
{
	pw_autofree char *ours = pw_xstrdup(pw_ca_trust_domain(c.ca));
	pw_autofree char *half = NULL;
	struct pw_strv pems = { 0 };
	const struct pw_trust_bundle *b;

	pw_ca_root_pems(c.ca, &pems);
	half = pw_xasprintf("%s-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
			    pems.items[0]);
	assert_int_equal(send_bundle(&c, "x.consul", NULL), 0);
	assert_int_equal(send_bundle(&c, "y.consul", half), 13);
	for (char *p = ours; *p; p++)
		*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
	assert_int_equal(send_bundle(&c, ours, NULL), 13);
	b = pw_store_get(c.store, PW_T_TRUST_BUNDLE, "west");
	assert_string_equal(b->trust_domain, "x.consul");
	assert_string_equal(b->root_pems.items[0], pems.items[0]);
	pw_strv_clear(&pems);
}

/* Who is known is let in while strangers fill their places; a restart must not make it a stranger.
 */
static void an_announced_gateway_is_known_also_after_a_restart(void **state)
{
	PW_PB(Service, ServiceConnect) connect = PW_PB_INIT(SERVICE, SERVICE_CONNECT);
	PW_PB(Service, PeeringServiceMeta) meta = PW_PB_INIT(SERVICE, PEERING_SERVICE_META);
	pw_autofree char *id = pw_xstrdup(f->link->id);
	struct pw_addr gateway, other;

	assert_int_equal(pw_addr_parse("198.51.100.7", 0, &gateway), 0);
	assert_int_equal(pw_addr_parse("198.51.100.8", 0, &other), 0);
	assert_false(pw_address_known(c.peering, &gateway));
	connect.peer_meta = &meta;
	s.service.connect = &connect;
	s.service.address = (char *)"198.51.100.7";
	assert_int_equal(send_service("a"), 0);
	assert_true(WAIT(500, pw_address_known(c.peering, &gateway)));
	pw_peering_mgr_free(&c.peering);
	cluster_start(&c);
	f->link = pw_link_by_id(c.peering, id);
	assert_true(pw_address_known(c.peering, &gateway));
	assert_false(pw_address_known(c.peering, &other));
}

static void unknown_statuses_are_critical_and_long_outputs_are_cut(void **state)
{
	char *output = pw_xcalloc(1, 100001);
	const struct pw_check *k;
	pw_autofree char *key = pw_key(false, "west", "n", "overall", NULL);

	memset(output, 'o', 100000);
	memcpy(output + PW_MESSAGE_MAX_BYTES % 7 + 4090, "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 8);
	s.check.status = (char *)"bogus";
	s.check.output = output;
	assert_int_equal(send_service("a"), 0);
	k = pw_store_get(c.store, PW_T_CHECK, key);
	assert_string_equal(k->status, "critical");
	assert_true(strlen(k->output) <= 4096);
	free(output);
}

static void names_with_partition_and_namespace_are_taken_by_their_last_part(void **state)
{
	assert_int_equal(send_service("part1/ns1/a"), 0);
	assert_non_null(cluster_imported(&c, "west", "n", "a-1"));
}

/* A thousand small instances, in one message, as a real exporter sends them when it is big. */
static void a_thousand_instances_in_one_message_are_taken(void **state)
{
	enum { N = 1000 };
	static struct sample many[N];
	static PW_PB(Service, CheckServiceNode) * nodes[N];
	static char ids[N][16], checks[N][16];

	for (int i = 0; i < N; i++) {
		snprintf(ids[i], sizeof(ids[i]), "a-%d", i);
		snprintf(checks[i], sizeof(checks[i]), "c-%d", i);
		sample_init(&many[i], "n", ids[i], "a");
		many[i].check.check_id = checks[i];
		many[i].node.id = (char *)"0d9a2c6e-9a0f-4a36-9d0c-7c1c6d0f9b21";
		many[i].node.datacenter = (char *)"dc-west";
		nodes[i] = &many[i].instance;
	}
	s.es.n_nodes = N;
	s.es.nodes = nodes;
	assert_int_equal(send_service("a"), 0);
	assert_int_equal(pw_store_count(c.store, PW_T_SERVICE), N);
}

static int refuse_services(void *arg, uint32_t tables, struct pw_err *err)
{
	return tables & PW_BIT(PW_T_SERVICE)
		       ? pw_err_set(err, PW_ERR_LIMIT, ENOSPC, "pw_services is full")
		       : 0;
}
static void publish(void *arg) {}

static void what_the_maps_refuse_is_nacked_and_not_kept(void **state)
{
	static const struct pw_apply_ops ops = { refuse_services, publish, publish };

	pw_store_set_apply(c.store, &ops, NULL);
	assert_int_equal(send_service("a"), 13);
	assert_true(strstr(f->out[f->n_out - 1]->request->error->message, "pw_services is full"));
	assert_null(cluster_imported(&c, "west", "n", "a-1"));
	/* the others of a batch are not lost with it */
	assert_int_equal(send_list(NULL, 0), 0);
}

static int slow_stage(void *arg, uint32_t tables, struct pw_err *err)
{
	++*(int *)arg;
	usleep(10000);
	return 0;
}

/* Each change costs a compilation and a sync of the disk: a peer that changes all the time must not
 * have the thread for itself. */
static void many_small_changes_are_applied_together(void **state)
{
	static const struct pw_apply_ops ops = { slow_stage, publish, publish };
	const struct pw_service *row;
	int commits = 0;

	pw_store_set_apply(c.store, &ops, &commits);
	for (int i = 0; i < 50; i++) {
		s.service.port = 1000 + i;
		fake_response_unanswered(f, "7", PW_RESOURCE_SERVICE, "a", &s.es);
	}
	assert_true(
		WAIT(2000, (row = cluster_imported(&c, "west", "n", "a-1")) && row->port == 1049));
	assert_true(commits < 30);
}

static void a_terminated_peer_is_forgotten_in_steps_and_stays_known(void **state)
{
	PW_PB(Peerstream, ReplicationMessage__Terminated)
	t = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE__TERMINATED);
	Message m = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE);
	struct pw_err err = PW_ERR_INIT;
	struct pw_tx *tx = NULL;
	size_t len;
	uint8_t *data;

	assert_int_equal(pw_tx_begin(c.store, &tx, &err), 0);
	for (int i = 0; i < PW_CLEANUP_ROWS + 500; i++) {
		struct pw_service *row = pw_new0(struct pw_service);

		row->peer = pw_xstrdup("west");
		row->node = pw_xstrdup("n");
		row->id = pw_xasprintf("s%05d", i);
		row->name = pw_xstrdup("s");
		assert_int_equal(pw_tx_put(tx, PW_T_SERVICE, row, &err), 0);
	}
	assert_int_equal(pw_tx_commit(&tx, &err), 0);
	m.payload_case = PAYLOAD(TERMINATED);
	m.terminated = &t;
	data = pw_pb_encode(&m, &len);
	pw_stream_receive(f->link->stream, data, len);
	free(data);
	assert_int_equal(cluster_state(&c, "west"), PW_PEERING_TERMINATED);
	assert_int_equal(pw_store_count(c.store, PW_T_SERVICE), 500);
	/* a restart in between goes on */
	pw_peering_mgr_free(&c.peering);
	cluster_start(&c);
	f->link = pw_link_by_id(c.peering, pw_peering_get(c.peering, "west")->id);
	assert_true(WAIT(1000, pw_store_count(c.store, PW_T_SERVICE) == 0));
	assert_int_equal(cluster_state(&c, "west"), PW_PEERING_TERMINATED);
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_instance_is_stored_under_the_peers_name_only),
		T(empty_names_are_nacked_and_kill_nobody),
		T(faulty_instances_are_nacked_with_internal),
		T(an_update_replaces_instances_checks_and_idle_nodes),
		T(the_list_prunes_what_it_does_not_name),
		T(a_list_over_the_limit_is_nacked),
		T(other_peers_and_local_services_are_never_touched),
		T(an_announced_gateway_is_known_also_after_a_restart),
		T(a_bundle_is_kept_and_shown_and_false_ones_are_refused),
		T(a_bundle_that_the_data_path_cannot_use_replaces_nothing),
		T(unknown_statuses_are_critical_and_long_outputs_are_cut),
		T(names_with_partition_and_namespace_are_taken_by_their_last_part),
		T(a_thousand_instances_in_one_message_are_taken),
		T(what_the_maps_refuse_is_nacked_and_not_kept),
		T(what_a_peer_may_take_of_our_memory_is_limited),
		T(long_lists_of_an_instance_are_nacked),
		T(many_small_changes_are_applied_together),
		T(a_terminated_peer_is_forgotten_in_steps_and_stays_known),
	};

	return cmocka_run_group_tests_name("peering_import", tests, NULL, NULL);
}
