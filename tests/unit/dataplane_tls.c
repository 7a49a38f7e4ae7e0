// SPDX-License-Identifier: Apache-2.0
/* Who gets through the gateway and who does not, told by alerts, events, and by what the service
 * behind it saw. */
#include "dataplane_caller.h"
#include <sys/resource.h>

#define ALERT_NONE 0

/* Refused: no byte of the service, the alert, the event, and no connection to the service. */
static void expect_refusal(struct world *w, struct caller *c, bool connected, enum pw_reason reason,
			   int alert)
{
	unsigned accepts = w->echo_accepts;
	char byte;

	if (connected)
		assert_true(SSL_read(c->ssl, &byte, 1) <= 0);
	if (alert)
		assert_int_equal(c->alert, alert);
	hang_up(c);
	WAIT_FOR(w, w->seen[reason] > 0);
	WAIT_FOR(w, pw_dataplane_connections(w->d) == 0);
	assert_int_equal(w->echo_accepts, accepts);
	w->seen[reason] = 0;
}

static void allowed_caller_reaches_the_service(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct world w;
	struct caller c;

	world_start(&w, &plain_limits);
	pw_dataplane_publish(w.d, routes(&w, allow_web), NULL);
	for (size_t i = 0; i < 2; i++) {
		struct pw_identity *id = service_of(&w.east, EAST_TD, "web");

		assert_true(call(&c, &w, id,
				 i ? "BILLING"
				     ".default.default.east.external." OUR_TD
				   : BILLING,
				 versions[i], NULL, NULL));
		expect_echo(&c);
		assert_int_equal(SSL_shutdown(c.ssl), 0);
		assert_int_equal(SSL_shutdown(c.ssl), 1); /* close_notify came back */
		hang_up(&c);
		WAIT_FOR(&w, pw_dataplane_connections(w.d) == 0);
		pw_identity_unref(&id);
	}
	assert_int_equal(w.echo_accepts, 2);
	assert_int_equal(w.echo_resets, 0);
	world_stop(&w);
}

static void refused_callers_learn_nothing(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct world w;

	world_start(&w, &plain_limits);
	pw_dataplane_publish(w.d, routes(&w, allow_web), NULL);
	for (size_t i = 0; i < 2; i++) {
		bool new = versions[i] == TLS1_3_VERSION;
		const struct {
			struct pw_identity *id;
			enum pw_reason reason;
			int alert;
		} cases[] = {
			{ service_of(&w.east, EAST_TD, "db"), PW_REASON_DENIED,
			  new ? SSL_AD_ACCESS_DENIED : SSL_AD_HANDSHAKE_FAILURE },
			{ service_of(&w.west, WEST_TD, "web"), PW_REASON_UNKNOWN_CA,
			  SSL_AD_UNKNOWN_CA },
			{ service_of(&w.east, WEST_TD, "web"), PW_REASON_WRONG_SAN,
			  SSL_AD_BAD_CERTIFICATE },
			{ issue(&w.east, "spiffe://" EAST_TD "/gateway/mesh/dc/dc1", 3600),
			  PW_REASON_WRONG_SAN, SSL_AD_BAD_CERTIFICATE },
			{ issue(&w.east, "spiffe://" EAST_TD "/ns/default/dc/dc1/svc/web", -60),
			  PW_REASON_EXPIRED, SSL_AD_CERTIFICATE_EXPIRED },
			{ NULL, PW_REASON_NO_CERTIFICATE,
			  new ? SSL_AD_CERTIFICATE_REQUIRED : SSL_AD_HANDSHAKE_FAILURE },
		};

		for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
			struct pw_identity *id = cases[k].id;
			struct caller c;
			bool connected = call(&c, &w, id, BILLING, versions[i], NULL, NULL);

			expect_refusal(&w, &c, connected, cases[k].reason, cases[k].alert);
			pw_identity_unref(&id);
		}
	}
	assert_int_equal(w.echo_accepts, 0);
	world_stop(&w);
}

