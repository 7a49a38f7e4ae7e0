// SPDX-License-Identifier: Apache-2.0
/* Stage, publish and abort against the real maps: what is there in each phase, and what a full map
 * leaves behind. */
#include "common.h"

static struct pw_kernel *kernel;

static int setup(void **state)
{
	struct pw_kernel_options opt = kernel_options();

	opt.sockmap = false;
	kernel = kernel_open(&opt);
	return 0;
}

static int teardown(void **state)
{
	pw_kernel_close(&kernel);
	uninstall(NULL);
	return 0;
}

static int clear(void **state)
{
	struct pw_kernel_state none = { .generation = 1 };
	struct pw_err err = PW_ERR_INIT;

	pw_kernel_abort(kernel);
	if (pw_kernel_stage(kernel, &none, &err) < 0)
		return -1;
	pw_kernel_publish(kernel);
	return 0;
}

static struct pw_policy_entry policy(uint32_t source, enum pw_action action)
{
	return (struct pw_policy_entry){ .key = { 1, source, 9 },
					 .value = { .action = action, .generation = 1 } };
}

static struct pw_service_entry service(const char *name, uint32_t id)
{
	struct pw_service_entry e = { .value = { .service_id = id } };

	pw_str_fill(e.key.name, sizeof(e.key.name), name);
	return e;
}

static struct pw_guard_entry guard(const char *prefix, enum pw_action action)
{
	struct pw_guard_entry e = { .value = { .action = action } };

	guard_key(prefix, &e.key);
	return e;
}

static size_t count(const char *map)
{
	uint8_t key[256], *previous = NULL;
	int fd = map_fd(map);
	size_t n = 0;

	for (; bpf_map_get_next_key(fd, previous, key) == 0; n++)
		previous = key;
	close(fd);
	return n;
}

static enum pw_action action_of(uint32_t source)
{
	struct pw_policy_value v = { .action = PW_ACTION_NONE };
	struct pw_policy_key key = { 1, source, 9 };
	int fd = map_fd("pw_policy");

	bpf_map_lookup_elem(fd, &key, &v);
	close(fd);
	return v.action;
}

static uint64_t generation(void)
{
	struct pw_meta_value v;
	int fd = map_fd("pw_meta");
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &v), 0);
	assert_int_equal(v.abi, PW_ABI_VERSION);
	assert_int_equal(v.agent_pid, getpid());
	close(fd);
	return v.generation;
}

static void stage_ok(const struct pw_kernel_state *want)
{
	struct pw_err err = PW_ERR_INIT;

	if (pw_kernel_stage(kernel, want, &err) < 0)
		fail_msg("stage: %s", err.text);
}

static void test_publish_writes_what_is_wanted_and_removes_the_rest(void **state)
{
	struct pw_service_entry services[] = { service("billing", 9), service("web", 2) };
	struct pw_policy_entry policies[] = { policy(2, PW_ACTION_ALLOW),
					      policy(3, PW_ACTION_DENY) };
	struct pw_route_entry routes[] = { { .key = { 9, 0 }, .value = { .weight = 1 } } };
	struct pw_guard_entry guards[] = { guard("192.0.2.0/24", PW_ACTION_ALLOW),
					   guard("198.51.100.0/24", PW_ACTION_DENY) };
	struct pw_kernel_state want = { services, 2, policies,	     2, routes, 1,
					guards,	  2, .generation = 7 };

	stage_ok(&want);
	pw_kernel_publish(kernel);
	assert_int_equal(count("pw_services"), 2);
	assert_int_equal(count("pw_policy"), 2);
	assert_int_equal(count("pw_routes"), 1);
	assert_int_equal(count("pw_guard"), 2);
	assert_int_equal(count("pw_guard_deny"), 1);
	assert_int_equal(generation(), 7);
	want.n_services = want.n_policies = want.n_guards = 1;
	want.n_routes = 0;
	want.generation = 8;
	stage_ok(&want);
	pw_kernel_publish(kernel);
	assert_int_equal(count("pw_services"), 1);
	assert_int_equal(count("pw_policy"), 1);
	assert_int_equal(count("pw_routes"), 0);
	assert_int_equal(count("pw_guard"), 1);
	assert_int_equal(count("pw_guard_deny"), 0);
	assert_int_equal(generation(), 8);
}

