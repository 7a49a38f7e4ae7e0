// SPDX-License-Identifier: Apache-2.0
/* A connection from its first event to its end: states, deadlines, refusals. */
#include "dataplane_private.h"
#include "../base/time.h"
#include "../model/reason.h"
#include <assert.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/epoll.h>

#define ALERT_WAIT_MS	1000 /* how long an alert may take before the reset */
#define ALERT_POLL_MS	2
#define ALERT_DOUBLINGS 6 /* up to 128 ms: many that never acknowledge must not keep us busy */

struct pw_conn *pw_conn_new(struct pw_worker *w, int fd, const struct pw_addr *client,
			    enum pw_direction direction)
{
	struct pw_conn *c = pw_new0(struct pw_conn);

	c->worker = w;
	c->direction = direction;
	c->client = *client;
	c->started_ms = pw_now_mono_ms();
	c->poll[1].leg = 1;
	pw_flow_init(&c->flow, &w->env);
	c->flow.legs[0].fd = fd;
	c->routing = pw_routing_ref(w->routing);
	TAILQ_INSERT_TAIL(&w->conns, c, all);
	atomic_fetch_add(&w->d->n_conns, 1);
	pw_leg_set_options(fd, w->d->opt.limits.unacked_timeout_ms,
			   w->d->opt.limits.buffer_bytes / 2);
	return c;
}

void pw_conn_set_pending(struct pw_conn *c, bool pending)
{
	if (c->pending == pending)
		return;
	c->pending = pending;
	if (pending)
		atomic_fetch_add(&c->worker->d->n_pending, 1);
	else
		atomic_fetch_sub(&c->worker->d->n_pending, 1);
	if (!c->stranger)
		return;
	if (pending)
		atomic_fetch_add(&c->worker->d->n_strangers, 1);
	else
		atomic_fetch_sub(&c->worker->d->n_strangers, 1);
}

void pw_conn_deadline(struct pw_conn *c, int64_t timeout_ms)
{
	c->deadline_ms = timeout_ms ? pw_now_mono_ms() + timeout_ms : 0;
	pw_timers_set(&c->worker->timers, &c->timer, c->deadline_ms);
}

int pw_conn_watch(struct pw_conn *c, int leg)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.ptr = &c->poll[leg],
	};

	return epoll_ctl(c->worker->epoll, EPOLL_CTL_ADD, c->flow.legs[leg].fd, &ev) < 0 ? -errno
											 : 0;
}

/* Everything but the memory goes now: an event of this batch may still point here. */
void pw_conn_end(struct pw_conn *c, bool reset)
{
	struct pw_worker *w = c->worker;

	if (c->state == PW_CONN_DEAD)
		return;
	pw_conn_flow_stop(c);
	pw_timers_set(&w->timers, &c->timer, 0);
	pw_leg_close(&c->flow.legs[0], reset);
	pw_leg_close(&c->flow.legs[1], reset);
	pw_routing_unref(&c->routing);
	c->in = NULL;
	c->out = NULL;
	pw_conn_set_pending(c, false);
	if (c->counted_source)
		pw_sources_remove(w->d->sources, &c->client);
	TAILQ_REMOVE(&w->conns, c, all);
	c->state = PW_CONN_DEAD;
	/* One that is in the ready list is buried from there. */
	if (!c->is_ready)
		TAILQ_INSERT_TAIL(&w->dead, c, queue);
	if (atomic_fetch_sub(&w->d->n_conns, 1) == 1 && atomic_load(&w->d->draining))
		pw_message_idle(w->d);
}

void pw_conn_free(struct pw_conn *c)
{
	assert(c->state == PW_CONN_DEAD);
	pw_tls_check_clear(&c->check);
	free(c->sni);
	free(c->egress_id);
	free(c->peer);
	free(c->source);
	free(c->destination);
	free(c->our_id);
	free(c);
}

void pw_conn_report(struct pw_conn *c, enum pw_reason reason, const char *detail)
{
	char text[PW_ADDR_TEXT];
	const struct pw_dp_event e = {
		.reason = reason,
		.client = pw_addr_text(&c->client, text),
		.sni = c->sni,
		.peer = c->peer,
		.source = c->source,
		.destination = c->destination,
		.their_id = c->check.uri,
		.our_id = c->our_id,
		.detail = detail,
	};

	pw_reason_count(reason);
	pw_message_event(c->worker->d, &e);
}

void pw_conn_report_limit(struct pw_conn *c, enum pw_limit limit)
{
	atomic_fetch_add(&c->worker->d->limits[limit], 1);
	pw_conn_report(c, PW_REASON_LIMIT, pw_limit_name(limit));
}

