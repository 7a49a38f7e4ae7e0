// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/schema.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

struct leaf {
	char *name;
	int64_t port;
};
struct tree {
	int64_t not_a_field;
	char *name;
	char *secret;
	bool on;
	int64_t count;
	uint64_t index;
	int64_t wait_ms;
	int64_t when_ns;
	struct pw_strv tags;
	struct pw_map meta;
	struct leaf leaf;
	struct leaf *maybe;
	struct pw_list leaves;
	json_t *raw;
};
static const struct pw_field leaf_fields[] = {
	PW_FIELD(struct leaf, "Name", name, PW_F_STR, 0),
	PW_FIELD(struct leaf, "Port", port, PW_F_INT, PW_F_OMITEMPTY),
};
static const struct pw_schema leaf_schema = PW_SCHEMA("Leaf", struct leaf, leaf_fields);
static const struct pw_field tree_fields[] = {
	PW_FIELD(struct tree, "ServiceName", name, PW_F_STR, 0),
	PW_FIELD(struct tree, "Label", name, PW_F_STR, PW_F_ALIAS),
	PW_FIELD(struct tree, "Secret", secret, PW_F_STR, PW_F_HIDDEN),
	PW_FIELD(struct tree, "On", on, PW_F_BOOL, 0),
	PW_FIELD(struct tree, "Count", count, PW_F_INT, 0),
	PW_FIELD(struct tree, "Index", index, PW_F_UINT, PW_F_READONLY),
	PW_FIELD(struct tree, "Wait", wait_ms, PW_F_DURATION_MS, 0),
	PW_FIELD(struct tree, "When", when_ns, PW_F_TIME_NS, 0),
	PW_FIELD(struct tree, "Tags", tags, PW_F_STRV, 0),
	PW_FIELD(struct tree, "Meta", meta, PW_F_MAP, PW_F_NULL),
	PW_FIELD_SUB(struct tree, "Leaf", leaf, PW_F_OBJECT, PW_F_OMITEMPTY, &leaf_schema),
	PW_FIELD_SUB(struct tree, "Maybe", maybe, PW_F_POINTER, 0, &leaf_schema),
	PW_FIELD_SUB(struct tree, "Leaves", leaves, PW_F_LIST, PW_F_OMITEMPTY, &leaf_schema),
	PW_FIELD(struct tree, "Raw", raw, PW_F_JSON, PW_F_OMITEMPTY),
};
static const struct pw_schema tree_schema = PW_SCHEMA("Tree", struct tree, tree_fields);

static int decode(const char *text, unsigned flags, struct tree *t, struct pw_err *err)
{
	pw_autojson json_t *v = NULL;

	assert_int_equal(pw_json_parse(text, strlen(text), &v, err), 0);
	return pw_schema_decode(&tree_schema, v, flags, t, err);
}

static void encodes_to(const struct tree *t, unsigned flags, const char *json)
{
	pw_autojson json_t *v = pw_schema_encode(&tree_schema, t, flags);
	pw_autofree char *text = pw_json_dump(v);

	assert_string_equal(text, json);
}

static void fails_with(const char *text, unsigned flags, const char *error)
{
	struct tree t = { .count = 7, .name = pw_xstrdup("kept") };
	struct tree before = t;
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(decode(text, flags, &t, &err), -EINVAL);
	assert_int_equal(err.class, PW_ERR_BAD_REQUEST);
	assert_string_equal(err.text, error);
	assert_memory_equal(&t, &before, sizeof(t));
	pw_schema_clear(&tree_schema, &t);
}

static const char full[] =
	"{\"service_name\":\"web\",\"SECRET\":\"s\",\"on\":true,\"Count\":-3,\"wait\":\"1m30s\","
	"\"When\":\"2024-05-01T10:00:15.5Z\",\"Tags\":[\"a\",\"b\"],\"Meta\":{\"k\":\"v\"},"
	"\"Leaf\":{\"Name\":\"l\",\"Port\":80},\"Maybe\":{\"Name\":\"m\"},"
	"\"Leaves\":[{\"Name\":\"x\"},{\"Name\":\"y\",\"Port\":1}],\"Raw\":[1,{\"a\":null}]}";

