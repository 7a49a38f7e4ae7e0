// SPDX-License-Identifier: Apache-2.0
/* One attempt of a TCP check: resolve if need be, connect, close. */
#include "../base/addr.h"
#include "checks_private.h"

#include <event2/bufferevent.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <string.h>

void runner_tcp_stop(struct runner *r)
{
	if (r->attempt)
		bufferevent_free(TAKE_PTR(r->attempt));
}

void checks_resolver_free(struct pw_checks *c)
{
	if (c->dns)
		evdns_base_free(TAKE_PTR(c->dns), /* fail_requests= */ 0);
}

static void end(struct runner *r, bool ok, const char *detail)
{
	pw_autofree char *output = pw_xasprintf("TCP connect %s: %s", r->tcp, detail);

	runner_tcp_stop(r);
	runner_tcp_result(r, ok, output);
}

static void on_event(struct bufferevent *b, short what, void *arg)
{
	struct runner *r = arg;
	int dns = bufferevent_socket_get_dns_error(b);

	if (what & BEV_EVENT_CONNECTED)
		end(r, /* ok= */ true, "Success");
	else if (what & BEV_EVENT_TIMEOUT)
		end(r, /* ok= */ false, "timed out");
	else if (dns)
		end(r, /* ok= */ false, evutil_gai_strerror(dns));
	else
		end(r, /* ok= */ false, evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
}

/*
 * Names are looked up in /etc/hosts and by the system's servers, without blocking the loop:
 * libevent given no resolver would ask the C library and wait, so one without servers stands in
 * where resolv.conf names none.
 */
static struct evdns_base *resolver(struct pw_checks *c)
{
	if (c->dns)
		return c->dns;
	c->dns = evdns_base_new(c->base, EVDNS_BASE_INITIALIZE_NAMESERVERS |
						 EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (c->dns)
		return c->dns;
	c->dns = evdns_base_new(c->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (c->dns)
		evdns_base_load_hosts(c->dns, "/etc/hosts");
	return c->dns;
}

static int dial(struct runner *r)
{
	pw_autofree char *host = NULL;
	struct pw_addr addr;
	uint16_t port;

	if (pw_addr_parse_hostport(r->tcp, &addr) == 0)
		return bufferevent_socket_connect(r->attempt, &addr.u.sa, (int)addr.len);
	if (pw_addr_split(r->tcp, &host, &port) < 0 || !resolver(r->checks))
		return -1;
	return bufferevent_socket_connect_hostname(r->attempt, resolver(r->checks), AF_UNSPEC, host,
						   port);
}

void runner_tcp_start(struct runner *r)
{
	const struct timeval timeout = { .tv_sec = r->timeout_ms / 1000,
					 .tv_usec = r->timeout_ms % 1000 * 1000 };

	runner_tcp_stop(r);
	/* Deferred: no result may come before this returns, since a result frees the attempt. */
	r->attempt = bufferevent_socket_new(r->checks->base, -1,
					    BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (!r->attempt) {
		end(r, /* ok= */ false, "no memory");
		return;
	}
	bufferevent_setcb(r->attempt, NULL, NULL, on_event, r);
	bufferevent_set_timeouts(r->attempt, /* read= */ NULL, &timeout);
	if (dial(r) < 0)
		end(r, /* ok= */ false, evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
}