static void wait_for_alert(struct pw_conn *c)
{
	int64_t now_ms = pw_now_mono_ms();

	/* A caller that is gone acknowledges nothing any more. */
	if (now_ms >= c->deadline_ms || c->flow.legs[0].error ||
	    pw_leg_unsent(&c->flow.legs[0]) == 0) {
		pw_conn_end(c, /* reset= */ true);
		return;
	}
	pw_timers_set(&c->worker->timers, &c->timer,
		      now_ms + (ALERT_POLL_MS << pw_min(c->flow.polls, (unsigned)ALERT_DOUBLINGS)));
	c->flow.polls++;
}

void pw_conn_refuse(struct pw_conn *c, enum pw_reason reason, const char *detail)
{
	pw_conn_report(c, reason, detail);
	if (!c->flow.legs[0].ssl) {
		pw_conn_end(c, /* reset= */ true);
		return;
	}
	/* A reset overtakes what is still queued: let the alert arrive first. It stays pending
	 * until then, since it still is somebody who has proved nothing. */
	pw_leg_close(&c->flow.legs[1], /* reset= */ true);
	c->state = PW_CONN_REFUSED;
	c->deadline_ms = pw_now_mono_ms() + ALERT_WAIT_MS;
	wait_for_alert(c);
}

void pw_conn_run(struct pw_conn *c)
{
	switch (c->state) {
	case PW_CONN_HELLO:
		pw_ingress_hello(c);
		break;
	case PW_CONN_ACCEPT_TLS:
		pw_ingress_handshake(c);
		break;
	case PW_CONN_CONNECT:
		pw_connect_event(c);
		break;
	case PW_CONN_CONNECT_TLS:
		pw_egress_handshake(c);
		break;
	case PW_CONN_FORWARD:
		pw_conn_flow_event(c);
		break;
	case PW_CONN_REFUSED:
		wait_for_alert(c);
		break;
	case PW_CONN_DEAD:
		break;
	}
}

/* While the callee is being sought, a caller that is gone by reset must not leave a connection
 * behind it. In the middle of its handshake it may have said why: the handshake reads that. */
static bool caller_is_gone(const struct pw_conn *c)
{
	return c->flow.legs[0].error && (c->state == PW_CONN_HELLO || c->state == PW_CONN_CONNECT ||
					 c->state == PW_CONN_CONNECT_TLS);
}

void pw_conn_event(struct pw_conn *c, int leg, uint32_t events)
{
	if (c->state == PW_CONN_DEAD)
		return;
	pw_leg_on_epoll(&c->flow.legs[leg], events);
	if (caller_is_gone(c)) {
		pw_conn_end(c, /* reset= */ true);
		return;
	}
	/* The caller's bytes wait in its socket until the other leg is there. */
	if (leg == 0 && (c->state == PW_CONN_CONNECT || c->state == PW_CONN_CONNECT_TLS))
		return;
	pw_conn_run(c);
}

void pw_conn_timer(struct pw_conn *c)
{
	switch (c->state) {
	case PW_CONN_HELLO:
	case PW_CONN_ACCEPT_TLS:
		pw_conn_refuse(c, PW_REASON_HANDSHAKE_TIMEOUT,
			       c->state == PW_CONN_HELLO ? "no whole ClientHello came"
							 : "the TLS handshake did not end");
		break;
	case PW_CONN_CONNECT:
		pw_connect_failed(c, PW_REASON_UPSTREAM_TIMEOUT, "no answer to the connect");
		break;
	case PW_CONN_CONNECT_TLS:
		pw_connect_failed(c, PW_REASON_HANDSHAKE_TIMEOUT,
				  "the TLS handshake with the peer's gateway did not end");
		break;
	case PW_CONN_FORWARD:
		pw_conn_flow_timer(c);
		break;
	case PW_CONN_REFUSED:
		wait_for_alert(c);
		break;
	case PW_CONN_DEAD:
		break;
	}
}

int pw_conn_handshake(struct pw_conn *c, struct pw_leg *leg, enum pw_reason *ret_reason,
		      char *ret_detail, size_t size)
{
	int r;

	ERR_clear_error();
	errno = 0;
	r = SSL_do_handshake(leg->ssl);
	if (r != 1) {
		if (pw_leg_tls_error(leg, r) == -EAGAIN)
			return -EAGAIN;
	} else if (pw_tls_finish(leg->ssl, &c->check) == 0) {
		return 0;
	}
	*ret_reason = pw_tls_failure(leg->ssl, &c->check, leg->alert, ret_detail, size);
	ERR_clear_error();
	return -EACCES;
}
