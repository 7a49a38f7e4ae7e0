/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An API server on a loopback port with a store in memory, and a raw HTTP client in the same
 * thread: the loop turns while the client waits.
 */
#ifndef PW_TESTS_API_CLIENT_H
#define PW_TESTS_API_CLIENT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../userspace/api/internal.h"
#include "../../userspace/base/time.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct fixture {
	struct event_base *base;
	struct pw_store *store;
	struct pw_ca *ca;
	struct pw_checks *checks;
	struct pw_api *api;
};
struct answer {
	int status; /* 0: the connection ended without an answer */
	char *text; /* all of it */
	const char *body;
};

static inline void answer_clear(struct answer *a)
{
	free(a->text);
	*a = (struct answer){ 0 };
}
#define autoanswer pw_cleanup(answer_clear) struct answer

static inline int fixture_up(void **state)
{
	static const char *const addresses[] = { "127.0.0.1", NULL };
	static const char *const names[] = { "gw.example", NULL };
	struct fixture *f = pw_new0(struct fixture);
	struct pw_store_options so = { .tables = pw_tables, .n_tables = PW_T_MAX };
	struct pw_err err = PW_ERR_INIT;

	*state = f;
	signal(SIGPIPE, SIG_IGN); /* as in the agent: evhttp writes to sockets that may be closed */
	f->base = event_base_new();
	assert_int_equal(pw_store_open(&f->store, &so, &err), 0);
	struct pw_ca_options co = { .base = f->base, .store = f->store, .datacenter = "dc1" };
	assert_int_equal(pw_ca_new(&f->ca, &co, &err), 0);
	assert_int_equal(pw_checks_new(&f->checks, f->base, f->store, &err), 0);
	struct pw_api_options ao = { .base = f->base,
				     .store = f->store,
				     .ca = f->ca,
				     .checks = f->checks,
				     .datacenter = "dc1",
				     .node_name = "gw-1",
				     .node_id = "",
				     .advertise_lan = "127.0.0.1",
				     .addresses = addresses,
				     .host_names = names,
				     .policy_defaults = { .allow_local = true } };
	if (pw_api_new(&f->api, &ao, &err) < 0)
		fail_msg("%s", err.text);
	return 0;
}

static inline int fixture_down(void **state)
{
	struct fixture *f = *state;

	pw_api_free(&f->api);
	pw_checks_free(&f->checks);
	pw_ca_free(&f->ca);
	pw_store_close(&f->store);
	event_base_free(f->base);
	free(f);
	return 0;
}

static inline int client_connect(struct fixture *f)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(pw_api_port(f->api)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	return fd;
}

static inline void turn(struct fixture *f, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	event_base_loop(f->base, EVLOOP_NONBLOCK);
	poll(&p, fd >= 0, 1);
}

/* Large requests are written in pieces, so that the server can read in between. */
static inline void client_send(struct fixture *f, int fd, const char *data, size_t len)
{
	int64_t deadline = pw_now_mono_ms() + 10000;

	while (len && pw_now_mono_ms() < deadline) {
		ssize_t n = send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
		event_base_loop(f->base, EVLOOP_NONBLOCK);
	}
}

static inline bool answer_whole(const struct pw_strbuf *b, bool head)
{
	const char *end = b->len ? strstr(b->text, "\r\n\r\n") : NULL;
	const char *length = end ? strstr(b->text, "Content-Length: ") : NULL;

	if (!end || !length || length > end)
		return false;
	return head || strlen(end + 4) >= strtoul(length + 16, NULL, 10);
}

/* Waits for one answer on the connection, at most wait_ms. */
static inline struct answer client_read(struct fixture *f, int fd, bool head, int wait_ms)
{
	int64_t deadline = pw_now_mono_ms() + wait_ms;
	struct pw_strbuf b = { 0 };
	struct answer a = { 0 };
	char chunk[4096];

	while (!answer_whole(&b, head) && pw_now_mono_ms() < deadline) {
		ssize_t n;

		turn(f, fd);
		n = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			break;
		if (n > 0)
			pw_strbuf_add_n(&b, chunk, (size_t)n);
	}
	if (b.len)
		sscanf(b.text, "HTTP/1.1 %d", &a.status);
	a.text = b.text ? b.text : pw_xstrdup("");
	a.body = strstr(a.text, "\r\n\r\n");
	a.body = a.body ? a.body + 4 : "";
	return a;
}

static inline struct answer ask_raw(struct fixture *f, const char *request)
{
	int fd = client_connect(f);
	struct answer a;

	client_send(f, fd, request, strlen(request));
	a = client_read(f, fd, !strncmp(request, "HEAD", 4), 10000);
	close(fd);
	event_base_loop(f->base, EVLOOP_NONBLOCK);
	return a;
}

static inline char *request_text(const char *method, const char *path, const char *body)
{
	return pw_xasprintf("%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %zu\r\n\r\n%s",
			    method, path, strlen(body), body);
}

static inline struct answer ask(struct fixture *f, const char *method, const char *path,
				const char *body)
{
	pw_autofree char *text = request_text(method, path, body ? body : "");

	return ask_raw(f, text);
}

static inline void expect_answer(struct fixture *f, const char *method, const char *path,
				 const char *body, int status, const char *want)
{
	autoanswer a = ask(f, method, path, body);

	if (a.status != status)
		print_error("%s %s: %s\n", method, path, a.text);
	assert_int_equal(a.status, status);
	assert_string_equal(a.body, want);
}
#endif
