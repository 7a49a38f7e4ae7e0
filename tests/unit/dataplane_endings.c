// SPDX-License-Identifier: Apache-2.0
/*
 * How TLS flows end: cleanly, by reset, by a truncated stream, by a root that is no longer trusted,
 * and by floods of messages that carry nothing. The service is the test itself, so that each end is
 * its own.
 */
#include "dataplane_caller.h"
#include "../../userspace/dataplane/leg.h"
#include <poll.h>

struct pairing {
	struct world w;
	struct pw_identity *id;
	struct caller c;
	int listener, service;
	uint16_t port;
};

static struct pw_routing *to_us(struct pairing *p, struct pw_trust *trust)
{
	struct pw_routing *r = routes(&p->w, allow_web);

	r->ingress[0]->endpoints[0].addr = loopback(p->port);
	if (trust) {
		pw_trust_unref(&r->ingress[0]->trust);
		r->ingress[0]->trust = pw_trust_ref(trust);
	}
	return r;
}

static void pairing_start(struct pairing *p)
{
	world_start(&p->w, &plain_limits);
	p->listener = listen_any(&p->port);
	p->service = -1;
	p->id = service_of(&p->w.east, EAST_TD, "web");
	pw_dataplane_publish(p->w.d, to_us(p, NULL), NULL);
}

