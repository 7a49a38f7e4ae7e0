// SPDX-License-Identifier: Apache-2.0
#include "own.h"
#include "../base/time.h"

#include <ifaddrs.h>
#include <string.h>

#define FRESH_MS 1000

static void read_again(struct pw_own_addrs *o)
{
	int64_t now_ms = pw_now_mono_ms();
	struct ifaddrs *list = NULL;

	if (o->list && now_ms - o->read_ms < FRESH_MS)
		return;
	o->read_ms = now_ms;
	if (getifaddrs(&list) < 0)
		return; /* what was known is a better answer than nothing */
	if (o->list)
		freeifaddrs(o->list);
	o->list = list;
}

static bool is_interface(const struct sockaddr *sa, const struct pw_addr *a)
{
	struct pw_addr own = { 0 };

	if (!sa || (sa->sa_family != AF_INET && sa->sa_family != AF_INET6))
		return false;
	own.len = sa->sa_family == AF_INET ? sizeof(own.u.in) : sizeof(own.u.in6);
	memcpy(&own.u, sa, own.len);
	return pw_addr_same_ip(&own, a);
}

bool pw_own_addrs_has(struct pw_own_addrs *o, const struct pw_addr *a)
{
	if (pw_addr_is_loopback(a))
		return true;
	read_again(o);
	for (const struct ifaddrs *i = o->list; i; i = i->ifa_next)
		if (is_interface(i->ifa_addr, a))
			return true;
	return false;
}

void pw_own_addrs_clear(struct pw_own_addrs *o)
{
	if (o->list)
		freeifaddrs(o->list);
	*o = (struct pw_own_addrs){ 0 };
}
