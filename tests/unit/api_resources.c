// SPDX-License-Identifier: Apache-2.0
/* Handlers over a store in memory. Exact texts are compared by tests/conformance; here: what spans
 * several requests. */
#include "api_client.h"
#include "../../userspace/base/uuid.h"

#define EXACT "/v1/connect/intentions/exact"

static json_t *get_json(struct fixture *f, const char *path)
{
	autoanswer a = ask(f, "GET", path, NULL);
	json_t *v;

	assert_int_equal(a.status, 200);
	v = json_loads(a.body, JSON_DECODE_ANY, NULL);
	assert_non_null(v);
	return v;
}

static size_t count(struct fixture *f, const char *path)
{
	pw_autojson json_t *v = get_json(f, path);

	return json_is_array(v) ? json_array_size(v) : json_object_size(v);
}

static void register_billing(struct fixture *f, const char *node, const char *status)
{
	pw_autofree char *body = pw_xasprintf(
		"{\"Node\":\"%s\",\"Address\":\"10.0.0.1\",\"NodeMeta\":{\"rack\":\"%s\"},\"Service\":{\"ID\":\"b-%s\",\"Service\":\"billing\","
		"\"Port\":7000,\"Tags\":[\"%s\"]},\"Check\":{\"Node\":\"%s\",\"CheckID\":\"c\",\"Name\":\"alive\",\"Status\":\"%s\",\"ServiceID\":\"b-%s\"}}",
		node, node, node, node, node, status, node);

	expect_answer(f, "PUT", "/v1/catalog/register", body, 200, "true");
}

static void registered_instances_are_selected(void **state)
{
	struct fixture *f = *state;

	register_billing(f, "n1", "passing");
	register_billing(f, "n2", "critical");
	assert_int_equal(count(f, "/v1/health/service/billing"), 2);
	assert_int_equal(count(f, "/v1/health/service/billing?passing"), 1);
	assert_int_equal(count(f, "/v1/health/service/billing?tag=n2"), 1);
	assert_int_equal(count(f, "/v1/health/service/billing?tag=n1&tag=n2"), 0);
	assert_int_equal(count(f, "/v1/health/service/billing?node-meta=rack:n1"), 1);
	assert_int_equal(count(f, "/v1/health/service/billing?peer=west"), 0);
	assert_int_equal(count(f, "/v1/health/service/billing?filter=Node.Node==n2"), 1);
	assert_int_equal(count(f, "/v1/catalog/service/billing?node-meta=rack:n2"), 1);
	assert_int_equal(count(f, "/v1/health/state/critical"), 1);
	assert_int_equal(count(f, "/v1/health/connect/billing"), 0);
	expect_answer(f, "PUT", "/v1/catalog/deregister", "{\"Node\":\"n1\"}", 200, "true");
	assert_int_equal(count(f, "/v1/health/service/billing"), 1);
}

static void a_refused_registration_writes_nothing(void **state)
{
	struct fixture *f = *state;
	uint64_t index = pw_store_index(f->store);

	expect_answer(f, "PUT", "/v1/catalog/register", "{\"Address\":\"1.2.3.4\"}", 500,
		      "Must provide node");
	assert_int_equal(pw_store_index(f->store), index);
}

