// SPDX-License-Identifier: Apache-2.0
/* The whole way: application → upstream listener → mutual TLS → public port → service, through one
 * gateway that plays both sides. */
#include "dataplane_world.h"
#include <fcntl.h>

#define WEST_BILLING "billing.default.default.ours.external." WEST_TD

struct link {
	uint16_t upstream;
	struct pw_identity *client, *server;
	const char *expect; /* service in the SPIFFE id that the callee must have */
	const char *bind;   /* address of the upstream's listener */
	bool local;
	const struct rule *rules;
	struct pw_trust *trust; /* of the callee; NULL: west's */
	uint16_t dead_port;	/* an endpoint that refuses, tried first */
	uint16_t service_port;	/* 0: the echo service */
};

/* We are "ours" towards west; west's gateway is this same process. */
static struct pw_routing *link_routes(struct world *w, const struct link *l)
{
	struct pw_routing *r = pw_routing_new();
	struct pw_egress *e = pw_new0(struct pw_egress);
	struct pw_ingress *in = pw_new0(struct pw_ingress);
	pw_autofree char *uri =
		pw_spiffe_service(WEST_TD, "dc1", l->expect ? l->expect : "billing");

	r->policy = policy_of(l->rules);
	r->passthrough = true;
	e->id = pw_xasprintf("web,billing,west,%u", l->upstream);
	assert_int_equal(pw_addr_parse(l->bind ? l->bind : "127.0.0.1", l->upstream, &e->bind), 0);
	e->source = pw_xstrdup("web");
	e->destination = pw_xstrdup("billing");
	e->peer = pw_xstrdup(l->local ? "" : "west");
	e->n_endpoints = l->dead_port ? 2 : 1;
	e->endpoints = pw_xcalloc(2, sizeof(*e->endpoints));
	e->endpoints[0].addr = loopback(l->dead_port ? l->dead_port
					: l->local   ? w->echo_port
						     : w->port);
	e->endpoints[1].addr = loopback(w->port);
	e->endpoints[0].weight = e->endpoints[1].weight = 1;
	if (!l->local) {
		e->identity = pw_identity_ref(l->client);
		e->trust = pw_trust_ref(l->trust ? l->trust : w->west.trust);
		e->sni = pw_xstrdup(WEST_BILLING);
		pw_strv_add(&e->spiffe_ids, uri);
	}
	pw_routing_add_egress(r, e);
	in->sni = pw_xstrdup(WEST_BILLING);
	in->peer = pw_xstrdup("ours");
	in->service = pw_xstrdup("billing");
	in->mode = PW_INGRESS_TERMINATE;
	in->identity = pw_identity_ref(l->server);
	in->trust = pw_trust_ref(w->ours.trust);
	in->endpoints = one_endpoint(l->service_port ? l->service_port : w->echo_port);
	in->n_endpoints = 1;
	pw_routing_add_ingress(r, in);
	return r;
}

static const struct rule allow_us[] = { { "ours", "web", "billing" },
					{ "", "web", "billing" },
					{ 0 } };

static void link_open(struct world *w, struct link *l)
{
	world_start(w, &plain_limits);
	l->upstream = free_port();
	l->client = service_of(&w->ours, OUR_TD, "web");
	l->server = service_of(&w->west, WEST_TD, "billing");
	if (!l->rules)
		l->rules = allow_us;
	pw_dataplane_publish(w->d, link_routes(w, l), NULL);
}

static void link_close(struct world *w, struct link *l)
{
	pw_identity_unref(&l->client);
	pw_identity_unref(&l->server);
	world_stop(w);
}

static void expect_echo(int fd)
{
	char in[5];

	assert_int_equal(send(fd, "hello", 5, MSG_NOSIGNAL), 5);
	assert_int_equal(recv(fd, in, 5, MSG_WAITALL), 5);
	assert_memory_equal(in, "hello", 5);
}

static void expect_reset(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
}

struct push {
	int fd;
	size_t size;
};

static void *push(void *arg)
{
	struct push *p = arg;
	static uint8_t data[65536];

	for (size_t off = 0; off < p->size;) {
		ssize_t n = send(p->fd, data, pw_min(p->size - off, sizeof(data)), MSG_NOSIGNAL);

		if (n < 0)
			return NULL;
		off += (size_t)n;
	}
	shutdown(p->fd, SHUT_WR);
	return NULL;
}

