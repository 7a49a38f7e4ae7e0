// SPDX-License-Identifier: Apache-2.0
/* The agent's configuration: what is taken, and that every refusal names file, line or key. */
#include "userspace/agent/config.h"
#include "userspace/base/fs.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static char dir[] = "/tmp/pw-config-XXXXXX";

static int setup(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	pw_autofree char *command = pw_xasprintf("rm -rf %s", dir);

	return system(command);
}

static int load(const char *text, struct pw_config **ret, struct pw_err *err)
{
	pw_autofree char *path = pw_xasprintf("%s/a.hcl", dir);
	char *argv[] = { "-config-file", path, "-advertise-wan", "203.0.113.1" };
	struct pw_err write_err = PW_ERR_INIT;

	assert_int_equal(pw_fs_write_atomic(path, text, strlen(text), 0600, &write_err), 0);
	return pw_config_load(ARRAY_SIZE(argv), argv, ret, err);
}

static void refused(const char *text, const char *needle)
{
	struct pw_config *c = NULL;
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(load(text, &c, &err), -EINVAL);
	assert_null(c);
	if (!strstr(err.text, needle))
		fail_msg("\"%s\" does not name %s", err.text, needle);
}

static void an_empty_file_gives_the_defaults(void **state)
{
	pw_cleanup(pw_config_free) struct pw_config *c = NULL;
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(load("", &c, &err), 0);
	assert_int_equal(c->ports.http, 8500);
	assert_int_equal(c->ports.gateway, 8443);
	assert_int_equal(c->guard_mode, PW_GUARD_LIMIT);
	assert_int_equal(c->xdp_mode, PW_XDP_AUTO);
	assert_int_equal(c->forwarders[0], PW_FORWARDER_SOCKMAP);
	assert_int_equal(c->forwarders[3], PW_FORWARDER_NONE);
	assert_int_equal(c->limits.handshake_timeout_ms, 10000);
	assert_int_equal(c->peering.heartbeat_timeout_ms, 120000);
	assert_string_equal(c->client_addr, "127.0.0.1");
}

