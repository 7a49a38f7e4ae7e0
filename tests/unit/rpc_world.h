/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_TESTS_RPC_WORLD_H
#define PW_TESTS_RPC_WORLD_H
/* A gRPC server on 127.0.0.1 with its certificates, and an event loop that runs until something is
 * true. Included once by a test program. */
#include "userspace/base/fs.h"
#include "userspace/base/str.h"
#include "userspace/base/time.h"
#include "userspace/ca/ca_private.h"
#include "userspace/rpc/grpc.h"
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define SERVER_NAME "server.dc1.peering.11111111-2222-3333-4444-555555555555.consul"
#define WAIT_MS	    10000

struct world {
	struct event_base *base;
	struct pw_grpc_server *server;
	SSL_CTX *server_ctx; /* NULL: plaintext */
	char *root_pem;
	int listen_fd;
	uint16_t port;
	struct event *ev_accept;
	size_t n_accepted;
	bool mute; /* accept and say nothing */
	int mute_fd;
	int send_buffer_bytes; /* of accepted connections; 0: the kernel's */
};

static void world_accept(evutil_socket_t fd, short what, void *arg)
{
	struct world *w = arg;
	struct pw_addr from = { .len = sizeof(from.u) };
	int c = accept4(fd, &from.u.sa, &from.len, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (c < 0)
		return;
	w->n_accepted++;
	if (w->send_buffer_bytes)
		setsockopt(c, SOL_SOCKET, SO_SNDBUF, &w->send_buffer_bytes, sizeof(int));
	if (w->mute)
		w->mute_fd = c;
	else
		assert_int_equal(pw_grpc_server_accept(w->server, c, w->server_ctx, &from, NULL),
				 0);
}

static void world_certify(struct world *w)
{
	int64_t now = pw_now_real_ns() / 1000000000;
	pw_autopkey EVP_PKEY *root_key = NULL, *key = NULL;
	pw_autox509 X509 *root = NULL, *leaf = NULL;
	struct pw_cert_request req = { .cn = "root",
				       .uri = "spiffe://td.consul",
				       .serial = 1,
				       .not_before_sec = now - 60,
				       .not_after_sec = now + 3600 };

	assert_int_equal(pw_key_new(&root_key, NULL), 0);
	assert_int_equal(pw_key_new(&key, NULL), 0);
	req.key = root_key;
	assert_int_equal(pw_cert_build(&req, &root, NULL), 0);
	req = (struct pw_cert_request){ .issuer = root,
					.issuer_key = root_key,
					.key = key,
					.uri = "spiffe://td.consul/agent/server/dc/dc1",
					.dns = SERVER_NAME,
					.serial = 2,
					.not_before_sec = now - 60,
					.not_after_sec = now + 3600 };
	assert_int_equal(pw_cert_build(&req, &leaf, NULL), 0);
	assert_int_equal(pw_cert_to_pem(root, &w->root_pem, NULL), 0);
	w->server_ctx = SSL_CTX_new(TLS_server_method());
	assert_int_equal(SSL_CTX_use_certificate(w->server_ctx, leaf), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(w->server_ctx, key), 1);
}

static void world_open(struct world *w, bool tls, const struct pw_grpc_limits *lim,
		       const struct pw_grpc_method *methods, size_t n, void *arg)
{
	struct pw_addr any;

	memset(w, 0, sizeof(*w));
	w->mute_fd = -1;
	w->base = event_base_new();
	assert_int_equal(pw_grpc_server_new(&w->server, w->base, lim, methods, n, arg, NULL), 0);
	if (tls)
		world_certify(w);
	pw_addr_parse("127.0.0.1", 0, &any);
	w->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(w->listen_fd, &any.u.sa, any.len), 0);
	assert_int_equal(listen(w->listen_fd, 64), 0);
	assert_int_equal(getsockname(w->listen_fd, &any.u.sa, &any.len), 0);
	w->port = pw_addr_port(&any);
	w->ev_accept = event_new(w->base, w->listen_fd, EV_READ | EV_PERSIST, world_accept, w);
	event_add(w->ev_accept, NULL);
}

static void world_close(struct world *w)
{
	pw_grpc_server_free(&w->server);
	event_free(w->ev_accept);
	close(w->listen_fd);
	if (w->mute_fd >= 0)
		close(w->mute_fd);
	SSL_CTX_free(w->server_ctx);
	free(w->root_pem);
	event_base_free(w->base);
}

static void world_tick(evutil_socket_t fd, short what, void *arg) {}

static void world_step(struct world *w)
{
	struct timeval tv = { 0, 50000 };
	struct event *tick = evtimer_new(w->base, world_tick, NULL);

	event_add(tick, &tv);
	event_base_loop(w->base, EVLOOP_ONCE);
	event_free(tick);
}

#define RUN_UNTIL(w, condition)                                   \
	do {                                                      \
		int64_t until_ = pw_now_mono_ms() + WAIT_MS;      \
		while (!(condition) && pw_now_mono_ms() < until_) \
			world_step(w);                            \
		assert_true(condition);                           \
	} while (0)

/* What a client's call brought. */
struct outcome {
	size_t n_messages, n_bytes, n_ends, n_writable;
	char last[64];
	int code;
	char message[512];
	uint8_t details[64];
	size_t details_len;
	bool transport;
};

static void outcome_message(void *arg, struct pw_call *c, const uint8_t *data, size_t len)
{
	struct outcome *o = arg;

	assert_int_equal(o->n_ends, 0);
	o->n_messages++;
	o->n_bytes += len;
	snprintf(o->last, sizeof(o->last), "%.*s", (int)len, (const char *)data);
}

static void outcome_end(void *arg, struct pw_call *c, const struct pw_grpc_status *st)
{
	struct outcome *o = arg;

	o->n_ends++;
	o->code = st->code;
	o->transport = st->transport;
	snprintf(o->message, sizeof(o->message), "%s", st->message);
	o->details_len = pw_min(st->details_len, sizeof(o->details));
	if (o->details_len)
		memcpy(o->details, st->details, o->details_len);
}

static void outcome_writable(void *arg, struct pw_call *c)
{
	((struct outcome *)arg)->n_writable++;
}

static const struct pw_call_ops outcome_ops = { .on_message = outcome_message,
						.on_end = outcome_end,
						.on_writable = outcome_writable };
#endif
