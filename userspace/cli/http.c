// SPDX-License-Identifier: Apache-2.0
#include "http_private.h"
#include "../base/addr.h"
#include "../base/time.h"
#include <netdb.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define DEFAULT_PORT 8500

void http_endpoint_clear(struct http_endpoint *e)
{
	free(e->text);
	free(e->unix_path);
	free(e->host);
	*e = (struct http_endpoint){ 0 };
}

int http_endpoint_parse(const char *addr, struct http_endpoint *ret, struct pw_err *err)
{
	struct http_endpoint e = { 0 };
	const char *rest = addr;
	pw_autofree char *hostport = NULL;

	if (pw_str_starts(addr, "unix://")) {
		e.text = pw_xstrdup(addr);
		e.unix_path = pw_xstrdup(addr + strlen("unix://"));
		*ret = e;
		return 0;
	}
	if (pw_str_starts(addr, "https://"))
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "%s: https is not spoken here, use http:// or unix://", addr);
	if (pw_str_starts(addr, "http://"))
		rest += strlen("http://");
	hostport = pw_xstrndup(rest, strcspn(rest, "/"));
	if (pw_addr_split(hostport, &e.host, &e.port) < 0) {
		if (pw_str_empty(hostport) || strchr(hostport, ':'))
			return pw_err_set(
				err, PW_ERR_BAD_REQUEST, EINVAL,
				"%s: no address, write host:port, http://host:port or unix:///path",
				addr);
		e.host = pw_xstrdup(hostport);
		e.port = DEFAULT_PORT;
	}
	e.text = pw_xasprintf(strchr(e.host, ':') ? "http://[%s]:%u" : "http://%s:%u", e.host,
			      (unsigned)e.port);
	*ret = e;
	return 0;
}

/* Waits for events until the deadline. */
static int wait_for(int fd, short events, int64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		int64_t left = deadline_ms - pw_now_mono_ms();
		int n;

		if (left <= 0)
			return -ETIMEDOUT;
		n = poll(&p, 1, (int)left);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

static int connect_one(const struct sockaddr *sa, socklen_t len, int *ret_fd)
{
	pw_autoclose int fd = -1;
	socklen_t size = sizeof(int);
	int code = 0, r;

	fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, sa, len) < 0) {
		if (errno != EINPROGRESS)
			return -errno;
		r = wait_for(fd, POLLOUT, pw_now_mono_ms() + HTTP_CONNECT_MS);
		if (r < 0)
			return r;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0)
			return -errno;
		if (code)
			return -code;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int connect_unix(const char *path, int *ret_fd)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, strlen(path) + 1);
	return connect_one((struct sockaddr *)&sa, sizeof(sa), ret_fd);
}

static void free_addrinfo(struct addrinfo **list)
{
	if (*list)
		freeaddrinfo(*list);
	*list = NULL;
}

static int connect_tcp(const struct http_endpoint *e, int *ret_fd, struct pw_err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	pw_cleanup(free_addrinfo) struct addrinfo *list = NULL;
	pw_autofree char *port = pw_xasprintf("%u", (unsigned)e->port);
	int r;

	r = getaddrinfo(e->host, port, &hints, &list);
	if (r != 0)
		return pw_err_set(err, PW_ERR_UNAVAILABLE, EHOSTUNREACH, "cannot find %s: %s",
				  e->host, gai_strerror(r));
	r = -EHOSTUNREACH;
	for (const struct addrinfo *a = list; a; a = a->ai_next) {
		r = connect_one(a->ai_addr, a->ai_addrlen, ret_fd);
		if (r == 0)
			return 0;
	}
	return pw_err_set(err, PW_ERR_UNAVAILABLE, r, "cannot connect: %s (is the agent running?)",
			  strerror(-r));
}