static void the_full_example_is_taken(void **state)
{
	pw_cleanup(pw_config_free) struct pw_config *c = NULL;
	struct pw_err err = PW_ERR_INIT;
	const char *text =
		"datacenter = \"dc-east\" # a comment\n"
		"peering { enabled = true  heartbeat_interval = \"1s\"  heartbeat_timeout = \"3s\" }\n"
		"gateway {\n"
		"  interfaces = [\"eth0\"]\n"
		"  forwarders = [\"splice\", \"copy\"]\n"
		"  guard { mode = \"enforce\"  allow = [\"192.0.2.0/24\"] }\n"
		"  limits { handshake_timeout = \"2s\" }\n"
		"}\n"
		"service { name = \"web\" port = 8080 }\n"
		"service { name = \"api\" port = 8081 }\n";

	if (load(text, &c, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(c->datacenter, "dc-east");
	assert_int_equal(c->peering.heartbeat_interval_ms, 1000);
	assert_int_equal(c->guard_mode, PW_GUARD_ENFORCE);
	assert_int_equal(c->forwarders[0], PW_FORWARDER_SPLICE);
	assert_int_equal(c->limits.handshake_timeout_ms, 2000);
	assert_int_equal(c->limits.connect_timeout_ms, 5000);
	assert_int_equal(json_array_size(c->services), 2);
}

static void one_service_block_is_a_list_of_one(void **state)
{
	pw_cleanup(pw_config_free) struct pw_config *c = NULL;
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(load("service { name = \"web\" }", &c, &err), 0);
	assert_int_equal(json_array_size(c->services), 1);
}

static void unknown_keys_are_refused_with_file_and_line(void **state)
{
	refused("datacenter = \"x\"\n\nfoo = 1\n", "a.hcl:3");
	refused("gateway {\n  guard {\n    mod = \"off\"\n  }\n}\n", "a.hcl:3");
	refused("datacenter = \n", "a.hcl:1");
}

static void wrong_values_are_refused_by_key(void **state)
{
	refused("gateway { guard { mode = \"maybe\" } }", "gateway.guard.mode");
	refused("gateway { xdp = \"fast\" }", "gateway.xdp");
	refused("gateway { forwarders = [\"magic\"] }", "gateway.forwarders");
	refused("gateway { guard { allow = [\"10.0.0.1/8\"] } }", "gateway.guard.allow");
	refused("gateway { bind_addr = \"nowhere\" }", "gateway.bind_addr");
	refused("gateway { limits { hello_bytes = 1 } }", "hello_bytes");
	refused("ports { http = 70000 }", "ports.http");
	refused("datacenter = \"Upper\"", "datacenter");
	refused("log_level = \"loud\"", "log_level");
	refused("data_dir = \"relative\"", "data_dir");
	refused("peering { heartbeat_interval = \"5s\" heartbeat_timeout = \"1s\" }",
		"heartbeat_timeout");
	refused("advertise_addr_wan = 5", "advertise_addr_wan");
}

static void what_is_not_built_is_refused_by_name(void **state)
{
	refused("acl { enabled = true }", "acl.enabled");
	refused("acl { default_policy = \"deny\" }", "acl.default_policy");
	refused("acl { tokens { initial_management = \"x\" } }", "acl.tokens");
	refused("ports { https = 8501 }", "ports.https");
	refused("ports { dns = 8600 }", "ports.dns");
	refused("ports { mesh = 8444 }", "ports.mesh");
	refused("store { backend = \"etcd\" }", "store.backend");
	refused("gateway { ktls = \"require\" }", "gateway.ktls");
	refused("gateway { forwarders = [\"packet\"] }", "packet");
}

static void flags_win_over_files_and_bad_ones_are_named(void **state)
{
	pw_cleanup(pw_config_free) struct pw_config *c = NULL;
	struct pw_err err = PW_ERR_INIT;
	char *good[] = { "-advertise-wan=203.0.113.1", "--http-port", "9500", "-node=gw" };
	char *unknown[] = { "-nope", "x" };
	char *port[] = { "-http-port", "99999" };
	char *bare[] = { "-datacenter" };

	assert_int_equal(pw_config_load(ARRAY_SIZE(good), good, &c, &err), 0);
	assert_int_equal(c->ports.http, 9500);
	assert_string_equal(c->node_name, "gw");
	pw_config_free(&c);
	assert_int_equal(pw_config_load(ARRAY_SIZE(unknown), unknown, &c, &err), -EINVAL);
	assert_non_null(strstr(err.text, "-nope"));
	assert_int_equal(pw_config_load(ARRAY_SIZE(port), port, &c, &err), -EINVAL);
	assert_non_null(strstr(err.text, "-http-port"));
	assert_int_equal(pw_config_load(ARRAY_SIZE(bare), bare, &c, &err), -EINVAL);
	assert_non_null(strstr(err.text, "-datacenter"));
}

static void a_loopback_wan_address_needs_dev(void **state)
{
	pw_cleanup(pw_config_free) struct pw_config *c = NULL;
	struct pw_err err = PW_ERR_INIT;
	char *loopback[] = { "-advertise-wan", "127.0.0.1" };

	assert_int_equal(pw_config_load(ARRAY_SIZE(loopback), loopback, &c, &err), -EINVAL);
	assert_non_null(strstr(err.text, "advertise_addr_wan"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_gives_the_defaults),
		cmocka_unit_test(the_full_example_is_taken),
		cmocka_unit_test(one_service_block_is_a_list_of_one),
		cmocka_unit_test(unknown_keys_are_refused_with_file_and_line),
		cmocka_unit_test(wrong_values_are_refused_by_key),
		cmocka_unit_test(what_is_not_built_is_refused_by_name),
		cmocka_unit_test(flags_win_over_files_and_bad_ones_are_named),
		cmocka_unit_test(a_loopback_wan_address_needs_dev),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
