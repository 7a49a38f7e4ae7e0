// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/hcl.h"
#include "userspace/base/str.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void parses_to(const char *hcl, const char *json)
{
	struct pw_err err = PW_ERR_INIT;
	pw_autofree char *text = NULL;
	pw_autojson json_t *v = NULL;

	if (pw_hcl_parse(hcl, strlen(hcl), "t.hcl", &v, &err) < 0)
		fail_msg("%s", err.text);
	text = pw_json_dump(v);
	assert_string_equal(text, json);
}

static void fails_with(const char *hcl, const char *error)
{
	struct pw_err err = PW_ERR_INIT;
	json_t *v = NULL;

	assert_int_equal(pw_hcl_parse(hcl, strlen(hcl), "t.hcl", &v, &err), -EINVAL);
	assert_int_equal(err.class, PW_ERR_BAD_REQUEST);
	assert_string_equal(err.text, error);
}

static void exported_services_as_users_write_them_become_json(void **state)
{
	parses_to("Kind = \"exported-services\"\n"
		  "Name = \"default\" # ours\n"
		  "Services = [\n"
		  "  {\n"
		  "    Name = \"web\"\n"
		  "    Consumers = [ { Peer = \"west\" }, ]\n"
		  "  }\n"
		  "]\n",
		  "{\"Kind\":\"exported-services\",\"Name\":\"default\",\"Services\":[{\"Name\":"
		  "\"web\",\"Consumers\":[{\"Peer\":\"west\"}]}]}");
}

static void one_block_is_an_object_and_several_are_a_list(void **state)
{
	parses_to("ports { http = 8500 }", "{\"ports\":{\"http\":8500}}");
	parses_to("s { a = 1 }\ns { a = 2 }\ns { a = 3 }\n",
		  "{\"s\":[{\"a\":1},{\"a\":2},{\"a\":3}]}");
	parses_to("service \"web\" \"v1\" { port = 1 }\n",
		  "{\"service\":{\"web\":{\"v1\":{\"port\":1}}}}");
	parses_to("m { x = { \"a b\" = \"c\", d: [] } }",
		  "{\"m\":{\"x\":{\"a b\":\"c\",\"d\":[]}}}");
}

static void values_of_every_kind_are_read(void **state)
{
	parses_to("a = true\nb = -12\nc = 1.5\nd = \"x\\n\\\"\\u00e9\\U0001F600\"\ne = 0x10\n"
		  "f = null\n",
		  "{\"a\":true,\"b\":-12,\"c\":1.5,\"d\":\"x\\n\\\"\xc3\xa9\xf0\x9f\x98\x80\","
		  "\"e\":16,\"f\":null}");
	parses_to("/* c */ a = 1 // x\n# y\n", "{\"a\":1}");
	parses_to("a-b.c = 1", "{\"a-b.c\":1}");
	parses_to("a { b = 1  c { d = 2 } e = [] }", "{\"a\":{\"b\":1,\"c\":{\"d\":2},\"e\":[]}}");
	parses_to("a = 1 b = \"x\" c { }", "{\"a\":1,\"b\":\"x\",\"c\":{}}");
	parses_to("", "{}");
	parses_to("a = [1, 2,\n\n3\n,]\r\n", "{\"a\":[1,2,3]}");
}

static void heredocs_keep_lines_and_lose_common_indent(void **state)
{
	parses_to("a = <<EOT\n  x\ny\n  EOT\nb = 1\n", "{\"a\":\"  x\\ny\\n\",\"b\":1}");
	parses_to("a = <<-EOT\n    x\n\n      y\n    EOT\n", "{\"a\":\"x\\n\\n  y\\n\"}");
	parses_to("a = <<E\nE", "{\"a\":\"\"}");
	parses_to("a = [<<E\nx\nE\n, 1]", "{\"a\":[\"x\\n\",1]}");
	fails_with("a = <<EOT\nx\n", "t.hcl:1:5: heredoc has no end, put EOT alone on a line");
	fails_with("a = <<\nx\n",
		   "t.hcl:1:5: heredoc needs a mark alone on its line, for example <<EOT");
}

static void text_that_starts_with_a_brace_is_json(void **state)
{
	parses_to(" \n{\"a\": {\"b\": null}}", "{\"a\":{\"b\":null}}");
	fails_with("{\"a\": ", "t.hcl: unexpected EOF");
}

