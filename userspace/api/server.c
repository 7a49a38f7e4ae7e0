// SPDX-License-Identifier: Apache-2.0
#include "internal.h"
#include "../base/addr.h"
#include "../base/log.h"
#include <event2/listener.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#define BACKLOG		  128
#define ACCEPT_PAUSE_USEC (100 * 1000)

static struct pw_api *all; /* control thread only */

static void on_request(struct evhttp_request *http, void *arg)
{
	struct pw_api *api = arg;

	pw_conns_busy(api->conns, http);
	pw_request_start(api, http);
}

static void set_listening(struct pw_api *api, bool on)
{
	for (size_t i = 0; i < api->n_listeners; i++) {
		if (on)
			evconnlistener_enable(api->listeners[i]);
		else
			evconnlistener_disable(api->listeners[i]);
	}
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	set_listening(arg, true);
}

/* Out of descriptors: a pause, since the listener would report it again at once. evhttp is the
 * argument of its listeners, so ours is found by it. */
static void on_accept_error(struct evconnlistener *listener, void *http)
{
	struct timeval pause = { .tv_usec = ACCEPT_PAUSE_USEC };
	int error = errno;
	struct pw_api *api;

	DL_FOREACH(all, api)
	{
		if (api->http != http)
			continue;
		pw_log_warn("api.accept", "error", strerror(error), NULL);
		set_listening(api, false);
		event_add(api->resume, &pause);
	}
}

static int bind_socket(const struct pw_addr *a, struct pw_err *err)
{
	pw_autoclose int fd = -1;
	char text[PW_ADDR_TEXT];
	int one = 1;

	fd = socket(a->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, errno, "HTTP API: socket: %s",
				  strerror(errno));
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    (a->u.sa.sa_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0))
		return pw_err_set(err, PW_ERR_INTERNAL, errno, "HTTP API: setsockopt: %s",
				  strerror(errno));
	if (bind(fd, &a->u.sa, a->len) < 0 || listen(fd, BACKLOG) < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, errno,
				  "HTTP API: cannot listen on %s: %s (client_addr, ports.http)",
				  pw_addr_text(a, text), strerror(errno));
	return TAKE_FD(fd);
}

static int listen_on(struct pw_api *api, const char *ip, struct pw_err *err)
{
	pw_autoclose int fd = -1;
	struct evhttp_bound_socket *bound;
	struct evconnlistener *listener;
	struct pw_addr addr;
	int r;

	/* With port 0 the first address chooses, and the others follow it. */
	r = pw_addr_parse(ip, api->port, &addr);
	if (r < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, r, "client_addr: %s is not an IP address",
				  ip);
	fd = bind_socket(&addr, err);
	if (fd < 0)
		return fd;
	addr.len = sizeof(addr.u);
	if (!api->port && getsockname(fd, &addr.u.sa, &addr.len) == 0)
		api->port = pw_addr_port(&addr);
	bound = evhttp_accept_socket_with_handle(api->http, fd);
	if (!bound)
		return pw_err_set(err, PW_ERR_INTERNAL, ENOMEM, "HTTP API: no memory");
	TAKE_FD(fd); /* evhttp closes it */
	listener = evhttp_bound_socket_get_listener(bound);
	evconnlistener_set_error_cb(listener, on_accept_error);
	api->listeners =
		pw_xrealloc(api->listeners, (api->n_listeners + 1) * sizeof(*api->listeners));
	api->listeners[api->n_listeners++] = listener;
	return 0;
}

static int make_http(struct pw_api *api, struct pw_err *err)
{
	api->http = evhttp_new(api->opt.base);
	api->resume = event_new(api->opt.base, -1, 0, on_resume, api);
	if (!api->http || !api->resume)
		return pw_err_set(err, PW_ERR_INTERNAL, ENOMEM, "HTTP API: no memory");
	evhttp_set_max_headers_size(api->http, PW_API_MAX_HEADER_BYTES);
	evhttp_set_max_body_size(api->http, PW_API_MAX_BIG_BODY_BYTES);
	evhttp_set_timeout(api->http, PW_API_IDLE_TIMEOUT_S);
	evhttp_set_default_content_type(api->http, NULL);
	/* The router answers 405 itself, with Allow. */
	evhttp_set_allowed_methods(api->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST |
						      EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
						      EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
	evhttp_set_gencb(api->http, on_request, api);
	return pw_conns_new(&api->conns, api->opt.base, api->http, err);
}

static void copy_options(struct pw_api *api, const struct pw_api_options *opt)
{
	api->opt = *opt;
	api->datacenter = pw_xstrdup(pw_str_or_empty(opt->datacenter));
	api->node_name = pw_xstrdup(pw_str_or_empty(opt->node_name));
	api->node_id = pw_xstrdup(pw_str_or_empty(opt->node_id));
	api->advertise_lan = pw_xstrdup(pw_str_or_empty(opt->advertise_lan));
	for (size_t i = 0; opt->host_names && opt->host_names[i]; i++)
		pw_strv_add(&api->host_names, opt->host_names[i]);
	api->port = opt->http_port;
}

int pw_api_new(struct pw_api **ret, const struct pw_api_options *opt, struct pw_err *err)
{
	pw_cleanup(pw_api_free) struct pw_api *api = pw_new0(struct pw_api);
	int r;

	DL_APPEND(all, api);
	copy_options(api, opt);
	r = make_http(api, err);
	if (r < 0)
		return r;
	r = pw_block_init(api, err);
	if (r < 0)
		return r;
	for (size_t i = 0; opt->addresses && opt->addresses[i]; i++) {
		r = listen_on(api, opt->addresses[i], err);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(api);
	return 0;
}

uint16_t pw_api_port(const struct pw_api *api)
{
	return api->port;
}

void pw_api_free(struct pw_api **papi)
{
	struct pw_api *api = TAKE_PTR(*papi);
	struct pw_request *r, *next;

	if (!api)
		return;
	pw_block_fini(api);
	DL_FOREACH_SAFE(api->requests, r, next)
	pw_request_free(r);
	if (api->http)
		evhttp_free(api->http);
	pw_conns_free(&api->conns);
	if (api->resume)
		event_free(api->resume);
	free(api->listeners);
	DL_DELETE(all, api);
	pw_strv_clear(&api->host_names);
	free(api->datacenter);
	free(api->node_name);
	free(api->node_id);
	free(api->advertise_lan);
	free(api);
}

int pw_api_write(struct pw_api *api, pw_write_fn *fn, void *arg, struct pw_err *err)
{
	pw_autotx struct pw_tx *tx = NULL;
	int r;

	r = pw_tx_begin(api->opt.store, &tx, err);
	if (r < 0)
		return r;
	r = fn(tx, arg, err);
	if (r < 0)
		return r;
	return pw_tx_commit(&tx, err);
}
