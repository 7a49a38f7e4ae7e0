// SPDX-License-Identifier: Apache-2.0
/* Blocking queries. */
#include "api_client.h"

static void put_node(struct fixture *f, const char *name)
{
	pw_autofree char *body = pw_xasprintf("{\"Node\":\"%s\",\"Address\":\"10.0.0.1\"}", name);

	expect_answer(f, "PUT", "/v1/catalog/register", body, 200, "true");
}

static unsigned long index_of(const struct answer *a)
{
	const char *at = strstr(a->text, "X-Consul-Index: ");

	assert_non_null(at);
	return strtoul(at + 16, NULL, 10);
}

static int start_query(struct fixture *f, const char *path, unsigned long index, const char *wait)
{
	pw_autofree char *target = pw_xasprintf("%s?index=%lu&wait=%s", path, index, wait);
	pw_autofree char *text = request_text("GET", target, "");
	int fd = client_connect(f);

	client_send(f, fd, text, strlen(text));
	for (int i = 0; i < 20; i++)
		turn(f, -1);
	return fd;
}

static void a_change_answers_the_query(void **state)
{
	struct fixture *f = *state;
	autoanswer before = ask(f, "GET", "/v1/catalog/nodes", NULL);
	unsigned long index = index_of(&before);
	int fd = start_query(f, "/v1/catalog/nodes", index, "60s");

	assert_int_equal(f->api->n_blocked, 1);
	put_node(f, "n1");
	autoanswer after = client_read(f, fd, false, 5000);
	assert_int_equal(after.status, 200);
	assert_true(index_of(&after) > index);
	assert_non_null(strstr(after.body, "\"n1\""));
	assert_int_equal(f->api->n_blocked, 0);
	close(fd);
}

static void a_change_of_another_table_does_not(void **state)
{
	struct fixture *f = *state;
	autoanswer before = ask(f, "GET", "/v1/config/mesh", NULL);
	int fd = start_query(f, "/v1/config/mesh", index_of(&before), "60s");

	put_node(f, "n1");
	for (int i = 0; i < 20; i++)
		turn(f, -1);
	assert_int_equal(f->api->n_blocked, 1);
	close(fd);
}

static void without_a_change_it_answers_when_the_wait_is_over(void **state)
{
	struct fixture *f = *state;
	autoanswer before = ask(f, "GET", "/v1/catalog/nodes", NULL);
	int64_t start = pw_now_mono_ms();
	int fd = start_query(f, "/v1/catalog/nodes", index_of(&before), "200ms");
	autoanswer after = client_read(f, fd, false, 5000);

	assert_int_equal(after.status, 200);
	/* libevent reads a coarse clock, a few milliseconds behind */
	assert_true(pw_now_mono_ms() - start >= 190);
	assert_int_equal(index_of(&after), index_of(&before));
	close(fd);
}

static void an_older_or_impossible_index_does_not_wait(void **state)
{
	struct fixture *f = *state;

	put_node(f, "n1");
	for (unsigned i = 0; i < 2; i++) {
		int fd = start_query(f, "/v1/catalog/nodes", i ? 1000000 : 1, "60s");
		autoanswer a = client_read(f, fd, false, 5000);

		assert_int_equal(a.status, 200);
		close(fd);
	}
}

static void put_service(struct fixture *f, int port)
{
	pw_autofree char *body = pw_xasprintf("{\"Name\":\"web\",\"Port\":%d}", port);

	expect_answer(f, "PUT", "/v1/agent/service/register", body, 200, "");
}

static char *hash_of(const struct answer *a)
{
	const char *at = strstr(a->text, "X-Consul-ContentHash: ");

	assert_non_null(at);
	return pw_xstrndup(at + 22, strcspn(at + 22, "\r"));
}

static int start_hash_query(struct fixture *f, const char *hash)
{
	pw_autofree char *target = pw_xasprintf("/v1/agent/service/web?hash=%s&wait=60s", hash);
	pw_autofree char *text = request_text("GET", target, "");
	int fd = client_connect(f);

	client_send(f, fd, text, strlen(text));
	for (int i = 0; i < 20; i++)
		turn(f, -1);
	return fd;
}

