/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_HARNESS_SERVE_H
#define PW_HARNESS_SERVE_H
/* What a test server says on a connection, plain or TLS; one thread a connection. */
#include "common.h"

struct server {
	const char *mode; /* http echo greet blob sink */
	const char *name;
	const char *count_file; /* number of connections accepted, as text */
	uint64_t size;		/* blob */
	SSL_CTX *ctx;		/* NULL: plain */
	bool (*admit)(const struct server *s, SSL *ssl, char *who, size_t who_len);
	const void *admit_arg;
};
struct served {
	const struct server *server;
	struct stream stream;
	char who[512];
};

static inline bool serve_pattern(struct stream *s, uint64_t size, uint64_t bytes_per_second)
{
	uint8_t buf[CHUNK];
	int64_t start = now_ms();

	for (uint64_t sent = 0; sent < size;) {
		size_t n = size - sent < sizeof(buf) ? (size_t)(size - sent) : sizeof(buf);

		if (bytes_per_second && n > 4096)
			n = 4096;
		pattern_fill(buf, n, sent);
		if (!stream_write(s, buf, n))
			return false;
		sent += n;
		if (bytes_per_second) {
			int64_t due = start + (int64_t)(sent * 1000 / bytes_per_second);

			if (due > now_ms())
				poll(NULL, 0, (int)(due - now_ms()));
		}
	}
	return true;
}

static inline void serve_echo(struct stream *s)
{
	char buf[CHUNK];
	ssize_t n;

	while ((n = stream_read(s, buf, sizeof(buf))) > 0)
		if (!stream_write(s, buf, (size_t)n))
			return;
	stream_end_write(s);
}

static inline void serve_sink(struct stream *s)
{
	uint8_t buf[CHUNK];
	uint64_t got = 0;
	bool exact = true;
	char text[96];
	ssize_t n;

	while ((n = stream_read(s, buf, sizeof(buf))) > 0) {
		exact = exact && pattern_equal(buf, (size_t)n, got);
		got += (uint64_t)n;
	}
	snprintf(text, sizeof(text), "{\"bytes\":%" PRIu64 ",\"exact\":%s,\"clean\":%s}\n", got,
		 exact ? "true" : "false", n == 0 ? "true" : "false");
	stream_write(s, text, strlen(text));
	stream_end_write(s);
}

/* Reads up to the empty line. False: the other side left. */
static inline bool read_request(struct stream *s, char *buf, size_t size)
{
	size_t used = 0;

	while (used < size - 1) {
		ssize_t n = stream_read(s, buf + used, size - 1 - used);

		if (n <= 0)
			return false;
		used += (size_t)n;
		buf[used] = '\0';
		if (strstr(buf, "\r\n\r\n"))
			return true;
	}
	return false;
}

/* GET /blob/SIZE[/BYTES_PER_SECOND]: the pattern; anything else: "hello from NAME". */
static inline void serve_http(struct served *c)
{
	struct stream *s = &c->stream;
	char request[8192], body[1024], head[256];
	uint64_t size = 0, rate = 0;
	bool blob;

	if (!read_request(s, request, sizeof(request)))
		return;
	blob = sscanf(request, "GET /blob/%" SCNu64 "/%" SCNu64, &size, &rate) >= 1;
	snprintf(body, sizeof(body), "hello from %s%s%s\n", c->server->name,
		 c->who[0] ? " to " : "", c->who);
	snprintf(head, sizeof(head),
		 "HTTP/1.1 200 OK\r\nContent-Length: %" PRIu64 "\r\nConnection: close\r\n\r\n",
		 blob ? size : (uint64_t)strlen(body));
	if (!stream_write(s, head, strlen(head)))
		return;
	if (blob ? serve_pattern(s, size, rate) : stream_write(s, body, strlen(body)))
		stream_end_write(s);
}

static inline void serve_mode(struct served *c)
{
	const char *mode = c->server->mode;
	struct stream *s = &c->stream;
	char text[256];

	if (!strcmp(mode, "http")) {
		serve_http(c);
	} else if (!strcmp(mode, "sink")) {
		serve_sink(s);
	} else if (!strcmp(mode, "blob")) {
		if (serve_pattern(s, c->server->size, 0))
			stream_end_write(s);
	} else {
		if (!strcmp(mode, "greet")) {
			snprintf(text, sizeof(text), "220 %s is listening\r\n", c->server->name);
			stream_write(s, text, strlen(text));
		}
		serve_echo(s);
	}
}

static inline void *serve_thread(void *arg)
{
	struct served *c = arg;
	const struct server *server = c->server;
	char rest[4096];

	if (server->ctx) {
		c->stream.ssl = SSL_new(server->ctx);
		SSL_set_fd(c->stream.ssl, c->stream.fd);
		if (SSL_accept(c->stream.ssl) != 1 ||
		    (server->admit &&
		     !server->admit(server, c->stream.ssl, c->who, sizeof(c->who))))
			goto out;
	}
	serve_mode(c);
	/* What is still on its way from the client would turn our close into a reset. */
	while (stream_read(&c->stream, rest, sizeof(rest)) > 0)
		;
out:
	stream_close(&c->stream);
	free(c);
	return NULL;
}

static inline void write_count(const char *path, uint64_t n)
{
	char text[32];
	int fd, len = snprintf(text, sizeof(text), "%" PRIu64 "\n", n);

	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || pwrite(fd, text, (size_t)len, 0) != len)
		fail("cannot write %s: %s", path, strerror(errno));
	close(fd);
}

static inline void check_mode(const char *mode)
{
	static const char *const modes[] = { "http", "echo", "greet", "blob", "sink" };

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(mode, modes[i]))
			return;
	fail("unknown mode %s: http, echo, greet, blob or sink", mode);
}

static inline void serve(struct server *server, int listener)
{
	pthread_attr_t attr;
	uint64_t accepted = 0;

	signal(SIGPIPE, SIG_IGN);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 512 * 1024);
	if (server->count_file)
		write_count(server->count_file, 0);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), one = 1;
		struct served *c;
		pthread_t thread;

		if (fd < 0) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			fail("accept: %s", strerror(errno));
		}
		if (server->count_file)
			write_count(server->count_file, ++accepted);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		c = calloc(1, sizeof(*c));
		if (!c)
			fail("out of memory");
		c->server = server;
		c->stream.fd = fd;
		if (pthread_create(&thread, &attr, serve_thread, c) != 0)
			fail("cannot start a thread");
	}
}
#endif
