/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_PEERING_OWN_H
#define PW_PEERING_OWN_H
/*
 * The addresses of this host, read from the kernel at most once a second: they are asked for with
 * every address of every peer, at each commit. Life: zeroed → has… → clear. One thread.
 */
#include "../base/addr.h"

struct ifaddrs;
struct pw_own_addrs {
	struct ifaddrs *list; /* the last that could be read */
	int64_t read_ms;
};
/* As pw_addr_is_own(), up to a second late. */
bool pw_own_addrs_has(struct pw_own_addrs *o, const struct pw_addr *a);
void pw_own_addrs_clear(struct pw_own_addrs *o);
#endif
