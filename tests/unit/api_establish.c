// SPDX-License-Identifier: Apache-2.0
/* Establishing is answered later, when the client, or the server, may be gone. */
#include "api_client.h"
#include "../../userspace/base/hash.h"

struct silent_peer {
	int listener; /* connections are completed by the kernel and never answered */
	struct pw_peering_mgr *mgr;
};

static struct silent_peer start(struct fixture *f)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct pw_peering_options opt = { .base = f->base,
					  .store = f->store,
					  .ca = f->ca,
					  .node_name = "gw-1",
					  .advertise_host = "127.0.0.1",
					  .gateway_port = 8443,
					  .enabled = true,
					  .allow_loopback = true,
					  .heartbeat_interval_ms = 15000,
					  .heartbeat_timeout_ms = 120000,
					  .max_control_connections_per_source = 16 };
	struct silent_peer p = { .listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(bind(p.listener, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(p.listener, 16), 0);
	if (pw_peering_mgr_new(&p.mgr, &opt, &err) < 0)
		fail_msg("%s", err.text);
	f->api->opt.peering = p.mgr;
	return p;
}

static void stop(struct silent_peer *p)
{
	pw_peering_mgr_free(&p->mgr);
	close(p->listener);
}

static int ask_to_establish(struct fixture *f, const struct silent_peer *p)
{
	struct sockaddr_in in;
	socklen_t len = sizeof(in);
	pw_autofree char *json = NULL, *token = NULL, *body = NULL, *text = NULL;
	int fd = client_connect(f);

	assert_int_equal(getsockname(p->listener, (struct sockaddr *)&in, &len), 0);
	json = pw_xasprintf(
		"{\"CA\":null,\"ManualServerAddresses\":null,\"ServerAddresses\":[\"127.0.0.1:%u\"],"
		"\"ServerName\":\"server.dc2.peering.0d9a2c6e-9a0f-4a36-9d0c-7c1c6d0f9b20.consul\","
		"\"PeerID\":\"0d9a2c6e-9a0f-4a36-9d0c-7c1c6d0f9b21\","
		"\"EstablishmentSecret\":\"9c8e8b0c-4e0f-4c86-8f6b-9a3c2a1d7e55\"}",
		ntohs(in.sin_port));
	token = pw_base64_encode(json, strlen(json));
	body = pw_xasprintf("{\"PeerName\":\"west\",\"PeeringToken\":\"%s\"}", token);
	text = request_text("POST", "/v1/peering/establish", body);
	client_send(f, fd, text, strlen(text));
	for (int i = 0; i < 50; i++)
		turn(f, -1);
	return fd;
}

static void a_peer_that_says_nothing_is_unavailable_in_time(void **state)
{
	struct fixture *f = *state;
	struct silent_peer p = start(f);
	int fd = ask_to_establish(f, &p);

	assert_non_null(f->api->requests);
	autoanswer a = client_read(f, fd, false, 8000);
	assert_int_equal(a.status, 503);
	assert_null(f->api->requests);
	close(fd);
	stop(&p);
}

static void a_client_that_left_is_not_missed(void **state)
{
	struct fixture *f = *state;
	struct silent_peer p = start(f);
	int64_t deadline = pw_now_mono_ms() + 8000;

	close(ask_to_establish(f, &p));
	assert_non_null(f->api->requests);
	while (f->api->requests && pw_now_mono_ms() < deadline)
		turn(f, -1);
	assert_null(f->api->requests);
	expect_answer(f, "GET", "/v1/catalog/datacenters", NULL, 200, "[\"dc1\"]");
	stop(&p);
}

static void the_server_can_end_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct silent_peer p = start(f);
	int fd = ask_to_establish(f, &p);
	int64_t deadline = pw_now_mono_ms() + 5000;

	assert_non_null(f->api->requests);
	pw_api_free(&f->api);
	while (pw_now_mono_ms() < deadline)
		turn(f, -1);
	close(fd);
	stop(&p);
}

#define with_server(t) cmocka_unit_test_setup_teardown(t, fixture_up, fixture_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		with_server(a_peer_that_says_nothing_is_unavailable_in_time),
		with_server(a_client_that_left_is_not_missed),
		with_server(the_server_can_end_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
