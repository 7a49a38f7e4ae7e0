// SPDX-License-Identifier: Apache-2.0
#include "userspace/cli/http_private.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* Feeds text in pieces of step bytes; returns what the last call did. */
static int feed(struct http_parser *p, const char *text, size_t len, size_t step)
{
	int r = 0;

	for (size_t at = 0; at < len && r == 0; at += step) {
		size_t n = pw_min(step, len - at);
		/* A copy of its own, so that the sanitizer sees a read past the piece. */
		pw_autofree char *piece = pw_xcalloc(1, n);

		memcpy(piece, text + at, n);
		r = http_parser_feed(p, piece, n);
	}
	return r;
}

static void gives(const char *text, int status, const char *body, bool by_eof)
{
	for (size_t step = 1; step <= strlen(text); step++) {
		pw_cleanup(http_parser_clear) struct http_parser p = { 0 };
		int r = feed(&p, text, strlen(text), step);

		assert_int_equal(r, by_eof ? 0 : 1);
		assert_int_equal(http_parser_eof(&p), 1);
		assert_int_equal(p.status, status);
		assert_string_equal(pw_str_or_empty(p.body.text), body);
	}
}

static void answers_in_pieces_of_any_size_give_the_same(void **state)
{
	gives("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", false);
	gives("HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", 200, "", false);
	gives("HTTP/1.0 404 Not Found\n\nnope", 404, "nope", true);
	gives("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n"
	      "0123456789\r\n0\r\nTrailer: x\r\n\r\n",
	      200, "abc0123456789", false);
	gives("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403\r\nContent-Length: 1\r\n\r\nx", 403, "x",
	      false);
	gives("HTTP/1.1 204 No Content\r\n\r\n", 204, "", false);
}

static void refuses(const char *text, int code)
{
	pw_cleanup(http_parser_clear) struct http_parser p = { 0 };
	int r = feed(&p, text, strlen(text), 7);

	assert_int_equal(r == 0 ? http_parser_eof(&p) : r, code);
}

static void answers_that_are_cut_or_contradict_themselves_are_refused(void **state)
{
	refuses("", -EBADMSG);
	refuses("HTTP/1.1 200 OK\r\n", -EBADMSG);
	refuses("HTTP/2 200\r\n\r\n", -EBADMSG);
	refuses("HTTP/1.1 2x0 OK\r\n\r\n", -EBADMSG);
	refuses("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", -EBADMSG);
	refuses("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", -EBADMSG);
	refuses("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", -EBADMSG);
	refuses("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", -EBADMSG);
	refuses("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
		-EBADMSG);
	refuses("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", -EBADMSG);
	refuses("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", -EBADMSG);
}

static void what_is_larger_than_the_limits_is_refused(void **state)
{
	pw_autofree char *head = pw_xcalloc(1, HTTP_MAX_HEAD_BYTES + 2);
	pw_cleanup(http_parser_clear) struct http_parser p = { 0 };

	memset(head, 'a', HTTP_MAX_HEAD_BYTES + 1);
	assert_int_equal(http_parser_feed(&p, head, HTTP_MAX_HEAD_BYTES + 1), -EMSGSIZE);
	refuses("HTTP/1.1 200 OK\r\nContent-Length: 33554433\r\n\r\n", -EMSGSIZE);
	refuses("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2000001\r\n", -EMSGSIZE);
	refuses("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
		-EBADMSG);
}

static void random_answers_are_answered(void **state)
{
	static const char good[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
				   "Content-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
	unsigned seed = 4;

	for (int round = 0; round < 20000; round++) {
		pw_cleanup(http_parser_clear) struct http_parser p = { 0 };
		char text[sizeof(good)];

		memcpy(text, good, sizeof(good));
		for (int i = 0; i < 3; i++)
			text[(size_t)rand_r(&seed) % (sizeof(good) - 1)] = (char)rand_r(&seed);
		if (feed(&p, text, sizeof(good) - 1, 1 + (size_t)rand_r(&seed) % 16) == 0)
			(void)http_parser_eof(&p);
		assert_true(p.body.len <= sizeof(good));
	}
}

static void addresses_of_every_form_are_read(void **state)
{
	static const struct {
		const char *addr, *host, *text;
		uint16_t port;
	} good[] = {
		{ "127.0.0.1:8500", "127.0.0.1", "http://127.0.0.1:8500", 8500 },
		{ "http://gw:80/", "gw", "http://gw:80", 80 },
		{ "[::1]:8501", "::1", "http://[::1]:8501", 8501 },
		{ "gw", "gw", "http://gw:8500", 8500 },
	};
	static const char *const bad[] = { "https://gw:1", "", "http://", "gw:0", "gw:x", "::1" };
	struct pw_err err = PW_ERR_INIT;
	struct http_endpoint e;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(http_endpoint_parse(good[i].addr, &e, &err), 0);
		assert_string_equal(e.host, good[i].host);
		assert_string_equal(e.text, good[i].text);
		assert_int_equal(e.port, good[i].port);
		http_endpoint_clear(&e);
	}
	assert_int_equal(http_endpoint_parse("unix:///run/peerway.sock", &e, &err), 0);
	assert_string_equal(e.unix_path, "/run/peerway.sock");
	http_endpoint_clear(&e);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(http_endpoint_parse(bad[i], &e, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_in_pieces_of_any_size_give_the_same),
		cmocka_unit_test(answers_that_are_cut_or_contradict_themselves_are_refused),
		cmocka_unit_test(what_is_larger_than_the_limits_is_refused),
		cmocka_unit_test(random_answers_are_answered),
		cmocka_unit_test(addresses_of_every_form_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
