/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_API_INTERNAL_H
#define PW_API_INTERNAL_H
/*
 * What the files of this folder share. One request's life:
 *
 *	server.c: request arrives → request.c: gate → blocking.c: waits if asked to → handler →
 *reply.c: answered and freed
 *
 * I1 A request is answered once, and answering frees it: no function may touch it afterwards.
 * I2 A handler that returned 0 has answered, or has handed the request to a callback that will. One
 *that returned < 0 has done neither: the caller answers with err. I3 Every unanswered request is in
 *api->requests, so that freeing the server finds it.
 */
#include "api.h"
#include "../catalog/catalog.h"
#include "query.h"
#include "../model/model.h"
#include <event2/event.h>
#include <event2/http.h>

#define PW_API_MAX_HEADER_BYTES	    (64 * 1024)
#define PW_API_MAX_BODY_BYTES	    (512 * 1024)
#define PW_API_MAX_BIG_BODY_BYTES   (3 * 1024 * 1024)  /* config entries */
#define PW_API_MAX_UNFINISHED_BYTES (64 * 1024 * 1024) /* of all requests that are not complete */
#define PW_API_MAX_CONNECTIONS	    2048
#define PW_API_MAX_PER_SOURCE	    200
#define PW_API_MAX_BLOCKED	    1024 /* queries that wait for a change */
#define PW_API_REQUEST_TIMEOUT_MS \
	10000 /* for the header; a body gets a second more for each 64 KiB */
#define PW_API_IDLE_TIMEOUT_S  120
#define PW_API_DEFAULT_WAIT_MS (300 * 1000)
#define PW_API_MAX_WAIT_MS     (600 * 1000)

enum pw_method {
	PW_GET = 1,
	PW_PUT = 2,
	PW_POST = 4,
	PW_DELETE = 8,
	PW_OPTIONS = 16,
	PW_HEAD = 32, /* answered as GET without the body */
};

struct pw_request;
/* r->rest is what follows the route's path, decoded. */
typedef int pw_handler(struct pw_request *r, struct pw_err *err);

enum pw_route_flags {
	PW_ROUTE_BIG_BODY = 1, /* PW_API_MAX_BIG_BODY_BYTES */
	PW_ROUTE_CONSISTENCY =
		2, /* answers with X-Consul-Effective-Consistency, as Consul's catalog does */
};
struct pw_route {
	unsigned method;  /* one of enum pw_method */
	const char *path; /* exact, or a prefix when it ends with '/' */
	pw_handler *handler;
	const char *acl; /* the rule a token needs, "resource:level"; NULL: none */
	uint32_t tables; /* what a blocking query waits for; 0: it does not block */
	unsigned flags;
	/* Reads that wait by ?hash instead of ?index: whether the client has what there is. */
	bool (*unchanged)(const struct pw_request *r);
};
/* The longest match of path. *ret_allow lists the methods of the path ("OPTIONS,GET"); NULL result
 * with a non-empty list: wrong method. */
const struct pw_route *pw_route_find(unsigned method, const char *path,
				     struct pw_strbuf *ret_allow);

struct pw_conns;
struct evconnlistener;
struct pw_api {
	struct pw_api *prev, *next;
	struct pw_api_options opt; /* strings are copies, below */
	char *datacenter, *node_name, *node_id, *advertise_lan;
	struct pw_strv host_names;
	struct evhttp *http;
	struct pw_conns *conns;
	struct evconnlistener **listeners; /* evhttp's */
	size_t n_listeners;
	struct event *resume; /* listening again, after accept ran out of descriptors */
	uint16_t port;
	struct pw_watch *watch;
	struct event *wake; /* blocked queries are looked at from the loop, never inside a commit */
	uint32_t changed;   /* tables, since the last wake */
	struct pw_request *requests;
	size_t n_blocked;
};

struct pw_request {
	struct pw_request *prev, *next;
	struct pw_api *api;
	struct evhttp_request *http;
	const struct pw_route *route;
	unsigned method;
	char *path; /* decoded */
	const char *rest;
	struct pw_query query;
	bool pretty;
	json_t *filter; /* {"path": …, "value": …}, see filter.c */
	/* blocking */
	bool blocked;
	uint64_t index;
	int64_t wait_ms;
	struct event *timer;
	struct event *gone; /* the client closed while the query waited */
	/* of the handler */
	void *state;
	void (*state_free)(void *state);
};
/* A complete request from evhttp; takes it through the gate to its handler. */
void pw_request_start(struct pw_api *api, struct evhttp_request *http);
void pw_request_handle(struct pw_request *r); /* behind the gate and the wait */
void pw_request_free(struct pw_request *r);
/* The answer comes later: from now on the request may vanish with its connection (state_free is
 * called then). */
void pw_request_hold(struct pw_request *r);
/* The JSON body. prefix goes before an error's text ("Request decode failed"). */
int pw_request_json(struct pw_request *r, const char *prefix, json_t **ret, struct pw_err *err);
int pw_request_decode(struct pw_request *r, const char *prefix, const struct pw_schema *s,
		      void *obj, struct pw_err *err);
const char *pw_request_param(const struct pw_request *r, const char *key); /* NULL: absent */
bool pw_request_flag(const struct pw_request *r, const char *key); /* ?key, ?key=true, ?key=1 */