static void a_hash_waits_for_another_content(void **state)
{
	struct fixture *f = *state;
	int fd;

	put_service(f, 80);
	autoanswer before = ask(f, "GET", "/v1/agent/service/web", NULL);
	pw_autofree char *hash = hash_of(&before);
	assert_null(strstr(before.text, "X-Consul-Index"));
	fd = start_hash_query(f, hash);
	assert_int_equal(f->api->n_blocked, 1);
	/* the table changes, the service does not */
	expect_answer(f, "PUT", "/v1/agent/service/register", "{\"Name\":\"other\",\"Port\":1}",
		      200, "");
	assert_int_equal(f->api->n_blocked, 1);
	put_service(f, 81);
	autoanswer after = client_read(f, fd, false, 5000);
	close(fd);
	assert_int_equal(after.status, 200);
	assert_non_null(strstr(after.body, "\"Port\":81"));
	/* another hash than the present one does not wait */
	fd = start_hash_query(f, hash);
	autoanswer other = client_read(f, fd, false, 5000);
	close(fd);
	assert_int_equal(other.status, 200);
}

static void a_hash_query_is_told_that_its_service_is_gone(void **state)
{
	struct fixture *f = *state;
	int fd;

	put_service(f, 80);
	autoanswer before = ask(f, "GET", "/v1/agent/service/web", NULL);
	pw_autofree char *hash = hash_of(&before);
	fd = start_hash_query(f, hash);
	assert_int_equal(f->api->n_blocked, 1);
	expect_answer(f, "PUT", "/v1/agent/service/deregister/web", NULL, 200, "");
	autoanswer after = client_read(f, fd, false, 5000);
	close(fd);
	assert_int_equal(after.status, 404);
}

static void bad_parameters_are_told_at_once(void **state)
{
	expect_answer(*state, "GET", "/v1/catalog/nodes?index=abc", NULL, 400, "Invalid index");
	expect_answer(*state, "GET", "/v1/catalog/nodes?index=-1", NULL, 400, "Invalid index");
	expect_answer(*state, "GET", "/v1/catalog/nodes?wait=abc", NULL, 400, "Invalid wait time");
	expect_answer(*state, "GET", "/v1/catalog/nodes?stale&consistent", NULL, 400,
		      "Cannot specify ?stale with ?consistent, conflicting semantics.");
	expect_answer(*state, "GET", "/v1/health/service/x?index=9999&passing=foo", NULL, 400,
		      "Invalid value for ?passing");
}

static void a_client_that_left_is_forgotten(void **state)
{
	struct fixture *f = *state;
	autoanswer before = ask(f, "GET", "/v1/catalog/nodes", NULL);
	int fd = start_query(f, "/v1/catalog/nodes", index_of(&before), "60s");
	struct linger reset = { .l_onoff = 1 };

	assert_int_equal(f->api->n_blocked, 1);
	close(fd);
	for (int i = 0; i < 50; i++)
		turn(f, -1);
	assert_int_equal(f->api->n_blocked, 0);

	fd = start_query(f, "/v1/catalog/nodes", index_of(&before), "60s");
	assert_int_equal(f->api->n_blocked, 1);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	for (int i = 0; i < 50; i++)
		turn(f, -1);
	assert_int_equal(f->api->n_blocked, 0);
	assert_int_equal(pw_conns_count(f->api->conns), 0);
}

static void too_many_are_refused(void **state)
{
	struct fixture *f = *state;
	autoanswer before = ask(f, "GET", "/v1/catalog/nodes", NULL);
	int fd;

	f->api->n_blocked += PW_API_MAX_BLOCKED;
	fd = start_query(f, "/v1/catalog/nodes", index_of(&before), "60s");
	autoanswer a = client_read(f, fd, false, 5000);
	assert_int_equal(a.status, 429);
	f->api->n_blocked -= PW_API_MAX_BLOCKED;
	close(fd);
}

static void the_server_can_end_under_a_blocked_query(void **state)
{
	struct fixture *f = *state;
	autoanswer before = ask(f, "GET", "/v1/catalog/nodes", NULL);
	int fd = start_query(f, "/v1/catalog/nodes", index_of(&before), "60s");

	assert_int_equal(f->api->n_blocked, 1);
	pw_api_free(&f->api);
	close(fd);
}

#define with_server(t) cmocka_unit_test_setup_teardown(t, fixture_up, fixture_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		with_server(a_change_answers_the_query),
		with_server(a_change_of_another_table_does_not),
		with_server(without_a_change_it_answers_when_the_wait_is_over),
		with_server(an_older_or_impossible_index_does_not_wait),
		with_server(bad_parameters_are_told_at_once),
		with_server(a_client_that_left_is_forgotten),
		with_server(too_many_are_refused),
		with_server(the_server_can_end_under_a_blocked_query),
		with_server(a_hash_waits_for_another_content),
		with_server(a_hash_query_is_told_that_its_service_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