static void old_tls_is_a_bad_version(void **state)
{
	struct world w;
	struct caller c;

	world_start(&w, &plain_limits);
	pw_dataplane_publish(w.d, routes(&w, allow_web), NULL);
	c = (struct caller){ .fd = dial_port(w.port) };
	/* A hand-made TLS 1.1 hello: today's client libraries refuse to make one. */
	{
		char hello[256];
		size_t sni = strlen(BILLING), n = 0;
		uint8_t head[] = { 22,
				   3,
				   1,
				   0,
				   (uint8_t)(4 + 2 + 32 + 1 + 4 + 2 + 2 + 9 + sni),
				   1,
				   0,
				   0,
				   (uint8_t)(2 + 32 + 1 + 4 + 2 + 2 + 9 + sni),
				   3,
				   2 };
		uint8_t tail[] = { 0,
				   0,
				   2,
				   0xc0,
				   0x0a,
				   1,
				   0,
				   0,
				   (uint8_t)(9 + sni),
				   0,
				   0,
				   0,
				   (uint8_t)(5 + sni),
				   0,
				   (uint8_t)(3 + sni),
				   0,
				   0,
				   (uint8_t)sni };

		memcpy(hello, head, sizeof(head));
		n = sizeof(head);
		memset(hello + n, 7, 32);
		n += 32;
		memcpy(hello + n, tail, sizeof(tail));
		n += sizeof(tail);
		memcpy(hello + n, BILLING, sni);
		n += sni;
		assert_int_equal(send(c.fd, hello, n, 0), n);
	}
	WAIT_FOR(&w, w.seen[PW_REASON_BAD_VERSION] == 1);
	close(c.fd);
	world_stop(&w);
}

static void resumption_works_for_the_same_name_only(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct world w;

	world_start(&w, &plain_limits);
	pw_dataplane_publish(w.d, routes(&w, allow_web), NULL);
	for (size_t i = 0; i < 2; i++) {
		struct pw_identity *id = service_of(&w.east, EAST_TD, "web");
		SSL_SESSION *session = NULL;
		struct caller c;
		bool connected;

		assert_true(call(&c, &w, id, BILLING, versions[i], NULL, &session));
		expect_echo(&c);
		SSL_shutdown(c.ssl);
		hang_up(&c);
		assert_non_null(session);
		/* Another service, which is west's: the session must not carry the identity over.
		 */
		connected = call(&c, &w, id, AUDIT, versions[i], session, NULL);
		assert_false(SSL_session_reused(c.ssl));
		expect_refusal(&w, &c, connected, PW_REASON_UNKNOWN_CA, SSL_AD_UNKNOWN_CA);
		assert_true(call(&c, &w, /* id= */ NULL, BILLING, versions[i], session, &session));
		assert_true(SSL_session_reused(c.ssl));
		expect_echo(&c);
		SSL_shutdown(c.ssl);
		hang_up(&c);
		WAIT_FOR(&w, pw_dataplane_connections(w.d) == 0);
		SSL_SESSION_free(session);
		pw_identity_unref(&id);
	}
	world_stop(&w);
}

static void resumed_caller_is_judged_by_the_newest_intention(void **state)
{
	struct world w;
	struct pw_identity *id;
	SSL_SESSION *session = NULL;
	struct caller c;
	struct pw_routing *r1, *r2;
	bool connected;

	world_start(&w, &plain_limits);
	r1 = routes(&w, allow_web);
	r2 = routes(&w, allow_none);
	/* Same leaf, same bundle: the context and its sessions live on through the publish. */
	pw_identity_unref(&r2->ingress[0]->identity);
	r2->ingress[0]->identity = pw_identity_ref(r1->ingress[0]->identity);
	pw_dataplane_publish(w.d, r1, NULL);
	id = service_of(&w.east, EAST_TD, "web");
	assert_true(call(&c, &w, id, BILLING, TLS1_3_VERSION, NULL, &session));
	expect_echo(&c);
	SSL_shutdown(c.ssl);
	hang_up(&c);
	assert_non_null(session);
	WAIT_FOR(&w, pw_dataplane_connections(w.d) == 0);
	pw_dataplane_publish(w.d, r2, NULL);
	connected = call(&c, &w, NULL, BILLING, TLS1_3_VERSION, session, NULL);
	assert_true(SSL_session_reused(c.ssl));
	expect_refusal(&w, &c, connected, PW_REASON_DENIED, SSL_AD_ACCESS_DENIED);
	SSL_SESSION_free(session);
	pw_identity_unref(&id);
	world_stop(&w);
}