static int connect_to(const struct http_endpoint *e, int *ret_fd, struct pw_err *err)
{
	int r;

	if (!e->unix_path)
		return connect_tcp(e, ret_fd, err);
	r = connect_unix(e->unix_path, ret_fd);
	if (r < 0)
		return pw_err_set(err, PW_ERR_UNAVAILABLE, r,
				  "cannot connect: %s (is the agent running?)", strerror(-r));
	return 0;
}

static int send_all(int fd, const char *data, size_t len, int64_t deadline_ms)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
		int r;

		if (n >= 0) {
			data += n;
			len -= (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		r = wait_for(fd, POLLOUT, deadline_ms);
		if (r < 0)
			return r;
	}
	return 0;
}

static int receive(int fd, struct http_parser *p, int64_t deadline_ms)
{
	char chunk[16384];
	int r = 0;

	while (r == 0) {
		ssize_t n = recv(fd, chunk, sizeof(chunk), 0);

		if (n > 0) {
			r = http_parser_feed(p, chunk, (size_t)n);
		} else if (n == 0) {
			return http_parser_eof(p);
		} else if (errno == EAGAIN) {
			r = wait_for(fd, POLLIN, deadline_ms);
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return r;
}

static void wipe_strbuf(struct pw_strbuf *b)
{
	if (b->text)
		OPENSSL_cleanse(b->text, b->len);
	pw_strbuf_clear(b);
}

/* Host is the address given: the agent answers IP addresses, localhost and its own names only. */
static void build_request(struct pw_strbuf *b, const struct http_endpoint *e, const char *token,
			  const char *method, const char *path, const char *body)
{
	const char *host = e->unix_path ? "localhost" : e->text + strlen("http://");

	/* Room first: growing would leave copies of the token behind. */
	b->size = 1024 + strlen(path) + strlen(pw_str_or_empty(token)) + strlen(host) +
		  strlen(pw_str_or_empty(body));
	b->text = pw_xcalloc(1, b->size);
	pw_strbuf_add(b, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: peerway\r\n", method, path,
		      host);
	pw_strbuf_add(b, "Accept: application/json\r\nConnection: close\r\n");
	if (!pw_str_empty(token))
		pw_strbuf_add(b, "X-Consul-Token: %s\r\n", token);
	if (body)
		pw_strbuf_add(b, "Content-Type: application/json\r\n");
	if (body || strcmp(method, "GET") != 0)
		pw_strbuf_add(b, "Content-Length: %zu\r\n", strlen(pw_str_or_empty(body)));
	pw_strbuf_add(b, "\r\n%s", pw_str_or_empty(body));
}

static int exchange_failed(int code, struct pw_err *err)
{
	const char *what = strerror(-code);

	if (code == -EBADMSG)
		what = "the answer is cut off or is no HTTP";
	else if (code == -EMSGSIZE)
		what = "the answer is larger than the limit";
	else if (code == -ETIMEDOUT)
		what = "no answer in time";
	return pw_err_set(err, PW_ERR_UNAVAILABLE, code, "%s", what);
}

int http_request(const struct http_endpoint *e, const char *token, const char *method,
		 const char *path, const char *body, int *ret_status, char **ret_body,
		 struct pw_err *err)
{
	pw_cleanup(http_parser_clear) struct http_parser p = { 0 };
	pw_cleanup(wipe_strbuf) struct pw_strbuf request = { 0 };
	int64_t deadline_ms = pw_now_mono_ms() + HTTP_TIMEOUT_MS;
	pw_autoclose int fd = -1;
	int r;

	r = connect_to(e, &fd, err);
	if (r < 0)
		return r;
	build_request(&request, e, token, method, path, body);
	r = send_all(fd, request.text, request.len, deadline_ms);
	/* A server that refuses a body early answers and closes: the answer counts. */
	if (r == 0 || r == -EPIPE || r == -ECONNRESET)
		r = receive(fd, &p, deadline_ms);
	if (r < 0)
		return exchange_failed(r, err);
	pw_strbuf_add_n(&p.body, "", 0);
	*ret_status = p.status;
	*ret_body = TAKE_PTR(p.body.text);
	return 0;
}