static void every_type_is_decoded_and_encoded_in_the_order_of_the_fields(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	struct tree t = { 0 };

	assert_int_equal(decode(full, 0, &t, &err), 0);
	assert_string_equal(t.secret, "s");
	assert_int_equal(t.wait_ms, 90000);
	encodes_to(
		&t, 0,
		"{\"ServiceName\":\"web\",\"On\":true,\"Count\":-3,\"Index\":0,\"Wait\":\"1m30s\","
		"\"When\":\"2024-05-01T10:00:15.5Z\",\"Tags\":[\"a\",\"b\"],\"Meta\":{\"k\":\"v\"},"
		"\"Leaf\":{\"Name\":\"l\",\"Port\":80},\"Maybe\":{\"Name\":\"m\"},"
		"\"Leaves\":[{\"Name\":\"x\"},{\"Name\":\"y\",\"Port\":1}],\"Raw\":[1,{\"a\":null}]}");
	pw_schema_clear(&tree_schema, &t);
	encodes_to(&t, PW_ENCODE_ALL,
		   "{\"ServiceName\":\"\",\"Secret\":\"\",\"On\":false,\"Count\":0,\"Index\":0,"
		   "\"Wait\":\"0s\",\"When\":null,\"Tags\":[],\"Meta\":null,\"Maybe\":null}");
}

static void copies_are_deep_and_equal(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	struct tree t = { 0 }, *copy;

	assert_int_equal(decode(full, 0, &t, &err), 0);
	copy = pw_schema_dup(&tree_schema, &t);
	assert_true(pw_schema_equal(&tree_schema, &t, copy));
	assert_ptr_not_equal(t.leaves.items[0], copy->leaves.items[0]);
	((struct leaf *)copy->leaves.items[1])->port++;
	assert_false(pw_schema_equal(&tree_schema, &t, copy));
	pw_schema_copy(&tree_schema, copy, &t);
	assert_true(pw_schema_equal(&tree_schema, &t, copy));
	json_array_append_new(copy->raw, json_null());
	assert_false(pw_schema_equal(&tree_schema, &t, copy));
	pw_schema_free(&tree_schema, copy);
	pw_schema_free(&tree_schema, NULL);
	assert_null(pw_schema_dup(&tree_schema, NULL));
	pw_schema_clear(&tree_schema, &t);
	assert_memory_equal(&t, &(struct tree){ 0 }, sizeof(t));
}

static void absent_fields_keep_defaults_and_members_that_are_no_fields_stay(void **state)
{
	struct tree t = { .not_a_field = 9, .count = 5, .leaf.port = 80 };
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(decode("{\"Label\":\"a\",\"Leaf\":{\"name\":\"l\"},\"Index\":4}", 0, &t,
				&err),
			 0);
	assert_string_equal(t.name, "a");
	assert_int_equal(t.count, 5);
	assert_int_equal(t.leaf.port, 80);
	assert_int_equal(t.not_a_field, 9);
	assert_int_equal(t.index, 0);
	assert_int_equal(decode("{\"Index\":4}", PW_DECODE_ALL, &t, &err), 0);
	assert_int_equal(t.index, 4);
	pw_schema_clear(&tree_schema, &t);
}

static void null_empties_and_single_values_become_lists(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	struct tree t = { 0 };

	assert_int_equal(decode(full, 0, &t, &err), 0);
	assert_int_equal(decode("{\"ServiceName\":null,\"Count\":null,\"Tags\":null,\"Meta\":null,"
				"\"Maybe\":null,\"Leaves\":null,\"Raw\":null,\"When\":null}",
				0, &t, &err),
			 0);
	assert_null(t.name);
	assert_int_equal(t.count, -3);
	assert_true(t.tags.n == 0 && t.meta.n == 0 && !t.maybe && t.leaves.n == 0 && !t.raw);
	assert_int_equal(t.when_ns, 0);
	assert_int_equal(
		decode("{\"Tags\":\"one\",\"Leaves\":{\"Name\":\"x\"},\"Wait\":1500000000}", 0, &t,
		       &err),
		0);
	assert_int_equal(t.tags.n, 1);
	assert_int_equal(t.leaves.n, 1);
	assert_int_equal(t.wait_ms, 1500);
	pw_schema_clear(&tree_schema, &t);
}