static void a_changed_intention_cuts_the_live_flow(void **state)
{
	struct world w;
	struct pw_identity *id;
	struct caller c;
	char byte;

	world_start(&w, &plain_limits);
	pw_dataplane_publish(w.d, routes(&w, allow_web), NULL);
	id = service_of(&w.east, EAST_TD, "web");
	assert_true(call(&c, &w, id, BILLING, TLS1_3_VERSION, NULL, NULL));
	expect_echo(&c);
	pw_dataplane_publish(w.d, routes(&w, allow_web), NULL);
	expect_echo(&c); /* a publish that does not concern it */
	pw_dataplane_publish(w.d, routes(&w, allow_none), NULL);
	errno = 0;
	assert_true(SSL_read(c.ssl, &byte, 1) <= 0);
	assert_int_equal(errno, ECONNRESET);
	WAIT_FOR(&w, w.seen[PW_REASON_REVOKED] == 1);
	assert_string_equal(w.last[PW_REASON_REVOKED].source, "web");
	hang_up(&c);
	WAIT_FOR(&w, w.echo_resets == 1);
	pw_identity_unref(&id);
	world_stop(&w);
}

static void before_the_first_publish_all_is_refused(void **state)
{
	struct world w;
	struct caller c;

	world_start(&w, &plain_limits);
	assert_false(call(&c, &w, NULL, BILLING, TLS1_3_VERSION, NULL, NULL));
	expect_refusal(&w, &c, false, PW_REASON_UNKNOWN_SNI, ALERT_NONE);
	world_stop(&w);
}

