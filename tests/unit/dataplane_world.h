/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DATAPLANE_WORLD_H
#define TESTS_DATAPLANE_WORLD_H
/* A gateway on loopback with real workers, certificates of two peers, an echo service behind it,
 * and clients. No kernel maps. */
#include "../../userspace/base/time.h"
#include "../../userspace/ca/ca_private.h"
#include "../../userspace/ca/spiffe.h"
#include "../../userspace/dataplane/dataplane.h"
#include "../../userspace/model/model.h"
#include "../../userspace/model/reason.h"
#include <event2/event.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define EAST_TD "11111111-2222-3333-4444-555555555555.consul"
#define WEST_TD "99999999-2222-3333-4444-555555555555.consul"
#define OUR_TD	"77777777-2222-3333-4444-555555555555.consul"
#define BILLING "billing.default.default.east.external." OUR_TD
#define AUDIT	"audit.default.default.west.external." OUR_TD
#define CONTROL "server.dc1.peering." OUR_TD

struct authority {
	X509 *cert;
	EVP_PKEY *key;
	struct pw_strv pems;
	struct pw_trust *trust;
	uint64_t serial;
};

struct world {
	struct event_base *base;
	struct authority east, west, ours;
	struct pw_dataplane *d;
	uint16_t port, echo_port;
	int echo_fd;
	pthread_t echo;
	_Atomic unsigned echo_accepts, echo_resets;
	_Atomic uint64_t echo_bytes;
	unsigned seen[PW_REASON_MAX];
	struct {
		char detail[256], their_id[256], source[64];
	} last[PW_REASON_MAX]; /* the two sides of one refusal report in any order */
	size_t longest_id;
	int control_fd;
	bool drained;
};

static inline void authority_new(struct authority *a, const char *td)
{
	pw_autofree char *uri = pw_xasprintf("spiffe://%s", td);
	pw_autofree char *pem = NULL;
	int64_t now = pw_now_real_ns() / 1000000000;
	struct pw_cert_request req = { .cn = "root",
				       .uri = uri,
				       .serial = 1,
				       .not_before_sec = now - 60,
				       .not_after_sec = now + 86400 };

	assert_int_equal(pw_key_new(&a->key, NULL), 0);
	req.key = a->key;
	assert_int_equal(pw_cert_build(&req, &a->cert, NULL), 0);
	assert_int_equal(pw_cert_to_pem(a->cert, &pem, NULL), 0);
	pw_strv_add(&a->pems, pem);
	assert_int_equal(pw_trust_new(&a->trust, td, &a->pems, NULL), 0);
	a->serial = 1;
}

static inline void authority_clear(struct authority *a)
{
	pw_x509_freep(&a->cert);
	pw_pkey_freep(&a->key);
	pw_strv_clear(&a->pems);
	pw_trust_unref(&a->trust);
}

/* Valid until now+to_s. */
static inline struct pw_identity *issue(struct authority *a, const char *uri, int64_t to_s)
{
	int64_t now = pw_now_real_ns() / 1000000000;
	struct pw_cert_request req = { .issuer = a->cert,
				       .issuer_key = a->key,
				       .uri = uri,
				       .serial = ++a->serial,
				       .not_before_sec = now - 7200,
				       .not_after_sec = now + to_s };
	struct pw_identity *id = NULL;
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;

	assert_int_equal(pw_key_new(&key, NULL), 0);
	req.key = key;
	assert_int_equal(pw_cert_build(&req, &cert, NULL), 0);
	assert_int_equal(pw_identity_new(&id, &cert, &key, uri, NULL), 0);
	return id;
}

static inline struct pw_identity *service_of(struct authority *a, const char *td,
					     const char *service)
{
	pw_autofree char *uri = pw_spiffe_service(td, "dc1", service);

	return issue(a, uri, 3600);
}

/* --- policy --------------------------------------------------------------------------------- */
struct rule {
	const char *peer, *source, *destination;
};