static void test_denials_hold_from_the_stage_on_and_survive_an_abort(void **state)
{
	struct pw_policy_entry before[] = { policy(1, PW_ACTION_ALLOW), policy(2, PW_ACTION_ALLOW),
					    policy(3, PW_ACTION_ALLOW) };
	struct pw_policy_entry after[] = { policy(1, PW_ACTION_ALLOW), policy(2, PW_ACTION_DENY),
					   policy(4, PW_ACTION_ALLOW) };
	struct pw_guard_entry allowed = guard("192.0.2.0/24", PW_ACTION_ALLOW),
			      denied = guard("192.0.2.0/24", PW_ACTION_DENY);
	struct pw_kernel_state want = {
		.policies = before, .n_policies = 3, .guards = &allowed, .n_guards = 1
	};

	stage_ok(&want);
	pw_kernel_publish(kernel);
	want.policies = after;
	want.guards = &denied;
	stage_ok(&want);
	assert_int_equal(action_of(1), PW_ACTION_ALLOW);
	assert_int_equal(action_of(2), PW_ACTION_DENY);
	assert_int_equal(action_of(3), PW_ACTION_NONE); /* not wanted any more */
	assert_int_equal(action_of(4), PW_ACTION_ALLOW);
	assert_int_equal(count("pw_guard_deny"), 1);
	pw_kernel_abort(kernel);
	assert_int_equal(action_of(1), PW_ACTION_ALLOW);
	assert_int_equal(action_of(2), PW_ACTION_DENY);
	assert_int_equal(action_of(3), PW_ACTION_NONE);
	assert_int_equal(action_of(4), PW_ACTION_NONE); /* an addition: taken back */
	assert_int_equal(count("pw_guard_deny"), 1);
}

static void test_abort_restores_what_was_changed(void **state)
{
	struct pw_service_entry before = service("billing", 9),
				after[] = { service("billing", 10), service("web", 2) };
	struct pw_policy_entry denied = policy(1, PW_ACTION_DENY),
			       allowed = policy(1, PW_ACTION_ALLOW);
	struct pw_kernel_state want = {
		.services = &before, .n_services = 1, .policies = &denied, .n_policies = 1
	};
	struct pw_service_value v;
	int fd = map_fd("pw_services");

	stage_ok(&want);
	pw_kernel_publish(kernel);
	want = (struct pw_kernel_state){
		.services = after, .n_services = 2, .policies = &allowed, .n_policies = 1
	};
	stage_ok(&want);
	assert_int_equal(action_of(1), PW_ACTION_ALLOW);
	pw_kernel_abort(kernel);
	assert_int_equal(count("pw_services"), 1);
	assert_int_equal(bpf_map_lookup_elem(fd, &before.key, &v), 0);
	assert_int_equal(v.service_id, 9);
	assert_int_equal(action_of(1), PW_ACTION_DENY);
	close(fd);
}

static void test_a_full_map_is_named_and_leaves_nothing_behind(void **state)
{
	struct pw_service_entry *services = calloc(PW_MAX_SERVICES + 1, sizeof(*services));
	struct pw_kernel_state want = { .services = services, .n_services = PW_MAX_SERVICES + 1 };
	struct pw_err err = PW_ERR_INIT;
	char name[32];

	for (uint32_t i = 0; i < want.n_services; i++) {
		snprintf(name, sizeof(name), "service-%u", i);
		services[i] = service(name, i);
	}
	assert_int_equal(pw_kernel_stage(kernel, &want, &err), -E2BIG);
	assert_int_equal(err.class, PW_ERR_LIMIT);
	assert_non_null(strstr(err.text, "pw_services"));
	assert_non_null(strstr(err.text, "16384"));
	assert_int_equal(count("pw_services"), 0);
	/* And the next one that fits applies. */
	want.n_services--;
	stage_ok(&want);
	pw_kernel_publish(kernel);
	assert_int_equal(count("pw_services"), PW_MAX_SERVICES);
	free(services);
}

