// SPDX-License-Identifier: Apache-2.0
/*
 * Pins, links and interfaces over restarts: nothing accumulates, nothing foreign is trusted or
 * touched, and uninstall leaves nothing. "w0" and "w1" are a veth pair of this test's own
 * namespace.
 */
#include "common.h"
#include "userspace/kernel/kernel_private.h"
#include "userspace/kernel/probe_private.h"

#include <linux/if_link.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/wait.h>

static const char *const interfaces[] = { "w0", NULL };

static void shell(const char *command)
{
	if (system(command) != 0)
		fail_msg("%s", command);
}

static int fresh(void **state)
{
	struct pw_err err = PW_ERR_INIT;

	if (system("rm -rf " BPF_DIR "/v1/maps/junk 2>/dev/null") != 0)
		return -1;
	if (pw_kernel_uninstall(BPF_DIR, NULL, &err) < 0)
		return -1;
	return system(
		"ip link del w0 2>/dev/null; ip link add w0 type veth peer name w1 && ip link set w0 up && "
		"ip link set w1 up");
}

static struct pw_kernel_options guarded(enum pw_xdp_mode xdp)
{
	struct pw_kernel_options opt = kernel_options();

	opt.interfaces = interfaces;
	opt.xdp = xdp;
	opt.guard.mode = PW_GUARD_LIMIT;
	return opt;
}

static size_t tree_size(void)
{
	FILE *f = popen("find " BPF_DIR " | wc -l", "r");
	size_t n = 0;

	assert_int_equal(fscanf(f, "%zu", &n), 1);
	pclose(f);
	return n;
}

static uint32_t map_id(const char *name)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd = map_fd(name);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	close(fd);
	return info.id;
}

static uint32_t program_id(const char *name)
{
	return pw_pins_program_id(BPF_DIR "/v1", name);
}

static struct bpf_xdp_query_opts xdp_of(const char *ifname)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, now);

	assert_int_equal(bpf_xdp_query((int)if_nametoindex(ifname), 0, &now), 0);
	return now;
}

static size_t filters_of(const char *ifname)
{
	size_t n = 0;

	return pw_netlink_filters((int)if_nametoindex(ifname), &n) == 0 ? n : 0;
}

/* Programs go when the last reference goes, a grace period later. */
static bool program_vanishes(uint32_t id)
{
	for (int ms = 0; ms < 5000; ms++) {
		int fd = bpf_prog_get_fd_by_id(id);

		if (fd == -ENOENT)
			return true;
		if (fd >= 0)
			close(fd);
		poll(NULL, 0, 1);
	}
	return false;
}

static void open_close(const struct pw_kernel_options *opt)
{
	struct pw_kernel *k = kernel_open(opt);

	pw_kernel_close(&k);
}

static void test_twenty_restarts_leave_what_one_leaves(void **state)
{
	struct pw_kernel_options opt = guarded(PW_XDP_NATIVE);
	uint32_t map, xdp, sock;
	size_t n;

	open_close(&opt);
	n = tree_size();
	map = map_id("pw_policy");
	xdp = program_id("pw_guard_xdp");
	sock = program_id("pw_sock_verdict");
	for (int i = 0; i < 20; i++)
		open_close(&opt);
	assert_int_equal(tree_size(), n);
	assert_int_equal(map_id("pw_policy"), map);
	assert_true(program_id("pw_guard_xdp") != xdp);
	assert_true(program_vanishes(xdp));
	assert_true(program_vanishes(sock));
	/* The last one's program is the one that runs, without an agent. */
	assert_int_equal(xdp_of("w0").drv_prog_id ? xdp_of("w0").drv_prog_id : xdp_of("w0").prog_id,
			 program_id("pw_guard_xdp"));
}

static void test_uninstall_leaves_nothing(void **state)
{
	static const enum pw_xdp_mode modes[] = { PW_XDP_NATIVE, PW_XDP_GENERIC, PW_XDP_TC,
						  PW_XDP_AUTO };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct pw_kernel_options opt = guarded(modes[i]);
		uint32_t xdp, tc;

		open_close(&opt);
		xdp = program_id("pw_guard_xdp");
		tc = program_id("pw_guard_tc");
		uninstall(interfaces);
		assert_int_equal(access(BPF_DIR, F_OK), -1);
		assert_int_equal(xdp_of("w0").attach_mode, XDP_ATTACHED_NONE);
		shell("! tc qdisc show dev w0 | grep -q clsact");
		assert_true(program_vanishes(xdp));
		assert_true(program_vanishes(tc));
		uninstall(interfaces); /* and once more, where nothing is */
	}
}

