// SPDX-License-Identifier: Apache-2.0
#include "addr.h"
#include "str.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

/* "[::1]" gives "::1" in buf, everything else itself. */
static const char *strip_brackets(const char *ip, char buf[PW_ADDR_TEXT])
{
	size_t len = strlen(ip);

	if (len < 2 || len - 2 >= PW_ADDR_TEXT || ip[0] != '[' || ip[len - 1] != ']')
		return ip;
	memcpy(buf, ip + 1, len - 2);
	buf[len - 2] = '\0';
	/* Brackets are IPv6's alone. */
	return strchr(buf, ':') ? buf : ip;
}

int pw_addr_parse(const char *ip, uint16_t port, struct pw_addr *ret)
{
	struct pw_addr a = { 0 };
	char buf[PW_ADDR_TEXT];

	if (!ip)
		return -EINVAL;
	ip = strip_brackets(ip, buf);
	if (inet_pton(AF_INET, ip, &a.u.in.sin_addr) == 1) {
		a.u.in.sin_family = AF_INET;
		a.u.in.sin_port = htons(port);
		a.len = sizeof(a.u.in);
	} else if (inet_pton(AF_INET6, ip, &a.u.in6.sin6_addr) == 1) {
		a.u.in6.sin6_family = AF_INET6;
		a.u.in6.sin6_port = htons(port);
		a.len = sizeof(a.u.in6);
	} else {
		return -EINVAL;
	}
	*ret = a;
	return 0;
}

int pw_addr_split(const char *hostport, char **ret_host, uint16_t *ret_port)
{
	const char *colon = hostport ? strrchr(hostport, ':') : NULL;
	const char *start = hostport;
	size_t len;
	uint64_t port;

	if (!colon || colon == hostport || pw_str_to_u64(colon + 1, 65535, &port) < 0 || port == 0)
		return -EINVAL;
	len = (size_t)(colon - hostport);
	if (*start == '[') {
		if (len < 3 || start[len - 1] != ']')
			return -EINVAL;
		start++;
		len -= 2;
	} else if (memchr(start, ':', len)) {
		return -EINVAL;
	}
	*ret_host = pw_xstrndup(start, len);
	*ret_port = (uint16_t)port;
	return 0;
}

int pw_addr_parse_hostport(const char *s, struct pw_addr *ret)
{
	pw_autofree char *host = NULL;
	uint16_t port;
	int r;

	r = pw_addr_split(s, &host, &port);
	if (r < 0)
		return r;
	return pw_addr_parse(host, port, ret);
}

uint16_t pw_addr_port(const struct pw_addr *a)
{
	return ntohs(a->u.sa.sa_family == AF_INET6 ? a->u.in6.sin6_port : a->u.in.sin_port);
}

void pw_addr_to16(const struct pw_addr *a, uint8_t ret[16])
{
	if (a->u.sa.sa_family == AF_INET6) {
		memcpy(ret, &a->u.in6.sin6_addr, 16);
		return;
	}
	memcpy(ret, mapped_prefix, sizeof(mapped_prefix));
	memcpy(ret + 12, &a->u.in.sin_addr, 4);
}

static bool is_mapped(const uint8_t ip[16])
{
	return memcmp(ip, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

const char *pw_addr_ip_text(const struct pw_addr *a, char buf[PW_ADDR_TEXT])
{
	uint8_t ip[16];

	pw_addr_to16(a, ip);
	if (is_mapped(ip))
		inet_ntop(AF_INET, ip + 12, buf, PW_ADDR_TEXT);
	else
		inet_ntop(AF_INET6, ip, buf, PW_ADDR_TEXT);
	return buf;
}

const char *pw_addr_text(const struct pw_addr *a, char buf[PW_ADDR_TEXT])
{
	char ip[PW_ADDR_TEXT];
	const char *fmt;

	pw_addr_ip_text(a, ip);
	fmt = strchr(ip, ':') ? "[%.46s]:%u" : "%.46s:%u";
	snprintf(buf, PW_ADDR_TEXT, fmt, ip, (unsigned)pw_addr_port(a));
	return buf;
}

bool pw_addr_same_ip(const struct pw_addr *a, const struct pw_addr *b)
{
	uint8_t ip_a[16], ip_b[16];

	pw_addr_to16(a, ip_a);
	pw_addr_to16(b, ip_b);
	return memcmp(ip_a, ip_b, sizeof(ip_a)) == 0;
}

bool pw_addr_is_loopback(const struct pw_addr *a)
{
	uint8_t ip[16];

	pw_addr_to16(a, ip);
	if (is_mapped(ip))
		return ip[12] == 127;
	return IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)ip);
}

bool pw_addr_is_unspecified(const struct pw_addr *a)
{
	static const uint8_t zero[16];
	uint8_t ip[16];

	pw_addr_to16(a, ip);
	return memcmp(is_mapped(ip) ? ip + 12 : ip, zero, is_mapped(ip) ? 4 : 16) == 0;
}