static void pairing_open(struct pairing *p)
{
	const struct timeval limit = { .tv_sec = 10 };

	pairing_start(p);
	assert_true(call(&p->c, &p->w, p->id, BILLING, TLS1_3_VERSION, NULL, NULL));
	p->service = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(p->service >= 0);
	setsockopt(p->service, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

static void pairing_close(struct pairing *p)
{
	hang_up(&p->c);
	pw_closep(&p->service);
	close(p->listener);
	WAIT_FOR(&p->w, pw_dataplane_connections(p->w.d) == 0);
	pw_identity_unref(&p->id);
	world_stop(&p->w);
}

static void expect_pass(struct pairing *p)
{
	char in[4];

	write_all(p->c.ssl, "ping", 4);
	assert_int_equal(recv(p->service, in, 4, MSG_WAITALL), 4);
	assert_int_equal(send(p->service, "pong", 4, MSG_NOSIGNAL), 4);
	read_all(p->c.ssl, in, 4);
}

static void expect_service_reset(struct pairing *p)
{
	char byte;

	assert_int_equal(recv(p->service, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
}

/* Not a clean end: no close_notify came before it. */
static void expect_caller_reset(struct pairing *p)
{
	char byte;

	errno = 0;
	assert_true(SSL_read(p->c.ssl, &byte, 1) <= 0);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(SSL_get_shutdown(p->c.ssl) & SSL_RECEIVED_SHUTDOWN, 0);
}

static void end_of_the_service_is_close_notify_then_fin(void **state)
{
	struct pairing p;
	char in[4];
	int r;

	pairing_open(&p);
	assert_int_equal(send(p.service, "last", 4, MSG_NOSIGNAL), 4);
	shutdown(p.service, SHUT_WR);
	read_all(p.c.ssl, in, 4);
	r = SSL_read(p.c.ssl, in, 1);
	assert_int_equal(SSL_get_error(p.c.ssl, r), SSL_ERROR_ZERO_RETURN);
	assert_int_equal(recv(p.c.fd, in, 1, 0), 0);
	/* The other direction lives on. */
	write_all(p.c.ssl, "more", 4);
	assert_int_equal(recv(p.service, in, 4, MSG_WAITALL), 4);
	SSL_shutdown(p.c.ssl);
	assert_int_equal(recv(p.service, in, 1, 0), 0);
	pairing_close(&p);
}

static void reset_of_the_service_is_no_close_notify(void **state)
{
	struct pairing p;
	char in[4];

	pairing_open(&p);
	expect_pass(&p);
	assert_int_equal(send(p.service, "last", 4, MSG_NOSIGNAL), 4);
	read_all(p.c.ssl, in, 4);
	reset_and_close(p.service);
	p.service = -1;
	expect_caller_reset(&p);
	pairing_close(&p);
}

static void reset_after_a_half_close_is_still_a_reset(void **state)
{
	struct pairing p;
	char in[1];

	pairing_open(&p);
	SSL_shutdown(p.c.ssl);
	assert_int_equal(recv(p.service, in, 1, 0), 0);
	reset_and_close(p.service);
	p.service = -1;
	expect_caller_reset(&p);
	pairing_close(&p);
}

static void fin_without_close_notify_resets_the_service(void **state)
{
	struct pairing p;
	char in[4];

	pairing_open(&p);
	write_all(p.c.ssl, "last", 4);
	shutdown(p.c.fd, SHUT_WR);
	assert_int_equal(recv(p.service, in, 4, MSG_WAITALL), 4);
	expect_service_reset(&p);
	pairing_close(&p);
}

static void reset_within_the_handshake_has_a_name(void **state)
{
	struct pollfd readable = { .events = POLLIN };
	char hello[4096];
	size_t n = 0, len = make_hello(BILLING, hello, sizeof(hello));
	struct pw_flow_info *flows = NULL;
	struct pairing p;

	pairing_start(&p);
	p.c = (struct caller){ .fd = -1 };
	readable.fd = dial_port(p.w.port);
	assert_int_equal(send(readable.fd, hello, len, MSG_NOSIGNAL), len);
	assert_int_equal(poll(&readable, 1, 5000), 1); /* the ServerHello */
	/* Waits for the worker's lock: now it waits for us. */
	pw_dataplane_flows(p.w.d, &flows, &n);
	free(flows);
	reset_and_close(readable.fd);
	WAIT_FOR(&p.w, p.w.seen[PW_REASON_HANDSHAKE_FAILED] == 1);
	pairing_close(&p);
}

/* --- roots --------------------------------------------------------------------------------------
 */
static struct pw_trust *trust_of(struct authority *a, struct authority *b)
{
	pw_cleanup(pw_strv_clear) struct pw_strv pems = { 0 };
	struct pw_trust *t = NULL;

	pw_strv_add(&pems, a->pems.items[0]);
	if (b)
		pw_strv_add(&pems, b->pems.items[0]);
	assert_int_equal(pw_trust_new(&t, EAST_TD, &pems, NULL), 0);
	return t;
}

static void rotation_cuts_nothing_until_the_old_root_goes(void **state)
{
	struct authority next = { 0 };
	struct pw_trust *same, *both, *after;
	struct pairing p;

	pairing_open(&p);
	authority_new(&next, EAST_TD);
	same = trust_of(&p.w.east, NULL);
	both = trust_of(&p.w.east, &next);
	after = trust_of(&next, NULL);
	expect_pass(&p);
	pw_dataplane_publish(p.w.d, to_us(&p, same), NULL);
	expect_pass(&p);
	pw_dataplane_publish(p.w.d, to_us(&p, both), NULL);
	expect_pass(&p);
	assert_int_equal(p.w.seen[PW_REASON_REVOKED], 0);
	pw_dataplane_publish(p.w.d, to_us(&p, after), NULL);
	expect_service_reset(&p);
	expect_caller_reset(&p);
	WAIT_FOR(&p.w, p.w.seen[PW_REASON_REVOKED] == 1);
	assert_string_equal(p.w.last[PW_REASON_REVOKED].source, "web");
	pw_trust_unref(&same);
	pw_trust_unref(&both);
	pw_trust_unref(&after);
	authority_clear(&next);
	pairing_close(&p);
}

/* The root goes between the caller's first and last message. */
static void nothing_is_dialled_for_a_root_that_just_went(void **state)
{
	struct pollfd readable = { .events = POLLIN };
	struct authority next = { 0 };
	struct pairing p;
	uint8_t hello[4096];
	bool connected;
	int n;

	pairing_start(&p);
	authority_new(&next, EAST_TD);
	p.c = (struct caller){ .fd = dial_port(p.w.port) };
	p.c.ctx = SSL_CTX_new(TLS_client_method());
	assert_int_equal(SSL_CTX_use_certificate(p.c.ctx, p.id->cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(p.c.ctx, p.id->key), 1);
	p.c.ssl = SSL_new(p.c.ctx);
	SSL_set_app_data(p.c.ssl, &p.c);
	SSL_set_tlsext_host_name(p.c.ssl, BILLING);
	SSL_set_connect_state(p.c.ssl);
	/* Into memory first: nothing can be answered before the ClientHello is sent by hand. */
	SSL_set_bio(p.c.ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	assert_true(SSL_do_handshake(p.c.ssl) < 0);
	n = BIO_read(SSL_get_wbio(p.c.ssl), hello, sizeof(hello));
	assert_true(n > 0);
	assert_int_equal(send(p.c.fd, hello, (size_t)n, MSG_NOSIGNAL), n);
	readable.fd = p.c.fd;
	assert_int_equal(poll(&readable, 1, 5000), 1);
	pw_dataplane_publish(p.w.d, to_us(&p, next.trust), NULL);
	SSL_set_fd(p.c.ssl, p.c.fd);
	connected = SSL_do_handshake(p.c.ssl) == 1;
	if (connected)
		assert_true(SSL_read(p.c.ssl, &connected, 1) <= 0);
	WAIT_FOR(&p.w, pw_dataplane_connections(p.w.d) == 0);
	readable.fd = p.listener;
	assert_int_equal(poll(&readable, 1, 0), 0);
	authority_clear(&next);
	pairing_close(&p);
}

/* --- floods -------------------------------------------------------------------------------------
 */
static bool update_key(SSL *ssl, int type)
{
	return SSL_key_update(ssl, type) == 1 && SSL_do_handshake(ssl) == 1;
}

static void key_updates_are_normal(void **state)
{
	struct pairing p;

	pairing_open(&p);
	for (int i = 0; i < 300; i++) {
		assert_true(update_key(p.c.ssl, i % 2 ? SSL_KEY_UPDATE_REQUESTED
						      : SSL_KEY_UPDATE_NOT_REQUESTED));
		if (i % 10 == 9)
			expect_pass(&p);
	}
	pairing_close(&p);
}

static void a_flood_of_key_updates_ends_the_flow(void **state)
{
	struct pairing p;
	int i = 0;

	pairing_open(&p);
	expect_pass(&p);
	while (i < 100000 && update_key(p.c.ssl, SSL_KEY_UPDATE_NOT_REQUESTED))
		i++;
	assert_in_range(i, 64, 99999);
	expect_service_reset(&p);
	pairing_close(&p);
}

static void tiny_records_arrive_exact(void **state)
{
	struct pairing p;
	char in[3000];

	pairing_open(&p);
	for (size_t i = 0; i < sizeof(in); i++)
		write_all(p.c.ssl, &"0123456789"[i % 10], 1);
	assert_int_equal(recv(p.service, in, sizeof(in), MSG_WAITALL), sizeof(in));
	for (size_t i = 0; i < sizeof(in); i++)
		assert_int_equal(in[i], '0' + (int)(i % 10));
	pairing_close(&p);
}

/* A leg of the gateway and its client, in this thread. */
static void leg_pair(struct pw_identity *id, struct pw_leg *ret, SSL **ret_client)
{
	SSL_CTX *server = SSL_CTX_new(TLS_server_method()), *client;
	int fds[2];

	client = SSL_CTX_new(TLS_client_method());
	assert_int_equal(SSL_CTX_use_certificate(server, id->cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(server, id->key), 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	*ret = (struct pw_leg){ .fd = fds[0], .ssl = SSL_new(server), .may_read = true };
	*ret_client = SSL_new(client);
	SSL_set_fd(ret->ssl, fds[0]);
	SSL_set_fd(*ret_client, fds[1]);
	SSL_set_accept_state(ret->ssl);
	SSL_set_connect_state(*ret_client);
	for (int i = 0; i < 10; i++) {
		SSL_do_handshake(*ret_client);
		SSL_do_handshake(ret->ssl);
	}
	assert_true(SSL_is_init_finished(ret->ssl) && SSL_is_init_finished(*ret_client));
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	pw_leg_open(ret);
}

static void tiny_records_do_not_hold_the_worker(void **state)
{
	struct authority a = { 0 };
	struct pw_identity *id;
	struct pw_leg leg;
	size_t total = 0;
	char in[4096];
	SSL *client;
	ssize_t n;
	int fd;

	authority_new(&a, OUR_TD);
	id = service_of(&a, OUR_TD, "web");
	leg_pair(id, &leg, &client);
	for (int i = 0; i < 200; i++)
		write_all(client, "x", 1);
	while ((n = pw_leg_recv(&leg, in, sizeof(in))) > 0) {
		assert_in_range(n, 1, 64);
		assert_true(leg.may_read); /* what is left announces itself by no event */
		total += (size_t)n;
	}
	assert_int_equal(n, -EAGAIN);
	assert_int_equal(total, 200);
	fd = SSL_get_fd(client);
	SSL_free(client);
	close(fd);
	pw_leg_close(&leg, /* reset= */ false);
	pw_identity_unref(&id);
	authority_clear(&a);
}

static void a_long_name_in_a_certificate_does_not_fill_the_log(void **state)
{
	pw_autofree char *name = pw_xcalloc(1, 12001), *uri = NULL;
	struct pw_identity *id;
	struct pairing p;
	bool connected;
	char byte;

	pairing_start(&p);
	memset(name, 'a', 12000);
	uri = pw_xasprintf("spiffe://" WEST_TD "/ns/default/dc/dc1/svc/%s", name);
	id = issue(&p.w.west, uri, 3600);
	connected = call(&p.c, &p.w, id, BILLING, TLS1_3_VERSION, NULL, NULL);
	if (connected)
		assert_true(SSL_read(p.c.ssl, &byte, 1) <= 0);
	WAIT_FOR(&p.w, p.w.longest_id > 0);
	assert_int_equal(p.w.longest_id, 1024);
	pw_identity_unref(&id);
	pairing_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(end_of_the_service_is_close_notify_then_fin),
		cmocka_unit_test(reset_of_the_service_is_no_close_notify),
		cmocka_unit_test(reset_after_a_half_close_is_still_a_reset),
		cmocka_unit_test(fin_without_close_notify_resets_the_service),
		cmocka_unit_test(reset_within_the_handshake_has_a_name),
		cmocka_unit_test(rotation_cuts_nothing_until_the_old_root_goes),
		cmocka_unit_test(nothing_is_dialled_for_a_root_that_just_went),
		cmocka_unit_test(key_updates_are_normal),
		cmocka_unit_test(a_flood_of_key_updates_ends_the_flow),
		cmocka_unit_test(tiny_records_arrive_exact),
		cmocka_unit_test(tiny_records_do_not_hold_the_worker),
		cmocka_unit_test(a_long_name_in_a_certificate_does_not_fill_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