static void test_a_full_guard_is_named_too(void **state)
{
	struct pw_guard_entry *guards = calloc(PW_MAX_GUARD + 1, sizeof(*guards));
	struct pw_kernel_state want = { .guards = guards, .n_guards = PW_MAX_GUARD + 1 };
	struct pw_err err = PW_ERR_INIT;
	char prefix[48];

	for (uint32_t i = 0; i < want.n_guards; i++) {
		snprintf(prefix, sizeof(prefix), "10.%u.%u.%u/32", i >> 16, i >> 8 & 255, i & 255);
		guards[i] = guard(prefix, PW_ACTION_ALLOW);
	}
	assert_int_equal(pw_kernel_stage(kernel, &want, &err), -E2BIG);
	assert_non_null(strstr(err.text, "pw_guard"));
	assert_int_equal(count("pw_guard"), 0);
	free(guards);
}

static void test_of_two_equal_keys_the_denial_counts(void **state)
{
	struct pw_policy_entry policies[] = { policy(1, PW_ACTION_DENY),
					      policy(1, PW_ACTION_ALLOW) };
	struct pw_guard_entry guards[] = { guard("192.0.2.0/24", PW_ACTION_DENY),
					   guard("192.0.2.0/24", PW_ACTION_ALLOW) };
	struct pw_kernel_state want = {
		.policies = policies, .n_policies = 2, .guards = guards, .n_guards = 2
	};

	guards[1].key.addr_be[15] = 77; /* bits behind the prefix are no part of the key */
	stage_ok(&want);
	pw_kernel_publish(kernel);
	assert_int_equal(action_of(1), PW_ACTION_DENY);
	assert_int_equal(count("pw_guard"), 1);
	assert_int_equal(count("pw_guard_deny"), 1);
}

static void test_a_new_generation_alone_rewrites_no_policy(void **state)
{
	struct pw_policy_entry e = policy(1, PW_ACTION_ALLOW);
	struct pw_kernel_state want = { .policies = &e, .n_policies = 1, .generation = 1 };
	struct pw_policy_value v;
	int fd = map_fd("pw_policy");

	stage_ok(&want);
	pw_kernel_publish(kernel);
	e.value.generation = want.generation = 2;
	stage_ok(&want);
	pw_kernel_publish(kernel);
	assert_int_equal(bpf_map_lookup_elem(fd, &e.key, &v), 0);
	assert_int_equal(v.generation, 1);
	assert_int_equal(generation(), 2);
	close(fd);
}

static void test_a_second_stage_waits_for_the_first(void **state)
{
	struct pw_kernel_state want = { .generation = 3 };
	struct pw_err err = PW_ERR_INIT;

	stage_ok(&want);
	assert_int_equal(pw_kernel_stage(kernel, &want, &err), -EBUSY);
	pw_kernel_abort(kernel);
	pw_kernel_abort(kernel);
	pw_kernel_publish(kernel); /* nothing staged: nothing published */
	assert_int_equal(generation(), 1);
}

static void test_a_restart_finds_the_state_and_prunes_it(void **state)
{
	struct pw_policy_entry policies[] = { policy(1, PW_ACTION_ALLOW),
					      policy(2, PW_ACTION_ALLOW) };
	struct pw_kernel_state want = { .policies = policies, .n_policies = 2, .generation = 5 };

	stage_ok(&want);
	pw_kernel_publish(kernel);
	pw_kernel_close(&kernel);
	setup(state);
	assert_int_equal(action_of(1), PW_ACTION_ALLOW);
	assert_int_equal(generation(), 5);
	want.n_policies = 1;
	stage_ok(&want);
	assert_int_equal(action_of(2), PW_ACTION_NONE);
	pw_kernel_publish(kernel);
	assert_int_equal(count("pw_policy"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_publish_writes_what_is_wanted_and_removes_the_rest,
				       clear),
		cmocka_unit_test_setup(test_denials_hold_from_the_stage_on_and_survive_an_abort,
				       clear),
		cmocka_unit_test_setup(test_abort_restores_what_was_changed, clear),
		cmocka_unit_test_setup(test_a_full_map_is_named_and_leaves_nothing_behind, clear),
		cmocka_unit_test_setup(test_a_full_guard_is_named_too, clear),
		cmocka_unit_test_setup(test_of_two_equal_keys_the_denial_counts, clear),
		cmocka_unit_test_setup(test_a_new_generation_alone_rewrites_no_policy, clear),
		cmocka_unit_test_setup(test_a_second_stage_waits_for_the_first, clear),
		cmocka_unit_test_setup(test_a_restart_finds_the_state_and_prunes_it, clear),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
