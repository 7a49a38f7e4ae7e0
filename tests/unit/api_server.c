// SPDX-License-Identifier: Apache-2.0
/* The server below the resources: routes, gate, limits, slow and broken clients. */
#include "api_client.h"

static void unknown_paths_are_404(void **state)
{
	expect_answer(*state, "GET", "/v1/nonsense", NULL, 404,
		      "Invalid URL path: not a recognized HTTP API endpoint\n");
	expect_answer(*state, "GET", "/", NULL, 404,
		      "Invalid URL path: not a recognized HTTP API endpoint\n");
	expect_answer(*state, "GET", "/v1/peering/%zz", NULL, 400, "Invalid URL path");
	expect_answer(*state, "GET", "/v1/peerings?x=%00", NULL, 400, "Invalid query string");
}

static void a_wrong_method_is_405_and_told_the_right_ones(void **state)
{
	static const char *const cases[][3] = {
		{ "PUT", "/v1/peerings", "OPTIONS,GET" },
		{ "PUT", "/v1/peering/x", "OPTIONS,GET,DELETE" },
		{ "GET", "/v1/peering/token", "OPTIONS,POST" },
		{ "GET", "/v1/config", "OPTIONS,PUT" },
		{ "PATCH", "/v1/config", "OPTIONS,PUT" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		pw_autofree char *allow = pw_xasprintf("\r\nAllow: %s\r\n", cases[i][2]);
		pw_autofree char *body = pw_xasprintf("method %s not allowed", cases[i][0]);
		autoanswer a = ask(*state, cases[i][0], cases[i][1], NULL);

		assert_int_equal(a.status, 405);
		assert_non_null(strstr(a.text, allow));
		assert_non_null(strstr(a.text, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
		assert_string_equal(a.body, body);
	}
}

static void options_lists_the_methods(void **state)
{
	autoanswer a = ask(*state, "OPTIONS", "/v1/peering/token", NULL);

	assert_int_equal(a.status, 200);
	assert_non_null(strstr(a.text, "\r\nAllow: OPTIONS,POST\r\n"));
	assert_string_equal(a.body, "");
}

static void head_answers_as_get_without_a_body(void **state)
{
	autoanswer a = ask(*state, "HEAD", "/v1/catalog/datacenters", NULL);

	assert_int_equal(a.status, 200);
	assert_string_equal(a.body, "");
}

static void pretty_indents(void **state)
{
	expect_answer(*state, "GET", "/v1/catalog/datacenters?pretty", NULL, 200,
		      "[\n    \"dc1\"\n]\n");
	expect_answer(*state, "GET", "/v1/catalog/datacenters", NULL, 200, "[\"dc1\"]");
}

static int status_with(struct fixture *f, const char *headers)
{
	pw_autofree char *text =
		pw_xasprintf("GET /v1/catalog/datacenters HTTP/1.1\r\n%s\r\n", headers);
	autoanswer a = ask_raw(f, text);

	return a.status;
}

static void foreign_hosts_and_origins_are_refused(void **state)
{
	assert_int_equal(status_with(*state, "Host: 127.0.0.1:8500\r\n"), 200);
	assert_int_equal(status_with(*state, "Host: [::1]:8500\r\n"), 200);
	assert_int_equal(status_with(*state, "Host: LocalHost\r\n"), 200);
	assert_int_equal(status_with(*state, "Host: gw.example:80\r\n"), 200);
	assert_int_equal(status_with(*state, "Host: evil.example\r\n"), 403);
	assert_int_equal(status_with(*state, "Host: 127.0.0.1.evil.example\r\n"), 403);
	assert_int_equal(status_with(*state, "Host: localhost\r\nOrigin: http://evil.example\r\n"),
			 403);
	assert_int_equal(status_with(*state, "Host: localhost\r\nOrigin: null\r\n"), 403);
	assert_int_equal(status_with(*state,
				     "Host: localhost:85\r\nOrigin: http://localhost:86\r\n"),
			 403);
	assert_int_equal(status_with(*state,
				     "Host: localhost:85\r\nOrigin: http://localhost:85\r\n"),
			 200);
	assert_int_equal(status_with(*state, ""), 400);
}

static void tenancy_is_refused(void **state)
{
	expect_answer(
		*state, "GET", "/v1/peerings?partition=foo", NULL, 400,
		"Invalid query parameter: \"partition\" - Partitions are a Consul Enterprise feature");
	expect_answer(
		*state, "GET", "/v1/peerings?ns=foo", NULL, 400,
		"Invalid query parameter: \"ns\" - Namespaces are a Consul Enterprise feature");
	expect_answer(*state, "GET", "/v1/catalog/nodes?dc=other", NULL, 500,
		      "No path to datacenter");
}

static void peering_answers_503_while_it_is_not_running(void **state)
{
	expect_answer(*state, "GET", "/v1/peerings", NULL, 503,
		      "peering is not running on this agent");
}

static void a_body_over_the_limit_is_413(void **state)
{
	pw_autofree char *body = pw_xcalloc(PW_API_MAX_BODY_BYTES + 2, 1);
	pw_autofree char *big = pw_xcalloc(PW_API_MAX_BIG_BODY_BYTES + 2, 1);

	memset(body, ' ', PW_API_MAX_BODY_BYTES + 1);
	memset(big, ' ', PW_API_MAX_BIG_BODY_BYTES + 1);
	expect_answer(*state, "PUT", "/v1/catalog/register", body, 413,
		      "Request body(524289 bytes) too large, max size: 524288 bytes.");
	body[PW_API_MAX_BODY_BYTES] = 0;
	expect_answer(*state, "PUT", "/v1/catalog/register", body, 400,
		      "Request decode failed: EOF");
	big[PW_API_MAX_BIG_BODY_BYTES] = 0;
	expect_answer(*state, "PUT", "/v1/config", big, 400, "Request decoding failed: EOF");
	big[PW_API_MAX_BIG_BODY_BYTES] = ' ';
	autoanswer a = ask(*state, "PUT", "/v1/config", big);
	assert_int_equal(a.status, 413);
}

static void headers_over_the_limit_are_refused(void **state)
{
	pw_autofree char *value = pw_xcalloc(PW_API_MAX_HEADER_BYTES + 1, 1);
	pw_autofree char *headers = NULL;
	int status;

	memset(value, 'x', PW_API_MAX_HEADER_BYTES);
	headers = pw_xasprintf("Host: localhost\r\nX-Long: %s\r\n", value);
	status = status_with(*state, headers);
	assert_true(status == 413 || status == 400);
	assert_int_equal(status_with(*state, "Host: localhost\r\n"), 200);
}

/* A socket that was reset before it is looked at has no peer any more, and still has bytes to be
 * read: nothing of ours may listen to them then. */
static void a_client_that_resets_before_it_is_looked_at_harms_nobody(void **state)
{
	static const char part[] = "GET /v1/catalog/nodes HTTP/1.1\r\nHost: localhost\r\n";
	struct fixture *f = *state;

	for (int i = 0; i < 20; i++) {
		struct linger reset = { .l_onoff = 1 };
		int fd = client_connect(f);

		assert_int_equal(send(fd, part, sizeof(part) - 1, MSG_NOSIGNAL), sizeof(part) - 1);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(fd);
		for (int k = 0; k < 5; k++)
			turn(f, -1);
	}
	assert_int_equal(pw_conns_count(f->api->conns), 0);
	assert_int_equal(status_with(f, "Host: localhost\r\n"), 200);
}

/* Every prefix of a request, then the end: nobody is harmed. */
static void a_truncated_request_is_forgotten(void **state)
{
	struct fixture *f = *state;
	pw_autofree char *text = request_text("PUT", "/v1/catalog/register", "{\"Node\":\"n\"}");

	for (size_t len = 0; len < strlen(text); len++) {
		int fd = client_connect(f);

		client_send(f, fd, text, len);
		close(fd);
		event_base_loop(f->base, EVLOOP_NONBLOCK);
	}
	for (int i = 0; i < 50 && pw_conns_count(f->api->conns); i++)
		turn(f, -1);
	assert_int_equal(pw_conns_count(f->api->conns), 0);
	assert_int_equal(status_with(f, "Host: localhost\r\n"), 200);
}

static void random_bytes_do_no_harm(void **state)
{
	struct fixture *f = *state;
	unsigned seed = 7;

	for (int round = 0; round < 300; round++) {
		int fd = client_connect(f);
		char junk[200];

		for (size_t i = 0; i < sizeof(junk); i++)
			junk[i] = (char)(rand_r(&seed) >> 8);
		memcpy(junk, "GET /v1/", round % 3 ? 8 : 0);
		memcpy(junk + 190, "\r\n\r\n", round % 2 ? 4 : 0);
		client_send(f, fd, junk, sizeof(junk));
		event_base_loop(f->base, EVLOOP_NONBLOCK);
		close(fd);
		event_base_loop(f->base, EVLOOP_NONBLOCK);
	}
	assert_int_equal(status_with(f, "Host: localhost\r\n"), 200);
}

static void a_connection_serves_many_requests(void **state)
{
	struct fixture *f = *state;
	pw_autofree char *text = request_text("GET", "/v1/catalog/datacenters", "");
	int fd = client_connect(f);

	for (int i = 0; i < 5; i++) {
		client_send(f, fd, text, strlen(text));
		autoanswer a = client_read(f, fd, /* head= */ false, 5000);
		assert_int_equal(a.status, 200);
	}
	close(fd);
}

static void a_slow_request_is_cut(void **state)
{
	struct fixture *f = *state;
	int silent, slow;

	pw_conns_set_timeout(f->api->conns, 300);
	silent = client_connect(f);
	slow = client_connect(f);
	client_send(f, slow, "GET / HTTP/1.1\r\nHo", 18);
	autoanswer a = client_read(f, slow, /* head= */ false, 3000);
	autoanswer b = client_read(f, silent, /* head= */ false, 3000);
	assert_int_equal(a.status, 0);
	assert_int_equal(b.status, 0);
	for (int i = 0; i < 50 && pw_conns_count(f->api->conns); i++)
		turn(f, -1);
	assert_int_equal(pw_conns_count(f->api->conns), 0);
	close(slow);
	close(silent);
}

static void connections_of_one_source_are_limited(void **state)
{
	struct fixture *f = *state;
	int fds[PW_API_MAX_PER_SOURCE + 1];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = client_connect(f);
		event_base_loop(f->base, EVLOOP_NONBLOCK);
	}
	autoanswer refused = client_read(f, fds[PW_API_MAX_PER_SOURCE], false, 3000);
	assert_int_equal(refused.status, 429);
	pw_autofree char *text = request_text("GET", "/v1/catalog/datacenters", "");
	client_send(f, fds[0], text, strlen(text));
	autoanswer first = client_read(f, fds[0], false, 3000);
	assert_int_equal(first.status, 200);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	for (int i = 0; i < 50; i++)
		turn(f, -1);
	assert_int_equal(status_with(f, "Host: localhost\r\n"), 200);
	assert_int_equal(pw_conns_count(f->api->conns) <= 1, 1);
}

static void an_address_in_use_is_named(void **state)
{
	struct fixture *f = *state;
	static const char *const addresses[] = { "127.0.0.1", NULL };
	struct pw_api_options opt = { .base = f->base,
				      .store = f->store,
				      .addresses = addresses,
				      .http_port = pw_api_port(f->api) };
	pw_autofree char *where = pw_xasprintf("127.0.0.1:%u", pw_api_port(f->api));
	struct pw_err err = PW_ERR_INIT;
	struct pw_api *api = NULL;

	assert_int_equal(pw_api_new(&api, &opt, &err), -EADDRINUSE);
	assert_null(api);
	assert_non_null(strstr(err.text, where));
}

#define with_server(t) cmocka_unit_test_setup_teardown(t, fixture_up, fixture_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		with_server(unknown_paths_are_404),
		with_server(a_wrong_method_is_405_and_told_the_right_ones),
		with_server(options_lists_the_methods),
		with_server(head_answers_as_get_without_a_body),
		with_server(pretty_indents),
		with_server(foreign_hosts_and_origins_are_refused),
		with_server(tenancy_is_refused),
		with_server(peering_answers_503_while_it_is_not_running),
		with_server(a_body_over_the_limit_is_413),
		with_server(headers_over_the_limit_are_refused),
		with_server(a_truncated_request_is_forgotten),
		with_server(random_bytes_do_no_harm),
		with_server(a_connection_serves_many_requests),
		with_server(a_slow_request_is_cut),
		with_server(connections_of_one_source_are_limited),
		with_server(an_address_in_use_is_named),
		with_server(a_client_that_resets_before_it_is_looked_at_harms_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