/* Answers. Each takes what it is given, ends the request and returns 0, so that a handler can end
 * with it. */
int pw_reply_json(struct pw_request *r, int status, json_t *body);
int pw_reply_rows(struct pw_request *r, json_t *rows,
		  struct pw_err *err); /* 200, after ?filter; may fail: nothing answered */
int pw_reply_true(struct pw_request *r);
int pw_reply_empty(struct pw_request *r, int status);
int pw_reply_text(struct pw_request *r, int status, const char *fmt, ...) pw_printf(3, 4);
int pw_reply_raw(struct pw_request *r, int status, const char *type, const char *body);
int pw_reply_secret(struct pw_request *r, char *json); /* wiped when it was sent */
int pw_reply_err(struct pw_request *r, const struct pw_err *err);
void pw_reply_header(struct pw_request *r, const char *name, const char *value);
int pw_status_of(enum pw_err_class class); /* HTTP status of an error */

/* Waits if the request asks for it, else handles it at once. */
void pw_block_start(struct pw_request *r);
void pw_block_stop(struct pw_request *r);
uint64_t pw_block_index(const struct pw_store *s, uint32_t tables);
int pw_block_init(struct pw_api *api, struct pw_err *err);
void pw_block_fini(struct pw_api *api);

/* ?filter: -EINVAL with the text for what is not understood. */
int pw_filter_parse(const char *text, json_t **ret, struct pw_err *err);
int pw_filter_apply(const json_t *filter, json_t *rows,
		    struct pw_err *err); /* array, or object of rows */

/* Connections: limits and slow clients, which evhttp does not know. */
int pw_conns_new(struct pw_conns **ret, struct event_base *base, struct evhttp *http,
		 struct pw_err *err);
void pw_conns_free(struct pw_conns **c);
void pw_conns_busy(struct pw_conns *c,
		   struct evhttp_request *http); /* its request is complete, until it is answered */
size_t pw_conns_count(struct pw_conns *c);
void pw_conns_set_timeout(struct pw_conns *c,
			  int64_t timeout_ms); /* for requests from now on; tests shorten it */

/* One write: runs fn inside a transaction and commits it. */
typedef int pw_write_fn(struct pw_tx *tx, void *arg, struct pw_err *err);
int pw_api_write(struct pw_api *api, pw_write_fn *fn, void *arg, struct pw_err *err);

/* Rows shared by resources. New references. */
struct pw_selection {
	const char *peer; /* "" : ours */
	struct pw_strv tags;
	struct pw_strv node_meta; /* "key:value" */
	bool passing;
};
int pw_selection_get(const struct pw_request *r, struct pw_selection *ret, struct pw_err *err);
void pw_selection_clear(struct pw_selection *s);
bool pw_selection_has(const struct pw_request *r, const struct pw_selection *sel,
		      const struct pw_service *svc);
json_t *pw_row_node(const struct pw_request *r, const struct pw_node *n);
json_t *pw_row_health(const struct pw_request *r, const struct pw_service *svc);
/* Answers with a row of each selected instance of the service that the path names; each NULL: none.
 */
typedef void pw_each_fn(const struct pw_store *s, const char *peer, const char *name,
			pw_service_fn *cb, void *arg);
typedef json_t *pw_row_fn(const struct pw_request *r, const struct pw_service *svc);
int pw_list_instances(struct pw_request *r, pw_each_fn *each, pw_row_fn *row, struct pw_err *err);
json_t *pw_row_checks(const struct pw_store *s, const struct pw_service *svc);
bool pw_selection_has_node(const struct pw_selection *sel, const struct pw_node *n);
json_t *pw_agent_service_json(const struct pw_api *api, const struct pw_service *svc);
bool pw_agent_service_unchanged(const struct pw_request *r);

/* Handlers, by file. */
pw_handler pw_h_peerings, pw_h_peering_read, pw_h_peering_delete, pw_h_peering_token,
	pw_h_peering_establish;
pw_handler pw_h_catalog_register, pw_h_catalog_deregister, pw_h_catalog_services,
	pw_h_catalog_service, pw_h_catalog_connect, pw_h_catalog_nodes, pw_h_catalog_node,
	pw_h_catalog_node_services, pw_h_catalog_datacenters;
pw_handler pw_h_health_service, pw_h_health_connect, pw_h_health_ingress, pw_h_health_node,
	pw_h_health_checks, pw_h_health_state;
pw_handler pw_h_agent_register, pw_h_agent_deregister, pw_h_agent_services, pw_h_agent_service,
	pw_h_agent_checks, pw_h_agent_check_pass, pw_h_agent_check_warn, pw_h_agent_check_fail,
	pw_h_agent_check_update, pw_h_agent_health_name, pw_h_agent_health_id;
pw_handler pw_h_config_put, pw_h_config_get, pw_h_config_delete;
pw_handler pw_h_intentions, pw_h_intention_match, pw_h_intention_check, pw_h_intention_get,
	pw_h_intention_put, pw_h_intention_delete, pw_h_authorize;
pw_handler pw_h_ca_roots, pw_h_ca_leaf;
pw_handler pw_h_exported, pw_h_imported;
pw_handler pw_h_flows, pw_h_gateway;
pw_handler pw_h_leader, pw_h_peers, pw_h_self, pw_h_members, pw_h_acl_disabled;
#endif
