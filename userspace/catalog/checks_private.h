/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_CATALOG_CHECKS_PRIVATE_H
#define PW_CATALOG_CHECKS_PRIVATE_H
#include <uthash.h>

#include "../store/store.h"

struct event;
struct event_base;
struct evdns_base;
struct bufferevent;

struct pw_checks {
	struct event_base *base;
	struct pw_store *store;
	struct pw_watch *watch;
	struct event *sync;
	struct evdns_base *dns; /* made for the first check of a host name */
	struct runner *runners; /* uthash by key */
	uint64_t round;
};

struct runner {
	UT_hash_handle hh;
	struct pw_checks *checks;
	char *key;
	/* what it was made for; a row that says otherwise gets a new runner */
	char *tcp;
	int64_t ttl_ms;
	int64_t interval_ms;
	int64_t timeout_ms;
	int64_t deregister_after_ms;

	struct event *timer; /* TTL: it expires; TCP: the next attempt */
	struct event *reap;  /* NULL: never deregisters */
	struct bufferevent *attempt;
	int64_t successes;
	int64_t failures;
	int64_t output_written_ms;
	uint64_t round;
};

/* check_tcp.c: one attempt; its end is told to runner_tcp_result. */
void runner_tcp_start(struct runner *r);
void runner_tcp_stop(struct runner *r);
void runner_tcp_result(struct runner *r, bool ok, const char *output);
void checks_resolver_free(struct pw_checks *c);
#endif
