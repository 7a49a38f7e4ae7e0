// SPDX-License-Identifier: Apache-2.0
/* From evhttp's request to ours, and the gate that every one passes before its handler. */
#include "internal.h"
#include "../base/addr.h"
#include "../base/time.h"
#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

static const char *header(const struct pw_request *r, const char *name)
{
	return evhttp_find_header(evhttp_request_get_input_headers(r->http), name);
}

static unsigned method_of(struct evhttp_request *http, const char **ret_name)
{
	static const struct {
		enum evhttp_cmd_type cmd;
		unsigned method;
		const char *name;
	} map[] = {
		{ EVHTTP_REQ_GET, PW_GET, "GET" },
		{ EVHTTP_REQ_PUT, PW_PUT, "PUT" },
		{ EVHTTP_REQ_POST, PW_POST, "POST" },
		{ EVHTTP_REQ_DELETE, PW_DELETE, "DELETE" },
		{ EVHTTP_REQ_OPTIONS, PW_OPTIONS, "OPTIONS" },
		{ EVHTTP_REQ_HEAD, PW_HEAD, "HEAD" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(map); i++) {
		if (evhttp_request_get_command(http) == map[i].cmd) {
			*ret_name = map[i].name;
			return map[i].method;
		}
	}
	*ret_name = "PATCH";
	return 0;
}

/* A page in a browser can make it send requests here; what it cannot do is lie about Host and
 * Origin. */
static int check_browser(const struct pw_request *r, struct pw_err *err)
{
	const char *host = evhttp_request_get_host(r->http), *origin = header(r, "Origin");
	const char *authority = header(r, "Host"), *at;
	struct pw_addr addr;

	if (!host)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "missing required Host header");
	if (strcasecmp(host, "localhost") != 0 && pw_addr_parse(host, 0, &addr) < 0) {
		bool known = false;

		for (size_t i = 0; i < r->api->host_names.n; i++)
			known = known || !strcasecmp(host, r->api->host_names.items[i]);
		if (!known)
			return pw_err_set(
				err, PW_ERR_DENIED, EACCES,
				"Host %.200s is not a name of this agent: use an IP address or localhost",
				host);
	}
	if (!origin)
		return 0;
	at = strstr(origin, "://");
	if (!at || !authority || strcasecmp(at + 3, authority) != 0)
		return pw_err_set(err, PW_ERR_DENIED, EACCES,
				  "Requests from other web sites (Origin %.200s) are refused",
				  origin);
	return 0;
}

static int check_tenancy(const struct pw_request *r, struct pw_err *err)
{
	static const char *const names[][3] = {
		{ "ns", "X-Consul-Namespace", "Namespaces are a Consul Enterprise feature" },
		{ "partition", "X-Consul-Partition", "Partitions are a Consul Enterprise feature" },
	};
	const char *dc = pw_query_get(&r->query, "dc");

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!pw_str_empty(header(r, names[i][1])))
			return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
					  "Invalid header: \"%s\" - %s", names[i][1], names[i][2]);
		if (!pw_str_empty(pw_query_get(&r->query, names[i][0])))
			return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
					  "Invalid query parameter: \"%s\" - %s", names[i][0],
					  names[i][2]);
	}
	if (!pw_str_empty(dc) && !pw_streq(dc, r->api->datacenter))
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL, "No path to datacenter");
	return 0;
}

/* The one place where tokens will be asked for; ACLs cannot be turned on yet, the configuration
 * refuses it. */
static int check_acl(const struct pw_request *r, struct pw_err *err)
{
	return 0;
}

static int check_body(const struct pw_request *r, struct pw_err *err)
{
	size_t len = evbuffer_get_length(evhttp_request_get_input_buffer(r->http));

	if (len > PW_API_MAX_BODY_BYTES && !(r->route->flags & PW_ROUTE_BIG_BODY))
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EMSGSIZE,
				  "Request body(%zu bytes) too large, max size: %d bytes.", len,
				  PW_API_MAX_BODY_BYTES);
	return 0;
}

static int parse_wait(struct pw_request *r, struct pw_err *err)
{
	const char *index = pw_query_get(&r->query, "index");
	const char *wait = pw_query_get(&r->query, "wait");

	r->wait_ms = PW_API_DEFAULT_WAIT_MS;
	if (!pw_str_empty(wait) && (pw_duration_parse_ms(wait, &r->wait_ms) < 0 || r->wait_ms < 0))
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "Invalid wait time");
	if (!r->wait_ms)
		r->wait_ms = PW_API_DEFAULT_WAIT_MS;
	r->wait_ms = pw_min(r->wait_ms, (int64_t)PW_API_MAX_WAIT_MS);
	if (!pw_str_empty(index) && pw_str_to_u64(index, UINT64_MAX, &r->index) < 0)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "Invalid index");
	if (pw_query_has(&r->query, "stale") && pw_query_has(&r->query, "consistent"))
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "Cannot specify ?stale with ?consistent, conflicting semantics.");
	return 0;
}

/* What is bad about a read is told before it waits. */
static int check_params(struct pw_request *r, struct pw_err *err)
{
	const char *filter = pw_query_get(&r->query, "filter");
	struct pw_selection sel = { 0 };
	int rc;

	r->pretty = pw_query_has(&r->query, "pretty");
	rc = parse_wait(r, err);
	if (rc == 0 && r->route->tables)
		rc = pw_selection_get(r, &sel, err);
	pw_selection_clear(&sel);
	if (rc == 0 && !pw_str_empty(filter) && r->route->method == PW_GET)
		rc = pw_filter_parse(filter, &r->filter, err);
	return rc;
}

