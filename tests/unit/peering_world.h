/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_PEERING_WORLD_H
#define TESTS_PEERING_WORLD_H
/* Clusters in one process: a store in memory, a CA and a peering manager each, and loopback between
 * them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <event2/event.h>
#include <event2/listener.h>

#include "../../userspace/base/addr.h"
#include "../../userspace/base/log.h"
#include "../../userspace/base/time.h"
#include "../../userspace/catalog/catalog.h"
#include "../../userspace/catalog/config_entry.h"
#include "../../userspace/peering/peering.h"

struct cluster {
	struct pw_store *store;
	struct pw_ca *ca;
	struct pw_peering_mgr *peering;
	struct evconnlistener *listener;
	struct pw_peering_options opt;
	uint16_t port;
};

static struct event_base *world_base;

static inline void world_accepted(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa,
				  int len, void *arg)
{
	struct cluster *c = arg;
	struct pw_addr a = { .len = (socklen_t)len };

	memcpy(&a.u, sa, (size_t)len);
	pw_peering_accept(c->peering, fd, &a);
}

static inline void cluster_start(struct cluster *c)
{
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(pw_peering_mgr_new(&c->peering, &c->opt, &err), 0);
}

static inline void cluster_listen(struct cluster *c)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons(c->port) };
	socklen_t len = sizeof(in);

	c->listener = evconnlistener_new_bind(world_base, world_accepted, c,
					      LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC |
						      LEV_OPT_REUSEABLE,
					      -1, (struct sockaddr *)&in, sizeof(in));
	assert_non_null(c->listener);
	assert_int_equal(getsockname(evconnlistener_get_fd(c->listener), (struct sockaddr *)&in,
				     &len),
			 0);
	c->port = ntohs(in.sin_port);
}

static inline void cluster_new(struct cluster *c, const char *dc)
{
	struct pw_store_options so = { .tables = pw_tables, .n_tables = PW_T_MAX };
	struct pw_ca_options co = { .datacenter = dc };
	struct pw_err err = PW_ERR_INIT;

	*c = (struct cluster){ 0 };
	if (!world_base)
		world_base = event_base_new();
	assert_int_equal(pw_store_open(&c->store, &so, &err), 0);
	co.base = world_base;
	co.store = c->store;
	assert_int_equal(pw_ca_new(&c->ca, &co, &err), 0);
	cluster_listen(c);
	c->opt = (struct pw_peering_options){ .base = world_base,
					      .store = c->store,
					      .ca = c->ca,
					      .node_name = "gw",
					      .advertise_host = "127.0.0.1",
					      .gateway_port = c->port,
					      .enabled = true,
					      .allow_loopback = true };
}

static inline void cluster_free(struct cluster *c)
{
	if (c->listener)
		evconnlistener_free(c->listener);
	pw_peering_mgr_free(&c->peering);
	pw_ca_free(&c->ca);
	pw_store_close(&c->store);
}

static inline void world_free(void)
{
	if (world_base)
		event_base_free(world_base);
	world_base = NULL;
}

/* Runs the loop until the condition holds; 0 if it did within ms. */
#define WAIT(ms, condition)                                       \
	({                                                        \
		int64_t end_ = pw_now_mono_ms() + (ms);           \
		while (!(condition) && pw_now_mono_ms() < end_) { \
			struct timeval tick_ = { 0, 2000 };       \
			event_base_loopexit(world_base, &tick_);  \
			event_base_dispatch(world_base);          \
		}                                                 \
		(condition);                                      \
	})
#define SPIN(ms) ((void)WAIT(ms, false))

static inline enum pw_peering_state cluster_state(struct cluster *c, const char *peer)
{
	const struct pw_peering *p = pw_peering_get(c->peering, peer);
	struct pw_peering_status s;
	enum pw_peering_state state;

	if (!p)
		return PW_PEERING_UNDEFINED;
	pw_peering_status(c->peering, p, &s);
	state = s.state;
	pw_peering_status_clear(&s);
	return state;
}

static inline char *cluster_token(struct cluster *c, const char *peer)
{
	struct pw_token_request req = { .name = peer };
	struct pw_err err = PW_ERR_INIT;
	char *token = NULL;

	assert_int_equal(pw_peering_generate_token(c->peering, &req, &token, &err), 0);
	return token;
}

