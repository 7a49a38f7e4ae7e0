// SPDX-License-Identifier: Apache-2.0
/* Two clusters in one process, joined over loopback: the whole life of a peering, with real TLS and
 * HTTP/2 between them. */
#include "peering_world.h"

static struct cluster west, east;

static int setup(void **state)
{
	pw_log_set_level(getenv("PW_TEST_LOG") ? PW_LOG_DEBUG : PW_LOG_ERROR);
	cluster_new(&west, "dc-west");
	cluster_new(&east, "dc-east");
	cluster_start(&west);
	cluster_start(&east);
	return 0;
}

static int teardown(void **state)
{
	cluster_free(&east);
	cluster_free(&west);
	world_free();
	return 0;
}

static void join(void)
{
	pw_autofree char *token = cluster_token(&west, "east");
	struct pw_err err = cluster_establish(&east, "west", token, false);

	if (err.code)
		fail_msg("%s", err.text);
	assert_true(WAIT(3000, cluster_state(&east, "west") == PW_PEERING_ACTIVE &&
				       cluster_state(&west, "east") == PW_PEERING_ACTIVE));
}

static bool has_bundle(struct cluster *c, const char *peer, struct cluster *of)
{
	const struct pw_trust_bundle *b = pw_store_get(c->store, PW_T_TRUST_BUNDLE, peer);

	return b && pw_streq(b->trust_domain, pw_ca_trust_domain(of->ca));
}

static void establish_reaches_active_on_both_sides(void **state)
{
	int64_t start = pw_now_mono_ms();

	join();
	print_message("token to ACTIVE on both sides: %d ms\n", (int)(pw_now_mono_ms() - start));
	assert_true(
		WAIT(3000, has_bundle(&east, "west", &west) && has_bundle(&west, "east", &east)));
	assert_string_equal(pw_peering_get(west.peering, "EAST")->remote_datacenter, "dc-east");
	assert_string_equal(pw_peering_get(east.peering, "west")->remote_datacenter, "dc-west");
}

static void services_health_and_unexport_reach_the_importer(void **state)
{
	const struct pw_service *s;

	cluster_service(&west, "n1", "billing-1", "billing", 7000, "passing");
	cluster_export(&west, "billing", "east");
	join();
	assert_true(WAIT(3000, cluster_imported(&east, "west", "n1", "billing-1") &&
				       cluster_imported(&east, "west", "gw",
							"billing-sidecar-proxy-instance-0")));
	s = cluster_imported(&east, "west", "gw", "billing-sidecar-proxy-instance-0");
	assert_non_null(s->connect.peer_meta);
	assert_true(pw_str_starts(s->connect.peer_meta->sni.items[0],
				  "billing.default.default.east.external."));
	assert_int_equal(s->port, west.port);
	assert_true(cluster_check_is(&east, "west", "n1", "billing-1:overall-check", "passing"));

	cluster_service(&west, "n1", "billing-1", "billing", 7000, "critical");
	assert_true(WAIT(1000, cluster_check_is(&east, "west", "n1", "billing-1:overall-check",
						"critical")));
	assert_true(WAIT(1000, cluster_check_is(&east, "west", "gw",
						"billing-sidecar-proxy-instance-0:overall-check",
						"critical")));

	cluster_service(&west, "n2", "billing-2", "billing", 7001, "passing");
	assert_true(WAIT(1000, cluster_imported(&east, "west", "n2", "billing-2")));
	cluster_deregister(&west, "n2", "billing-2");
	assert_true(WAIT(1000, !cluster_imported(&east, "west", "n2", "billing-2") &&
				       !pw_catalog_node(east.store, "west", "n2")));

	cluster_export(&west, "other", "east");
	assert_true(WAIT(1000, !cluster_imported(&east, "west", "n1", "billing-1") &&
				       !cluster_imported(&east, "west", "gw",
							 "billing-sidecar-proxy-instance-0")));
	assert_false(pw_catalog_node(east.store, "west", "n1"));
	/* and nothing of that was seen as local */
	assert_false(cluster_imported(&east, "", "n1", "billing-1"));
}