static inline void put_intention(struct pw_store *s, const struct rule *rules,
				 const char *destination)
{
	struct pw_config_entry *e = pw_new0(struct pw_config_entry);
	json_t *sources = json_array();
	struct pw_err err = PW_ERR_INIT;
	struct pw_tx *tx = NULL;

	for (const struct rule *r = rules; r->source; r++)
		if (!strcmp(r->destination, destination))
			json_array_append_new(sources,
					      json_pack("{s:s,s:s,s:s,s:s,s:i}", "Name", r->source,
							"Peer", r->peer, "Action", "allow", "Type",
							"consul", "Precedence", 9));
	e->kind = pw_xstrdup("service-intentions");
	e->name = pw_xstrdup(destination);
	e->body = json_pack("{s:s,s:s,s:o}", "Kind", e->kind, "Name", destination, "Sources",
			    sources);
	assert_int_equal(pw_tx_begin(s, &tx, &err), 0);
	if (pw_tx_put(tx, PW_T_CONFIG, e, &err) < 0 || pw_tx_commit(&tx, &err) < 0)
		fail_msg("%s", err.text);
}

static inline struct pw_policy *policy_of(const struct rule *rules)
{
	const struct pw_policy_defaults defaults = { 0 };
	struct pw_store_options opt = { .tables = pw_tables, .n_tables = PW_T_MAX };
	struct pw_store *s = NULL;
	struct pw_policy *p;

	assert_int_equal(pw_store_open(&s, &opt, NULL), 0);
	put_intention(s, rules, "billing");
	put_intention(s, rules, "audit");
	p = pw_policy_compile(s, &defaults);
	pw_store_close(&s);
	return p;
}

static const struct rule allow_web[] = { { "east", "web", "billing" },
					 { "west", "web", "audit" },
					 { 0 } };
static const struct rule allow_none[] = { { 0 } };

/* --- routes --------------------------------------------------------------------------------- */
static inline struct pw_addr loopback(uint16_t port)
{
	struct pw_addr a;

	assert_int_equal(pw_addr_parse("127.0.0.1", port, &a), 0);
	return a;
}

static inline struct pw_endpoint *one_endpoint(uint16_t port)
{
	struct pw_endpoint *e = pw_new0(struct pw_endpoint);

	e->addr = loopback(port);
	e->weight = 1;
	return e;
}

static inline struct pw_ingress *ingress_of(struct world *w, const char *sni, const char *peer,
					    const char *service, struct pw_trust *trust,
					    enum pw_ingress_mode mode)
{
	struct pw_ingress *in = pw_new0(struct pw_ingress);

	in->sni = pw_xstrdup(sni);
	in->peer = pw_xstrdup(peer);
	in->service = pw_xstrdup(service);
	in->mode = mode;
	if (mode == PW_INGRESS_TERMINATE) {
		in->identity = service_of(&w->ours, OUR_TD, service);
		in->trust = pw_trust_ref(trust);
	}
	in->endpoints = one_endpoint(w->echo_port);
	in->n_endpoints = 1;
	return in;
}

static inline struct pw_routing *routes(struct world *w, const struct rule *rules)
{
	struct pw_routing *r = pw_routing_new();

	r->policy = policy_of(rules);
	r->control_sni = pw_xstrdup(CONTROL);
	r->passthrough = true;
	pw_routing_add_ingress(r, ingress_of(w, BILLING, "east", "billing", w->east.trust,
					     PW_INGRESS_TERMINATE));
	pw_routing_add_ingress(r, ingress_of(w, AUDIT, "west", "audit", w->west.trust,
					     PW_INGRESS_TERMINATE));
	return r;
}

/* --- the service behind the gateway ------------------------------------------------------------
 */
static inline void *echo_one(void *arg)
{
	struct world *w = ((void **)arg)[0];
	int fd = (int)(intptr_t)((void **)arg)[1];
	char buf[65536];
	ssize_t n;

	free(arg);
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		w->echo_bytes += (uint64_t)n;
		for (ssize_t off = 0; off < n;) {
			ssize_t m = send(fd, buf + off, (size_t)(n - off), MSG_NOSIGNAL);

			if (m < 0)
				break;
			off += m;
		}
	}
	if (n < 0)
		w->echo_resets++;
	close(fd);
	return NULL;
}

