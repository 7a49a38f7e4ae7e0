// SPDX-License-Identifier: Apache-2.0
/* The stream's rules without a transport: subscriptions, nonces, answers, ends. Texts and codes are
 * those that a real acceptor was recorded with. */
#include "peering_fake.h"

static struct cluster c;
static struct fake *f;

static int setup(void **state)
{
	pw_log_set_level(PW_LOG_LEVEL_MAX_);
	cluster_new(&c, "dc-east");
	c.opt.heartbeat_interval_ms = 50;
	c.opt.heartbeat_timeout_ms = 400;
	cluster_start(&c);
	f = fake_new(&c, "west", NULL);
	return 0;
}

static int teardown(void **state)
{
	fake_free(f);
	cluster_free(&c);
	world_free();
	return 0;
}

static void an_acceptor_subscribes_to_three_types_without_a_peer_id(void **state)
{
	assert_int_equal(fake_count(f, PAYLOAD(REQUEST)), 3);
	assert_string_equal(
		f->out[0]->request->resource_url,
		"type.googleapis.com/hashicorp.consul.internal.peerstream.ExportedService");
	assert_string_equal(
		f->out[1]->request->resource_url,
		"type.googleapis.com/hashicorp.consul.internal.peerstream.ExportedServiceList");
	assert_string_equal(
		f->out[2]->request->resource_url,
		"type.googleapis.com/hashicorp.consul.internal.peering.PeeringTrustBundle");
	assert_string_equal(f->out[0]->request->peer_id, "");
	assert_int_equal(cluster_state(&c, "west"), PW_PEERING_ACTIVE);
}

static void a_dialer_opens_and_is_active_only_when_it_hears_something(void **state)
{
	struct fake *d = fake_new(&c, "north", "0d9a2c6e-9a0f-4a36-9d0c-7c1c6d0f9b21");

	assert_int_equal(d->out[0]->payload_case, PAYLOAD(OPEN));
	assert_string_equal(d->out[0]->open->remote->datacenter, "dc-east");
	assert_int_equal(fake_count(d, PAYLOAD(REQUEST)), 4);
	assert_string_equal(d->out[1]->request->peer_id, "0d9a2c6e-9a0f-4a36-9d0c-7c1c6d0f9b21");
	assert_int_equal(cluster_state(&c, "north"), PW_PEERING_PENDING);
	fake_request(d, pw_resource_url(PW_RESOURCE_LIST), "", 0);
	assert_int_equal(cluster_state(&c, "north"), PW_PEERING_ACTIVE);
	fake_free(d);
}

static void nothing_is_sent_before_it_is_subscribed_to(void **state)
{
	SPIN(20);
	assert_int_equal(fake_count(f, PAYLOAD(RESPONSE)), 0);
	fake_request(f, pw_resource_url(PW_RESOURCE_BUNDLE), "", 0);
	assert_int_equal(fake_count(f, PAYLOAD(RESPONSE)), 1);
	assert_string_equal(fake_sent(f, PW_RESOURCE_BUNDLE, "roots")->nonce, "00000001");
	fake_request(f, pw_resource_url(PW_RESOURCE_ADDRESSES), "", 0);
	assert_string_equal(fake_sent(f, PW_RESOURCE_ADDRESSES, "server-addrs")->nonce, "00000002");
	/* again: ignored */
	fake_request(f, pw_resource_url(PW_RESOURCE_ADDRESSES), "", 0);
	assert_int_equal(fake_count(f, PAYLOAD(RESPONSE)), 2);
}

/* A peer that makes us answer and does not read: what waits for it is bounded in bytes too. */
static void answers_that_nobody_reads_are_bounded(void **state)
{
	pw_autofree char *nonce = pw_xcalloc(257, 1);
	pw_autofree char *long_nonce = pw_xcalloc(2000, 1);
	PW_PB(Peerstream, ExportedServiceList)
	list = PW_PB_INIT(PEERSTREAM, EXPORTED_SERVICE_LIST);
	int sent = 0;

	memset(nonce, 'n', 256);
	memset(long_nonce, 'n', 1999);
	f->budget = 0;
	for (; !f->ended && sent < 5000; sent++)
		fake_response(f, nonce, PW_RESOURCE_LIST, "exported-service-list", &list);
	assert_true(f->ended);
	assert_int_equal(f->end_code, PW_GRPC_RESOURCE_EXHAUSTED);
	assert_true(sent <= 4096);

	struct fake *g = fake_new(&c, "north", NULL);
	fake_response(g, long_nonce, PW_RESOURCE_LIST, "exported-service-list", &list);
	assert_true(g->ended);
	assert_int_equal(g->end_code, PW_GRPC_INVALID_ARGUMENT);
	fake_free(g);
}

static void what_a_peer_does_wrong_does_not_fill_the_log(void **state)
{
	unsigned lines = 0;

	for (int i = 0; i < 1000; i++)
		lines += pw_link_may_log(f->link);
	assert_true(lines >= PW_LOG_LINES && lines <= 2 * PW_LOG_LINES);
	assert_true(f->link->log_left_out > 0);
}

