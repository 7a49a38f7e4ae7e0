// SPDX-License-Identifier: Apache-2.0
/* The public port: ClientHello → control | exported service | refused. Nothing is dialled before
 * the caller may call. */
#include "dataplane_private.h"
#include "../ca/spiffe.h"
#include <openssl/err.h>
#include <string.h>
#include <sys/epoll.h>

static void hand_to_control(struct pw_conn *c)
{
	const int one = 1;
	int fd = c->flow.legs[0].fd;

	epoll_ctl(c->worker->epoll, EPOLL_CTL_DEL, fd, NULL);
	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
	if (!pw_message_control(c->worker->d, fd, &c->client)) {
		pw_conn_report_limit(c, PW_LIMIT_CONTROL_QUEUE);
		pw_conn_end(c, /* reset= */ true);
		return;
	}
	c->flow.legs[0].fd = -1;
	pw_conn_end(c, /* reset= */ false);
}

/* Source of a verified certificate; the SNI's peer and service are in->. */
static bool may_call(void *arg)
{
	struct pw_conn *c = arg;
	struct pw_spiffe id = { 0 };

	if (pw_spiffe_parse(c->check.uri, &id) < 0)
		return false;
	free(c->source);
	c->source = TAKE_PTR(id.service);
	pw_spiffe_clear(&id);
	/* The newest snapshot counts, not the one that the connection came in with. */
	return pw_conn_still_allowed(c, c->worker->routing);
}

static void terminate(struct pw_conn *c)
{
	const struct pw_ingress *in = c->in;

	if (!in->trust || !in->ctx) {
		pw_conn_refuse(c, in->trust ? PW_REASON_NO_ROUTE : PW_REASON_UNKNOWN_CA,
			       in->trust ? "no certificate of this service yet"
					 : "no trust bundle of this peer yet");
		return;
	}
	c->tls = PW_TLS_USERSPACE;
	c->our_id = pw_xstrdup(in->identity->uri);
	c->trust_hash = in->trust->hash;
	c->check.trust = in->trust;
	c->check.authorise = may_call;
	c->check.arg = c;
	c->flow.legs[0].ssl = pw_tls_new(in->ctx, c->flow.legs[0].fd, &c->check, /* sni= */ NULL);
	if (!c->flow.legs[0].ssl) {
		ERR_clear_error();
		pw_conn_refuse(c, PW_REASON_HANDSHAKE_FAILED, "out of memory");
		return;
	}
	c->state = PW_CONN_ACCEPT_TLS;
	pw_ingress_handshake(c);
}

static void pass_through(struct pw_conn *c)
{
	c->tls = PW_TLS_PASSTHROUGH;
	if (!c->routing->passthrough) {
		pw_conn_refuse(c, PW_REASON_DENIED, "passthrough is turned off");
		return;
	}
	if (!pw_conn_still_allowed(c, c->worker->routing)) {
		pw_conn_refuse(c, PW_REASON_DENIED, "no source of this peer may call the service");
		return;
	}
	pw_conn_set_pending(c, false);
	pw_connect_start(c);
}

static void route(struct pw_conn *c, const char *sni)
{
	c->sni = pw_xstrdup(sni);
	if (c->routing && c->routing->control_sni && !strcmp(c->routing->control_sni, sni)) {
		hand_to_control(c);
		return;
	}
	c->in = pw_routing_ingress(c->routing, sni);
	if (!c->in) {
		pw_conn_refuse(c, PW_REASON_UNKNOWN_SNI, "no exported service has this name");
		return;
	}
	c->peer = pw_xstrdup(c->in->peer);
	c->destination = pw_xstrdup(c->in->service);
	c->policy = (struct pw_policy_key){ .peer_id = c->in->peer_id,
					    .destination_id = c->in->service_id };
	if (c->in->mode == PW_INGRESS_PASSTHROUGH)
		pass_through(c);
	else
		terminate(c);
}

/* Nothing wakes us before so many bytes are there: a trickle costs one event, not one a byte. */
static void wait_for(struct pw_conn *c, size_t bytes)
{
	const int lowat = (int)pw_max(bytes, (size_t)1);

	setsockopt(c->flow.legs[0].fd, SOL_SOCKET, SO_RCVLOWAT, &lowat, sizeof(lowat));
}

static void incomplete(struct pw_conn *c, ssize_t n)
{
	/* A connect without a byte is a health check or a scan: nobody's failure. */
	if (n <= 0)
		pw_conn_end(c, /* reset= */ false);
	else
		pw_conn_refuse(c, PW_REASON_HANDSHAKE_FAILED,
			       "the caller ended within its ClientHello");
}

/* Refreshed here, since the routes may have changed while the caller was typing. */
static void newest_routing(struct pw_conn *c)
{
	pw_routing_unref(&c->routing);
	c->routing = pw_routing_ref(c->worker->routing);
}

void pw_ingress_hello(struct pw_conn *c)
{
	size_t limit = c->worker->d->opt.limits.hello_bytes;
	struct pw_hello hello;
	bool ended = false;
	ssize_t n;

	for (;;) {
		n = recv(c->flow.legs[0].fd, c->worker->hello, limit, MSG_PEEK | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			incomplete(c, n);
			return;
		}
		switch (pw_hello_parse(c->worker->hello, (size_t)n, limit, &hello)) {
		case PW_HELLO_MORE:
			break;
		case PW_HELLO_OK:
			wait_for(c, 1);
			newest_routing(c);
			route(c, hello.sni);
			return;
		case PW_HELLO_REFUSE:
			pw_conn_refuse(c, hello.reason, "the ClientHello cannot be used");
			return;
		}
		if (ended) {
			incomplete(c, n);
			return;
		}
		wait_for(c, hello.need_bytes);
		/* SO_RCVLOWAT tells of what arrives from now on: look once more at what came
		 * meanwhile, and whether there is more to come. */
		ended = pw_leg_has_ended(&c->flow.legs[0]);
		if (!ended && pw_leg_queued(&c->flow.legs[0]) < hello.need_bytes)
			return;
	}
}

void pw_ingress_handshake(struct pw_conn *c)
{
	char detail[512];
	enum pw_reason reason;
	int r = pw_conn_handshake(c, &c->flow.legs[0], &reason, detail, sizeof(detail));

	if (r == -EAGAIN)
		return;
	if (r == 0) {
		pw_conn_set_pending(c, false);
		pw_connect_start(c);
		return;
	}
	pw_conn_refuse(c, reason, detail);
}