static inline void *echo_run(void *arg)
{
	struct world *w = arg;
	int fd;

	while ((fd = accept4(w->echo_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		void **pair = calloc(2, sizeof(*pair));
		pthread_t t;

		w->echo_accepts++;
		pair[0] = w;
		pair[1] = (void *)(intptr_t)fd;
		if (pthread_create(&t, NULL, echo_one, pair) == 0)
			pthread_detach(t);
	}
	return NULL;
}

static inline int listen_any(uint16_t *ret_port)
{
	struct pw_addr a = loopback(0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, &a.u.sa, a.len), 0);
	assert_int_equal(listen(fd, 128), 0);
	assert_int_equal(getsockname(fd, &a.u.sa, &a.len), 0);
	*ret_port = pw_addr_port(&a);
	return fd;
}

/* A port that nobody listens at. */
static inline uint16_t free_port(void)
{
	uint16_t port;

	close(listen_any(&port));
	return port;
}

/* --- the gateway --------------------------------------------------------------------------------
 */
static inline void world_event(void *arg, const struct pw_dp_event *e)
{
	struct world *w = arg;

	w->seen[e->reason]++;
	w->longest_id = pw_max(w->longest_id, strlen(e->their_id ? e->their_id : ""));
	snprintf(w->last[e->reason].detail, sizeof(w->last[e->reason].detail), "%s",
		 e->detail ? e->detail : "");
	snprintf(w->last[e->reason].their_id, sizeof(w->last[e->reason].their_id), "%s",
		 e->their_id ? e->their_id : "");
	snprintf(w->last[e->reason].source, sizeof(w->last[e->reason].source), "%s",
		 e->source ? e->source : "");
}

static inline void world_control(void *arg, int fd, const struct pw_addr *client)
{
	((struct world *)arg)->control_fd = fd;
}

static inline void world_start_with(struct world *w, const struct pw_limits *limits,
				    struct pw_kernel *kernel)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_dataplane_options opt = {
		.kernel = kernel,
		.bind = loopback(0),
		.workers = 2,
		.limits = *limits,
		.forwarders = { PW_FORWARDER_SOCKMAP, PW_FORWARDER_SPLICE, PW_FORWARDER_COPY },
		.on_event = world_event,
		.on_control = world_control,
		.arg = w,
	};

	*w = (struct world){ .control_fd = -1 };
	signal(SIGPIPE, SIG_IGN);
	authority_new(&w->east, EAST_TD);
	authority_new(&w->west, WEST_TD);
	authority_new(&w->ours, OUR_TD);
	w->echo_fd = listen_any(&w->echo_port);
	assert_int_equal(pthread_create(&w->echo, NULL, echo_run, w), 0);
	w->base = event_base_new();
	opt.base = w->base;
	if (pw_dataplane_new(&w->d, &opt, &err) < 0)
		fail_msg("%s", err.text);
	w->port = pw_dataplane_port(w->d);
}

static inline void world_start(struct world *w, const struct pw_limits *limits)
{
	world_start_with(w, limits, /* kernel= */ NULL);
}

static const struct pw_limits plain_limits = {
	.handshake_timeout_ms = 10000,
	.connect_timeout_ms = 2000,
	.half_close_timeout_ms = 3600000,
	.unacked_timeout_ms = 10000,
	.drain_timeout_ms = 5000,
	.max_connections = 1000,
	.max_connections_per_source = 500,
	.max_pending_handshakes = 100,
	.buffer_bytes = 1024 * 1024,
	.hello_bytes = 16384,
};

static inline void world_stop(struct world *w)
{
	pw_dataplane_free(&w->d);
	shutdown(w->echo_fd, SHUT_RDWR);
	pthread_join(w->echo, NULL);
	close(w->echo_fd);
	pw_closep(&w->control_fd);
	event_base_free(w->base);
	authority_clear(&w->east);
	authority_clear(&w->west);
	authority_clear(&w->ours);
}

/* Runs the control loop until cond holds; fails after 5 s. */
#define WAIT_FOR(w, cond)                                              \
	do {                                                           \
		int64_t end_ = pw_now_mono_ms() + 5000;                \
		while (!(cond)) {                                      \
			if (pw_now_mono_ms() > end_)                   \
				fail_msg("not within 5 s: %s", #cond); \
			event_base_loop((w)->base, EVLOOP_NONBLOCK);   \
			usleep(1000);                                  \
		}                                                      \
	} while (0)

static inline int dial_port(uint16_t port)
{
	struct pw_addr a = loopback(port);
	const struct timeval limit = { .tv_sec = 10 };
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, &a.u.sa, a.len), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static inline void reset_and_close(int fd)
{
	const struct linger now = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}
#endif