static void an_end_without_a_reason_is_no_alarm_for_two_seconds(void **state)
{
	struct pw_link *l = f->link;

	pw_stream_interrupted(l->stream);
	pw_stream_lost(l->stream, /*remote=*/true, "the connection was closed");
	assert_int_equal(cluster_state(&c, "west"), PW_PEERING_ACTIVE);
	SPIN(1500);
	assert_int_equal(cluster_state(&c, "west"), PW_PEERING_ACTIVE);
	uint64_t index = pw_store_table_index(c.store, PW_T_PEERING);
	assert_true(WAIT(1000, cluster_state(&c, "west") == PW_PEERING_FAILING));
	/* who waits for the state is told */
	assert_true(WAIT(200, pw_store_table_index(c.store, PW_T_PEERING) > index));
}

static void a_reason_ends_the_calm(void **state)
{
	struct pw_link *l = f->link;

	pw_stream_interrupted(l->stream);
	pw_stream_lost(l->stream, /*remote=*/true, "the connection was closed");
	assert_int_equal(cluster_state(&c, "west"), PW_PEERING_ACTIVE);
	pw_stream_new(l, "0d9a2c6e-9a0f-4a36-9d0c-7c1c6d0f9b21", &fake_ops, f);
	pw_stream_lost(l->stream, /*remote=*/true, "invalid peering stream secret");
	assert_int_equal(cluster_state(&c, "west"), PW_PEERING_FAILING);
}

static void an_unknown_url_ends_the_stream(void **state)
{
	fake_request(f, "type.googleapis.com/fake.Thing", "", 0);
	assert_true(f->ended);
	assert_int_equal(f->end_code, PW_GRPC_INVALID_ARGUMENT);
	assert_string_equal(
		f->end_text,
		"subscription request to unknown resource URL: type.googleapis.com/fake.Thing");
	assert_int_equal(cluster_state(&c, "west"), PW_PEERING_FAILING);
}

static void a_first_subscription_with_a_nonce_ends_the_stream(void **state)
{
	fake_request(f, pw_resource_url(PW_RESOURCE_BUNDLE), "00000001", 0);
	assert_int_equal(f->end_code, PW_GRPC_INVALID_ARGUMENT);
	assert_string_equal(
		f->end_text,
		"initial subscription requests for a resource type must not contain a nonce");
}

static void a_first_subscription_with_an_error_ends_the_stream(void **state)
{
	fake_request(f, pw_resource_url(PW_RESOURCE_BUNDLE), "", 3);
	assert_string_equal(
		f->end_text,
		"initial subscription request for a resource type must not contain an error");
}

static void unknown_nonces_and_nacks_are_survived_and_remembered(void **state)
{
	struct pw_peering_status s;

	fake_subscribe_all(f);
	fake_request(f, pw_resource_url(PW_RESOURCE_BUNDLE), "deadbeef", 0);
	fake_request(f, pw_resource_url(PW_RESOURCE_BUNDLE), "not hex!", 0);
	fake_request(f, pw_resource_url(PW_RESOURCE_BUNDLE), "00000001", 13);
	assert_false(f->ended);
	assert_int_equal(cluster_state(&c, "west"), PW_PEERING_ACTIVE);
	pw_peering_status(c.peering, pw_peering_get(c.peering, "west"), &s);
	assert_true(s.last_error_remote);
	assert_string_equal(s.last_error, "the peer refused a resource: no");
	pw_peering_status_clear(&s);
}

static void empty_messages_are_ignored(void **state)
{
	Message m = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE);

	fake_receive(f, &m);
	assert_false(f->ended);
}

static void bytes_that_are_no_message_end_the_stream(void **state)
{
	static const uint8_t junk[] = { 0x0a, 0xff, 0xff, 0x03, 'x' };

	pw_stream_receive(f->link->stream, junk, sizeof(junk));
	assert_true(f->ended);
	assert_int_equal(f->end_code, PW_GRPC_INTERNAL);
}

static int envelope(const char *nonce, const char *url, int operation, bool resource,
		    const char *type)
{
	Message m = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE);
	Response r = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE__RESPONSE);
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;

	any.type_url = (char *)type;
	r.nonce = (char *)nonce;
	r.resource_url = (char *)url;
	r.resource_id = (char *)"x";
	r.resource = resource ? &any : NULL;
	r.operation = operation;
	m.payload_case = PAYLOAD(RESPONSE);
	m.response = &r;
	fake_receive(f, &m);
	assert_false(f->ended);
	return fake_verdict(f, nonce);
}

