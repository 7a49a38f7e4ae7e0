// SPDX-License-Identifier: Apache-2.0
#include "resolve.h"
#include "../base/log.h"
#include "../base/time.h"
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>
#include <string.h>
#include <uthash.h>

#define MAX_NAMES  4096
#define MAX_ADDRS  16
#define REFRESH_MS 10000
#define FORGET_MS  600000

struct name {
	struct pw_resolver *owner; /* NULL: gone; the answer that is still to come frees the name */
	char *host;
	struct pw_addr addrs[MAX_ADDRS];
	size_t n;
	bool asking;
	struct evdns_getaddrinfo_request *request;
	int64_t asked_ms; /* last question to DNS */
	int64_t used_ms;  /* last pw_resolver_get */
	UT_hash_handle hh;
};

struct pw_resolver {
	struct evdns_base *dns;
	struct event *timer;
	struct name *names;
	void (*changed)(void *arg);
	void *arg;
};

static void name_free(struct pw_resolver *r, struct name *n)
{
	HASH_DEL(r->names, n);
	free(n->host);
	free(n);
}

static bool same_addrs(const struct name *n, const struct pw_addr *addrs, size_t count)
{
	if (n->n != count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!pw_addr_same_ip(&n->addrs[i], &addrs[i]))
			return false;
	return true;
}

static void on_answer(int result, struct evutil_addrinfo *res, void *arg)
{
	struct name *n = arg;
	struct pw_resolver *r = n->owner;
	struct pw_addr addrs[MAX_ADDRS] = { 0 };
	size_t count = 0;

	n->asking = false;
	n->request = NULL;
	if (!r) {
		if (res)
			evutil_freeaddrinfo(res);
		free(n->host);
		free(n);
		return;
	}
	for (struct evutil_addrinfo *a = res; a && count < MAX_ADDRS; a = a->ai_next) {
		if (a->ai_addrlen > sizeof(addrs[0].u))
			continue;
		memcpy(&addrs[count].u, a->ai_addr, a->ai_addrlen);
		addrs[count++].len = (socklen_t)a->ai_addrlen;
	}
	if (res)
		evutil_freeaddrinfo(res);
	if (result || !count) {
		pw_log_warn("resolve.failed", "name", n->host, "error", evutil_gai_strerror(result),
			    NULL);
		return; /* the last good answer goes on serving */
	}
	if (same_addrs(n, addrs, count))
		return;
	memcpy(n->addrs, addrs, sizeof(addrs));
	n->n = count;
	r->changed(r->arg);
}

static void ask(struct name *n)
{
	struct evutil_addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };

	if (n->asking)
		return;
	n->asking = true;
	n->asked_ms = pw_now_mono_ms();
	n->request = evdns_getaddrinfo(n->owner->dns, n->host, NULL, &hints, on_answer, n);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct pw_resolver *r = arg;
	int64_t now_ms = pw_now_mono_ms();
	struct name *n, *tmp;

	HASH_ITER(hh, r->names, n, tmp)
	{
		if (n->asking)
			continue;
		if (now_ms - n->used_ms > FORGET_MS)
			name_free(r, n);
		else if (now_ms - n->asked_ms >= REFRESH_MS)
			ask(n);
	}
}

int pw_resolver_new(struct pw_resolver **ret, struct event_base *base, void (*changed)(void *arg),
		    void *arg, struct pw_err *err)
{
	struct timeval every = { .tv_sec = REFRESH_MS / 1000 };
	struct pw_resolver *r = pw_new0(struct pw_resolver);

	r->changed = changed;
	r->arg = arg;
	/* Without /etc/resolv.conf there are no name servers: literals and /etc/hosts still work.
	 */
	r->dns = evdns_base_new(base, EVDNS_BASE_INITIALIZE_NAMESERVERS |
					      EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (!r->dns)
		r->dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	r->timer = event_new(base, -1, EV_PERSIST, on_timer, r);
	if (!r->dns || !r->timer || event_add(r->timer, &every) < 0) {
		pw_resolver_free(&r);
		return pw_err_set(err, PW_ERR_INTERNAL, ENOMEM, "the resolver cannot start");
	}
	*ret = r;
	return 0;
}

void pw_resolver_free(struct pw_resolver **rp)
{
	struct pw_resolver *r = rp ? *rp : NULL;
	struct name *n, *tmp;

	if (!r)
		return;
	*rp = NULL;
	if (r->timer)
		event_free(r->timer);
	HASH_ITER(hh, r->names, n, tmp)
	{
		if (!n->asking) {
			name_free(r, n);
			continue;
		}
		HASH_DEL(r->names, n);
		n->owner = NULL;
	}
	/* Open questions fail now, and say so when the loop turns. */
	if (r->dns)
		evdns_base_free(r->dns, /* fail_requests= */ 1);
	free(r);
}

size_t pw_resolver_get(struct pw_resolver *r, const char *host, uint16_t port, struct pw_addr *ret,
		       size_t max)
{
	struct name *n = NULL;
	size_t count;

	if (!max || pw_str_empty(host))
		return 0;
	if (pw_addr_parse(host, port, ret) == 0)
		return 1;
	HASH_FIND_STR(r->names, host, n);
	if (!n) {
		if (HASH_COUNT(r->names) >= MAX_NAMES)
			return 0;
		n = pw_new0(struct name);
		n->owner = r;
		n->host = pw_xstrdup(host);
		HASH_ADD_KEYPTR(hh, r->names, n->host, strlen(n->host), n);
		n->used_ms = pw_now_mono_ms();
		ask(n);
	}
	n->used_ms = pw_now_mono_ms();
	count = pw_min(n->n, max);
	for (size_t i = 0; i < count; i++) {
		ret[i] = n->addrs[i];
		if (ret[i].u.sa.sa_family == AF_INET6)
			ret[i].u.in6.sin6_port = htons(port);
		else
			ret[i].u.in.sin_port = htons(port);
	}
	return count;
}

size_t pw_resolver_names(const struct pw_resolver *r)
{
	return HASH_COUNT(r->names);
}