static void test_uninstall_finds_interfaces_that_the_configuration_lost(void **state)
{
	struct pw_kernel_options opt = guarded(PW_XDP_TC);

	open_close(&opt);
	uninstall(NULL);
	assert_int_equal(filters_of("w0"), 0);
	shell("! tc qdisc show dev w0 | grep -q clsact");
}

static void test_an_interface_that_left_the_configuration_is_not_guarded_any_more(void **state)
{
	static const enum pw_xdp_mode modes[] = { PW_XDP_NATIVE, PW_XDP_TC };
	static const char *const none[] = { NULL };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct pw_kernel_options opt = guarded(modes[i]);

		open_close(&opt);
		opt.interfaces = none;
		open_close(&opt);
		assert_int_equal(xdp_of("w0").attach_mode, XDP_ATTACHED_NONE);
		assert_int_equal(filters_of("w0"), 0);
	}
}

static void test_a_qdisc_that_others_use_stays(void **state)
{
	struct pw_kernel_options opt = guarded(PW_XDP_TC);

	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex("w0"),
		    .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, theirs, .handle = 1, .priority = 7);

	open_close(&opt);
	theirs.prog_fd = prog_fd("pw_guard_tc");
	assert_int_equal(bpf_tc_attach(&hook, &theirs), 0);
	close(theirs.prog_fd);
	uninstall(NULL);
	assert_true(filters_of("w0") > 0);
	shell("tc qdisc show dev w0 | grep -q clsact");
	shell("! tc filter show dev w0 ingress | grep -q pw_guard_tc");
}

static void test_auto_takes_tc_where_xdp_costs_and_says_so(void **state)
{
	struct pw_kernel_options opt = guarded(PW_XDP_AUTO);
	struct pw_kernel *k = kernel_open(&opt);
	const struct pw_feature_state *f = pw_kernel_features(k);

	assert_false(f[PW_FEATURE_XDP_NATIVE].present);
	assert_non_null(strstr(f[PW_FEATURE_XDP_NATIVE].why, "w0 tc (veth"));
	assert_true(f[PW_FEATURE_TC].present);
	assert_int_equal(filters_of("w0") > 0, true);
	pw_kernel_close(&k);
}

static void test_a_change_of_mode_leaves_one_guard(void **state)
{
	struct pw_kernel_options opt = guarded(PW_XDP_TC);

	open_close(&opt);
	opt.xdp = PW_XDP_NATIVE;
	open_close(&opt);
	assert_int_equal(filters_of("w0"), 0);
	assert_int_equal(xdp_of("w0").attach_mode, XDP_ATTACHED_DRV);
	opt.xdp = PW_XDP_GENERIC;
	open_close(&opt);
	assert_int_equal(xdp_of("w0").attach_mode, XDP_ATTACHED_SKB);
	opt.xdp = PW_XDP_TC;
	open_close(&opt);
	assert_int_equal(xdp_of("w0").attach_mode, XDP_ATTACHED_NONE);
	assert_true(filters_of("w0") > 0);
}

static void test_off_takes_the_guard_away_at_run_time(void **state)
{
	struct pw_kernel_options opt = guarded(PW_XDP_NATIVE);
	struct pw_kernel *k = kernel_open(&opt);
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(xdp_of("w0").attach_mode, XDP_ATTACHED_DRV);
	opt.guard.mode = PW_GUARD_OFF;
	assert_int_equal(pw_kernel_guard_set(k, &opt.guard, &err), 0);
	assert_int_equal(xdp_of("w0").attach_mode, XDP_ATTACHED_NONE);
	opt.guard.mode = PW_GUARD_ENFORCE;
	assert_int_equal(pw_kernel_guard_set(k, &opt.guard, &err), 0);
	assert_int_equal(xdp_of("w0").attach_mode, XDP_ATTACHED_DRV);
	opt.guard.gateway_port = 0;
	assert_int_equal(pw_kernel_guard_set(k, &opt.guard, &err), -EINVAL);
	pw_kernel_close(&k);
}