static void bad_envelopes_are_nacked_and_the_stream_goes_on(void **state)
{
	const char *es = pw_resource_url(PW_RESOURCE_SERVICE);

	assert_int_equal(envelope("", es, 1, true, es), 3);
	assert_int_equal(envelope("1", es, 0, true, es), 3);
	assert_int_equal(envelope("1", es, 2, true, es), 3);
	assert_int_equal(envelope("1", es, 1, false, es), 3);
	assert_int_equal(envelope("1", "type.googleapis.com/fake.Thing", 1, true, es), 3);
	assert_int_equal(envelope("1", es, 1, true, pw_resource_url(PW_RESOURCE_LIST)), 13);
	assert_int_equal(envelope("1", es, 1, true, es), 0);
	/* an acceptor is not told where to dial */
	assert_int_equal(envelope("1", pw_resource_url(PW_RESOURCE_ADDRESSES), 1, true,
				  pw_resource_url(PW_RESOURCE_ADDRESSES)),
			 13);
}

static void silence_ends_the_stream_and_the_state_says_so(void **state)
{
	assert_true(WAIT(2000, f->ended));
	assert_string_equal(f->end_text, "heartbeat timeout");
	assert_int_equal(f->end_code, PW_GRPC_UNKNOWN);
	assert_int_equal(cluster_state(&c, "west"), PW_PEERING_FAILING);
	assert_true(fake_count(f, PAYLOAD(HEARTBEAT)) >= 4);
}

static void terminated_removes_what_was_imported_and_keeps_the_row(void **state)
{
	Message m = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE);
	PW_PB(Peerstream, ReplicationMessage__Terminated)
	t = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE__TERMINATED);
	struct sample s;

	sample_init(&s, "n", "a-1", "a");
	fake_response(f, "1", PW_RESOURCE_SERVICE, "a", &s.es);
	assert_non_null(cluster_imported(&c, "west", "n", "a-1"));
	m.payload_case = PAYLOAD(TERMINATED);
	m.terminated = &t;
	fake_receive(f, &m);
	assert_true(f->ended);
	assert_int_equal(f->end_code, 0);
	assert_int_equal(cluster_state(&c, "west"), PW_PEERING_TERMINATED);
	assert_null(cluster_imported(&c, "west", "n", "a-1"));
	assert_int_equal(pw_store_count(c.store, PW_T_PEERING_SECRET), 0);
}

static void heartbeats_go_before_resources_when_the_peer_reads_slowly(void **state)
{
	size_t beats;

	for (int i = 0; i < 200; i++) {
		char id[16];

		snprintf(id, sizeof(id), "s%d", i);
		cluster_service(&c, "n1", id, id, 80, "passing");
	}
	cluster_export(&c, "*", "west");
	f->budget = 20;
	fake_subscribe_all(f);
	assert_int_equal(f->budget, 0);
	fake_forget(f);
	SPIN(120);
	f->budget = 3;
	pw_stream_writable(f->link->stream);
	fake_run();
	beats = fake_count(f, PAYLOAD(HEARTBEAT));
	assert_true(beats >= 1);
	assert_int_equal(f->out[0]->payload_case, PAYLOAD(HEARTBEAT));
	f->budget = SIZE_MAX;
	pw_stream_writable(f->link->stream);
	assert_true(WAIT(2000, fake_sent(f, PW_RESOURCE_SERVICE, "s99") &&
				       fake_sent(f, PW_RESOURCE_SERVICE, "s99-sidecar-proxy")));
}

static void a_peer_that_never_reads_its_answers_is_ended(void **state)
{
	Message m = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE);
	Response r = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE__RESPONSE);
	size_t len;
	uint8_t *data;

	r.nonce = (char *)"1";
	m.payload_case = PAYLOAD(RESPONSE);
	m.response = &r;
	data = pw_pb_encode(&m, &len);
	f->budget = 0;
	for (int i = 0; i < 5000 && !f->ended; i++)
		pw_stream_receive(f->link->stream, data, len);
	free(data);
	assert_true(f->ended);
	assert_int_equal(f->end_code, PW_GRPC_RESOURCE_EXHAUSTED);
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_acceptor_subscribes_to_three_types_without_a_peer_id),
		T(a_dialer_opens_and_is_active_only_when_it_hears_something),
		T(nothing_is_sent_before_it_is_subscribed_to),
		T(an_unknown_url_ends_the_stream),
		T(a_first_subscription_with_a_nonce_ends_the_stream),
		T(a_first_subscription_with_an_error_ends_the_stream),
		T(unknown_nonces_and_nacks_are_survived_and_remembered),
		T(empty_messages_are_ignored),
		T(bytes_that_are_no_message_end_the_stream),
		T(bad_envelopes_are_nacked_and_the_stream_goes_on),
		T(silence_ends_the_stream_and_the_state_says_so),
		T(terminated_removes_what_was_imported_and_keeps_the_row),
		T(heartbeats_go_before_resources_when_the_peer_reads_slowly),
		T(a_peer_that_never_reads_its_answers_is_ended),
		T(answers_that_nobody_reads_are_bounded),
		T(what_a_peer_does_wrong_does_not_fill_the_log),
		T(an_end_without_a_reason_is_no_alarm_for_two_seconds),
		T(a_reason_ends_the_calm),
	};

	return cmocka_run_group_tests_name("peering_stream", tests, NULL, NULL);
}
