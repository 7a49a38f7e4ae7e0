// SPDX-License-Identifier: Apache-2.0
/* The open connection: its forwarder, its time limits, and what others see of it. */
#include "dataplane_private.h"
#include "../base/time.h"
#include "../kernel/kernel.h"
#include "../model/reason.h"
#include <stdio.h>
#include <string.h>

#define MAP_UPDATE_MS 1000

static enum pw_flow_state flow_state(const struct pw_conn *c)
{
	const struct pw_leg *l = c->flow.legs;

	if (c->state != PW_CONN_FORWARD)
		return PW_FLOW_CONNECTING;
	if (l[0].error || l[1].error)
		return PW_FLOW_CLOSING;
	return l[0].shut || l[1].shut ? PW_FLOW_HALF_CLOSED : PW_FLOW_OPEN;
}

static void flow_bytes(const struct pw_conn *c, uint64_t ret[2])
{
	ret[0] = ret[1] = 0;
	if (c->flow.ops)
		c->flow.ops->stats(&c->flow, ret);
}

static bool is_mapped(const struct pw_conn *c)
{
	/* The entry of a sockmap flow belongs to the verdict. */
	return c->worker->d->opt.kernel && c->flow.ops && c->flow.ops->id != PW_FORWARDER_SOCKMAP;
}

/* Best effort: the map is for people; a full one takes nothing from the flow. */
static void map_flow(struct pw_conn *c, int64_t now_ms)
{
	uint64_t bytes[2];

	if (!is_mapped(c))
		return;
	flow_bytes(c, bytes);
	for (int i = 0; i < 2; i++) {
		struct pw_flow_value *v = &c->flow.values[i];

		v->partner = c->flow.cookies[!i];
		v->forwarder = c->flow.ops->id;
		v->state = flow_state(c);
		v->bytes = bytes[i];
		v->paused = 0;
		pw_flow_put(c->worker->d->opt.kernel, c->flow.cookies[i], v);
	}
	c->mapped_ms = now_ms;
}

static void fill_values(struct pw_conn *c)
{
	for (int i = 0; i < 2; i++) {
		struct pw_flow_value *v = &c->flow.values[i];

		*v = (struct pw_flow_value){ .policy = c->policy,
					     .started_ns = (uint64_t)c->started_ms * 1000000 };
		pw_str_fill(v->peer, sizeof(v->peer), c->peer);
		pw_str_fill(v->source, sizeof(v->source), c->source ? c->source : "opaque");
		pw_str_fill(v->destination, sizeof(v->destination), c->destination);
		c->flow.cookies[i] =
			c->worker->d->opt.kernel ? pw_socket_cookie(c->flow.legs[i].fd) : 0;
	}
}

static void plan_ack_check(struct pw_conn *c, int64_t now_ms)
{
	int64_t timeout_ms = c->worker->d->opt.limits.unacked_timeout_ms;

	c->ack_check_ms = timeout_ms ? now_ms + pw_max(timeout_ms / 2, (int64_t)1) : 0;
}

/* A leg that is found dead fails like one that was reset. */
static void check_acks(struct pw_conn *c, int64_t now_ms)
{
	int64_t timeout_ms = c->worker->d->opt.limits.unacked_timeout_ms;

	if (!c->ack_check_ms || now_ms < c->ack_check_ms)
		return;
	plan_ack_check(c, now_ms);
	for (int i = 0; i < 2; i++) {
		struct pw_leg *leg = &c->flow.legs[i];

		if (!pw_leg_is_dead(leg, now_ms, timeout_ms, &c->ack_due_ms[i]))
			continue;
		pw_conn_report_limit(c, PW_LIMIT_UNACKED_TIMEOUT);
		pw_leg_fail(leg, -ETIMEDOUT, /* drained= */ false);
	}
}

void pw_conn_forward(struct pw_conn *c)
{
	struct pw_dataplane *d = c->worker->d;
	int64_t now_ms = pw_now_mono_ms();

	c->state = PW_CONN_FORWARD;
	c->deadline_ms = 0;
	/* A publish may have come while we were connecting to it. */
	if (!pw_conn_still_allowed(c, c->worker->routing)) {
		pw_conn_report(c, PW_REASON_REVOKED, "no longer allowed, exported or there");
		pw_conn_end(c, /* reset= */ true);
		return;
	}
	pw_reason_count(PW_REASON_PASSED);
	c->in = NULL;
	c->out = NULL;
	c->check.trust = NULL;
	c->check.expected = NULL;
	pw_routing_unref(&c->routing);
	fill_values(c);
	for (int i = 0; i < 2; i++) {
		pw_leg_open(&c->flow.legs[i]);
		pw_leg_no_user_timeout(c->flow.legs[i].fd);
	}
	plan_ack_check(c, now_ms);
	pw_flow_start(&c->flow, d->opt.forwarders, now_ms);
	map_flow(c, now_ms);
	pw_conn_flow_event(c);
}

/* Which of the two silences is limited more tightly now. */
static enum pw_limit limit_of(const struct pw_conn *c)
{
	const struct pw_limits *l = &c->worker->d->opt.limits;

	return c->half_closed_ms && l->half_close_timeout_ms &&
			       (!l->idle_timeout_ms ||
				l->half_close_timeout_ms < l->idle_timeout_ms)
		       ? PW_LIMIT_HALF_CLOSE_TIMEOUT
		       : PW_LIMIT_IDLE_TIMEOUT;
}

