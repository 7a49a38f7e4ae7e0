// SPDX-License-Identifier: Apache-2.0
/* Holds what the programs cost the verifier against budget.txt: a parser that explodes loads slowly
 * here and not at all on an older kernel. */
#include "common.h"

static unsigned verified(const char *name)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd = prog_fd(name);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	close(fd);
	return info.verified_insns;
}

static void test_every_program_stays_within_its_budget(void **state)
{
	struct pw_kernel_options opt = kernel_options();
	struct pw_kernel *k = kernel_open(&opt);
	FILE *f = fopen("tests/bpf/budget.txt", "re");
	char line[128], name[64];
	unsigned budget, programs = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (line[0] == '#' || sscanf(line, "%63s %u", name, &budget) != 2)
			continue;
		programs++;
		if (verified(name) > budget)
			fail_msg("%s: %u verified instructions, its budget is %u", name,
				 verified(name), budget);
	}
	fclose(f);
	assert_int_equal(programs, 3);
	pw_kernel_close(&k);
	uninstall(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(
		test_every_program_stays_within_its_budget) };

	return cmocka_run_group_tests(tests, /* setup= */ NULL, /* teardown= */ NULL);
}