static void test_an_interface_made_anew_is_guarded_anew(void **state)
{
	struct pw_kernel_options opt = guarded(PW_XDP_NATIVE);

	open_close(&opt);
	shell("ip link del w0 && ip link add w0 type veth peer name w1 && ip link set w0 up");
	assert_int_equal(xdp_of("w0").attach_mode, XDP_ATTACHED_NONE);
	open_close(&opt);
	assert_int_equal(xdp_of("w0").attach_mode, XDP_ATTACHED_DRV);
}

static int attach_foreign(void)
{
	struct bpf_insn insns[] = { { .code = 0xb7, .dst_reg = 0, .imm = 2 }, { .code = 0x95 } };
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "foreign", "GPL", insns, 2, NULL);

	assert_true(fd >= 0);
	assert_int_equal(bpf_xdp_attach((int)if_nametoindex("w0"), fd, XDP_FLAGS_DRV_MODE, NULL),
			 0);
	return fd;
}

static void test_a_foreign_xdp_program_is_left_alone(void **state)
{
	struct pw_kernel_options opt = guarded(PW_XDP_NATIVE);
	struct pw_err err = PW_ERR_INIT;
	int fd = attach_foreign();
	struct pw_kernel *k = kernel_open(&opt);
	uint32_t id = xdp_of("w0").prog_id;

	assert_int_equal(pw_kernel_guard_set(k, &opt.guard, &err), -EBUSY);
	assert_non_null(strstr(err.text, "w0 already runs an XDP program that is not ours"));
	assert_false(pw_kernel_features(k)[PW_FEATURE_XDP_NATIVE].present);
	pw_kernel_close(&k);
	assert_int_equal(xdp_of("w0").prog_id, id);
	uninstall(interfaces);
	assert_int_equal(xdp_of("w0").prog_id, id);
	bpf_xdp_detach((int)if_nametoindex("w0"), XDP_FLAGS_DRV_MODE, NULL);
	close(fd);
}

static void expect_refused(const char *word)
{
	struct pw_kernel_options opt = kernel_options();
	struct pw_err err = PW_ERR_INIT;
	struct pw_kernel *k = NULL;

	assert_int_equal(pw_kernel_open(&k, &opt, &err), -EEXIST);
	assert_null(k);
	if (!strstr(err.text, word))
		fail_msg("\"%s\" does not name %s", err.text, word);
}

static void test_junk_pins_are_refused_by_name(void **state)
{
	struct pw_kernel_options opt = kernel_options();
	int fd;

	/* Another type under our name. */
	open_close(&opt);
	assert_int_equal(unlink(BPF_DIR "/v1/maps/pw_policy"), 0);
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "junk", 4, 4, 1, NULL);
	assert_int_equal(bpf_obj_pin(fd, BPF_DIR "/v1/maps/pw_policy"), 0);
	expect_refused("/v1/maps/pw_policy");
	close(fd);
	/* A program under a map's name. */
	assert_int_equal(unlink(BPF_DIR "/v1/maps/pw_policy"), 0);
	fd = prog_fd("pw_guard_xdp");
	assert_int_equal(bpf_obj_pin(fd, BPF_DIR "/v1/maps/pw_policy"), 0);
	expect_refused("/v1/maps/pw_policy");
	close(fd);
	/* A directory. */
	assert_int_equal(unlink(BPF_DIR "/v1/maps/pw_policy"), 0);
	assert_int_equal(mkdir(BPF_DIR "/v1/maps/pw_policy", 0700), 0);
	expect_refused("/v1/maps/pw_policy");
	uninstall(NULL);
	assert_int_equal(access(BPF_DIR, F_OK), -1);
	open_close(&opt);
}

static void test_another_abi_is_refused(void **state)
{
	struct pw_kernel_options opt = kernel_options();
	struct pw_meta_value meta = { .abi = PW_ABI_VERSION + 1 };
	uint32_t zero = 0;
	int fd;

	open_close(&opt);
	fd = map_fd("pw_meta");
	assert_int_equal(bpf_map_update_elem(fd, &zero, &meta, BPF_ANY), 0);
	close(fd);
	expect_refused("ABI 2");
	assert_int_equal(unlink(BPF_DIR "/v1/maps/pw_meta"), 0);
	expect_refused("pw_meta");
}

