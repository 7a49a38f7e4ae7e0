// SPDX-License-Identifier: Apache-2.0
/* The ClientHello parser: any segmentation, any record split, every length lied about. Look at
 * userspace/dataplane/hello.c when it breaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <string.h>
#include "../../userspace/base/buf.h"
#include "../../userspace/dataplane/hello.h"

#define LIMIT 16384
#define SNI   "echo-e.default.default.wpeer.external.23aa1dd5-7907-3c72-8933-8fccc9161168.consul"

static void put(struct pw_buf *b, uint64_t v, size_t bytes)
{
	for (size_t i = bytes; i-- > 0;) {
		uint8_t c = (uint8_t)(v >> (8 * i));

		pw_buf_add(b, &c, 1);
	}
}

static void put_ext(struct pw_buf *b, unsigned type, const void *data, size_t len)
{
	put(b, type, 2);
	put(b, len, 2);
	pw_buf_add(b, data, len);
}

static void put_sni(struct pw_buf *b, const char *name, size_t len)
{
	struct pw_buf e = { 0 };

	put(&e, len + 3, 2);
	put(&e, 0, 1);
	put(&e, len, 2);
	pw_buf_add(&e, name, len);
	put_ext(b, 0, e.data, e.len);
	pw_buf_clear(&e);
}

/* The handshake message around the extensions. */
static struct pw_buf message(const struct pw_buf *exts)
{
	struct pw_buf body = { 0 }, m = { 0 };
	static const uint8_t zero[32];

	put(&body, 0x0303, 2);
	pw_buf_add(&body, zero, 32);
	put(&body, 32, 1);
	pw_buf_add(&body, zero, 32);
	put(&body, 4, 2);
	put(&body, 0xc02bcca9, 4);
	put(&body, 0x0100, 2);
	if (exts) {
		put(&body, exts->len, 2);
		pw_buf_add(&body, exts->data, exts->len);
	}
	put(&m, 1, 1);
	put(&m, body.len, 3);
	pw_buf_add(&m, body.data, body.len);
	pw_buf_clear(&body);
	return m;
}

static struct pw_buf records(const struct pw_buf *m, size_t record)
{
	struct pw_buf w = { 0 };

	for (size_t off = 0; off < m->len; off += record) {
		size_t n = pw_min(record, m->len - off);

		put(&w, 22, 1);
		put(&w, 0x0301, 2);
		put(&w, n, 2);
		pw_buf_add(&w, m->data + off, n);
	}
	return w;
}

/* As the sidecars of wire/mesh send it; pad bytes of key share in front of the name. */
static struct pw_buf hello(const char *name, size_t pad, size_t record)
{
	pw_autofree uint8_t *share = pw_xcalloc(1, pad + 1);
	struct pw_buf exts = { 0 }, m, w;

	put_ext(&exts, 23, "", 0);
	put_ext(&exts, 65281, "\0", 1);
	if (pad)
		put_ext(&exts, 51, share, pad);
	if (name)
		put_sni(&exts, name, strlen(name));
	put_ext(&exts, 10, "\0\4\0\x1d\0\x17", 6);
	put_ext(&exts, 16, "\0\x09\x08http/1.1", 11);
	m = message(&exts);
	w = records(&m, record);
	pw_buf_clear(&exts);
	pw_buf_clear(&m);
	return w;
}

static enum pw_hello_result parse(const uint8_t *data, size_t len, struct pw_hello *ret)
{
	/* Exactly as long as it is: a read too far is seen by the sanitizer. */
	pw_autofree uint8_t *copy = malloc(len ? len : 1);

	memcpy(copy, data, len);
	return pw_hello_parse(copy, len, LIMIT, ret);
}

static void expect(struct pw_buf w, enum pw_hello_result result, enum pw_reason reason)
{
	struct pw_hello h;

	assert_int_equal(parse(w.data, w.len, &h), result);
	assert_int_equal(h.reason, reason);
	pw_buf_clear(&w);
}

static void every_prefix_asks_for_more(void **state)
{
	static const size_t sizes[] = { 1, 2, 3, 7, 100, 16384 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct pw_buf w = hello(SNI, 1216, sizes[i]);
		struct pw_hello h;

		for (size_t n = 0; n < w.len; n += i < 2 ? 13 : 1) {
			assert_int_equal(parse(w.data, n, &h), PW_HELLO_MORE);
			assert_true(h.need_bytes > n && h.need_bytes <= w.len);
		}
		assert_int_equal(parse(w.data, w.len, &h), PW_HELLO_OK);
		assert_string_equal(h.sni, SNI);
		pw_buf_clear(&w);
	}
}

static void following_need_bytes_reaches_the_name(void **state)
{
	struct pw_buf w = hello(SNI, 1216, 5);
	struct pw_hello h = { .need_bytes = 1 };
	size_t n = 0;

	do {
		assert_true(h.need_bytes > n && h.need_bytes <= w.len);
		n = h.need_bytes;
	} while (parse(w.data, n, &h) == PW_HELLO_MORE);
	assert_string_equal(h.sni, SNI);
	pw_buf_clear(&w);
}

static void name_is_lowered(void **state)
{
	struct pw_buf w = hello("ECHO.Example", 0, 16384);
	struct pw_hello h;

	assert_int_equal(parse(w.data, w.len, &h), PW_HELLO_OK);
	assert_string_equal(h.sni, "echo.example");
	pw_buf_clear(&w);
}

