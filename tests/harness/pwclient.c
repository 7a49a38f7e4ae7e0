// SPDX-License-Identifier: Apache-2.0
/*
 * A client for tests; prints what happened as one line of JSON and exits 0 if all was as asked.
 *	pwclient --connect ADDR:PORT [options]
 *	--bind ADDR        source address            --send N           sends N bytes of the pattern
 *	--text TEXT        sends TEXT instead        --get PATH         sends an HTTP request
 *	--chunk N          bytes a write             --expect N         done after N received bytes
 *	--pattern          what comes is checked     --half-close       no more is sent, the rest is
 *read
 *	--reset-after N    resets after N received   --read-after MS    reads nothing before that
 *	--hold MS          stays silent that long    --timeout MS       for everything (10000)
 *	--repeat N         N connections, one after the other; {"ok","failed","first"}
 *	--tls              with --cert FILE --key FILE --ca FILE --sni NAME --tls1.2 --session FILE
 *(resumes from it, saves to it)
 *	--split N          the first flight leaves in pieces of N bytes
 * {"connected","handshake","version","resumed","sent","received","exact","end","error","ms","text"};
 *end: eof reset close_notify truncated alert timeout expected reset_by_us refused
 */
#include "common.h"
#include <getopt.h>
#include <jansson.h>
#include <openssl/pem.h>

struct options {
	const char *connect, *bind, *text, *get, *cert, *key, *ca, *sni, *session;
	uint64_t send, chunk, expect, reset_after, repeat, split;
	int64_t read_after_ms, hold_ms, timeout_ms;
	bool tls, tls12, half_close, pattern;
};
static struct options opt = { .chunk = 16384, .timeout_ms = 10000, .repeat = 1 };
static SSL_CTX *ctx;

struct client {
	int fd;
	SSL *ssl;
	BIO *from_wire, *to_wire; /* owned by ssl */
	int64_t start_ms, deadline_ms;
	bool connected, handshake, resumed, exact, wire_eof, write_ended;
	uint64_t sent, received;
	char *message; /* --text, --get */
	size_t message_len;
	char text[257];
	const char *end;
	char error[256];
};

static void ended(struct client *c, const char *how, const char *error)
{
	if (c->end)
		return;
	c->end = how;
	snprintf(c->error, sizeof(c->error), "%s", error ? error : "");
}

static void ended_by_errno(struct client *c, int e)
{
	if (e == ECONNREFUSED)
		ended(c, "refused", strerror(e));
	else if (e == ECONNRESET || e == EPIPE)
		ended(c, "reset", strerror(e));
	else
		ended(c, "error", strerror(e));
}

/* False: time is up. */
static bool wait_for(struct client *c, short events, int64_t at_most_ms)
{
	struct pollfd p = { .fd = c->fd, .events = events };
	int64_t left = c->deadline_ms - now_ms();

	if (left <= 0) {
		ended(c, "timeout", "time is up");
		return false;
	}
	if (at_most_ms >= 0 && at_most_ms < left)
		left = at_most_ms;
	poll(&p, 1, (int)left);
	return true;
}

static bool open_connection(struct client *c)
{
	struct sockaddr_in to = address(opt.connect), from;
	int one = 1, e = 0;
	socklen_t len = sizeof(e);

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		fail("socket: %s", strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (opt.bind) {
		char text[80];

		snprintf(text, sizeof(text), "%s:0", opt.bind);
		from = address(text);
		if (bind(c->fd, (struct sockaddr *)&from, sizeof(from)) < 0)
			fail("bind %s: %s", opt.bind, strerror(errno));
	}
	if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS) {
		ended_by_errno(c, errno);
		return false;
	}
	if (!wait_for(c, POLLOUT, -1))
		return false;
	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &len);
	if (e) {
		ended_by_errno(c, e);
		return false;
	}
	if (getpeername(c->fd, (struct sockaddr *)&to, &(socklen_t){ sizeof(to) }) < 0) {
		ended(c, "timeout", "no answer to the connect");
		return false;
	}
	c->connected = true;
	return true;
}

/* What TLS wants to send goes out; in pieces while the first flight is split. */
static bool flush_wire(struct client *c)
{
	char *data;
	long len;

	while ((len = BIO_get_mem_data(c->to_wire, &data)) > 0) {
		size_t n = (size_t)len;
		bool piece = opt.split && !c->handshake && n > opt.split;
		ssize_t w;

		if (piece)
			n = opt.split;
		w = send(c->fd, data, n, MSG_NOSIGNAL);
		if (w < 0 && errno == EAGAIN)
			return true;
		if (w < 0) {
			ended_by_errno(c, errno);
			return false;
		}
		BIO_read(c->to_wire, (char[CHUNK]){ 0 }, (int)w);
		if (piece)
			poll(NULL, 0, 1);
	}
	return true;
}

