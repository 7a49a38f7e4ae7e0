// SPDX-License-Identifier: Apache-2.0
/* Upstream listeners: who connects speaks as the listener's service. */
#include "dataplane_private.h"
#include <openssl/err.h>
#include <string.h>

static bool source_is_allowed(const struct pw_egress *e, const struct pw_listener *l,
			      const struct pw_addr *client)
{
	/* On loopback anybody on the host may speak as the service: it is the operator's host. */
	if (l->loopback)
		return true;
	for (size_t i = 0; i < e->n_allowed; i++)
		if (pw_addr_same_ip(&e->allowed[i], client))
			return true;
	return false;
}

void pw_egress_accepted(struct pw_conn *c, const struct pw_listener *l)
{
	const struct pw_egress *e = pw_routing_egress_at(c->routing, l->address);

	if (!e) {
		pw_conn_refuse(c, PW_REASON_NO_ROUTE, "this upstream is no longer there");
		return;
	}
	c->out = e;
	c->egress_id = pw_xstrdup(e->id);
	c->peer = pw_xstrdup(pw_str_or_empty(e->peer));
	c->source = pw_xstrdup(e->source);
	c->destination = pw_xstrdup(e->destination);
	c->sni = pw_xstrdup(e->sni);
	c->policy = (struct pw_policy_key){ .peer_id = e->peer_id,
					    .source_id = e->source_id,
					    .destination_id = e->destination_id };
	if (pw_str_empty(e->peer))
		c->direction = PW_DIRECTION_LOCAL;
	if (!source_is_allowed(e, l, &c->client)) {
		pw_conn_refuse(c, PW_REASON_FOREIGN_SOURCE,
			       "the address is none of an instance of the upstream's service");
		return;
	}
	if (!pw_conn_still_allowed(c, c->routing)) {
		pw_conn_refuse(c, PW_REASON_DENIED, "an intention denies it");
		return;
	}
	if (pw_conn_watch(c, 0) < 0) {
		pw_conn_refuse(c, PW_REASON_LIMIT, "cannot watch the socket");
		return;
	}
	pw_connect_start(c);
}

void pw_egress_start_tls(struct pw_conn *c)
{
	struct pw_leg *leg = &c->flow.legs[1];

	c->tls = PW_TLS_USERSPACE;
	pw_tls_check_clear(&c->check);
	c->check.trust = c->out->trust;
	c->check.expected = &c->out->spiffe_ids;
	c->trust_hash = c->out->trust->hash;
	free(c->our_id);
	c->our_id = pw_xstrdup(c->out->identity->uri);
	leg->ssl = pw_tls_new(c->out->ctx, leg->fd, &c->check, c->out->sni);
	if (!leg->ssl) {
		ERR_clear_error();
		pw_conn_refuse(c, PW_REASON_HANDSHAKE_FAILED, "out of memory");
		return;
	}
	c->state = PW_CONN_CONNECT_TLS;
	pw_conn_deadline(c, c->worker->d->opt.limits.handshake_timeout_ms);
	pw_egress_handshake(c);
}

/* Another gateway may do better if this one went away, but not if it is an impostor: that must be
 * seen. */
static bool may_try_another(enum pw_reason reason, int alert)
{
	return reason == PW_REASON_HANDSHAKE_FAILED && !alert;
}

void pw_egress_handshake(struct pw_conn *c)
{
	struct pw_leg *leg = &c->flow.legs[1];
	char detail[512];
	enum pw_reason reason;
	int r = pw_conn_handshake(c, leg, &reason, detail, sizeof(detail));

	if (r == -EAGAIN)
		return;
	if (r == 0) {
		pw_conn_forward(c);
		return;
	}
	if (may_try_another(reason, leg->alert))
		pw_connect_failed(c, reason, detail);
	else
		pw_conn_refuse(c, reason, detail);
}