static void other_protocols_are_not_tls(void **state)
{
	static const char *const texts[] = { "GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n",
					     "\x16\x02\x01\x00\x05", "SSH-2.0-x\r\n",
					     "\x80\x2e\x01\x03\x01" };
	struct pw_hello h;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(parse((const uint8_t *)texts[i], pw_min(strlen(texts[i]), 4u), &h),
				 PW_HELLO_REFUSE);
		assert_int_equal(h.reason, PW_REASON_NOT_TLS);
	}
	/* Another handshake message than a ClientHello. */
	assert_int_equal(parse((const uint8_t *)"\x16\x03\x01\x00\x04\x02", 6, &h),
			 PW_HELLO_REFUSE);
	assert_int_equal(h.reason, PW_REASON_NOT_TLS);
}

static void declared_length_over_the_limit_is_refused_at_once(void **state)
{
	struct pw_hello h;

	assert_int_equal(parse((const uint8_t *)"\x16\x03\x01\x40\x00\x01\x00\xff\xff", 9, &h),
			 PW_HELLO_REFUSE);
	assert_int_equal(h.reason, PW_REASON_HELLO_TOO_BIG);
	assert_int_equal(parse((const uint8_t *)"\x16\x03\x01\x40\x00\x01\xff\x00\x00", 9, &h),
			 PW_HELLO_REFUSE);
	assert_int_equal(h.reason, PW_REASON_HELLO_TOO_BIG);
	expect(hello(SNI, 17000, 16384), PW_HELLO_REFUSE, PW_REASON_HELLO_TOO_BIG);
	/* One byte a record: the limit counts what is on the wire. */
	expect(hello(SNI, 4000, 1), PW_HELLO_REFUSE, PW_REASON_HELLO_TOO_BIG);
	expect(hello(SNI, 15800, 16384), PW_HELLO_OK, PW_REASON_NONE);
}

static void missing_name_is_no_sni(void **state)
{
	struct pw_buf m = message(NULL), w = records(&m, 16384);

	expect(hello(NULL, 0, 16384), PW_HELLO_REFUSE, PW_REASON_NO_SNI);
	expect(w, PW_HELLO_REFUSE, PW_REASON_NO_SNI);
	pw_buf_clear(&m);
}

static void expect_exts(struct pw_buf exts, enum pw_hello_result result, enum pw_reason reason)
{
	struct pw_buf m = message(&exts);

	expect(records(&m, 16384), result, reason);
	pw_buf_clear(&m);
	pw_buf_clear(&exts);
}

static void doubled_and_broken_names_are_malformed(void **state)
{
	struct pw_buf e = { 0 };

	put_sni(&e, "a", 1);
	put_sni(&e, "a", 1);
	expect_exts(e, PW_HELLO_REFUSE, PW_REASON_MALFORMED);
	e = (struct pw_buf){ 0 };
	put_ext(&e, 0, "\0\x08\0\0\1a\0\0\1b", 10);
	expect_exts(e, PW_HELLO_REFUSE, PW_REASON_MALFORMED);
	e = (struct pw_buf){ 0 };
	put_sni(&e, "a\0b", 3);
	expect_exts(e, PW_HELLO_REFUSE, PW_REASON_MALFORMED);
	e = (struct pw_buf){ 0 };
	put_sni(&e, "", 0);
	expect_exts(e, PW_HELLO_REFUSE, PW_REASON_MALFORMED);
	e = (struct pw_buf){ 0 };
	put_ext(&e, 0, "\0\x09\0\0\1a", 6); /* the list says more than there is */
	expect_exts(e, PW_HELLO_REFUSE, PW_REASON_MALFORMED);
	e = (struct pw_buf){ 0 };
	put(&e, 0x000a0010, 4); /* an extension without its data */
	expect_exts(e, PW_HELLO_REFUSE, PW_REASON_MALFORMED);
}

static void longest_name_fits_and_longer_is_malformed(void **state)
{
	char name[300];

	memset(name, 'x', sizeof(name));
	name[255] = '\0';
	expect(hello(name, 0, 16384), PW_HELLO_OK, PW_REASON_NONE);
	name[255] = 'x';
	name[256] = '\0';
	expect(hello(name, 0, 16384), PW_HELLO_REFUSE, PW_REASON_MALFORMED);
}

static void any_changed_byte_is_survived(void **state)
{
	struct pw_buf w = hello(SNI, 64, 50);
	struct pw_hello h;

	for (size_t i = 0; i < w.len; i++)
		for (int bit = 0; bit < 8; bit++) {
			w.data[i] ^= (uint8_t)(1 << bit);
			parse(w.data, w.len, &h);
			assert_true(memchr(h.sni, 0, sizeof(h.sni)) != NULL);
			w.data[i] ^= (uint8_t)(1 << bit);
		}
	pw_buf_clear(&w);
}

static void random_bytes_are_survived(void **state)
{
	uint8_t data[512];
	struct pw_hello h;

	srand(1);
	for (int round = 0; round < 20000; round++) {
		size_t n = (size_t)rand() % sizeof(data);

		for (size_t i = 0; i < n; i++)
			data[i] = (uint8_t)rand();
		memcpy(data, "\x16\x03\x01\x01\x00\x01\x00\x00\xf0", 9);
		parse(data, n, &h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_prefix_asks_for_more),
		cmocka_unit_test(following_need_bytes_reaches_the_name),
		cmocka_unit_test(name_is_lowered),
		cmocka_unit_test(other_protocols_are_not_tls),
		cmocka_unit_test(declared_length_over_the_limit_is_refused_at_once),
		cmocka_unit_test(missing_name_is_no_sni),
		cmocka_unit_test(doubled_and_broken_names_are_malformed),
		cmocka_unit_test(longest_name_fits_and_longer_is_malformed),
		cmocka_unit_test(any_changed_byte_is_survived),
		cmocka_unit_test(random_bytes_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
