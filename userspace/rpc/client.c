// SPDX-License-Identifier: Apache-2.0
#include "internal.h"
#include "../base/str.h"
#include "../base/time.h"

#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What the dialing side of a connection needs besides. */
struct rpc_client {
	char *host;
	uint16_t port;
	SSL_CTX *ctx; /* a reference of ours */
	char *server_name;
	struct rpc_resolve *resolve;
	struct pw_addr addrs[RPC_MAX_ADDRESSES];
	size_t n_addrs, next_addr;
	int64_t deadline_ms;
	bool (*may_dial)(void *arg, const struct pw_addr *a);
	void *arg;
	char last_error[PW_ADDR_TEXT + 288];
};

void rpc_client_clear(struct rpc_client **client)
{
	struct rpc_client *cl = TAKE_PTR(*client);

	if (!cl)
		return;
	rpc_resolve_cancel(&cl->resolve);
	SSL_CTX_free(cl->ctx);
	free(cl->host);
	free(cl->server_name);
	free(cl);
}

static void note(struct rpc_client *cl, const struct pw_addr *a, const char *what)
{
	char text[PW_ADDR_TEXT];

	snprintf(cl->last_error, sizeof(cl->last_error), "%s: %s", pw_addr_text(a, text), what);
}

static int dial(struct pw_grpc_conn *conn, const struct pw_addr *a)
{
	pw_autoclose int fd =
		socket(a->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct rpc_client *cl = conn->client;
	int on = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, &a->u.sa, a->len) < 0 && errno != EINPROGRESS)
		return -errno;
	conn->peer = *a;
	return rpc_transport_open(&conn->io, TAKE_FD(fd), cl->ctx, cl->server_name);
}

/* The next address that may be dialed and does not refuse at once; each gets its share of the time
 * left. */
static void dial_next(struct pw_grpc_conn *conn)
{
	struct rpc_client *cl = conn->client;
	int64_t now = pw_now_mono_ms();

	rpc_conn_detach_fd(conn);
	while (cl->next_addr < cl->n_addrs && now < cl->deadline_ms) {
		const struct pw_addr *a = &cl->addrs[cl->next_addr++];
		int r;

		if (cl->may_dial && !cl->may_dial(cl->arg, a)) {
			note(cl, a, "this address may not be dialed");
			continue;
		}
		r = dial(conn, a);
		if (r < 0) {
			note(cl, a, strerror(-r));
			continue;
		}
		conn->state = RPC_CONNECTING;
		conn->start_deadline_ms =
			now + (cl->deadline_ms - now) / (int64_t)(cl->n_addrs - cl->next_addr + 1);
		rpc_conn_attach(conn);
		rpc_conn_arm(conn, conn->start_deadline_ms);
		return;
	}
	rpc_conn_fail(conn, PW_GRPC_UNAVAILABLE, "%s",
		      *cl->last_error ? cl->last_error : "no time left to connect");
}

void rpc_client_connected(struct pw_grpc_conn *conn)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(conn->io.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error) {
		note(conn->client, &conn->peer, strerror(error));
		dial_next(conn);
		return;
	}
	conn->state = RPC_HANDSHAKE;
	event_add(conn->ev_read, /*timeout=*/NULL);
}

void rpc_client_retry(struct pw_grpc_conn *conn, const char *why)
{
	if (conn->state <= RPC_RESOLVING) {
		rpc_conn_fail(conn, PW_GRPC_UNAVAILABLE, "%s: the name was not resolved in time",
			      conn->client->host);
		return;
	}
	if (!why)
		why = conn->state == RPC_CONNECTING ? "connection timed out"
						    : "TLS handshake timed out";
	note(conn->client, &conn->peer, why);
	dial_next(conn);
}

static void on_resolved(void *arg, const struct pw_addr *addrs, size_t n, const char *error)
{
	struct pw_grpc_conn *conn = arg;
	struct rpc_client *cl = conn->client;

	cl->resolve = NULL;
	if (conn->state != RPC_RESOLVING)
		return;
	if (n == 0) {
		rpc_conn_fail(conn, PW_GRPC_UNAVAILABLE, "%s: %s", cl->host, error);
		return;
	}
	memcpy(cl->addrs, addrs, n * sizeof(*addrs));
	cl->n_addrs = n;
	dial_next(conn);
}

void rpc_client_start(struct pw_grpc_conn *conn)
{
	struct rpc_client *cl = conn->client;
	struct rpc_resolve *resolve = NULL;
	struct pw_addr literal;

	conn->state = RPC_RESOLVING;
	if (pw_addr_parse(cl->host, cl->port, &literal) == 0) {
		on_resolved(conn, &literal, 1, "");
		return;
	}
	if (rpc_resolve_start(&resolve, conn->base, cl->host, cl->port, on_resolved, conn) < 0)
		rpc_conn_fail(conn, PW_GRPC_UNAVAILABLE,
			      "%s: no name server is known (/etc/resolv.conf)", cl->host);
	cl->resolve = resolve;
}

int pw_grpc_client_new(struct pw_grpc_conn **ret, const struct pw_grpc_client_options *opt,
		       struct pw_err *err)
{
	struct pw_grpc_conn *conn;
	struct rpc_client *cl;