static void names_that_are_not_ours_are_refused(void **state)
{
	struct world w;
	struct caller c;
	int fd;
	char byte;

	world_start(&w, &plain_limits);
	pw_dataplane_publish(w.d, routes(&w, allow_web), NULL);
	assert_false(call(&c, &w, NULL, "billing.default.dc1.internal." OUR_TD, TLS1_3_VERSION,
			  NULL, NULL));
	expect_refusal(&w, &c, false, PW_REASON_UNKNOWN_SNI, ALERT_NONE);
	assert_false(call(&c, &w, NULL, NULL, TLS1_3_VERSION, NULL, NULL));
	expect_refusal(&w, &c, false, PW_REASON_NO_SNI, ALERT_NONE);
	fd = dial_port(w.port);
	assert_int_equal(send(fd, "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
	WAIT_FOR(&w, w.seen[PW_REASON_NOT_TLS] == 1);
	world_stop(&w);
}

static void control_name_is_handed_over_unread(void **state)
{
	struct world w;
	struct caller c;
	uint8_t first = 0;

	world_start(&w, &plain_limits);
	pw_dataplane_publish(w.d, routes(&w, allow_web), NULL);
	c = (struct caller){ .fd = dial_port(w.port), .ctx = SSL_CTX_new(TLS_client_method()) };
	c.ssl = SSL_new(c.ctx);
	SSL_set_app_data(c.ssl, &c);
	/* Only the hello: nobody answers here. */
	{
		BIO *out = BIO_new(BIO_s_mem()), *in = BIO_new(BIO_s_mem());
		char *data;
		long n;

		SSL_set_bio(c.ssl, in, out);
		SSL_set_tlsext_host_name(c.ssl, CONTROL);
		SSL_connect(c.ssl);
		n = BIO_get_mem_data(out, &data);
		/* One byte a segment. */
		for (long i = 0; i < n; i++)
			assert_int_equal(send(c.fd, data + i, 1, 0), 1);
	}
	WAIT_FOR(&w, w.control_fd >= 0);
	assert_int_equal(recv(w.control_fd, &first, 1, MSG_PEEK), 1);
	assert_int_equal(first, 22);
	assert_int_equal(pw_dataplane_connections(w.d), 0);
	hang_up(&c);
	world_stop(&w);
}

static void unfinished_hello_is_cut_by_the_total_limit(void **state)
{
	struct pw_limits limits = plain_limits;
	struct world w;
	int fds[3];
	char byte;

	limits.handshake_timeout_ms = 200;
	world_start(&w, &limits);
	pw_dataplane_publish(w.d, routes(&w, allow_web), NULL);
	for (int i = 0; i < 3; i++)
		fds[i] = dial_port(w.port);
	assert_int_equal(send(fds[1], "\x16\x03\x01", 3, 0), 3);
	assert_int_equal(send(fds[2], "\x16\x03\x01\x3f\x00\x01\x00\x20\x00", 9, 0), 9);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(recv(fds[i], &byte, 1, 0), -1);
		assert_int_equal(errno, ECONNRESET);
		close(fds[i]);
	}
	WAIT_FOR(&w, w.seen[PW_REASON_HANDSHAKE_TIMEOUT] == 3);
	assert_int_equal(pw_dataplane_connections(w.d), 0);
	world_stop(&w);
}

static void limits_refuse_and_say_so(void **state)
{
	struct pw_limits limits = plain_limits;
	struct world w;
	int fds[4];
	char byte;

	limits.max_connections_per_source = 3;
	world_start(&w, &limits);
	for (int i = 0; i < 4; i++) {
		fds[i] = dial_port(w.port);
		if (i < 3)
			WAIT_FOR(&w, pw_dataplane_connections(w.d) == (unsigned)i + 1);
	}
	WAIT_FOR(&w, w.seen[PW_REASON_LIMIT] == 1);
	assert_string_equal(w.last[PW_REASON_LIMIT].detail, "max_connections_per_source");
	assert_int_equal(recv(fds[3], &byte, 1, 0), -1);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	WAIT_FOR(&w, pw_dataplane_connections(w.d) == 0);
	world_stop(&w);
}

static void a_truncated_stream_resets_the_service(void **state)
{
	struct world w;
	struct pw_identity *id;
	struct caller c;

	world_start(&w, &plain_limits);
	pw_dataplane_publish(w.d, routes(&w, allow_web), NULL);
	id = service_of(&w.east, EAST_TD, "web");
	assert_true(call(&c, &w, id, BILLING, TLS1_3_VERSION, NULL, NULL));
	expect_echo(&c);
	write_all(c.ssl, "rest", 4);
	shutdown(c.fd, SHUT_WR); /* FIN without close_notify */
	WAIT_FOR(&w, w.echo_resets == 1);
	assert_int_equal(w.echo_bytes, 9);
	hang_up(&c);
	pw_identity_unref(&id);
	world_stop(&w);
}

/* The service speaks mesh TLS itself: it must get the ClientHello as it was sent. */
static struct pw_routing *native_routes(struct world *w, const struct rule *rules, bool on)
{
	struct pw_routing *r = pw_routing_new();

	r->policy = policy_of(rules);
	r->passthrough = on;
	pw_routing_add_ingress(r, ingress_of(w, BILLING, "east", "billing", NULL,
					     PW_INGRESS_PASSTHROUGH));
	return r;
}

static void native_service_gets_the_hello_untouched(void **state)
{
	char hello[4096], back[4096];
	struct pw_flow_info *flows = NULL;
	size_t len, n = 0;
	struct world w;
	int fd;

	world_start(&w, &plain_limits);
	pw_dataplane_publish(w.d, native_routes(&w, allow_web, true), NULL);
	len = make_hello(BILLING, hello, sizeof(hello));
	fd = dial_port(w.port);
	for (size_t i = 0; i < len; i += 100)
		assert_true(send(fd, hello + i, pw_min(len - i, 100u), MSG_NOSIGNAL) > 0);
	assert_int_equal(recv(fd, back, len, MSG_WAITALL), len);
	assert_memory_equal(back, hello, len);
	assert_int_equal(pw_dataplane_flows(w.d, &flows, &n), 0);
	assert_int_equal(n, 1);
	assert_string_equal(flows[0].source, "opaque");
	assert_int_equal(flows[0].tls, PW_TLS_PASSTHROUGH);
	assert_int_equal(flows[0].forwarder, PW_FORWARDER_SPLICE);
	assert_string_equal(flows[0].forwarder_reason, "sockmap is not available on this host");
	free(flows);
	/* No source of the peer is left. */
	pw_dataplane_publish(w.d, native_routes(&w, allow_none, true), NULL);
	assert_int_equal(recv(fd, back, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
	WAIT_FOR(&w, w.seen[PW_REASON_REVOKED] == 1);
	world_stop(&w);
}

static void passthrough_can_be_denied_and_turned_off(void **state)
{
	const struct {
		const struct rule *rules;
		bool on;
	} cases[] = { { allow_none, true }, { allow_web, false } };
	char hello[4096];
	size_t len = make_hello(BILLING, hello, sizeof(hello));
	struct world w;

	world_start(&w, &plain_limits);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int fd;

		pw_dataplane_publish(w.d, native_routes(&w, cases[i].rules, cases[i].on), NULL);
		fd = dial_port(w.port);
		assert_int_equal(send(fd, hello, len, MSG_NOSIGNAL), len);
		assert_int_equal(recv(fd, hello + 4000, 1, 0), -1);
		assert_int_equal(errno, ECONNRESET);
		close(fd);
		WAIT_FOR(&w, w.seen[PW_REASON_DENIED] == i + 1);
	}
	assert_int_equal(w.echo_accepts, 0);
	world_stop(&w);
}

static void running_out_of_fds_refuses_and_recovers(void **state)
{
	struct rlimit old, low;
	int fillers[512], n = 0, fd;
	struct world w;
	char byte;

	world_start(&w, &plain_limits);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = (struct rlimit){ .rlim_cur = 200, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	while (n < 512 && (fillers[n] = dup(0)) >= 0)
		n++;
	assert_true(n > 0);
	close(fillers[--n]);
	fd = dial_port(w.port); /* takes the last one */
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	WAIT_FOR(&w, w.seen[PW_REASON_LIMIT] == 1);
	close(fd);
	while (n > 0)
		close(fillers[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	fd = dial_port(w.port);
	WAIT_FOR(&w, pw_dataplane_connections(w.d) == 1);
	close(fd);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allowed_caller_reaches_the_service),
		cmocka_unit_test(refused_callers_learn_nothing),
		cmocka_unit_test(old_tls_is_a_bad_version),
		cmocka_unit_test(resumption_works_for_the_same_name_only),
		cmocka_unit_test(resumed_caller_is_judged_by_the_newest_intention),
		cmocka_unit_test(a_changed_intention_cuts_the_live_flow),
		cmocka_unit_test(before_the_first_publish_all_is_refused),
		cmocka_unit_test(names_that_are_not_ours_are_refused),
		cmocka_unit_test(control_name_is_handed_over_unread),
		cmocka_unit_test(unfinished_hello_is_cut_by_the_total_limit),
		cmocka_unit_test(limits_refuse_and_say_so),
		cmocka_unit_test(a_truncated_stream_resets_the_service),
		cmocka_unit_test(native_service_gets_the_hello_untouched),
		cmocka_unit_test(passthrough_can_be_denied_and_turned_off),
		cmocka_unit_test(running_out_of_fds_refuses_and_recovers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