static void test_a_single_lost_pin_is_made_anew(void **state)
{
	struct pw_kernel_options opt = kernel_options();
	uint32_t kept;

	open_close(&opt);
	kept = map_id("pw_policy");
	assert_int_equal(unlink(BPF_DIR "/v1/maps/pw_routes"), 0);
	open_close(&opt);
	assert_int_equal(map_id("pw_policy"), kept);
	assert_true(map_id("pw_routes") > 0);
}

static void test_a_killed_starts_stage_is_swept(void **state)
{
	struct pw_kernel_options opt = kernel_options();

	open_close(&opt);
	assert_int_equal(mkdir(BPF_DIR "/stage-1", 0700), 0);
	assert_int_equal(mkdir(BPF_DIR "/stage-1/maps", 0700), 0);
	open_close(&opt);
	assert_int_equal(access(BPF_DIR "/stage-1", F_OK), -1);
}

static void test_a_directory_that_may_not_be_mounted_over_is_refused(void **state)
{
	struct pw_kernel_options opt = kernel_options();
	char dir[] = "/tmp/pw-bpf-XXXXXX", path[64], file[64];
	struct pw_err err = PW_ERR_INIT;
	struct pw_kernel *k = NULL;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/peerway", dir);
	snprintf(file, sizeof(file), "%s/file", dir);
	opt.bpf_dir = path;
	close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_true(pw_kernel_open(&k, &opt, &err) < 0);
	assert_non_null(strstr(err.text, dir));
	assert_non_null(strstr(err.text, "/sys/fs/bpf")); /* says where one is */
	/* An empty one is fine. */
	unlink(file);
	k = kernel_open(&opt);
	pw_kernel_close(&k);
	assert_int_equal(pw_kernel_uninstall(path, NULL, &err), 0);
	snprintf(file, sizeof(file), "umount %s", dir);
	shell(file);
	rmdir(dir);
	opt.bpf_dir = "relative/path";
	assert_int_equal(pw_kernel_open(&k, &opt, &err), -EINVAL);
}

static void test_an_interface_that_does_not_exist_is_named_and_costs_no_start(void **state)
{
	static const char *const missing[] = { "nowhere0", NULL };
	struct pw_kernel_options opt = guarded(PW_XDP_AUTO);
	struct pw_err err = PW_ERR_INIT;
	struct pw_kernel *k;

	opt.interfaces = missing;
	k = kernel_open(&opt);
	assert_true(pw_kernel_guard_set(k, &opt.guard, &err) < 0);
	assert_non_null(strstr(err.text, "nowhere0"));
	assert_non_null(strstr(pw_kernel_features(k)[PW_FEATURE_XDP_NATIVE].why, "UNGUARDED"));
	pw_kernel_close(&k);
}

static void test_a_dot_in_an_interface_name_does_no_harm(void **state)
{
	static const char *const dotted[] = { "w0.7", NULL };
	static const enum pw_xdp_mode modes[] = { PW_XDP_NATIVE, PW_XDP_TC };

	shell("ip link set w0 down && ip link set w0 name w0.7 && ip link set w0.7 up");
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct pw_kernel_options opt = guarded(modes[i]);
		struct pw_err err = PW_ERR_INIT;
		struct pw_kernel *k;

		opt.interfaces = dotted;
		k = kernel_open(&opt);
		assert_int_equal(pw_kernel_guard_set(k, &opt.guard, &err), 0);
		pw_kernel_close(&k);
		uninstall(NULL);
		assert_int_equal(xdp_of("w0.7").attach_mode, XDP_ATTACHED_NONE);
		assert_int_equal(filters_of("w0.7"), 0);
	}
	shell("ip link del w0.7");
}

/* All that an agent does after its start, with the four capabilities that it keeps. 0: all worked;
 * else the step. */