static void mistakes_are_named_with_their_place(void **state)
{
	fails_with("a = 1\nb = = 2\n", "t.hcl:2:5: expected a value, found '='");
	fails_with("a = 1 = 2", "t.hcl:1:7: expected a new line, found '='");
	fails_with("a = 1\na = 2\n", "t.hcl:2:3: \"a\" was set before, give it once");
	fails_with("a = 1\na { }\n", "t.hcl:2:6: \"a\" was set before, give it once");
	fails_with("a { b = 1",
		   "t.hcl:1:10: expected ',', a new line or '}', found the end of the file");
	fails_with("a = \"x\n", "t.hcl:1:5: string has no end on its line, close it with \"");
	fails_with("a = \"\\q\"", "t.hcl:1:7: unknown escape, write \\\\ for a backslash");
	fails_with("a = \"\\ud800\"", "t.hcl:1:12: escape is no character");
	fails_with("a = web", "t.hcl:1:5: \"web\" is no value, put text in quotes");
	fails_with("a = 12x", "t.hcl:1:5: this is no number, put text in quotes");
	fails_with("a = 99999999999999999999", "t.hcl:1:5: number is too large");
	fails_with("a = [1 2]", "t.hcl:1:8: expected ',' or ']' in a list, found a number");
	fails_with("/* x", "t.hcl:1:1: comment has no end, close it with */");
	fails_with("a = \"\xff\"", "t.hcl:1:5: text is not valid UTF-8, found a string");
	fails_with("\"\xff\" { }", "t.hcl:1:1: key is not valid UTF-8, found a string");
	fails_with("a $", "t.hcl:1:3: unexpected character");
}

static void depth_and_size_are_limited(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	char text[256] = "a = ";
	pw_autofree char *large = pw_xcalloc(1, 1024 * 1024 + 2);
	json_t *v = NULL;

	memset(text + 4, '[', 32);
	memset(text + 36, ']', 32);
	assert_int_equal(pw_hcl_parse(text, strlen(text), "t", &v, &err), 0);
	pw_json_decrefp(&v);
	memset(text + 4, '[', 33);
	memset(text + 37, ']', 33);
	assert_int_equal(pw_hcl_parse(text, strlen(text), "t", &v, &err), -EINVAL);
	assert_non_null(strstr(err.text, "nested deeper than 32 levels"));
	memset(large, '\n', 1024 * 1024 + 1);
	assert_int_equal(pw_hcl_parse(large, 1024 * 1024, "t", &v, &err), 0);
	pw_json_decrefp(&v);
	assert_int_equal(pw_hcl_parse(large, 1024 * 1024 + 1, "t", &v, &err), -EFBIG);
}

/* Each prefix of a good document, copied so that the sanitizer sees a read past its end. */
static void every_truncation_is_answered(void **state)
{
	static const char good[] =
		"a \"b\" { c = [1.5, { d = \"\\u0041\" }]\n /* x */ e = <<-E\n  y\n"
		"  E\n}\nf = true\n";

	for (size_t n = 0; n < sizeof(good); n++) {
		pw_autofree char *cut = pw_xcalloc(1, n);
		struct pw_err err = PW_ERR_INIT;
		pw_autojson json_t *v = NULL;

		memcpy(cut, good, n);
		if (pw_hcl_parse(cut, n, "t", &v, &err) < 0)
			assert_true(err.text[0]);
		else
			assert_true(json_is_object(v));
	}
}

static void random_bytes_are_answered(void **state)
{
	static const char alphabet[] = "ab =:,{}[]\"\\<<-E\n\r\t#/*.0123xu\xc3\xa9\xff";
	unsigned seed = 1;

	for (int round = 0; round < 20000; round++) {
		size_t len = (size_t)(rand_r(&seed) % 64);
		pw_autofree char *text = pw_xcalloc(1, len);
		struct pw_err err = PW_ERR_INIT;
		pw_autojson json_t *v = NULL;

		for (size_t i = 0; i < len; i++)
			text[i] = alphabet[(size_t)rand_r(&seed) % sizeof(alphabet)];
		if (pw_hcl_parse(text, len, "t", &v, &err) < 0)
			assert_true(err.text[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exported_services_as_users_write_them_become_json),
		cmocka_unit_test(one_block_is_an_object_and_several_are_a_list),
		cmocka_unit_test(values_of_every_kind_are_read),
		cmocka_unit_test(heredocs_keep_lines_and_lose_common_indent),
		cmocka_unit_test(text_that_starts_with_a_brace_is_json),
		cmocka_unit_test(mistakes_are_named_with_their_place),
		cmocka_unit_test(depth_and_size_are_limited),
		cmocka_unit_test(every_truncation_is_answered),
		cmocka_unit_test(random_bytes_are_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