static void fill_wire(struct client *c)
{
	char buf[CHUNK];
	ssize_t n = recv(c->fd, buf, sizeof(buf), 0);

	if (n > 0)
		BIO_write(c->from_wire, buf, (int)n);
	else if (n == 0)
		c->wire_eof = true;
	else if (errno != EAGAIN)
		ended_by_errno(c, errno);
}

static void tls_error(struct client *c, int r)
{
	unsigned long code;

	switch (SSL_get_error(c->ssl, r)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		if (c->wire_eof)
			ended(c, "truncated", "the connection ended without close_notify");
		break;
	case SSL_ERROR_ZERO_RETURN:
		ended(c, "close_notify", NULL);
		break;
	default:
		code = ERR_peek_last_error();
		ended(c, "alert", ERR_reason_error_string(code));
		ERR_clear_error();
	}
}

static bool shake_hands(struct client *c)
{
	SSL_SESSION *session = NULL;
	FILE *f;

	c->ssl = SSL_new(ctx);
	c->from_wire = BIO_new(BIO_s_mem());
	c->to_wire = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(c->from_wire, -1);
	SSL_set_bio(c->ssl, c->from_wire, c->to_wire);
	SSL_set_connect_state(c->ssl);
	if (opt.sni)
		SSL_set_tlsext_host_name(c->ssl, opt.sni);
	f = opt.session ? fopen(opt.session, "r") : NULL;
	if (f) {
		session = PEM_read_SSL_SESSION(f, NULL, NULL, NULL);
		fclose(f);
	}
	if (session)
		SSL_set_session(c->ssl, session);
	SSL_SESSION_free(session);
	while (!c->end) {
		int r = SSL_do_handshake(c->ssl);

		if (r == 1) {
			c->handshake = true;
			c->resumed = SSL_session_reused(c->ssl);
			return flush_wire(c);
		}
		flush_wire(c); /* an alert of ours too */
		tls_error(c, r);
		if (!c->end && wait_for(c, POLLIN, -1))
			fill_wire(c);
	}
	return false;
}

static int save_session(SSL *ssl, SSL_SESSION *session)
{
	FILE *f = opt.session ? fopen(opt.session, "w") : NULL;

	if (f) {
		PEM_write_SSL_SESSION(f, session);
		fclose(f);
	}
	return 0;
}

/* Bytes taken; 0: not now. */
static size_t give(struct client *c, const void *data, size_t len)
{
	if (c->ssl) {
		char *waiting;

		/* One chunk on its way at a time: back-pressure reaches us. */
		if (BIO_get_mem_data(c->to_wire, &waiting) > 0 &&
		    (!flush_wire(c) || BIO_get_mem_data(c->to_wire, &waiting) > 0))
			return 0;
		if (SSL_write(c->ssl, data, (int)len) <= 0)
			return 0;
		flush_wire(c);
		return len;
	} else {
		ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			ended_by_errno(c, errno);
		return n > 0 ? (size_t)n : 0;
	}
}

static ssize_t take(struct client *c, void *buf, size_t len)
{
	ssize_t n;

	if (c->ssl) {
		fill_wire(c);
		n = SSL_read(c->ssl, buf, (int)len);
		if (n <= 0)
			tls_error(c, (int)n);
		return n;
	}
	n = recv(c->fd, buf, len, 0);
	if (n == 0)
		ended(c, "eof", NULL);
	else if (n < 0 && errno != EAGAIN)
		ended_by_errno(c, errno);
	return n;
}

static uint64_t to_send(const struct client *c)
{
	return c->message ? c->message_len : opt.send;
}

static void send_some(struct client *c)
{
	uint8_t buf[CHUNK];
	uint64_t total = to_send(c);
	size_t n = opt.chunk < sizeof(buf) ? (size_t)opt.chunk : sizeof(buf);

	if (c->sent < total) {
		if (n > total - c->sent)
			n = (size_t)(total - c->sent);
		if (c->message)
			memcpy(buf, c->message + c->sent, n);
		else
			pattern_fill(buf, n, c->sent);
		c->sent += give(c, buf, n);
	}
	if (c->ssl)
		flush_wire(c);
	if (c->sent == total && opt.half_close && !c->write_ended && !c->end) {
		c->write_ended = true;
		if (c->ssl) {
			SSL_shutdown(c->ssl);
			flush_wire(c);
		}
		shutdown(c->fd, SHUT_WR);
	}
}

