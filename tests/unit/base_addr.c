// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/addr.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct pw_addr addr(const char *ip)
{
	struct pw_addr a;

	assert_int_equal(pw_addr_parse(ip, 80, &a), 0);
	return a;
}

static void literals_are_read_and_written(void **state)
{
	static const char *const pairs[][2] = { { "1.2.3.4", "1.2.3.4:80" },
						{ "::1", "[::1]:80" },
						{ "[fd00::2]", "[fd00::2]:80" },
						{ "::ffff:10.0.0.1", "10.0.0.1:80" } };
	static const char *const bad[] = { "",	   "web",	 "1.2.3",   "[1.2.3.4]",
					   "[::1", "fe80::1%lo", "1.2.3.4 " };
	char text[PW_ADDR_TEXT];
	struct pw_addr a;

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		a = addr(pairs[i][0]);
		assert_string_equal(pw_addr_text(&a, text), pairs[i][1]);
		assert_int_equal(pw_addr_port(&a), 80);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(pw_addr_parse(bad[i], 1, &a), -EINVAL);
	assert_int_equal(pw_addr_parse(NULL, 1, &a), -EINVAL);
	a = addr("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255");
	assert_string_equal(pw_addr_text(&a, text), "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:80");
}

static void host_and_port_are_split_or_refused(void **state)
{
	static const char *const bad[] = { "",	    "web",	 ":80",	    "web:",
					   "web:0", "web:65536", "web:8x",  "::1:80",
					   "[::1]", "[]:80",	 "[::1:80", "web:-1" };
	struct pw_addr a;
	uint16_t port;
	char *host;

	assert_int_equal(pw_addr_split("web.local:65535", &host, &port), 0);
	assert_string_equal(host, "web.local");
	assert_int_equal(port, 65535);
	free(host);
	assert_int_equal(pw_addr_split("[::1]:8503", &host, &port), 0);
	assert_string_equal(host, "::1");
	free(host);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(pw_addr_split(bad[i], &host, &port), -EINVAL);
	assert_int_equal(pw_addr_split(NULL, &host, &port), -EINVAL);
	assert_int_equal(pw_addr_parse_hostport("web:80", &a), -EINVAL);
	assert_int_equal(pw_addr_parse_hostport("[::1]:80", &a), 0);
}

static void mapped_and_plain_ipv4_are_the_same(void **state)
{
	struct pw_addr a = addr("10.0.0.1"), b = addr("::ffff:10.0.0.1"), c = addr("::10.0.0.1");
	char text[PW_ADDR_TEXT];

	assert_true(pw_addr_same_ip(&a, &b));
	assert_false(pw_addr_same_ip(&a, &c));
	assert_string_equal(pw_addr_ip_text(&b, text), "10.0.0.1");
}

static void addresses_no_peer_may_name_are_special(void **state)
{
	static const char *const special[] = { "127.0.0.1",	    "127.9.9.9", "::1",
					       "0.0.0.0",	    "::",	 "0.1.2.3",
					       "169.254.169.254",   "224.0.0.1", "255.255.255.255",
					       "fe80::1",	    "ff02::1",	 "::ffff:127.0.0.1",
					       "::ffff:169.254.1.1" };
	static const char *const plain[] = { "10.0.0.1", "192.168.1.1", "8.8.8.8",
					     "fd00::1",	 "2001:db8::1", "223.255.255.255" };
	struct pw_addr a;

	for (size_t i = 0; i < ARRAY_SIZE(special); i++) {
		a = addr(special[i]);
		assert_true(pw_addr_is_special(&a));
	}
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
		a = addr(plain[i]);
		assert_false(pw_addr_is_special(&a));
	}
	a = addr("::ffff:0.0.0.0");
	assert_true(pw_addr_is_unspecified(&a));
	a = addr("127.0.0.5");
	assert_true(pw_addr_is_own(&a));
	a = addr("192.0.2.77");
	assert_false(pw_addr_is_own(&a));
}

static void prefixes_are_mapped_and_host_bits_refused(void **state)
{
	static const char *const bad[] = {
		"",	 "10.0.0.1/8",	"10.0.0.0/33", "::/129",      "10.0.0.0/",
		"web/8", "10.0.0.0/-1", "[::]/0",      "10.0.0.0/8/8"
	};
	uint8_t ip[16];
	unsigned bits;

	assert_int_equal(pw_prefix_parse("10.0.0.0/8", ip, &bits), 0);
	assert_int_equal(bits, 104);
	assert_memory_equal(ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\0", 16);
	assert_int_equal(pw_prefix_parse("0.0.0.0/0", ip, &bits), 0);
	assert_int_equal(bits, 96);
	assert_int_equal(pw_prefix_parse("::/0", ip, &bits), 0);
	assert_int_equal(bits, 0);
	assert_int_equal(pw_prefix_parse("2001:db8::1", ip, &bits), 0);
	assert_int_equal(bits, 128);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(pw_prefix_parse(bad[i], ip, &bits), -EINVAL);
}

static void the_default_address_is_own_when_there_is_one(void **state)
{
	struct pw_addr a;
	int r = pw_addr_default(&a);

	if (r == -ENOENT)
		skip();
	assert_int_equal(r, 0);
	assert_true(pw_addr_is_own(&a));
	assert_false(pw_addr_is_special(&a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literals_are_read_and_written),
		cmocka_unit_test(host_and_port_are_split_or_refused),
		cmocka_unit_test(mapped_and_plain_ipv4_are_the_same),
		cmocka_unit_test(addresses_no_peer_may_name_are_special),
		cmocka_unit_test(prefixes_are_mapped_and_host_bits_refused),
		cmocka_unit_test(the_default_address_is_own_when_there_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
