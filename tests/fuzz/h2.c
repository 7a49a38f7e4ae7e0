// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes of a stranger to the server (first byte even) or of a server to our client (odd), in
 * plaintext over a socket pair; behind a proper greeting if its second bit is set. Every call that
 * was opened must end once, and nothing may be left over.
 */
#include "userspace/rpc/internal.h"
#include <assert.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The path of the recorded requests, so that those can be seeds. */
#define METHOD "/hashicorp.consul.internal.peerstream.PeerStreamService/ExchangeSecret"

static size_t n_open, n_ended;

static void on_message(void *arg, struct pw_call *c, const uint8_t *data, size_t len)
{
	if (len > 0 && data[0] % 4 == 0)
		pw_call_trust(c);
	if (len > 1 && data[1] % 4 == 0)
		pw_call_finish(c, data[1], "done", data, len);
	else if (len > 1 && data[1] % 4 == 1)
		pw_call_cancel(c);
	else
		(void)pw_call_send(c, data, len);
}

static void on_half_close(void *arg, struct pw_call *c)
{
	pw_call_finish(c, PW_GRPC_OK, "", /*details=*/NULL, 0);
}

static void on_end(void *arg, struct pw_call *c, const struct pw_grpc_status *st)
{
	assert(st->message);
	n_ended++;
}

static const struct pw_call_ops ops = { .on_message = on_message,
					.on_half_close = on_half_close,
					.on_end = on_end };

static int open_call(void *arg, struct pw_call *c, const struct pw_call_ops **ret_ops,
		     void **ret_arg, struct pw_err *err)
{
	n_open++;
	*ret_ops = &ops;
	*ret_arg = NULL;
	return 0;
}

static const struct pw_grpc_limits lim = { .max_receive_bytes = 4096,
					   .first_message_bytes = 1024,
					   .first_message_ms = 10000,
					   .max_streams = 16,
					   .max_send_queue_bytes = 4096 };

static void greet(int fd, bool from_client)
{
	static const char settings[9] = { 0, 0, 0, 4 };

	if (from_client)
		(void)!send(fd, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN, MSG_NOSIGNAL);
	(void)!send(fd, settings, sizeof(settings), MSG_NOSIGNAL);
}

static void feed(struct event_base *base, int fd, const uint8_t *data, size_t size)
{
	(void)!send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	shutdown(fd, SHUT_WR);
	for (int i = 0; i < 4; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static void fuzz_server(struct event_base *base, int ours, int theirs, const uint8_t *data,
			size_t size)
{
	static const struct pw_grpc_method methods[] = { { METHOD, open_call } };
	struct pw_grpc_server *s = NULL;
	struct pw_addr from;

	pw_addr_parse("127.0.0.1", 1, &from);
	if (pw_grpc_server_new(&s, base, &lim, methods, 1, NULL, NULL) < 0 ||
	    pw_grpc_server_accept(s, ours, NULL, &from, NULL) < 0)
		abort();
	feed(base, theirs, data, size);
	pw_grpc_server_free(&s);
}

static void fuzz_client(struct event_base *base, int ours, int theirs, const uint8_t *data,
			size_t size)
{
	struct pw_grpc_client_options opt = {
		.base = base, .host = "127.0.0.1", .port = 1, .limits = lim
	};
	struct pw_grpc_conn *conn = NULL;
	struct pw_call *c = NULL;

	if (pw_grpc_client_new(&conn, &opt, NULL) < 0)
		abort();
	/* As if it had dialed. */
	rpc_transport_open(&conn->io, ours, /*ctx=*/NULL, /*server_name=*/NULL);
	conn->state = RPC_HANDSHAKE;
	rpc_conn_attach(conn);
	for (int i = 0; i < 2; i++) {
		if (pw_grpc_call(conn, METHOD, &ops, NULL, &c, NULL) < 0)
			abort();
		n_open++;
		(void)pw_call_send(c, "x", 1);
	}
	feed(base, theirs, data, size);
	pw_grpc_client_free(&conn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct event_base *base;
	int fds[2];

	if (size == 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds))
		return 0;
	base = event_base_new();
	n_open = n_ended = 0;
	if (data[0] & 2)
		greet(fds[1], /*from_client=*/!(data[0] & 1));
	if (data[0] & 1)
		fuzz_client(base, fds[0], fds[1], data + 1, size - 1);
	else
		fuzz_server(base, fds[0], fds[1], data + 1, size - 1);
	assert(n_open == n_ended);
	close(fds[1]);
	event_base_free(base);
	return 0;
}
