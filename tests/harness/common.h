/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_HARNESS_COMMON_H
#define PW_HARNESS_COMMON_H
/*
 * What the test programs share: a byte pattern that tells where it is, sockets, streams that may be
 * TLS. A program of tests/harness/ is one .c file; what is shared therefore stands here as inline
 * functions. Errors end the program: it is a test's tool.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 65536

__attribute__((format(printf, 1, 2), noreturn)) static inline void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

static inline int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

static inline uint64_t number(const char *text)
{
	char *end;
	uint64_t v;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno || end == text || *end)
		fail("not a number: %s", text);
	return v;
}

/* Every 8 bytes depend on their offset: lost, doubled and swapped bytes all show. */
static inline uint8_t pattern_at(uint64_t offset)
{
	uint64_t z = (offset >> 3) + UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return (uint8_t)(z >> (8 * (offset & 7)));
}

static inline void pattern_fill(uint8_t *buf, size_t len, uint64_t offset)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = pattern_at(offset + i);
}

static inline bool pattern_equal(const uint8_t *buf, size_t len, uint64_t offset)
{
	for (size_t i = 0; i < len; i++)
		if (buf[i] != pattern_at(offset + i))
			return false;
	return true;
}

static inline struct sockaddr_in address(const char *text)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	char host[64];
	const char *colon = strrchr(text, ':');

	if (!colon || (size_t)(colon - text) >= sizeof(host))
		fail("not ADDRESS:PORT: %s", text);
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
		fail("not an IPv4 address: %s", host);
	a.sin_port = htons((uint16_t)number(colon + 1));
	return a;
}

static inline int listen_at(const char *text)
{
	struct sockaddr_in a = address(text);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 1024) < 0)
		fail("cannot listen at %s: %s", text, strerror(errno));
	return fd;
}

/* Returns in a child without a terminal; the parent prints the child's number and ends: whoever
 * waits for it knows that we listen. */
static inline void to_background(void)
{
	pid_t pid;
	int null;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		fail("fork: %s", strerror(errno));
	if (pid > 0) {
		printf("%d\n", pid);
		exit(0);
	}
	setsid();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
}

/* A blocking byte stream, plain or TLS. */
struct stream {
	int fd;
	SSL *ssl; /* NULL: plain */
};

static inline ssize_t stream_read(struct stream *s, void *buf, size_t len)
{
	ssize_t n;

	if (s->ssl)
		return SSL_read(s->ssl, buf, (int)len);
	do {
		n = recv(s->fd, buf, len, 0);
	} while (n < 0 && errno == EINTR);
	return n;
}

static inline bool stream_write(struct stream *s, const void *buf, size_t len)
{
	const uint8_t *at = buf;

	while (len > 0) {
		ssize_t n = s->ssl ? SSL_write(s->ssl, at, (int)len)
				   : send(s->fd, at, len, MSG_NOSIGNAL);

		if (n < 0 && !s->ssl && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static inline void stream_end_write(struct stream *s)
{
	if (s->ssl)
		SSL_shutdown(s->ssl);
	shutdown(s->fd, SHUT_WR);
}

static inline void stream_close(struct stream *s)
{
	SSL_free(s->ssl);
	close(s->fd);
}
#endif