static void equal_names_here_and_there_stay_apart(void **state)
{
	cluster_service(&west, "n1", "web-1", "web", 80, "passing");
	cluster_service(&east, "n1", "web-1", "web", 81, "passing");
	cluster_export(&west, "*", "east");
	cluster_export(&east, "*", "west");
	join();
	assert_true(WAIT(3000, cluster_imported(&east, "west", "n1", "web-1") &&
				       cluster_imported(&west, "east", "n1", "web-1")));
	assert_int_equal(cluster_imported(&east, "west", "n1", "web-1")->port, 80);
	assert_int_equal(cluster_imported(&east, "", "n1", "web-1")->port, 81);
	assert_int_equal(cluster_imported(&west, "east", "n1", "web-1")->port, 81);
	assert_int_equal(cluster_imported(&west, "", "n1", "web-1")->port, 80);
}

static void of_ten_parallel_uses_of_a_token_one_wins(void **state)
{
	pw_autofree char *token = cluster_token(&west, "east");
	struct established e[10] = { 0 };
	size_t won = 0, denied = 0;

	for (size_t i = 0; i < ARRAY_SIZE(e); i++) {
		char name[16];
		struct pw_establish_request req = { .name = name, .token = token };
		struct pw_err err = PW_ERR_INIT;

		snprintf(name, sizeof(name), "west-%zu", i);
		assert_int_equal(pw_peering_establish(east.peering, &req, world_established, &e[i],
						      &err),
				 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(e); i++) {
		assert_true(WAIT(5000, e[i].done));
		won += e[i].err.code == 0;
		denied += e[i].err.class == PW_ERR_DENIED;
	}
	assert_int_equal(won, 1);
	assert_int_equal(denied, 9);
	assert_int_equal(pw_store_count(east.store, PW_T_PEERING), 1);
}

static void a_refused_token_changes_nothing(void **state)
{
	pw_autofree char *first = cluster_token(&west, "east");
	pw_autofree char *second = cluster_token(&west, "east");
	struct pw_err err = cluster_establish(&east, "west", first, false);

	assert_int_equal(err.class, PW_ERR_DENIED);
	assert_string_equal(
		err.text,
		"a new peering token must be generated: invalid peering establishment secret");
	assert_null(pw_peering_get(east.peering, "west"));
	assert_int_equal(cluster_establish(&east, "west", second, false).code, 0);
	assert_true(WAIT(3000, cluster_state(&west, "east") == PW_PEERING_ACTIVE));
	/* used: refused under the same and under another name, and the living one goes on */
	assert_int_equal(cluster_establish(&east, "west", second, false).class, PW_ERR_DENIED);
	assert_int_equal(cluster_establish(&east, "west2", second, false).class, PW_ERR_DENIED);
	assert_int_equal(cluster_state(&east, "west"), PW_PEERING_ACTIVE);
	assert_null(pw_peering_get(east.peering, "west2"));
}

static void the_wrong_direction_is_refused(void **state)
{
	struct pw_token_request req = { .name = "west" };
	pw_autofree char *token = NULL;
	struct pw_err err = PW_ERR_INIT;

	join();
	assert_int_not_equal(pw_peering_generate_token(east.peering, &req, &token, &err), 0);
	assert_string_equal(
		err.text,
		"cannot create peering with name: \"west\"; there is already an established peering");
	token = cluster_token(&east, "x");
	err = cluster_establish(&west, "east", token, false);
	assert_string_equal(
		err.text,
		"cannot create peering with name: \"east\"; there is an existing peering expecting to be dialed");
	err = cluster_establish(&east, "me", token, false);
	assert_true(strstr(err.text, "cannot create a peering within the same cluster"));
}

static void an_unreachable_peer_keeps_nothing_within_three_seconds(void **state)
{
	pw_autofree char *token = cluster_token(&west, "east");
	int64_t start = pw_now_mono_ms();
	struct pw_err err;

	evconnlistener_free(west.listener);
	west.listener = NULL;
	err = cluster_establish(&east, "west", token, false);
	assert_int_equal(err.class, PW_ERR_UNAVAILABLE);
	assert_true(strstr(err.text, "127.0.0.1:"));
	assert_true(pw_now_mono_ms() - start < 3500);
	assert_null(pw_peering_get(east.peering, "west"));
	assert_int_equal(pw_store_count(east.store, PW_T_PEERING_SECRET), 0);
}

static void an_address_we_must_not_dial_is_named_at_once(void **state)
{
	pw_autofree char *token = cluster_token(&west, "east");
	int64_t start = pw_now_mono_ms();
	struct pw_err err;

	pw_peering_mgr_free(&east.peering);
	east.opt.allow_loopback = false;
	cluster_start(&east);
	err = cluster_establish(&east, "west", token, false);
	assert_int_equal(err.class, PW_ERR_UNAVAILABLE);
	assert_true(strstr(err.text, "loopback"));
	assert_true(pw_now_mono_ms() - start < 1000);
}

static void with_retry_it_stays_pending_and_comes_up(void **state)
{
	pw_autofree char *token = cluster_token(&west, "east");

	evconnlistener_free(west.listener);
	west.listener = NULL;
	assert_int_equal(cluster_establish(&east, "west", token, true).code, 0);
	assert_int_equal(cluster_state(&east, "west"), PW_PEERING_PENDING);
	/* a restart in between forgets nothing */
	pw_peering_mgr_free(&east.peering);
	cluster_start(&east);
	assert_int_equal(cluster_state(&east, "west"), PW_PEERING_PENDING);
	cluster_listen(&west);
	assert_true(WAIT(8000, cluster_state(&east, "west") == PW_PEERING_ACTIVE &&
				       cluster_state(&west, "east") == PW_PEERING_ACTIVE));
}

static void deletion_by_the_acceptor_terminates_the_dialer(void **state)
{
	struct pw_err err = PW_ERR_INIT;

	cluster_service(&west, "n1", "billing-1", "billing", 7000, "passing");
	cluster_export(&west, "billing", "east");
	cluster_service(&east, "n9", "web-1", "web", 80, "passing");
	cluster_export(&east, "web", "west");
	join();
	assert_true(WAIT(3000, cluster_imported(&east, "west", "n1", "billing-1") &&
				       cluster_imported(&west, "east", "n9", "web-1")));
	assert_int_equal(pw_peering_delete(west.peering, "east", &err), 0);
	assert_int_equal(pw_peering_delete(west.peering, "east", &err), 0);
	assert_true(WAIT(2000, cluster_state(&east, "west") == PW_PEERING_TERMINATED &&
				       !pw_peering_get(west.peering, "east")));
	assert_false(cluster_imported(&west, "east", "n9", "web-1"));
	assert_false(cluster_imported(&east, "west", "n1", "billing-1"));
	assert_false(pw_store_get(east.store, PW_T_TRUST_BUNDLE, "west"));
	assert_true(pw_peering_get(east.peering, "west")->peer_ca_pems.n > 0);
	/* again over TERMINATED, as the dialer */
	join();
	assert_true(WAIT(3000, cluster_imported(&east, "west", "n1", "billing-1")));
}

static void deletion_by_the_dialer_lets_a_new_token_work_at_once(void **state)
{
	struct pw_err err = PW_ERR_INIT;

	join();
	assert_int_equal(pw_peering_delete(east.peering, "west", &err), 0);
	assert_true(WAIT(2000, cluster_state(&west, "east") == PW_PEERING_TERMINATED &&
				       !pw_peering_get(east.peering, "west")));
	join();
}

static void deletion_with_the_link_down_is_done_here_at_once(void **state)
{
	struct pw_err err = PW_ERR_INIT;

	join();
	evconnlistener_free(west.listener);
	west.listener = NULL;
	pw_peering_mgr_free(&west.peering);
	assert_true(WAIT(3000, cluster_state(&east, "west") == PW_PEERING_FAILING));
	assert_int_equal(pw_peering_delete(east.peering, "west", &err), 0);
	assert_true(WAIT(1000, !pw_peering_get(east.peering, "west")));
	assert_int_equal(pw_store_count(east.store, PW_T_PEERING_SECRET), 0);
	cluster_listen(&west);
	cluster_start(&west);
}

static void both_restart_and_come_back_without_a_token(void **state)
{
	cluster_service(&west, "n1", "billing-1", "billing", 7000, "passing");
	cluster_service(&west, "n1", "ledger-1", "ledger", 7100, "passing");
	cluster_export(&west, "billing ledger", "east");
	join();
	assert_true(WAIT(3000, cluster_imported(&east, "west", "n1", "billing-1") &&
				       cluster_imported(&east, "west", "n1", "ledger-1")));
	pw_peering_mgr_free(&west.peering);
	pw_peering_mgr_free(&east.peering);
	/* un-exported while the link is down: known routes serve until the first list, then it is
	 * pruned */
	cluster_export(&west, "ledger", "east");
	cluster_start(&east);
	assert_non_null(cluster_imported(&east, "west", "n1", "billing-1"));
	cluster_start(&west);
	assert_true(WAIT(8000, cluster_state(&east, "west") == PW_PEERING_ACTIVE));
	assert_true(WAIT(3000, !cluster_imported(&east, "west", "n1", "billing-1")));
	assert_non_null(cluster_imported(&east, "west", "n1", "ledger-1"));
}

static void a_new_token_under_the_same_names_replaces_the_secret(void **state)
{
	const struct pw_peering_secret *s;
	pw_autofree char *before = NULL;

	join();
	s = pw_store_get(west.store, PW_T_PEERING_SECRET, pw_peering_get(west.peering, "east")->id);
	before = pw_xstrdup(s->stream_active);
	join();
	SPIN(300);
	assert_true(WAIT(5000, cluster_state(&east, "west") == PW_PEERING_ACTIVE &&
				       cluster_state(&west, "east") == PW_PEERING_ACTIVE));
	s = pw_store_get(west.store, PW_T_PEERING_SECRET, pw_peering_get(west.peering, "east")->id);
	assert_string_not_equal(s->stream_active, before);
	assert_true(pw_str_empty(s->stream_pending) && pw_str_empty(s->establishment));
}

/* Neither side may raise an alarm while the stream is swapped for one with the new secret. */
static void a_new_token_over_a_living_peering_raises_no_alarm(void **state)
{
	pw_autofree char *token = NULL;
	bool alarm = false;

	join();
	token = cluster_token(&west, "east");
	assert_int_equal(cluster_establish(&east, "west", token, false).code, 0);
	(void)WAIT(1500, (alarm |= cluster_state(&west, "east") == PW_PEERING_FAILING ||
				   cluster_state(&east, "west") == PW_PEERING_FAILING));
	assert_false(alarm);
	assert_int_equal(cluster_state(&east, "west"), PW_PEERING_ACTIVE);
	assert_int_equal(cluster_state(&west, "east"), PW_PEERING_ACTIVE);
}

/* The exchange that was kept for an unreachable peer must not come back with its older token, be
 * refused, and take the secret of the stream that lives. */
static void a_kept_token_is_forgotten_when_another_one_succeeds(void **state)
{
	pw_autofree char *first = cluster_token(&west, "east");
	pw_autofree char *second = cluster_token(&west, "east");
	const struct pw_peering_secret *s;

	evconnlistener_free(west.listener);
	west.listener = NULL;
	assert_int_equal(cluster_establish(&east, "west", first, true).code, 0);
	assert_int_equal(cluster_state(&east, "west"), PW_PEERING_PENDING);
	cluster_listen(&west);
	assert_int_equal(cluster_establish(&east, "west", second, false).code, 0);
	SPIN(3000); /* a kept one tries again within two seconds */
	assert_int_equal(cluster_state(&east, "west"), PW_PEERING_ACTIVE);
	s = pw_store_get(east.store, PW_T_PEERING_SECRET, pw_peering_get(east.peering, "west")->id);
	assert_non_null(s);
	assert_false(pw_str_empty(s->stream_active));
}

static void the_roots_of_the_bundle_are_kept_for_the_next_dial(void **state)
{
	const struct pw_peering *p;

	join();
	assert_true(WAIT(3000, has_bundle(&east, "west", &west)));
	p = pw_peering_get(east.peering, "west");
	assert_int_equal(p->peer_ca_pems.n, 1);
}

static void a_thousand_services_arrive(void **state)
{
	int64_t start;

	for (int i = 0; i < 1000; i++) {
		char id[32];

		snprintf(id, sizeof(id), "svc-%d", i);
		cluster_service(&west, "n1", id, id, 7000, "passing");
	}
	cluster_export(&west, "*", "east");
	start = pw_now_mono_ms();
	join();
	assert_true(WAIT(30000, pw_store_count(east.store, PW_T_SERVICE) == 2000));
	print_message("1,000 services with their proxies: %d ms (ASan)\n",
		      (int)(pw_now_mono_ms() - start));
	assert_int_equal(pw_store_count(east.store, PW_T_CHECK), 2000);
	start = pw_now_mono_ms();
	cluster_service(&west, "n1", "svc-7", "svc-7", 7000, "critical");
	assert_true(WAIT(3000,
			 cluster_check_is(&east, "west", "n1", "svc-7:overall-check", "critical")));
	print_message("one health change among them: %d ms (ASan)\n",
		      (int)(pw_now_mono_ms() - start));
}

static void wait_for_beat(struct cluster *c, const char *peer)
{
	struct pw_peering_status s = { 0 };

	for (int i = 0; i < 200 && s.last_heartbeat_ns == 0; i++) {
		pw_peering_status_clear(&s);
		SPIN(10);
		pw_peering_status(c->peering, pw_peering_get(c->peering, peer), &s);
	}
	assert_true(s.last_heartbeat_ns > 0);
	pw_peering_status_clear(&s);
}

static void heartbeats_keep_a_quiet_stream_active_and_silence_ends_it(void **state)
{
	pw_peering_mgr_free(&west.peering);
	pw_peering_mgr_free(&east.peering);
	west.opt.heartbeat_interval_ms = 100;
	west.opt.heartbeat_timeout_ms = 60000;
	east.opt.heartbeat_interval_ms = 100;
	east.opt.heartbeat_timeout_ms = 600;
	cluster_start(&west);
	cluster_start(&east);
	join();
	wait_for_beat(&east, "west");
	wait_for_beat(&west, "east");
	SPIN(1000);
	assert_int_equal(cluster_state(&east, "west"), PW_PEERING_ACTIVE);
	/* a frozen peer: it takes bytes, and says nothing */
	pw_peering_mgr_free(&west.peering);
	west.opt.heartbeat_interval_ms = 600000;
	cluster_start(&west);
	assert_true(WAIT(6000, cluster_state(&east, "west") == PW_PEERING_FAILING));
	assert_true(WAIT(6000, cluster_state(&east, "west") == PW_PEERING_ACTIVE));
	assert_true(WAIT(3000, cluster_state(&east, "west") == PW_PEERING_FAILING));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(establish_reaches_active_on_both_sides),
		T(services_health_and_unexport_reach_the_importer),
		T(equal_names_here_and_there_stay_apart),
		T(of_ten_parallel_uses_of_a_token_one_wins),
		T(a_refused_token_changes_nothing),
		T(the_wrong_direction_is_refused),
		T(an_unreachable_peer_keeps_nothing_within_three_seconds),
		T(an_address_we_must_not_dial_is_named_at_once),
		T(with_retry_it_stays_pending_and_comes_up),
		T(deletion_by_the_acceptor_terminates_the_dialer),
		T(deletion_by_the_dialer_lets_a_new_token_work_at_once),
		T(deletion_with_the_link_down_is_done_here_at_once),
		T(both_restart_and_come_back_without_a_token),
		T(a_new_token_under_the_same_names_replaces_the_secret),
		T(a_new_token_over_a_living_peering_raises_no_alarm),
		T(a_kept_token_is_forgotten_when_another_one_succeeds),
		T(the_roots_of_the_bundle_are_kept_for_the_next_dial),
		T(a_thousand_services_arrive),
		T(heartbeats_keep_a_quiet_stream_active_and_silence_ends_it),
	};

	return cmocka_run_group_tests_name("peering_pair", tests, NULL, NULL);
}
