// SPDX-License-Identifier: Apache-2.0
#include "internal.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DRAIN_BYTES (64 * 1024)

/* OpenSSL's socket BIO uses write(2), which raises SIGPIPE when a stranger has closed: ours does
 * not. */
static int bio_write(BIO *bio, const char *data, int len)
{
	int fd = (int)(intptr_t)BIO_get_data(bio);
	ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	BIO_clear_retry_flags(bio);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(bio);
	return (int)n;
}

static int bio_read(BIO *bio, char *data, int len)
{
	int fd = (int)(intptr_t)BIO_get_data(bio);
	ssize_t n = recv(fd, data, len, MSG_DONTWAIT);

	BIO_clear_retry_flags(bio);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(bio);
	return (int)n;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	return cmd == BIO_CTRL_FLUSH;
}

static BIO *socket_bio(int fd)
{
	static BIO_METHOD *method; /* one for the process, as OpenSSL's own are */
	BIO *bio;

	if (!method) {
		method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "peerway socket");
		if (!method)
			return NULL;
		BIO_meth_set_write(method, bio_write);
		BIO_meth_set_read(method, bio_read);
		BIO_meth_set_ctrl(method, bio_ctrl);
	}
	bio = BIO_new(method);
	if (!bio)
		return NULL;
	BIO_set_data(bio, (void *)(intptr_t)fd);
	BIO_set_init(bio, 1);
	return bio;
}

static int setup_client(SSL *ssl, const char *server_name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	struct pw_addr literal;

	SSL_set_connect_state(ssl);
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (pw_addr_parse(server_name, 0, &literal) == 0)
		return X509_VERIFY_PARAM_set1_ip_asc(param, server_name) == 1 ? 0 : -EINVAL;
	if (X509_VERIFY_PARAM_set1_host(param, server_name, 0) != 1 ||
	    SSL_set_tlsext_host_name(ssl, server_name) != 1)
		return -EINVAL;
	return 0;
}

static int setup_server(SSL *ssl)
{
	SSL_set_accept_state(ssl);
	/* A resumed session would outlive the certificate it was made with. */
	SSL_set_options(ssl, SSL_OP_NO_TICKET);
	if (SSL_set_num_tickets(ssl, 0) != 1 || SSL_set_min_proto_version(ssl, TLS1_2_VERSION) != 1)
		return -EINVAL;
	return 0;
}

int rpc_transport_open(struct rpc_transport *t, int fd, SSL_CTX *ctx, const char *server_name)
{
	BIO *bio;
	int r;

	memset(t, 0, sizeof(*t));
	t->fd = fd;
	if (!ctx)
		return 0;
	t->fatal = true; /* until the handshake is over there is nothing to say good-bye to */
	t->ssl = SSL_new(ctx);
	bio = t->ssl ? socket_bio(fd) : NULL;
	if (!bio) {
		rpc_transport_close(t);
		return -ENOMEM;
	}
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_options(t->ssl, SSL_OP_NO_RENEGOTIATION);
	SSL_set_mode(t->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	r = server_name ? setup_client(t->ssl, server_name) : setup_server(t->ssl);
	if (r < 0)
		rpc_transport_close(t);
	return r;
}

/* Converts OpenSSL's answer into ours. An end without close_notify is an end: HTTP/2 has its own.
 */
static int ssl_error(struct rpc_transport *t, int ret)
{
	int saved = errno;
	unsigned long e = ERR_peek_error();
	const char *reason = ERR_reason_error_string(e);
	long verify = SSL_get_verify_result(t->ssl);

	switch (SSL_get_error(t->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		t->want_write = false;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		t->want_write = true;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		snprintf(t->why, sizeof(t->why), "closed by the other side");
		return -EPIPE;
	case SSL_ERROR_SYSCALL:
		t->fatal = true;
		snprintf(t->why, sizeof(t->why), "%s",
			 saved && ret < 0 ? strerror(saved) : "closed by the other side");
		return -EPIPE;
	default:
		t->fatal = true;
		if (ERR_GET_REASON(e) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
			snprintf(t->why, sizeof(t->why), "closed by the other side");
			return -EPIPE;
		}
		snprintf(t->why, sizeof(t->why), "TLS: %s%s%s", reason ? reason : "failed",
			 verify != X509_V_OK ? ": " : "",
			 verify != X509_V_OK ? X509_verify_cert_error_string(verify) : "");
		ERR_clear_error(); /* others read the same queue */
		return -EPROTO;
	}
}

int rpc_transport_handshake(struct rpc_transport *t)
{
	int n;

	if (!t->ssl)
		return 0;
	ERR_clear_error();
	errno = 0;
	n = SSL_do_handshake(t->ssl);
	if (n == 1) {
		t->fatal = false;
		return 0;
	}
	return ssl_error(t, n);
}

static ssize_t socket_error(struct rpc_transport *t)
{
	if (errno == EAGAIN || errno == EINTR)
		return -EAGAIN;
	snprintf(t->why, sizeof(t->why), "%s", strerror(errno));
	return -errno;
}

ssize_t rpc_transport_read(struct rpc_transport *t, void *buf, size_t len)
{
	ssize_t n;

	t->want_write = false;
	if (!t->ssl) {
		n = recv(t->fd, buf, len, MSG_DONTWAIT);
		if (n == 0)
			snprintf(t->why, sizeof(t->why), "closed by the other side");
		return n < 0 ? socket_error(t) : n;
	}
	ERR_clear_error();
	errno = 0;
	n = SSL_read(t->ssl, buf, (int)len);
	if (n > 0)
		return n;
	n = ssl_error(t, (int)n);
	return n == -EPIPE ? 0 : n;
}

ssize_t rpc_transport_write(struct rpc_transport *t, const void *buf, size_t len)
{
	ssize_t n;

	if (!t->ssl) {
		n = send(t->fd, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		t->want_write = n < 0;
		return n < 0 ? socket_error(t) : n;
	}
	ERR_clear_error();
	errno = 0;
	n = SSL_write(t->ssl, buf, (int)len);
	return n > 0 ? n : ssl_error(t, (int)n);
}

void rpc_transport_close(struct rpc_transport *t)
{
	char scrap[4096];

	if (t->ssl && !t->fatal) {
		ERR_clear_error();
		SSL_shutdown(t->ssl);
	}
	SSL_free(t->ssl);
	t->ssl = NULL;
	if (t->fd < 0)
		return;
	/* Unread bytes would turn close() into a reset, which can take from the other side what we
	 * sent last. */
	shutdown(t->fd, SHUT_WR);
	for (size_t n = 0; n < DRAIN_BYTES; n += sizeof(scrap))
		if (recv(t->fd, scrap, sizeof(scrap), MSG_DONTWAIT) <= 0)
			break;
	close(t->fd);
	t->fd = -1;
}
