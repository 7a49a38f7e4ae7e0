// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/cli_private.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const struct cli_flag flags[] = {
	CLI_FLAG("name", CLI_STR, name, "NAME", "a name"),
	CLI_FLAG("cas", CLI_BOOL, cas, NULL, "a switch"),
	CLI_FLAG("consumer-peers", CLI_LIST, consumer_peers, "A,B", "a list"),
	CLI_FLAG("meta", CLI_MAP, meta, "K=V", "a map"),
	CLI_FLAG("modify-index", CLI_NUMBER, modify_index, "N", "a number"),
};
static const struct cli_command command = {
	.name = "test", .args = "", .summary = "Test", .flags = flags, .n_flags = ARRAY_SIZE(flags)
};

static int parse(struct cli *c, struct pw_err *err, int argc, ...)
{
	char *argv[16];
	va_list args;

	va_start(args, argc);
	for (int i = 0; i < argc; i++)
		argv[i] = va_arg(args, char *);
	va_end(args);
	*c = (struct cli){ 0 };
	return cli_flags_parse(&command, argc, argv, c, err);
}

static void one_or_two_dashes_and_equals_or_blank_mean_the_same(void **state)
{
	static char *const forms[][2] = { { "-name", "web" }, { "--name", "web" } };
	struct pw_err err = PW_ERR_INIT;
	struct cli c;

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		assert_int_equal(parse(&c, &err, 2, forms[i][0], forms[i][1]), 0);
		assert_string_equal(c.o.name, "web");
		cli_clear(&c);
	}
	assert_int_equal(parse(&c, &err, 2, "-name=a=b", "--cas=false"), 0);
	assert_string_equal(c.o.name, "a=b");
	assert_false(c.o.cas);
	cli_clear(&c);
	assert_int_equal(parse(&c, &err, 1, "--name="), 0);
	assert_string_equal(c.o.name, "");
	cli_clear(&c);
}

static void switches_take_no_value_and_arguments_may_stand_between(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	struct cli c;

	assert_int_equal(parse(&c, &err, 5, "web", "-cas", "db", "-modify-index", "18"), 0);
	assert_true(c.o.cas);
	assert_int_equal(c.o.modify_index, 18);
	assert_int_equal(c.args.n, 2);
	assert_string_equal(c.args.items[1], "db");
	cli_clear(&c);
	assert_int_equal(parse(&c, &err, 3, "-", "--", "-name"), 0);
	assert_int_equal(c.args.n, 2);
	assert_string_equal(c.args.items[0], "-");
	assert_string_equal(c.args.items[1], "-name");
	cli_clear(&c);
}

static void lists_and_maps_collect(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	struct cli c;

	assert_int_equal(parse(&c, &err, 6, "-consumer-peers", "a,b", "-consumer-peers=c", "-meta",
			       "x=1", "-meta=y=a=b"),
			 0);
	assert_int_equal(c.o.consumer_peers.n, 3);
	assert_string_equal(pw_map_get(&c.o.meta, "x"), "1");
	assert_string_equal(pw_map_get(&c.o.meta, "y"), "a=b");
	cli_clear(&c);
	assert_null(c.o.consumer_peers.items);
}

static void the_clients_flags_work_with_every_command(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	struct cli c;

	assert_int_equal(parse(&c, &err, 4, "-http-addr", "h:1", "-token=t", "-h"), 0);
	assert_string_equal(c.o.http_addr, "h:1");
	assert_string_equal(c.o.token, "t");
	assert_true(c.o.help);
	cli_clear(&c);
}

static void fails_with(const char *error, char *a, char *b)
{
	struct pw_err err = PW_ERR_INIT;
	struct cli c;

	assert_int_equal(parse(&c, &err, b ? 2 : 1, a, b), -EINVAL);
	assert_string_equal(err.text, error);
	cli_clear(&c);
}

static void mistakes_name_the_flag(void **state)
{
	fails_with("unknown flag: -nope", "--nope=1", NULL);
	fails_with("unknown flag: -nam", "-nam", "x");
	fails_with("flag needs a value: -name", "-name", NULL);
	fails_with("invalid value \"x\" for flag -meta: write key=value", "-meta", "x");
	fails_with("invalid value \"=x\" for flag -meta: write key=value", "-meta", "=x");
	fails_with("invalid value \"-1\" for flag -modify-index: write a number", "-modify-index",
		   "-1");
	fails_with("invalid value \"maybe\" for flag -cas: write true or false", "-cas=maybe",
		   NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_or_two_dashes_and_equals_or_blank_mean_the_same),
		cmocka_unit_test(switches_take_no_value_and_arguments_may_stand_between),
		cmocka_unit_test(lists_and_maps_collect),
		cmocka_unit_test(the_clients_flags_work_with_every_command),
		cmocka_unit_test(mistakes_name_the_flag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
