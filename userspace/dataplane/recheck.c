// SPDX-License-Identifier: Apache-2.0
/* After a publish: which of the live connections may go on. Only those that the change concerns are
 * cut. */
#include "dataplane_private.h"

static bool has_endpoint(const struct pw_endpoint *e, size_t n, const struct pw_addr *a)
{
	for (size_t i = 0; i < n; i++)
		if (pw_addr_same_ip(&e[i].addr, a) && pw_addr_port(&e[i].addr) == pw_addr_port(a))
			return true;
	return false;
}

static bool endpoint_is_there(const struct pw_conn *c, const struct pw_endpoint *e, size_t n)
{
	return c->state != PW_CONN_FORWARD || has_endpoint(e, n, &c->endpoint);
}

/* Same bundle, or the certificate is good by the new one, too. One that expired meanwhile was good
 * when it counted. */
static bool identity_holds(const struct pw_conn *c, int leg, const struct pw_trust *t,
			   const struct pw_strv *expected)
{
	pw_autofree char *uri = NULL;
	struct pw_err err = PW_ERR_INIT;
	int reason = PW_REASON_NONE;
	SSL *ssl = c->flow.legs[leg].ssl;

	/* Before the end of its handshake it is judged there, by the bundle that it began with; at
	 * the end by this one, so that nothing is dialled for a root that went meanwhile. */
	if (!ssl || !SSL_is_init_finished(ssl))
		return true;
	if (!t)
		return false;
	if (t->hash == c->trust_hash)
		return true;
	return pw_trust_verify(t, SSL_get0_peer_certificate(ssl), SSL_get_peer_cert_chain(ssl),
			       expected, &uri, &reason, &err) == 0 ||
	       reason == PW_REASON_EXPIRED;
}

static bool ingress_allowed(const struct pw_conn *c, const struct pw_routing *r)
{
	const struct pw_ingress *in = pw_routing_ingress(r, c->sni);

	if (!in || !pw_streq(in->peer, c->peer) || !pw_streq(in->service, c->destination))
		return false;
	if (!endpoint_is_there(c, in->endpoints, in->n_endpoints))
		return false;
	if (c->tls == PW_TLS_PASSTHROUGH)
		return r->passthrough && pw_policy_any_allowed(r->policy, c->peer, c->destination);
	return identity_holds(c, 0, in->trust, /* expected= */ NULL) &&
	       pw_policy_check(r->policy, c->peer, c->source, c->destination).action ==
		       PW_ACTION_ALLOW;
}

static bool egress_allowed(const struct pw_conn *c, const struct pw_routing *r)
{
	const struct pw_egress *e = pw_routing_egress(r, c->egress_id);

	if (!e)
		return false;
	/* What a peer's service accepts is the peer's decision. */
	if (c->direction == PW_DIRECTION_OUTBOUND)
		return identity_holds(c, 1, e->trust, &e->spiffe_ids);
	return endpoint_is_there(c, e->endpoints, e->n_endpoints) &&
	       pw_policy_check(r->policy, "", c->source, c->destination).action == PW_ACTION_ALLOW;
}

bool pw_conn_still_allowed(const struct pw_conn *c, const struct pw_routing *r)
{
	/* Fail closed: without routes nothing is allowed. */
	if (!r || !r->policy)
		return c->direction == PW_DIRECTION_OUTBOUND && r && egress_allowed(c, r);
	return c->direction == PW_DIRECTION_INBOUND ? ingress_allowed(c, r) : egress_allowed(c, r);
}

void pw_worker_recheck(struct pw_worker *w)
{
	struct pw_conn *c, *next;

	for (c = TAILQ_FIRST(&w->conns); c; c = next) {
		next = TAILQ_NEXT(c, all);
		/* Earlier states ask by themselves, with the newest routes, before anything is
		 * dialled. */
		if (c->state != PW_CONN_FORWARD && c->state != PW_CONN_CONNECT &&
		    c->state != PW_CONN_CONNECT_TLS)
			continue;
		if (pw_conn_still_allowed(c, w->routing))
			continue;
		pw_conn_report(c, PW_REASON_REVOKED, "no longer allowed, exported or there");
		pw_conn_end(c, /* reset= */ true);
	}
}