static void request_crosses_both_gateways(void **state)
{
	struct link l = { 0 };
	struct pw_flow_info *flows = NULL;
	size_t n = 0, got = 0;
	struct world w;
	struct push p;
	pthread_t t;
	char buf[65536];
	ssize_t m;

	link_open(&w, &l);
	p = (struct push){ .fd = dial_port(l.upstream), .size = 20 << 20 };
	expect_echo(p.fd);
	assert_int_equal(pw_dataplane_flows(w.d, &flows, &n), 0);
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++) {
		bool out = flows[i].direction == PW_DIRECTION_OUTBOUND;

		assert_string_equal(flows[i].peer, out ? "west" : "ours");
		assert_string_equal(flows[i].source, "web");
		assert_string_equal(flows[i].destination, "billing");
		assert_int_equal(flows[i].tls, PW_TLS_USERSPACE);
		assert_int_equal(flows[i].forwarder, PW_FORWARDER_COPY);
		assert_int_equal(flows[i].bytes_in, 5);
		assert_int_equal(flows[i].bytes_out, 5);
		assert_int_equal(flows[i].state, PW_FLOW_OPEN);
	}
	free(flows);
	/* A half-close crosses both, and 20 MB come back exact in number. */
	assert_int_equal(pthread_create(&t, NULL, push, &p), 0);
	while ((m = recv(p.fd, buf, sizeof(buf), 0)) > 0)
		got += (size_t)m;
	pthread_join(t, NULL);
	assert_int_equal(m, 0);
	assert_int_equal(got, p.size);
	close(p.fd);
	WAIT_FOR(&w, pw_dataplane_connections(w.d) == 0);
	assert_int_equal(w.echo_resets, 0);
	link_close(&w, &l);
}

static void wrong_callee_gets_no_byte(void **state)
{
	struct link l = { .expect = "other" };
	struct world w;
	char byte;
	int fd;

	link_open(&w, &l);
	fd = dial_port(l.upstream);
	/* Whichever call meets the reset first takes the error with it. */
	if (send(fd, "secret", 6, MSG_NOSIGNAL) == 6)
		assert_true(recv(fd, &byte, 1, 0) <= 0);
	close(fd);
	WAIT_FOR(&w, w.seen[PW_REASON_WRONG_SAN] == 1);
	assert_string_equal(w.last[PW_REASON_WRONG_SAN].their_id,
			    "spiffe://" WEST_TD "/ns/default/dc/dc1/svc/billing");
	assert_int_equal(w.echo_bytes, 0);
	link_close(&w, &l);
}

static void refusal_by_the_far_side_resets_the_application(void **state)
{
	struct link l = { .rules = allow_none };
	struct world w;
	int fd;

	link_open(&w, &l);
	fd = dial_port(l.upstream);
	expect_reset(fd);
	/* Both sides name it: the exporter refuses, the importer is told so by the alert. */
	WAIT_FOR(&w, w.seen[PW_REASON_DENIED] == 2);
	assert_int_equal(w.echo_accepts, 0);
	link_close(&w, &l);
}

static void foreign_source_is_refused(void **state)
{
	struct link l = { .bind = "0.0.0.0" };
	struct world w;

	link_open(&w, &l);
	expect_reset(dial_port(l.upstream));
	WAIT_FOR(&w, w.seen[PW_REASON_FOREIGN_SOURCE] == 1);
	assert_int_equal(w.echo_accepts, 0);
	link_close(&w, &l);
}

static void dead_endpoint_is_skipped_unseen(void **state)
{
	struct link l = { .dead_port = free_port() };
	struct world w;

	link_open(&w, &l);
	for (int i = 0; i < 4; i++) {
		int fd = dial_port(l.upstream);

		expect_echo(fd);
		close(fd);
	}
	assert_int_equal(w.seen[PW_REASON_UPSTREAM_REFUSED], 0);
	link_close(&w, &l);
}

static void dead_service_is_named(void **state)
{
	struct link l = { .service_port = free_port() };
	struct world w;

	link_open(&w, &l);
	expect_reset(dial_port(l.upstream));
	WAIT_FOR(&w, w.seen[PW_REASON_UPSTREAM_REFUSED] == 1);
	link_close(&w, &l);
}

static void local_upstream_is_plain_and_obeys_intentions(void **state)
{
	struct link l = { .local = true };
	struct world w;
	int fd;

	link_open(&w, &l);
	fd = dial_port(l.upstream);
	expect_echo(fd);
	l.rules = allow_none;
	pw_dataplane_publish(w.d, link_routes(&w, &l), NULL);
	expect_reset(fd);
	WAIT_FOR(&w, w.seen[PW_REASON_REVOKED] == 1);
	expect_reset(dial_port(l.upstream));
	WAIT_FOR(&w, w.seen[PW_REASON_DENIED] == 1);
	link_close(&w, &l);
}