static void receive_some(struct client *c)
{
	uint8_t buf[CHUNK];
	ssize_t n;

	while (!c->end && (n = take(c, buf, sizeof(buf))) > 0) {
		if (c->received < sizeof(c->text) - 1) {
			size_t room = sizeof(c->text) - 1 - (size_t)c->received;

			for (size_t i = 0; i < (size_t)n && i < room; i++)
				c->text[c->received + i] =
					buf[i] >= 0x20 && buf[i] < 0x7f ? (char)buf[i] : '.';
		}
		if (opt.pattern && !pattern_equal(buf, (size_t)n, c->received))
			c->exact = false;
		c->received += (uint64_t)n;
		if (opt.reset_after && c->received >= opt.reset_after) {
			setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 },
				   sizeof(struct linger));
			ended(c, "reset_by_us", NULL);
		} else if (opt.expect && c->received >= opt.expect && c->sent == to_send(c)) {
			ended(c, "expected", NULL);
		}
	}
}

static void transfer(struct client *c)
{
	while (!c->end) {
		int64_t now = now_ms();
		bool reading = now >= c->start_ms + opt.read_after_ms;
		short events =
			(short)((reading ? POLLIN : 0) | (c->sent < to_send(c) ? POLLOUT : 0));

		if (opt.hold_ms && now >= c->start_ms + opt.hold_ms) {
			ended(c, "expected", NULL);
			break;
		}
		send_some(c);
		if (reading)
			receive_some(c);
		if (c->end || !wait_for(c, events, reading && !opt.hold_ms ? 1000 : 10))
			break;
	}
}

static bool as_asked(const struct client *c)
{
	if (!c->connected || (opt.tls && !c->handshake) || !c->exact || c->sent != to_send(c) ||
	    (opt.expect && c->received < opt.expect))
		return false;
	return !strcmp(c->end, "eof") || !strcmp(c->end, "close_notify") ||
	       !strcmp(c->end, "expected") || !strcmp(c->end, "reset_by_us");
}

static void make_message(struct client *c)
{
	char text[1024];

	if (opt.get)
		snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: test\r\n\r\n", opt.get);
	if (opt.get || opt.text) {
		c->message = strdup(opt.get ? text : opt.text);
		c->message_len = strlen(c->message);
	}
}

static bool one_connection(struct client *c)
{
	*c = (struct client){ .fd = -1, .exact = true };
	c->start_ms = now_ms();
	c->deadline_ms = c->start_ms + opt.timeout_ms;
	make_message(c);
	if (open_connection(c) && (!opt.tls || shake_hands(c)))
		transfer(c);
	if (c->ssl && c->handshake && !c->write_ended && !strcmp(c->end, "expected")) {
		SSL_shutdown(c->ssl);
		flush_wire(c);
	}
	return as_asked(c);
}

static void client_clear(struct client *c)
{
	SSL_free(c->ssl);
	if (c->fd >= 0)
		close(c->fd);
	free(c->message);
}

static void print_json(json_t *v)
{
	char *text = json_dumps(v, JSON_COMPACT);

	puts(text);
	free(text);
	json_decref(v);
}

static json_t *describe(const struct client *c)
{
	return json_pack("{sb sb ss sb sI sI sb ss ss sI ss}", "connected", c->connected,
			 "handshake", c->handshake, "version",
			 c->ssl ? SSL_get_version(c->ssl) : "", "resumed", c->resumed, "sent",
			 (json_int_t)c->sent, "received", (json_int_t)c->received, "exact",
			 c->exact, "end", c->end, "error", c->error, "ms",
			 (json_int_t)(now_ms() - c->start_ms), "text", c->text);
}

static int repeat(void)
{
	json_t *first = NULL;
	json_int_t ok = 0, failed = 0;

	for (uint64_t i = 0; i < opt.repeat; i++) {
		struct client c;

		if (one_connection(&c)) {
			ok++;
		} else {
			failed++;
			if (!first)
				first = describe(&c);
		}
		client_clear(&c);
	}
	print_json(json_pack("{sI sI so*}", "ok", ok, "failed", failed, "first", first));
	return failed ? 1 : 0;
}