/* The nearest of: the forwarder's wish, the limit on silence. */
static void set_timer(struct pw_conn *c, int64_t now_ms)
{
	const struct pw_limits *l = &c->worker->d->opt.limits;
	int64_t at = c->flow.wake_ms, since = c->flow.last_byte_ms, limit = l->idle_timeout_ms;

	/* Counted from the end at the earliest: whoever asks after a long silence may wait for the
	 * answer. */
	if (flow_state(c) == PW_FLOW_HALF_CLOSED && !c->half_closed_ms)
		c->half_closed_ms = now_ms;
	if (limit_of(c) == PW_LIMIT_HALF_CLOSE_TIMEOUT) {
		limit = l->half_close_timeout_ms;
		since = pw_max(since, c->half_closed_ms);
	}
	c->deadline_ms = limit ? since + limit : 0;
	if (c->deadline_ms && (!at || c->deadline_ms < at))
		at = c->deadline_ms;
	if (c->ack_check_ms && (!at || c->ack_check_ms < at))
		at = c->ack_check_ms;
	pw_timers_set(&c->worker->timers, &c->timer, at);
}

/* With TLS 1.3 a callee's refusal of our certificate arrives only now. */
static void report_alert(struct pw_conn *c)
{
	const struct pw_leg *leg = &c->flow.legs[1];
	char text[128];

	if (c->direction != PW_DIRECTION_OUTBOUND || !leg->alert)
		return;
	snprintf(text, sizeof(text), "the peer's gateway ended it: TLS alert %s",
		 SSL_alert_desc_string_long(leg->alert));
	pw_conn_report(c,
		       leg->alert == SSL_AD_ACCESS_DENIED ? PW_REASON_DENIED
							  : PW_REASON_HANDSHAKE_FAILED,
		       text);
}

void pw_conn_flow_event(struct pw_conn *c)
{
	enum pw_flow_state before = flow_state(c);
	int64_t now_ms = pw_now_mono_ms();

	switch (c->flow.ops->on_event(&c->flow, now_ms)) {
	case PW_FORWARD_DONE:
		pw_conn_end(c, /* reset= */ false);
		return;
	case PW_FORWARD_RESET:
		report_alert(c);
		pw_conn_end(c, /* reset= */ true);
		return;
	case PW_FORWARD_AGAIN:
		pw_worker_ready(c);
		break;
	case PW_FORWARD_WAIT:
		break;
	}
	if (flow_state(c) != before || now_ms - c->mapped_ms >= MAP_UPDATE_MS)
		map_flow(c, now_ms);
	set_timer(c, now_ms);
}

void pw_conn_flow_timer(struct pw_conn *c)
{
	int64_t now_ms = pw_now_mono_ms();
	uint64_t bytes[2], sum;

	if (c->deadline_ms && now_ms >= c->deadline_ms) {
		/* What the kernel forwards wakes nobody: ask the counters before calling it idle.
		 */
		flow_bytes(c, bytes);
		sum = bytes[0] + bytes[1];
		if (sum == c->idle_bytes || c->flow.ops->id != PW_FORWARDER_SOCKMAP) {
			pw_conn_report_limit(c, limit_of(c));
			pw_conn_end(c, /* reset= */ true);
			return;
		}
		c->idle_bytes = sum;
		c->flow.last_byte_ms = now_ms;
	}
	check_acks(c, now_ms);
	pw_conn_flow_event(c);
}

void pw_conn_flow_stop(struct pw_conn *c)
{
	struct pw_kernel *k = c->worker->d->opt.kernel;

	if (!c->flow.ops)
		return;
	if (is_mapped(c))
		for (int i = 0; i < 2; i++)
			pw_flow_delete(k, c->flow.cookies[i]);
	pw_flow_stop(&c->flow);
	c->flow.ops = NULL;
}

static const char *tls_reason(const struct pw_conn *c)
{
	switch (c->tls) {
	case PW_TLS_NONE:
		return "both legs are local";
	case PW_TLS_PASSTHROUGH:
		return "the instance speaks mesh TLS itself";
	default:
		return pw_streq(c->worker->d->opt.ktls, "off") ? "kTLS is turned off"
							       : "kTLS is not built in";
	}
}

void pw_conn_flow_info(const struct pw_conn *c, struct pw_flow_info *ret)
{
	uint64_t bytes[2];

	*ret = (struct pw_flow_info){
		.id = pw_socket_cookie(c->flow.legs[0].fd),
		.direction = c->direction,
		.forwarder = c->flow.ops ? c->flow.ops->id : PW_FORWARDER_NONE,
		.tls = c->tls,
		.started_ms = c->started_ms,
		.state = flow_state(c),
	};
	pw_str_fill(ret->peer, sizeof(ret->peer), c->peer);
	pw_str_fill(ret->source, sizeof(ret->source), c->source ? c->source : "opaque");
	pw_str_fill(ret->destination, sizeof(ret->destination), c->destination);
	snprintf(ret->forwarder_reason, sizeof(ret->forwarder_reason), "%s", c->flow.why);
	snprintf(ret->tls_reason, sizeof(ret->tls_reason), "%s", tls_reason(c));
	flow_bytes(c, bytes);
	ret->bytes_in = bytes[0];
	ret->bytes_out = bytes[1];
}