static void failures_name_the_field_and_write_nothing(void **state)
{
	fails_with("{\"Count\":1,\"Nope\":2}", 0, "json: unknown field \"Nope\"");
	fails_with("{\"Leaves\":[{\"Name\":\"a\"},{\"Nope\":2}]}", 0,
		   "json: unknown field \"Nope\"");
	fails_with("{\"ServiceName\":1}", 0,
		   "json: cannot unmarshal number into field Tree.ServiceName of type string");
	fails_with("{\"Count\":\"1\"}", 0,
		   "json: cannot unmarshal string into field Tree.Count of type int");
	fails_with("{\"Count\":1.5}", 0,
		   "json: cannot unmarshal number into field Tree.Count of type int");
	fails_with("{\"Leaf\":{\"Port\":true}}", 0,
		   "json: cannot unmarshal bool into field Leaf.Port of type int");
	fails_with("{\"Maybe\":{\"Name\":\"a\",\"Port\":[]}}", 0,
		   "json: cannot unmarshal array into field Leaf.Port of type int");
	fails_with("{\"Tags\":[\"a\",2]}", 0,
		   "json: cannot unmarshal number into field Tree.Tags of type []string");
	fails_with("{\"Tags\":\"a\"}", PW_DECODE_STRICT,
		   "json: cannot unmarshal string into field Tree.Tags of type []string");
	fails_with("{\"Meta\":{\"a\":\"b\",\"c\":1}}", 0,
		   "json: cannot unmarshal number into field Tree.Meta of type map[string]string");
	fails_with(
		"{\"Wait\":\"soon\"}", 0,
		"field Tree.Wait: invalid duration \"soon\", write for example 15s, 250ms or 1h30m");
	fails_with(
		"{\"When\":\"today\"}", 0,
		"field Tree.When: invalid time \"today\", write for example 2024-05-01T10:00:15Z");
	fails_with("{\"Count\":1,\"count\":2}", 0,
		   "json: field Tree.Count is given twice, the second time as \"count\"");
	fails_with("{\"Index\":1,\"Count\":-1,\"index\":2}", 0,
		   "json: field Tree.Index is given twice, the second time as \"index\"");
	fails_with("[]", 0, "json: cannot unmarshal array into value of type Tree");
}

static void loose_decoding_ignores_unknown_keys_at_every_level(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	struct tree t = { 0 };

	assert_int_equal(decode("{\"Nope\":1,\"Leaf\":{\"Nope\":2,\"Port\":3}}", PW_DECODE_LOOSE,
				&t, &err),
			 0);
	assert_int_equal(t.leaf.port, 3);
	pw_schema_clear(&tree_schema, &t);
}

static void text_that_is_no_utf8_is_encoded_readably(void **state)
{
	struct tree t = { .name = pw_xstrdup("a\xff"), .index = UINT64_MAX };
	pw_autojson json_t *v = pw_schema_encode(&tree_schema, &t, 0);

	assert_string_equal(pw_json_str(v, "ServiceName"), "a?");
	assert_true(pw_json_int(v, "Index", 0) == INT64_MAX);
	pw_schema_clear(&tree_schema, &t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_is_decoded_and_encoded_in_the_order_of_the_fields),
		cmocka_unit_test(copies_are_deep_and_equal),
		cmocka_unit_test(absent_fields_keep_defaults_and_members_that_are_no_fields_stay),
		cmocka_unit_test(null_empties_and_single_values_become_lists),
		cmocka_unit_test(failures_name_the_field_and_write_nothing),
		cmocka_unit_test(loose_decoding_ignores_unknown_keys_at_every_level),
		cmocka_unit_test(text_that_is_no_utf8_is_encoded_readably),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