static void make_context(void)
{
	ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (opt.tls12)
		SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, save_session);
	if (opt.cert &&
	    (SSL_CTX_use_certificate_chain_file(ctx, opt.cert) != 1 ||
	     SSL_CTX_use_PrivateKey_file(ctx, opt.key ? opt.key : opt.cert, SSL_FILETYPE_PEM) != 1))
		fail("cannot use certificate %s", opt.cert);
	if (opt.ca && SSL_CTX_load_verify_locations(ctx, opt.ca, NULL) != 1)
		fail("cannot use roots %s", opt.ca);
	SSL_CTX_set_verify(ctx, opt.ca ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
}

enum {
	O_CONNECT = 1,
	O_BIND,
	O_SEND,
	O_TEXT,
	O_GET,
	O_CHUNK,
	O_EXPECT,
	O_PATTERN,
	O_HALF_CLOSE,
	O_RESET_AFTER,
	O_READ_AFTER,
	O_HOLD,
	O_TIMEOUT,
	O_REPEAT,
	O_TLS,
	O_CERT,
	O_KEY,
	O_CA,
	O_SNI,
	O_TLS12,
	O_SESSION,
	O_SPLIT
};

static const struct option options[] = {
	{ "connect", required_argument, NULL, O_CONNECT },
	{ "bind", required_argument, NULL, O_BIND },
	{ "send", required_argument, NULL, O_SEND },
	{ "text", required_argument, NULL, O_TEXT },
	{ "get", required_argument, NULL, O_GET },
	{ "chunk", required_argument, NULL, O_CHUNK },
	{ "expect", required_argument, NULL, O_EXPECT },
	{ "pattern", no_argument, NULL, O_PATTERN },
	{ "half-close", no_argument, NULL, O_HALF_CLOSE },
	{ "reset-after", required_argument, NULL, O_RESET_AFTER },
	{ "read-after", required_argument, NULL, O_READ_AFTER },
	{ "hold", required_argument, NULL, O_HOLD },
	{ "timeout", required_argument, NULL, O_TIMEOUT },
	{ "repeat", required_argument, NULL, O_REPEAT },
	{ "tls", no_argument, NULL, O_TLS },
	{ "cert", required_argument, NULL, O_CERT },
	{ "key", required_argument, NULL, O_KEY },
	{ "ca", required_argument, NULL, O_CA },
	{ "sni", required_argument, NULL, O_SNI },
	{ "tls1.2", no_argument, NULL, O_TLS12 },
	{ "session", required_argument, NULL, O_SESSION },
	{ "split", required_argument, NULL, O_SPLIT },
	{ NULL, 0, NULL, 0 },
};

static const char **text_option(int c)
{
	switch (c) {
	case O_CONNECT:
		return &opt.connect;
	case O_BIND:
		return &opt.bind;
	case O_TEXT:
		return &opt.text;
	case O_GET:
		return &opt.get;
	case O_CERT:
		return &opt.cert;
	case O_KEY:
		return &opt.key;
	case O_CA:
		return &opt.ca;
	case O_SNI:
		return &opt.sni;
	case O_SESSION:
		return &opt.session;
	default:
		return NULL;
	}
}

static uint64_t *number_option(int c)
{
	switch (c) {
	case O_SEND:
		return &opt.send;
	case O_CHUNK:
		return &opt.chunk;
	case O_EXPECT:
		return &opt.expect;
	case O_RESET_AFTER:
		return &opt.reset_after;
	case O_REPEAT:
		return &opt.repeat;
	case O_SPLIT:
		return &opt.split;
	case O_READ_AFTER:
		return (uint64_t *)&opt.read_after_ms;
	case O_HOLD:
		return (uint64_t *)&opt.hold_ms;
	case O_TIMEOUT:
		return (uint64_t *)&opt.timeout_ms;
	default:
		return NULL;
	}
}

static bool *flag_option(int c)
{
	switch (c) {
	case O_PATTERN:
		return &opt.pattern;
	case O_HALF_CLOSE:
		return &opt.half_close;
	case O_TLS:
		return &opt.tls;
	case O_TLS12:
		return &opt.tls12;
	default:
		return NULL;
	}
}

int main(int argc, char **argv)
{
	struct client c;
	bool ok;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (text_option(o))
			*text_option(o) = optarg;
		else if (number_option(o))
			*number_option(o) = number(optarg);
		else if (flag_option(o))
			*flag_option(o) = true;
		else
			return 2;
	}
	if (!opt.connect || opt.chunk == 0)
		fail("usage: pwclient --connect ADDR:PORT [options]");
	signal(SIGPIPE, SIG_IGN);
	if (opt.tls)
		make_context();
	if (opt.repeat > 1)
		return repeat();
	ok = one_connection(&c);
	print_json(describe(&c));
	client_clear(&c);
	return ok ? 0 : 1;
}