static int use_with_few_rights(struct pw_kernel *k)
{
	static const cap_value_t kept[] = { CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON,
					    CAP_NET_BIND_SERVICE };
	struct pw_guard_options g = { .mode = PW_GUARD_OFF, .gateway_port = GATEWAY_PORT };
	struct pw_policy_entry policy = { .value = { .action = PW_ACTION_ALLOW } };
	struct pw_guard_entry guard = { .key = { .prefixlen = 128 },
					.value = { .action = PW_ACTION_DENY } };
	struct pw_kernel_state want = {
		.policies = &policy, .n_policies = 1, .guards = &guard, .n_guards = 1
	};
	struct pw_flow_value flow = { .forwarder = PW_FORWARDER_SOCKMAP };
	struct pw_probe_pair pair = { -1, -1 };
	struct pw_stat_value stats[PW_REASON_MAX];
	struct pw_err err = PW_ERR_INIT;
	cap_t caps = cap_init();

	cap_set_flag(caps, CAP_PERMITTED, 4, kept, CAP_SET);
	cap_set_flag(caps, CAP_EFFECTIVE, 4, kept, CAP_SET);
	if (cap_set_proc(caps) < 0)
		return 1;
	cap_free(caps);
	if (pw_kernel_guard_set(k, &g, &err) < 0)
		return 2;
	g.mode = PW_GUARD_ENFORCE;
	if (pw_kernel_guard_set(k, &g, &err) < 0)
		return 3;
	if (pw_kernel_stage(k, &want, &err) < 0)
		return 4;
	pw_kernel_publish(k);
	if (pw_guard_put(k, &guard.key, &guard.value, &err) < 0 ||
	    pw_guard_delete(k, &guard.key) < 0)
		return 5;
	if (pw_probe_pair(&pair) < 0 || pw_flow_put(k, 77, &flow) < 0 ||
	    pw_flow_relayed(k, 77, 1) < 0)
		return 6;
	if (pw_sock_put(k, 77, pair.server) < 0 || pw_sock_delete(k, 77) < 0 ||
	    pw_flow_delete(k, 77) < 0)
		return 7;
	return pw_kernel_stats(k, stats) < 0 ? 8 : 0;
}

static void test_four_capabilities_are_enough_after_the_start(void **state)
{
	static const enum pw_xdp_mode modes[] = { PW_XDP_NATIVE, PW_XDP_TC };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct pw_kernel_options opt = guarded(modes[i]);
		struct pw_kernel *k = kernel_open(&opt);
		pid_t child = fork();
		int status = -1;

		if (child == 0)
			_exit(use_with_few_rights(k));
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
		pw_kernel_close(&k);
		uninstall(NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_twenty_restarts_leave_what_one_leaves, fresh),
		cmocka_unit_test_setup(test_uninstall_leaves_nothing, fresh),
		cmocka_unit_test_setup(
			test_an_interface_that_left_the_configuration_is_not_guarded_any_more,
			fresh),
		cmocka_unit_test_setup(test_uninstall_finds_interfaces_that_the_configuration_lost,
				       fresh),
		cmocka_unit_test_setup(test_a_qdisc_that_others_use_stays, fresh),
		cmocka_unit_test_setup(test_auto_takes_tc_where_xdp_costs_and_says_so, fresh),
		cmocka_unit_test_setup(test_a_change_of_mode_leaves_one_guard, fresh),
		cmocka_unit_test_setup(test_off_takes_the_guard_away_at_run_time, fresh),
		cmocka_unit_test_setup(test_an_interface_made_anew_is_guarded_anew, fresh),
		cmocka_unit_test_setup(test_a_foreign_xdp_program_is_left_alone, fresh),
		cmocka_unit_test_setup(test_junk_pins_are_refused_by_name, fresh),
		cmocka_unit_test_setup(test_another_abi_is_refused, fresh),
		cmocka_unit_test_setup(test_a_single_lost_pin_is_made_anew, fresh),
		cmocka_unit_test_setup(test_a_killed_starts_stage_is_swept, fresh),
		cmocka_unit_test_setup(test_a_directory_that_may_not_be_mounted_over_is_refused,
				       fresh),
		cmocka_unit_test_setup(
			test_an_interface_that_does_not_exist_is_named_and_costs_no_start, fresh),
		cmocka_unit_test_setup(test_a_dot_in_an_interface_name_does_no_harm, fresh),
		cmocka_unit_test_setup(test_four_capabilities_are_enough_after_the_start, fresh),
	};

	return cmocka_run_group_tests(tests, /* setup= */ NULL, /* teardown= */ NULL);
}
