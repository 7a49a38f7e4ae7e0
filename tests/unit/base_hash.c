// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/hash.h"
#include "userspace/base/uuid.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void known_digests_come_out(void **state)
{
	uint8_t digest[32];
	pw_autofree char *hex = NULL, *colons = NULL;

	pw_sha256("abc", 3, digest);
	hex = pw_hex(digest, 32, "");
	assert_string_equal(hex,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	colons = pw_hex(digest, 3, ":");
	assert_string_equal(colons, "ba:78:16");
	assert_true(pw_hash64("", 0) == 0xcbf29ce484222325ULL);
	assert_true(pw_hash64("a", 1) == 0xaf63dc4c8601ec8cULL);
}

static void base64_follows_rfc_4648(void **state)
{
	static const char *const pairs[][2] = {
		{ "", "" },	   { "f", "Zg==" },	   { "fo", "Zm8=" },
		{ "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "foobar", "Zm9vYmFy" }
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		pw_autofree char *text = pw_base64_encode(pairs[i][0], strlen(pairs[i][0]));
		pw_autofree uint8_t *data = NULL;
		size_t len;

		assert_string_equal(text, pairs[i][1]);
		assert_int_equal(pw_base64_decode(text, strlen(text), &data, &len), 0);
		assert_int_equal(len, strlen(pairs[i][0]));
		assert_memory_equal(data, pairs[i][0], len);
	}
}

static void base64_that_is_cut_padded_wrongly_or_foreign_is_refused(void **state)
{
	static const char *const bad[] = { "Zg",   "Zg=",  "Z===", "====", "Zg==Zg==", "Zm9v\n",
					   "Zm 9", "Zm9-", "Zh==", "Zm9=", "=Zm9",     "Z=m9" };
	uint8_t *data;
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(pw_base64_decode(bad[i], strlen(bad[i]), &data, &len), -EINVAL);
	assert_int_equal(pw_base64_decode("Zg\0=", 4, &data, &len), -EINVAL);
}

static void random_bytes_survive_base64(void **state)
{
	uint8_t in[100];

	for (size_t n = 0; n < sizeof(in); n++) {
		pw_autofree uint8_t *out = NULL;
		pw_autofree char *text = NULL;
		size_t len;

		pw_random(in, n);
		text = pw_base64_encode(in, n);
		assert_int_equal(pw_base64_decode(text, strlen(text), &out, &len), 0);
		assert_int_equal(len, n);
		assert_memory_equal(out, in, n);
	}
}

static void uuids_are_new_valid_and_of_version_4(void **state)
{
	char a[PW_UUID_LEN], b[PW_UUID_LEN];

	pw_uuid_new(a);
	pw_uuid_new(b);
	assert_true(pw_uuid_valid(a));
	assert_int_equal(a[14], '4');
	assert_string_not_equal(a, b);
	assert_true(pw_uuid_valid("ABCDEF01-2345-6789-abcd-ef0123456789"));
	assert_false(pw_uuid_valid("ABCDEF01-2345-6789-abcd-ef012345678"));
	assert_false(pw_uuid_valid("ABCDEF01-2345-6789-abcd-ef012345678g"));
	assert_false(pw_uuid_valid("ABCDEF01x2345-6789-abcd-ef0123456789"));
	assert_false(pw_uuid_valid(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_digests_come_out),
		cmocka_unit_test(base64_follows_rfc_4648),
		cmocka_unit_test(base64_that_is_cut_padded_wrongly_or_foreign_is_refused),
		cmocka_unit_test(random_bytes_survive_base64),
		cmocka_unit_test(uuids_are_new_valid_and_of_version_4),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
