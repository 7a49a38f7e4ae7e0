/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_AGENT_RESOLVE_H
#define PW_AGENT_RESOLVE_H
/*
 * Host names of peers' gateways, resolved in the background (evdns). The last good answer serves
 * while DNS is down; a name nobody asked for in ten minutes is dropped. Control thread.
 */
#include "../base/addr.h"
#include "../base/str.h"

struct event_base;
struct pw_resolver;
/* changed runs in the loop when a name has got other addresses. */
int pw_resolver_new(struct pw_resolver **ret, struct event_base *base, void (*changed)(void *arg),
		    void *arg, struct pw_err *err);
void pw_resolver_free(struct pw_resolver **r);
/* What is known now (literals at once, up to max); 0 for a name not resolved yet: changed follows.
 * Limit: 4096 names. */
size_t pw_resolver_get(struct pw_resolver *r, const char *host, uint16_t port, struct pw_addr *ret,
		       size_t max);
size_t pw_resolver_names(const struct pw_resolver *r); /* that are looked up again and again */
#endif