static void an_agent_service_lives_with_its_ttl_check(void **state)
{
	struct fixture *f = *state;
	const char *health = "/v1/agent/health/service/id/web";

	expect_answer(f, "PUT", "/v1/agent/service/register",
		      "{\"Name\":\"web\",\"Port\":80,\"Check\":{\"TTL\":\"600s\"}}", 200, "");
	autoanswer before = ask(f, "GET", health, NULL);
	assert_int_equal(before.status, 503);
	expect_answer(f, "PUT", "/v1/agent/check/pass/service:web?note=fine", NULL, 200, "");
	autoanswer after = ask(f, "GET", health, NULL);
	assert_int_equal(after.status, 200);
	assert_non_null(strstr(after.body, "\"Output\":\"fine\""));
	expect_answer(f, "GET", "/v1/agent/health/service/id/web?format=text", NULL, 200,
		      "passing");
	expect_answer(f, "PUT", "/v1/agent/check/update/service:web", "{\"Status\":\"no\"}", 400,
		      "Invalid check status: 'no'");
	expect_answer(f, "PUT", "/v1/agent/check/update/service:web",
		      "{\"Status\":\"warning\",\"Output\":\"o\"}", 200, "");
	autoanswer warned = ask(f, "GET", health, NULL);
	assert_int_equal(warned.status, 429);
	assert_int_equal(count(f, "/v1/agent/checks"), 1);
	expect_answer(f, "PUT", "/v1/agent/service/register?replace-existing-checks=true",
		      "{\"Name\":\"web\",\"Port\":80}", 200, "");
	assert_int_equal(count(f, "/v1/agent/checks"), 0);
	expect_answer(f, "PUT", "/v1/agent/service/deregister/web", NULL, 200, "");
	assert_int_equal(count(f, "/v1/agent/services"), 0);
}

static void config_is_written_only_at_the_right_index(void **state)
{
	struct fixture *f = *state;
	const char *entry =
		"{\"Kind\":\"exported-services\",\"Name\":\"default\",\"Services\":[{\"Name\":\"billing\",\"Consumers\":[{\"Peer\":\"west\"}]}]}";
	const char *path = "/v1/config/exported-services/default";
	pw_autofree char *good = NULL, *good_delete = NULL;

	expect_answer(f, "PUT", "/v1/config?cas=5", entry, 200, "false");
	expect_answer(f, "PUT", "/v1/config?cas=0", entry, 200, "true");
	expect_answer(f, "PUT", "/v1/config?cas=0", entry, 200, "false");
	pw_autojson json_t *v = get_json(f, path);
	long long index = pw_json_int(v, "ModifyIndex", 0);
	assert_true(index > 0);
	good = pw_xasprintf("/v1/config?cas=%lld", index);
	expect_answer(f, "PUT", good, entry, 200, "true");
	assert_int_equal(count(f, "/v1/exported-services"), 1);
	expect_answer(f, "DELETE", "/v1/config/exported-services/default?cas=1", NULL, 200,
		      "false");
	good_delete = pw_xasprintf("%s?cas=%lld", path, index);
	expect_answer(f, "DELETE", good_delete, NULL, 200, "true");
	assert_int_equal(count(f, "/v1/exported-services"), 0);
}

static void peer_sources_are_written_checked_and_removed(void **state)
{
	struct fixture *f = *state;
	const char *exact = EXACT "?source=peer:west/web&destination=billing";
	const char *check = "/v1/connect/intentions/check?source=peer:west/web&destination=billing";

	expect_answer(f, "GET", check, NULL, 200, "{\"Allowed\":false}");
	expect_answer(f, "PUT", exact, "{\"Action\":\"allow\"}", 200, "true");
	expect_answer(f, "GET", check, NULL, 200, "{\"Allowed\":true}");
	expect_answer(f, "GET",
		      "/v1/connect/intentions/check?source=peer:east/web&destination=billing", NULL,
		      200, "{\"Allowed\":false}");
	expect_answer(f, "PUT", EXACT "?source=web&destination=billing", "{\"Action\":\"deny\"}",
		      200, "true");
	expect_answer(f, "GET", check, NULL, 200, "{\"Allowed\":true}");
	pw_autojson json_t *row = get_json(f, exact);
	assert_string_equal(pw_json_str(row, "SourcePeer"), "west");
	assert_int_equal(count(f, "/v1/connect/intentions"), 2);
	expect_answer(f, "DELETE", exact, NULL, 200, "true");
	expect_answer(f, "GET", exact, NULL, 404, "Intention not found");
	expect_answer(f, "GET", check, NULL, 200, "{\"Allowed\":false}");
	assert_int_equal(count(f, "/v1/connect/intentions"), 1);
}

