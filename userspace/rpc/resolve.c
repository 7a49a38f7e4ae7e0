// SPDX-License-Identifier: Apache-2.0
#include "internal.h"

#include <event2/dns.h>
#include <netdb.h>
#include <string.h>

/* Outlives its connection when that is freed while an answer is under way: libevent calls back even
 * for what was cancelled. */
struct rpc_resolve {
	struct event_base *base;
	struct evdns_base *dns;
	struct evdns_getaddrinfo_request *request;
	rpc_resolve_fn fn; /* NULL: cancelled */
	void *arg;
	bool starting, done;
};

static void free_resolve(evutil_socket_t fd, short what, void *arg)
{
	struct rpc_resolve *r = arg;

	evdns_base_free(r->dns, /*fail_requests=*/0);
	free(r);
}

static size_t collect(const struct evutil_addrinfo *list, struct pw_addr *addrs)
{
	size_t n = 0;

	for (; list && n < RPC_MAX_ADDRESSES; list = list->ai_next) {
		if (list->ai_addrlen > sizeof(addrs[n].u))
			continue;
		memset(&addrs[n], 0, sizeof(addrs[n]));
		memcpy(&addrs[n].u, list->ai_addr, list->ai_addrlen);
		addrs[n++].len = list->ai_addrlen;
	}
	return n;
}

static void on_answer(int error, struct evutil_addrinfo *list, void *arg)
{
	struct pw_addr addrs[RPC_MAX_ADDRESSES];
	size_t n = collect(list, addrs);
	struct rpc_resolve *r = arg;
	struct timeval now = { 0 };

	if (list)
		evutil_freeaddrinfo(list);
	r->request = NULL;
	r->done = true;
	if (r->fn)
		r->fn(r->arg, addrs, n, error ? evutil_gai_strerror(error) : "no address");
	/* Not from inside libevent's own callback; a start that has not returned frees it itself.
	 */
	if (!r->starting)
		event_base_once(r->base, -1, EV_TIMEOUT, free_resolve, r, &now);
}

int rpc_resolve_start(struct rpc_resolve **ret, struct event_base *base, const char *host,
		      uint16_t port, rpc_resolve_fn fn, void *arg)
{
	struct evutil_addrinfo hints = { .ai_family = AF_UNSPEC,
					 .ai_socktype = SOCK_STREAM,
					 .ai_protocol = IPPROTO_TCP };
	struct rpc_resolve *r = pw_new0(struct rpc_resolve);
	char service[8];

	*ret = NULL;
	r->base = base;
	r->fn = fn;
	r->arg = arg;
	r->dns = evdns_base_new(base, EVDNS_BASE_INITIALIZE_NAMESERVERS |
					      EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (!r->dns) {
		free(r);
		return -ENOENT;
	}
	evutil_snprintf(service, sizeof(service), "%u", port);
	r->starting = true;
	r->request = evdns_getaddrinfo(r->dns, host, service, &hints, on_answer, r);
	r->starting = false;
	if (r->done)
		free_resolve(-1, 0, r);
	else
		*ret = r;
	return 0;
}

void rpc_resolve_cancel(struct rpc_resolve **resolve)
{
	struct rpc_resolve *r = TAKE_PTR(*resolve);

	if (!r || r->done)
		return;
	r->fn = NULL;
	evdns_getaddrinfo_cancel(r->request);
}
