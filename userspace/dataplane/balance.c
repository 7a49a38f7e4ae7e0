// SPDX-License-Identifier: Apache-2.0
/* Which endpoint, and the next one when it fails: the caller sees nothing of it. */
#include "dataplane_private.h"
#include <string.h>
#include <stdio.h>

#define MAX_TRIES 8

static const struct pw_endpoint *endpoints_of(const struct pw_conn *c, size_t *ret_n)
{
	*ret_n = c->in ? c->in->n_endpoints : c->out->n_endpoints;
	return c->in ? c->in->endpoints : c->out->endpoints;
}

/* Round robin by weight over those that are healthy. -1: there is none. */
static ssize_t pick_first(struct pw_worker *w, const struct pw_endpoint *e, size_t n)
{
	uint64_t total = 0, at;

	for (size_t i = 0; i < n; i++)
		total += e[i].unhealthy ? 0 : pw_max(e[i].weight, 1u);
	if (!total)
		return -1;
	at = w->round++ % total;
	for (size_t i = 0; i < n; i++) {
		uint64_t weight = e[i].unhealthy ? 0 : pw_max(e[i].weight, 1u);

		if (at < weight)
			return (ssize_t)i;
		at -= weight;
	}
	return -1;
}

/* The try'th healthy one after the first, in list order. NULL: all were tried. */
static const struct pw_endpoint *pick_next(const struct pw_conn *c)
{
	size_t n, seen = 0;
	const struct pw_endpoint *e = endpoints_of(c, &n);

	if (c->tries >= MAX_TRIES)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		const struct pw_endpoint *p = &e[(c->first_try + i) % n];

		if (!p->unhealthy && seen++ == c->tries)
			return p;
	}
	return NULL;
}

static int dial(struct pw_conn *c, const struct pw_endpoint *e)
{
	const struct pw_limits *limits = &c->worker->d->opt.limits;
	struct pw_leg *leg = &c->flow.legs[1];
	int r;

	*leg = (struct pw_leg){ .fd = -1 };
	c->endpoint = e->addr;
	leg->fd = socket(e->addr.u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (leg->fd < 0)
		return -errno;
	pw_leg_set_options(leg->fd, limits->unacked_timeout_ms, limits->buffer_bytes / 2);
	if (connect(leg->fd, &e->addr.u.sa, e->addr.len) < 0 && errno != EINPROGRESS) {
		r = -errno;
		pw_closep(&leg->fd);
		return r;
	}
	r = pw_conn_watch(c, 1);
	if (r < 0)
		pw_closep(&leg->fd);
	return r;
}

static void try_next(struct pw_conn *c, enum pw_reason reason, const char *detail)
{
	const struct pw_endpoint *e;

	c->state = PW_CONN_CONNECT;
	while ((e = pick_next(c))) {
		int r = dial(c, e);

		c->tries++;
		if (r == 0) {
			pw_conn_deadline(c, c->worker->d->opt.limits.connect_timeout_ms);
			return;
		}
		reason = PW_REASON_UPSTREAM_REFUSED;
		detail = strerrordesc_np(-r);
		if (r == -EMFILE || r == -ENFILE) {
			pw_conn_report_limit(c, PW_LIMIT_FILE_DESCRIPTORS);
			pw_conn_end(c, /* reset= */ true);
			return;
		}
	}
	pw_conn_refuse(c, reason, detail);
}

void pw_connect_start(struct pw_conn *c)
{
	const struct pw_endpoint *e;
	ssize_t first;
	size_t n;

	if (c->direction == PW_DIRECTION_OUTBOUND && (!c->out->trust || !c->out->ctx)) {
		pw_conn_refuse(c, PW_REASON_NO_ROUTE,
			       c->out->trust ? "no certificate or name for this upstream yet"
					     : "no trust bundle of this peer yet");
		return;
	}
	e = endpoints_of(c, &n);
	first = pick_first(c->worker, e, n);
	if (first < 0) {
		pw_conn_refuse(c, PW_REASON_NO_ROUTE, "no healthy instance");
		return;
	}
	c->tries = 0;
	c->first_try = (size_t)first;
	try_next(c, PW_REASON_NO_ROUTE, "no healthy instance");
}

void pw_connect_failed(struct pw_conn *c, enum pw_reason reason, const char *detail)
{
	char text[PW_ADDR_TEXT], line[640];

	snprintf(line, sizeof(line), "%s: %s", pw_addr_text(&c->endpoint, text), detail);
	pw_leg_close(&c->flow.legs[1], /* reset= */ true);
	try_next(c, reason, line);
}

void pw_connect_event(struct pw_conn *c)
{
	struct pw_leg *leg = &c->flow.legs[1];

	if (leg->error) {
		pw_connect_failed(c,
				  leg->error == -ETIMEDOUT ? PW_REASON_UPSTREAM_TIMEOUT
							   : PW_REASON_UPSTREAM_REFUSED,
				  strerrordesc_np(-leg->error));
		return;
	}
	if (!leg->may_write)
		return;
	if (c->direction == PW_DIRECTION_OUTBOUND)
		pw_egress_start_tls(c);
	else
		pw_conn_forward(c);
}