static void removed_root_of_the_callee_cuts_the_live_flow(void **state)
{
	struct authority other = { 0 };
	struct link l = { 0 };
	struct world w;
	int fd;

	link_open(&w, &l);
	authority_new(&other, WEST_TD);
	fd = dial_port(l.upstream);
	expect_echo(fd);
	/* The same bundle in another object. */
	pw_dataplane_publish(w.d, link_routes(&w, &l), NULL);
	expect_echo(fd);
	assert_int_equal(w.seen[PW_REASON_REVOKED], 0);
	l.trust = other.trust;
	pw_dataplane_publish(w.d, link_routes(&w, &l), NULL);
	expect_reset(fd);
	WAIT_FOR(&w, w.seen[PW_REASON_REVOKED] == 1);
	/* Nobody gets in by the old root any more. */
	expect_reset(dial_port(l.upstream));
	WAIT_FOR(&w, w.seen[PW_REASON_UNKNOWN_CA] == 1);
	authority_clear(&other);
	link_close(&w, &l);
}

static void reset_of_the_application_reaches_the_service(void **state)
{
	struct link l = { 0 };
	struct world w;
	int fd;

	link_open(&w, &l);
	fd = dial_port(l.upstream);
	expect_echo(fd);
	reset_and_close(fd);
	WAIT_FOR(&w, w.echo_resets == 1);
	WAIT_FOR(&w, pw_dataplane_connections(w.d) == 0);
	link_close(&w, &l);
}

static void listeners_follow_publishes(void **state)
{
	pw_cleanup(pw_strv_clear) struct pw_strv failed = { 0 };
	struct link l = { 0 };
	struct world w;
	uint16_t old;
	int fd, taken;

	link_open(&w, &l);
	fd = dial_port(l.upstream);
	expect_echo(fd);
	pw_dataplane_publish(w.d, link_routes(&w, &l), &failed);
	assert_int_equal(failed.n, 0);
	expect_echo(fd);
	old = l.upstream;
	/* An upstream that is gone takes its flow with it and frees its address. */
	l.upstream = free_port();
	pw_dataplane_publish(w.d, link_routes(&w, &l), &failed);
	assert_int_equal(failed.n, 0);
	expect_reset(fd);
	fd = dial_port(l.upstream);
	expect_echo(fd);
	close(fd);
	l.upstream = old;
	pw_dataplane_publish(w.d, link_routes(&w, &l), &failed);
	assert_int_equal(failed.n, 0);
	fd = dial_port(old);
	expect_echo(fd);
	close(fd);
	/* One that cannot be bound is named and stops nothing. */
	taken = listen_any(&l.upstream);
	pw_dataplane_publish(w.d, link_routes(&w, &l), &failed);
	assert_int_equal(failed.n, 1);
	close(taken);
	link_close(&w, &l);
}

static void on_drained(void *arg)
{
	((struct world *)arg)->drained = true;
}

static void drain_lets_the_active_finish(void **state)
{
	struct link l = { 0 };
	struct world w;
	struct pw_addr a;
	int fd, other;

	link_open(&w, &l);
	fd = dial_port(l.upstream);
	expect_echo(fd);
	pw_dataplane_drain(w.d, on_drained, &w);
	a = loopback(w.port);
	WAIT_FOR(&w, ({
		other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		bool refused = connect(other, &a.u.sa, a.len) < 0;
		close(other);
		refused;
	}));
	expect_echo(fd);
	assert_false(w.drained);
	shutdown(fd, SHUT_WR);
	WAIT_FOR(&w, w.drained);
	close(fd);
	assert_int_equal(pw_dataplane_connections(w.d), 0);
	link_close(&w, &l);
}

static unsigned count_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void two_thousand_connections_leave_nothing(void **state)
{
	struct link l = { 0 };
	unsigned before = 0;
	struct world w;

	link_open(&w, &l);
	for (int i = 0; i < 2000; i++) {
		int fd;

		if (i == 100) {
			WAIT_FOR(&w, pw_dataplane_connections(w.d) == 0);
			usleep(100000);
			before = count_fds();
		}
		fd = dial_port(l.upstream);
		if (i % 4)
			expect_echo(fd);
		if (i % 3)
			close(fd);
		else
			reset_and_close(fd);
	}
	WAIT_FOR(&w, pw_dataplane_connections(w.d) == 0);
	WAIT_FOR(&w, count_fds() <= before);
	link_close(&w, &l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_crosses_both_gateways),
		cmocka_unit_test(wrong_callee_gets_no_byte),
		cmocka_unit_test(refusal_by_the_far_side_resets_the_application),
		cmocka_unit_test(foreign_source_is_refused),
		cmocka_unit_test(dead_endpoint_is_skipped_unseen),
		cmocka_unit_test(dead_service_is_named),
		cmocka_unit_test(local_upstream_is_plain_and_obeys_intentions),
		cmocka_unit_test(removed_root_of_the_callee_cuts_the_live_flow),
		cmocka_unit_test(reset_of_the_application_reaches_the_service),
		cmocka_unit_test(listeners_follow_publishes),
		cmocka_unit_test(drain_lets_the_active_finish),
		cmocka_unit_test(two_thousand_connections_leave_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