bool pw_addr_is_special(const struct pw_addr *a)
{
	uint8_t ip[16];

	pw_addr_to16(a, ip);
	if (pw_addr_is_loopback(a) || pw_addr_is_unspecified(a))
		return true;
	/* IPv4: all of 0/8, link-local, multicast, and class E with the broadcast address. */
	if (is_mapped(ip))
		return ip[12] == 0 || (ip[12] == 169 && ip[13] == 254) || ip[12] >= 224;
	return (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80) || ip[0] == 0xff;
}

int pw_prefix_parse(const char *s, uint8_t ret_addr[16], unsigned *ret_bits)
{
	const char *slash = s ? strchr(s, '/') : NULL;
	pw_autofree char *ip = NULL;
	uint64_t bits, width;
	struct pw_addr a;
	uint8_t bytes[16];

	if (!s)
		return -EINVAL;
	ip = slash ? pw_xstrndup(s, (size_t)(slash - s)) : pw_xstrdup(s);
	if (ip[0] == '[' || pw_addr_parse(ip, /* port= */ 0, &a) < 0)
		return -EINVAL;
	width = bits = a.u.sa.sa_family == AF_INET ? 32 : 128;
	if (slash && pw_str_to_u64(slash + 1, width, &bits) < 0)
		return -EINVAL;
	bits += 128 - width;
	pw_addr_to16(&a, bytes);
	for (unsigned i = (unsigned)bits; i < 128; i++)
		if (bytes[i / 8] & (0x80 >> i % 8))
			return -EINVAL;
	memcpy(ret_addr, bytes, sizeof(bytes));
	*ret_bits = (unsigned)bits;
	return 0;
}

static void free_ifaddrs(struct ifaddrs **list)
{
	if (*list)
		freeifaddrs(*list);
	*list = NULL;
}

static bool from_sockaddr(const struct sockaddr *sa, struct pw_addr *ret)
{
	struct pw_addr a = { 0 };

	if (!sa || (sa->sa_family != AF_INET && sa->sa_family != AF_INET6))
		return false;
	a.len = sa->sa_family == AF_INET ? sizeof(a.u.in) : sizeof(a.u.in6);
	memcpy(&a.u, sa, a.len);
	*ret = a;
	return true;
}

/* The name of the interface with the IPv4 default route, else the IPv6 one. /proc/thread-self: a
 * thread may live in a namespace of its own. */
static bool default_interface(char ret[IFNAMSIZ])
{
	char line[512], name[IFNAMSIZ];
	unsigned long destination, flags, mask;
	bool found = false;
	FILE *f;

	f = fopen("/proc/thread-self/net/route", "re");
	while (f && !found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%15s %lx %*x %lx %*d %*d %*d %lx", name, &destination, &flags,
			   &mask) == 4 &&
		    destination == 0 && mask == 0 && (flags & 1)) {
			memcpy(ret, name, IFNAMSIZ);
			found = true;
		}
	}
	if (f)
		fclose(f);
	f = found ? NULL : fopen("/proc/thread-self/net/ipv6_route", "re");
	while (f && !found && fgets(line, sizeof(line), f)) {
		char ip[33], bits[3];

		if (sscanf(line, "%32s %2s %*s %*s %*s %*s %*s %*s %*s %15s", ip, bits, name) ==
			    3 &&
		    strspn(ip, "0") == 32 && strcmp(bits, "00") == 0 && strcmp(name, "lo") != 0) {
			memcpy(ret, name, IFNAMSIZ);
			found = true;
		}
	}
	if (f)
		fclose(f);
	return found;
}

int pw_addr_default(struct pw_addr *ret)
{
	pw_cleanup(free_ifaddrs) struct ifaddrs *list = NULL;
	char name[IFNAMSIZ] = "";
	struct pw_addr a;

	if (!default_interface(name))
		return -ENOENT;
	if (getifaddrs(&list) < 0)
		return -errno;
	/* getifaddrs lists IPv4 before IPv6, which is the order wanted. */
	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		if (strcmp(i->ifa_name, name) != 0 || !from_sockaddr(i->ifa_addr, &a) ||
		    pw_addr_is_special(&a))
			continue;
		*ret = a;
		return 0;
	}
	return -ENOENT;
}

bool pw_addr_is_own(const struct pw_addr *a)
{
	pw_cleanup(free_ifaddrs) struct ifaddrs *list = NULL;
	struct pw_addr own;

	if (pw_addr_is_loopback(a))
		return true;
	if (getifaddrs(&list) < 0)
		return false;
	for (const struct ifaddrs *i = list; i; i = i->ifa_next)
		if (from_sockaddr(i->ifa_addr, &own) && pw_addr_same_ip(&own, a))
			return true;
	return false;
}
