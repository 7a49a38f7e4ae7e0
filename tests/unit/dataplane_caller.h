/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DATAPLANE_CALLER_H
#define TESTS_DATAPLANE_CALLER_H
/* A TLS client of the gateway, whose every step is a test's own. */
#include "dataplane_world.h"

struct caller {
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;
	int alert; /* that the gateway sent */
};

static inline void on_info(const SSL *ssl, int where, int value)
{
	struct caller *c = SSL_get_app_data(ssl);

	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT &&
	    (value & 0xff) != SSL_AD_CLOSE_NOTIFY)
		c->alert = value & 0xff;
}

static inline int keep_session(SSL *ssl, SSL_SESSION *s)
{
	SSL_SESSION **keep = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	if (!keep)
		return 0;
	SSL_SESSION_free(*keep);
	*keep = s;
	return 1;
}

/* True: the handshake went well on the client's side, which with TLS 1.3 says nothing about being
 * let in. */
static inline bool call(struct caller *c, struct world *w, struct pw_identity *id, const char *sni,
			int version, SSL_SESSION *resume, SSL_SESSION **keep)
{
	*c = (struct caller){ .fd = dial_port(w->port) };
	c->ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_min_proto_version(c->ctx, version);
	SSL_CTX_set_max_proto_version(c->ctx, version);
	SSL_CTX_set_app_data(c->ctx, keep);
	SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c->ctx, keep_session);
	if (id) {
		assert_int_equal(SSL_CTX_use_certificate(c->ctx, id->cert), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(c->ctx, id->key), 1);
	}
	c->ssl = SSL_new(c->ctx);
	SSL_set_app_data(c->ssl, c);
	SSL_set_info_callback(c->ssl, on_info);
	SSL_set_fd(c->ssl, c->fd);
	if (sni)
		SSL_set_tlsext_host_name(c->ssl, sni);
	if (resume)
		SSL_set_session(c->ssl, resume);
	return SSL_connect(c->ssl) == 1;
}

static inline void hang_up(struct caller *c)
{
	SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
	if (c->fd >= 0)
		close(c->fd);
	ERR_clear_error();
}

static inline void write_all(SSL *ssl, const char *data, size_t len)
{
	size_t n;

	for (size_t off = 0; off < len; off += n)
		assert_int_equal(SSL_write_ex(ssl, data + off, len - off, &n), 1);
}

static inline void read_all(SSL *ssl, char *data, size_t len)
{
	size_t n;

	for (size_t off = 0; off < len; off += n)
		assert_int_equal(SSL_read_ex(ssl, data + off, len - off, &n), 1);
}

static inline void expect_echo(struct caller *c)
{
	char in[5];

	write_all(c->ssl, "hello", 5);
	read_all(c->ssl, in, 5);
	assert_memory_equal(in, "hello", 5);
}

/* Of a client with this name; alone in its segment or not, as TCP will. */
static inline size_t make_hello(const char *sni, char *ret, size_t size)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	BIO *out = BIO_new(BIO_s_mem());
	int n;

	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
	SSL_set_tlsext_host_name(ssl, sni);
	SSL_connect(ssl);
	n = BIO_read(out, ret, (int)size);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	ERR_clear_error();
	assert_true(n > 0);
	return (size_t)n;
}
#endif