static int gate(struct pw_request *r, struct pw_err *err)
{
	int (*const checks[])(const struct pw_request *r, struct pw_err *err) = {
		check_tenancy,
		check_acl,
		check_body,
	};

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		int rc = checks[i](r, err);

		if (rc < 0)
			return rc;
	}
	return check_params(r, err);
}

/* On success the route is known; else the request was answered. */
static bool find_route(struct pw_request *r)
{
	pw_cleanup(pw_strbuf_clear) struct pw_strbuf allow = { 0 };
	const char *name;

	r->method = method_of(r->http, &name);
	r->route = pw_route_find(r->method == PW_HEAD ? PW_GET : r->method, r->path, &allow);
	if (r->route) {
		r->rest = r->path + strlen(r->route->path);
		return true;
	}
	if (!allow.len) {
		pw_reply_text(r, 404, "Invalid URL path: not a recognized HTTP API endpoint\n");
		return false;
	}
	pw_reply_header(r, "Allow", allow.text);
	if (r->method == PW_OPTIONS)
		pw_reply_empty(r, 200);
	else
		pw_reply_text(r, 405, "method %s not allowed", name);
	return false;
}

static int parse_target(struct pw_request *r, struct pw_err *err)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(r->http);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;

	if (!path || pw_percent_decode(path, strlen(path), /* plus= */ false, &r->path) < 0)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "Invalid URL path");
	if (pw_query_parse(evhttp_uri_get_query(uri), &r->query) < 0)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "Invalid query string");
	return 0;
}

void pw_request_start(struct pw_api *api, struct evhttp_request *http)
{
	struct pw_request *r = pw_new0(struct pw_request);
	struct pw_err err = PW_ERR_INIT;
	int rc;

	r->api = api;
	r->http = http;
	DL_APPEND(api->requests, r);
	rc = parse_target(r, &err);
	if (rc == 0)
		rc = check_browser(r, &err);
	if (rc < 0) {
		pw_reply_err(r, &err);
		return;
	}
	if (!find_route(r))
		return;
	rc = gate(r, &err);
	if (rc == -EMSGSIZE)
		pw_reply_text(r, 413, "%s", err.text);
	else if (rc < 0)
		pw_reply_err(r, &err);
	else
		pw_block_start(r);
}

static void read_headers(struct pw_request *r)
{
	char index[24];

	if (!r->route->tables || r->route->unchanged)
		return;
	snprintf(index, sizeof(index), "%llu",
		 (unsigned long long)pw_block_index(r->api->opt.store, r->route->tables));
	pw_reply_header(r, "X-Consul-Index", index);
	pw_reply_header(r, "X-Consul-KnownLeader", "true");
	pw_reply_header(r, "X-Consul-LastContact", "0");
	pw_reply_header(r, "X-Consul-Query-Backend", "blocking-query");
	if (r->route->flags & PW_ROUTE_CONSISTENCY)
		pw_reply_header(r, "X-Consul-Effective-Consistency", "leader");
}

void pw_request_handle(struct pw_request *r)
{
	struct pw_err err = PW_ERR_INIT;

	read_headers(r);
	if (r->route->handler(r, &err) < 0)
		pw_reply_err(r, &err);
}

/* The connection went down under an open request. A request that evhttp has let go of is ours to
 * free. */
static void on_closed(struct evhttp_connection *evcon, void *arg)
{
	struct pw_request *r = arg;
	struct evhttp_request *http = r->http;

	pw_request_free(r);
	if (!evhttp_request_get_connection(http))
		evhttp_request_free(http);
}

void pw_request_hold(struct pw_request *r)
{
	struct evhttp_connection *evcon = evhttp_request_get_connection(r->http);

	if (evcon)
		evhttp_connection_set_closecb(evcon, on_closed, r);
}

void pw_request_free(struct pw_request *r)
{
	struct evhttp_connection *evcon = evhttp_request_get_connection(r->http);

	if (evcon)
		evhttp_connection_set_closecb(evcon, NULL, NULL);
	pw_block_stop(r);
	if (r->state_free)
		r->state_free(r->state);
	DL_DELETE(r->api->requests, r);
	pw_query_clear(&r->query);
	json_decref(r->filter);
	free(r->path);
	free(r);
}

int pw_request_json(struct pw_request *r, const char *prefix, json_t **ret, struct pw_err *err)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(r->http);
	size_t len = evbuffer_get_length(in);
	unsigned char *body = evbuffer_pullup(in, -1);
	int rc = pw_json_parse(body ? (const char *)body : "", len, ret, err);

	/* It may hold a peering token, and evhttp does not wipe what it frees. */
	if (body)
		OPENSSL_cleanse(body, len);
	return rc < 0 ? pw_err_prefix(err, "%s", prefix) : 0;
}

int pw_request_decode(struct pw_request *r, const char *prefix, const struct pw_schema *s,
		      void *obj, struct pw_err *err)
{
	pw_autojson json_t *body = NULL;
	int rc;

	rc = pw_request_json(r, prefix, &body, err);
	if (rc < 0)
		return rc;
	rc = pw_schema_decode(s, body, PW_DECODE_STRICT, obj, err);
	return rc < 0 ? pw_err_prefix(err, "%s", prefix) : 0;
}

const char *pw_request_param(const struct pw_request *r, const char *key)
{
	return pw_query_get(&r->query, key);
}

bool pw_request_flag(const struct pw_request *r, const char *key)
{
	const char *v = pw_query_get(&r->query, key);

	return v && (!*v || pw_streq(v, "true") || pw_streq(v, "1"));
}