static void bad_ends_of_intentions_are_refused(void **state)
{
	static const char *const bad[] = { "source=peer:/x&destination=d",
					   "source=peer:west&destination=d",
					   "source=a%1fb&destination=d",
					   "source=a&destination=peer:w/d",
					   "source=default/&destination=d" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		pw_autofree char *path = pw_xasprintf(EXACT "?%s", bad[i]);
		autoanswer a = ask(*state, "PUT", path, "{\"Action\":\"allow\"}");

		assert_int_equal(a.status, 500);
	}
	autoanswer a = ask(*state, "GET", EXACT "?source=other/web&destination=d", NULL);
	assert_int_equal(a.status, 400);
}

static void certificates_are_handed_out(void **state)
{
	struct fixture *f = *state;
	pw_autojson json_t *roots = get_json(f, "/v1/connect/ca/roots");
	pw_autojson json_t *leaf = get_json(f, "/v1/agent/connect/ca/leaf/web");

	assert_int_equal(json_array_size(json_object_get(roots, "Roots")), 1);
	assert_true(pw_str_starts(pw_json_str(leaf, "PrivateKeyPEM"), "-----BEGIN "));
	assert_true(pw_str_ends(pw_json_str(leaf, "ServiceURI"), "/svc/web"));
	autoanswer pem = ask(f, "GET", "/v1/connect/ca/roots?pem=true", NULL);
	assert_true(pw_str_starts(pem.body, "-----BEGIN CERTIFICATE-----"));
}

static void the_agent_describes_itself(void **state)
{
	struct fixture *f = *state;
	pw_autojson json_t *gateway = get_json(f, "/v1/agent/gateway");
	pw_autojson json_t *self = get_json(f, "/v1/agent/self");

	assert_non_null(json_object_get(json_object_get(gateway, "Refusals"), "unknown_ca"));
	assert_true(json_is_integer(
		json_object_get(json_object_get(gateway, "Forwarders"), "HalfJoined")));
	assert_true(json_is_integer(
		json_object_get(json_object_get(gateway, "LimitsReached"), "max_connections")));
	assert_string_equal(pw_json_str(json_object_get(self, "Config"), "NodeName"), "gw-1");
	expect_answer(f, "GET", "/v1/agent/flows", NULL, 503,
		      "the data path is not running on this agent");
}

/* No path or query, however odd, brings a handler down. */
static void random_targets_are_answered(void **state)
{
	static const char *const paths[] = {
		"/v1/health/service/", "/v1/catalog/node/",
		"/v1/config/",	       "/v1/agent/service/",
		EXACT "?source=",      "/v1/connect/intentions/match?by=source&name="
	};
	static const char alphabet[] = "a%/:*?&=.1f2-0~";

	for (int round = 0; round < 600; round++) {
		uint8_t random[16];
		char tail[17] = { 0 };

		pw_random(random, sizeof(random));
		for (size_t i = 0; i < sizeof(random); i++)
			tail[i] = alphabet[random[i] % (sizeof(alphabet) - 1)];
		pw_autofree char *path =
			pw_xasprintf("%s%s", paths[round % ARRAY_SIZE(paths)], tail);
		autoanswer a = ask(*state, "GET", path, NULL);
		assert_true(a.status >= 200 && a.status <= 500);
	}
}

#define with_server(t) cmocka_unit_test_setup_teardown(t, fixture_up, fixture_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		with_server(registered_instances_are_selected),
		with_server(a_refused_registration_writes_nothing),
		with_server(an_agent_service_lives_with_its_ttl_check),
		with_server(config_is_written_only_at_the_right_index),
		with_server(peer_sources_are_written_checked_and_removed),
		with_server(bad_ends_of_intentions_are_refused),
		with_server(certificates_are_handed_out),
		with_server(the_agent_describes_itself),
		with_server(random_targets_are_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