struct established {
	bool done;
	struct pw_err err;
};

static inline void world_established(void *arg, const struct pw_err *err)
{
	struct established *e = arg;

	assert_false(e->done);
	e->done = true;
	e->err = *err;
}

static inline struct pw_err cluster_establish(struct cluster *c, const char *peer,
					      const char *token, bool retry)
{
	struct pw_establish_request req = { .name = peer, .token = token, .retry = retry };
	struct established e = { 0 };
	struct pw_err err = PW_ERR_INIT;

	if (pw_peering_establish(c->peering, &req, world_established, &e, &err) < 0)
		return err;
	assert_false(e.done);
	assert_true(WAIT(5000, e.done));
	return e.err;
}

/* Directly into the tables: what is tested is not the catalog's validation. */
static inline void cluster_service(struct cluster *c, const char *node, const char *id,
				   const char *name, int64_t port, const char *status)
{
	struct pw_node *n = pw_new0(struct pw_node);
	struct pw_service *s = pw_new0(struct pw_service);
	struct pw_check *k = pw_new0(struct pw_check);
	struct pw_err err = PW_ERR_INIT;
	struct pw_tx *tx = NULL;

	n->peer = pw_xstrdup("");
	n->name = pw_xstrdup(node);
	n->address = pw_xstrdup("10.1.1.1");
	s->peer = pw_xstrdup("");
	s->node = pw_xstrdup(node);
	s->id = pw_xstrdup(id);
	s->name = pw_xstrdup(name);
	s->port = port;
	s->weights = (struct pw_weights){ 1, 1 };
	k->peer = pw_xstrdup("");
	k->node = pw_xstrdup(node);
	k->id = pw_xasprintf("service:%s", id);
	k->name = pw_xstrdup("check");
	k->status = pw_xstrdup(status);
	k->service_id = pw_xstrdup(id);
	k->service_name = pw_xstrdup(name);
	assert_int_equal(pw_tx_begin(c->store, &tx, &err), 0);
	assert_int_equal(pw_tx_put(tx, PW_T_NODE, n, &err), 0);
	assert_int_equal(pw_tx_put(tx, PW_T_SERVICE, s, &err), 0);
	assert_int_equal(pw_tx_put(tx, PW_T_CHECK, k, &err), 0);
	assert_int_equal(pw_tx_commit(&tx, &err), 0);
}

static inline void cluster_deregister(struct cluster *c, const char *node, const char *id)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_tx *tx = NULL;

	assert_int_equal(pw_tx_begin(c->store, &tx, &err), 0);
	assert_int_equal(pw_catalog_deregister(tx, "", node, id, "", &err), 0);
	assert_int_equal(pw_tx_commit(&tx, &err), 0);
}

/* names: separated by blanks; "": exports nothing any more */
static inline void cluster_export(struct cluster *c, const char *names, const char *peer)
{
	pw_autojson json_t *body = json_pack("{s:s, s:s, s:[]}", "Kind", "exported-services",
					     "Name", "default", "Services");
	struct pw_strv v = { 0 };
	struct pw_config_entry *entry = NULL;
	struct pw_err err = PW_ERR_INIT;
	struct pw_tx *tx = NULL;
	bool written = false;

	pw_strv_split(&v, names, " ");
	for (size_t i = 0; i < v.n; i++)
		json_array_append_new(json_object_get(body, "Services"),
				      json_pack("{s:s, s:[{s:s}]}", "Name", v.items[i], "Consumers",
						"Peer", peer));
	pw_strv_clear(&v);
	if (pw_config_entry_decode(body, &entry, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(pw_tx_begin(c->store, &tx, &err), 0);
	assert_int_equal(pw_config_entry_put(tx, entry, NULL, &written, &err), 0);
	assert_int_equal(pw_tx_commit(&tx, &err), 0);
}

static inline const struct pw_service *cluster_imported(struct cluster *c, const char *peer,
							const char *node, const char *id)
{
	return pw_catalog_service(c->store, peer, node, id);
}

static inline bool cluster_check_is(struct cluster *c, const char *peer, const char *node,
				    const char *check, const char *status)
{
	pw_autofree char *key = pw_key(false, peer, node, check, NULL);
	const struct pw_check *k = pw_store_get(c->store, PW_T_CHECK, key);

	return k && pw_streq(k->status, status);
}
#endif