	if (pw_str_empty(opt->host) || opt->port == 0 || opt->limits.max_receive_bytes == 0)
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
				  "a gRPC client needs host, port and a limit for messages");
	if (opt->ctx && pw_str_empty(opt->server_name))
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "a server name is needed to verify %s", opt->host);
	conn = rpc_conn_new(opt->base, &opt->limits);
	cl = conn->client = pw_new0(struct rpc_client);
	cl->host = pw_xstrdup(opt->host);
	cl->port = opt->port;
	cl->server_name = pw_str_empty(opt->server_name)
				  ? pw_xasprintf("%s:%u", opt->host, opt->port)
				  : pw_xstrdup(opt->server_name);
	cl->deadline_ms =
		pw_now_mono_ms() + (opt->connect_timeout_ms > 0 ? opt->connect_timeout_ms : 10000);
	cl->may_dial = opt->may_dial;
	cl->arg = opt->arg;
	if (opt->ctx && SSL_CTX_up_ref(opt->ctx) == 1)
		cl->ctx = opt->ctx;
	if (rpc_h2_new(conn) < 0) {
		rpc_conn_abandon(conn);
		return pw_err_set(err, PW_ERR_INTERNAL, ENOMEM, "no memory for HTTP/2");
	}
	/* From the loop, so that a failure finds the calls that are made now. */
	conn->start_deadline_ms = cl->deadline_ms;
	rpc_conn_arm(conn, cl->deadline_ms);
	rpc_conn_kick(conn);
	*ret = conn;
	return 0;
}

void pw_grpc_client_free(struct pw_grpc_conn **conn)
{
	struct pw_grpc_conn *c = TAKE_PTR(*conn);

	if (c)
		rpc_conn_abandon(c);
}

int pw_grpc_call(struct pw_grpc_conn *conn, const char *path, const struct pw_call_ops *ops,
		 void *arg, struct pw_call **ret, struct pw_err *err)
{
	struct pw_call *c;
	int32_t id;

	if (conn->closing || conn->going_away || conn->state == RPC_DEAD)
		return pw_err_set(err, PW_ERR_UNAVAILABLE, ENOTCONN, "%s",
				  conn->why ? conn->why : "the server is going away");
	c = rpc_call_new(conn);
	c->ops = ops;
	c->arg = arg;
	id = rpc_h2_request(c, path, conn->client->server_name, conn->client->ctx != NULL);
	if (id < 0) {
		rpc_call_free(c);
		return pw_err_set(err, PW_ERR_UNAVAILABLE, ENOTCONN, "HTTP/2: %s",
				  nghttp2_strerror(id));
	}
	rpc_call_link(c, id);
	rpc_conn_kick(conn);
	*ret = c;
	return 0;
}

static bool is_grpc(const char *type)
{
	return type && pw_str_starts(type, "application/grpc");
}

static void end_bad_answer(struct pw_call *c)
{
	char text[160];

	if (c->http_status != 200)
		snprintf(text, sizeof(text), "unexpected HTTP status code received from server: %d",
			 c->http_status);
	else
		snprintf(text, sizeof(text),
			 "unexpected content-type received from server: \"%.64s\"",
			 pw_str_or_empty(c->content_type));
	rpc_call_end(c,
		     c->http_status != 200 ? rpc_status_of_http(c->http_status) : PW_GRPC_UNKNOWN,
		     text, /*transport=*/false);
}

void rpc_client_headers(struct pw_call *c, bool end_stream)
{
	if (!c->opened && !end_stream && c->http_status < 200) {
		c->http_status = 0; /* 1xx: the answer is still to come */
		return;
	}
	c->opened = true;
	if (!end_stream && c->http_status == 200 && is_grpc(c->content_type))
		return;
	/* The answer is complete, or not one that we understand: nothing more is sent. */
	if (!c->local_done || !end_stream)
		rpc_call_reset(c, end_stream ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
	if (end_stream && c->has_status && c->status.code == PW_GRPC_OK &&
	    rpc_frame_partial(&c->in))
		rpc_call_end(c, PW_GRPC_INTERNAL, "unexpected EOF", /*transport=*/false);
	else if (end_stream && c->has_status)
		rpc_call_end_as_is(c);
	else if (c->http_status != 200 || !is_grpc(c->content_type))
		end_bad_answer(c);
	else
		rpc_call_end(c, PW_GRPC_INTERNAL,
			     "server closed the stream without sending trailers",
			     /*transport=*/true);
}

static int add_roots(X509_STORE *store, const char *pem, size_t *n)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert;
	int r = bio ? 0 : -ENOMEM;

	while (r == 0 && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		if (X509_STORE_add_cert(store, cert) == 1)
			(*n)++;
		else
			r = -EINVAL;
		X509_free(cert);
	}
	BIO_free(bio);
	ERR_clear_error(); /* the end of the text is an error to OpenSSL */
	return r;
}

static int client_ctx(SSL_CTX *ctx, const char *const *root_pems, size_t n)
{
	static const uint8_t alpn[] = { 2, 'h', '2' };
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	size_t n_roots = 0;
	int r;

	for (size_t i = 0; i < n; i++) {
		r = add_roots(store, root_pems[i], &n_roots);
		if (r < 0)
			return r;
	}
	if (n_roots == 0)
		return -EINVAL;
	/* As Go does, and so as Consul expects: whatever is in the pool is trusted, be it
	 * self-signed or not. */
	X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, /*callback=*/NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_alpn_protos(ctx, alpn, sizeof(alpn)) != 0)
		return -EINVAL;
	return 0;
}

int pw_grpc_client_ctx(SSL_CTX **ret, const char *const *root_pems, size_t n, struct pw_err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int r = ctx ? client_ctx(ctx, root_pems, n) : -ENOMEM;

	if (r < 0) {
		SSL_CTX_free(ctx);
		return pw_err_set(err, PW_ERR_BAD_REQUEST, r,
				  "no usable CA certificate to verify the server with");
	}
	*ret = ctx;
	return 0;
}
