// SPDX-License-Identifier: Apache-2.0
/* The control thread's side: start, publish, drain, stop. */
#include "dataplane_private.h"
#include <event2/event.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEFAULT_HELLO_BYTES  16384
#define DEFAULT_BUFFER_BYTES (1024 * 1024)

/* SO_REUSEPORT would silently share the port with another gateway of the same user: ask without it
 * first. */
static int check_port_is_free(const struct pw_addr *addr, struct pw_err *err)
{
	struct pw_listener *probe = NULL;
	int r = pw_listener_new(&probe, addr, /* gateway= */ false, err);

	pw_listener_unref(&probe);
	return r;
}

static int start_workers(struct pw_dataplane *d, struct pw_err *err)
{
	struct pw_addr bind = d->opt.bind;
	int r;

	if (pw_addr_port(&bind)) {
		r = check_port_is_free(&bind, err);
		if (r < 0)
			return r;
	}
	d->workers = pw_xcalloc(d->n_workers, sizeof(*d->workers));
	for (unsigned i = 0; i < d->n_workers; i++) {
		struct pw_listener *l = NULL;

		r = pw_listener_new(&l, &bind, /* gateway= */ true, err);
		if (r < 0)
			return r;
		/* Port 0: the first one chooses for all. */
		bind.len = sizeof(bind.u);
		if (getsockname(l->fd, &bind.u.sa, &bind.len) < 0)
			bind = d->opt.bind;
		r = pw_worker_start(&d->workers[i], d, l, err);
		if (r < 0)
			return r;
	}
	d->opt.bind = bind;
	return 0;
}

static void on_drain_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct pw_dataplane *d = arg;
	void (*done)(void *) = TAKE_PTR(d->drained);

	if (done)
		done(d->drained_arg);
}

int pw_dataplane_new(struct pw_dataplane **ret, const struct pw_dataplane_options *opt,
		     struct pw_err *err)
{
	pw_cleanup(pw_dataplane_free) struct pw_dataplane *d = pw_new0(struct pw_dataplane);
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int r;

	d->opt = *opt;
	if (!d->opt.limits.hello_bytes)
		d->opt.limits.hello_bytes = DEFAULT_HELLO_BYTES;
	if (!d->opt.limits.buffer_bytes)
		d->opt.limits.buffer_bytes = DEFAULT_BUFFER_BYTES;
	d->n_workers = opt->workers ? opt->workers : (unsigned)pw_max(cpus, 1L);
	d->sources = pw_sources_new(opt->limits.max_connections_per_source);
	d->drain_timer = evtimer_new(opt->base, on_drain_timeout, d);
	if (!d->drain_timer)
		return pw_err_set(err, PW_ERR_INTERNAL, ENOMEM, "cannot make a timer");
	r = pw_messages_new(d, err);
	if (r < 0)
		return r;
	r = start_workers(d, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(d);
	return 0;
}

static void remove_listener(struct pw_dataplane *d, struct pw_listener *l)
{
	/* No longer listening at once, so that the address is free, though workers let go of the fd
	 * a moment later. */
	shutdown(l->fd, SHUT_RDWR);
	for (unsigned i = 0; i < d->n_workers; i++)
		pw_worker_command(&d->workers[i], PW_COMMAND_REMOVE_LISTENER, l);
	pw_listener_unref(&l);
}

static void remove_listeners(struct pw_dataplane *d, bool all)
{
	struct pw_listener **p = &d->listeners;

	while (*p) {
		struct pw_listener *l = *p;

		if (l->wanted && !all) {
			p = &l->next;
			continue;
		}
		*p = l->next;
		remove_listener(d, l);
	}
}

void pw_dataplane_free(struct pw_dataplane **pd)
{
	struct pw_dataplane *d = TAKE_PTR(*pd);

	if (!d)
		return;
	if (d->workers) {
		remove_listeners(d, /* all= */ true);
		for (unsigned i = 0; i < d->n_workers; i++)
			pw_worker_stop(&d->workers[i]);
	}
	pw_messages_free(d);
	if (d->drain_timer)
		event_free(d->drain_timer);
	pw_routing_unref(&d->routing);
	pw_sources_free(&d->sources);
	free(d->workers);
	free(d);
}

/* A context lives on as long as what it was made of is the same: sessions can then be resumed
 * across publishes. */
static bool same_ingress(const struct pw_ingress *a, const struct pw_ingress *b)
{
	return a && a->ctx && a->identity && a->trust && b->identity && b->trust &&
	       a->identity->generation == b->identity->generation &&
	       pw_streq(a->identity->serial, b->identity->serial) &&
	       a->trust->hash == b->trust->hash && pw_streq(a->peer, b->peer);
}

static bool same_egress(const struct pw_egress *a, const struct pw_egress *b)
{
	return a && a->ctx && a->identity && b->identity &&
	       a->identity->generation == b->identity->generation &&
	       pw_streq(a->identity->serial, b->identity->serial);
}

static void add_failure(struct pw_strv *failed, const char *what, const struct pw_err *err)
{
	pw_autofree char *line = NULL;

	if (!failed)
		return;
	line = pw_xasprintf("%s: %s", what, err->text);
	pw_strv_add(failed, line);
}

static void make_ingress_ctx(struct pw_dataplane *d, struct pw_ingress *i, struct pw_strv *failed)
{
	const struct pw_ingress *old = pw_routing_ingress(d->routing, i->sni);
	struct pw_err err = PW_ERR_INIT;

	/* Without leaf or bundle there is nothing to speak with yet; callers are refused and told
	 * so. */
	if (i->mode != PW_INGRESS_TERMINATE || !i->identity || !i->trust)
		return;
	if (same_ingress(old, i)) {
		SSL_CTX_up_ref(old->ctx);
		i->ctx = old->ctx;
	} else if (pw_tls_server_ctx(&i->ctx, i, &err) < 0) {
		add_failure(failed, i->sni, &err);
	}
}

static void make_egress_ctx(struct pw_dataplane *d, struct pw_egress *e, struct pw_strv *failed)
{
	const struct pw_egress *old = pw_routing_egress(d->routing, e->id);
	struct pw_err err = PW_ERR_INIT;

	if (pw_str_empty(e->peer) || !e->identity || !e->trust || pw_str_empty(e->sni))
		return;
	if (same_egress(old, e)) {
		SSL_CTX_up_ref(old->ctx);
		e->ctx = old->ctx;
	} else if (pw_tls_client_ctx(&e->ctx, e, &err) < 0) {
		add_failure(failed, e->id, &err);
	}
}

static struct pw_listener *find_listener(struct pw_dataplane *d, const char *address)
{
	for (struct pw_listener *l = d->listeners; l; l = l->next)
		if (!strcmp(l->address, address))
			return l;
	return NULL;
}

static void open_listener(struct pw_dataplane *d, struct pw_egress *e, struct pw_strv *failed)
{
	const struct pw_egress *first;
	struct pw_err err = PW_ERR_INIT;
	struct pw_listener *l;
	char address[PW_ADDR_TEXT];

	pw_addr_text(&e->bind, address);
	first = pw_routing_egress_at(d->routing, address);
	if (first != e) {
		pw_err_set(&err, PW_ERR_BAD_REQUEST, EADDRINUSE, "%s is taken by upstream %s",
			   address, first ? first->id : "");
		add_failure(failed, e->id, &err);
		return;
	}
	l = find_listener(d, address);
	if (l) {
		l->wanted = true;
		return;
	}
	if (pw_listener_new(&l, &e->bind, /* gateway= */ false, &err) < 0) {
		add_failure(failed, e->id, &err);
		return;
	}
	l->wanted = true;
	l->next = d->listeners;
	d->listeners = l;
	for (unsigned i = 0; i < d->n_workers; i++)
		pw_worker_command(&d->workers[i], PW_COMMAND_ADD_LISTENER, l);
}

void pw_dataplane_publish(struct pw_dataplane *d, struct pw_routing *r, struct pw_strv *ret_failed)
{
	for (size_t i = 0; i < r->n_ingress; i++)
		make_ingress_ctx(d, r->ingress[i], ret_failed);
	for (size_t i = 0; i < r->n_egress; i++)
		make_egress_ctx(d, r->egress[i], ret_failed);
	pw_routing_index(r);
	pw_routing_unref(&d->routing);
	d->routing = r;
	/* Routes before listeners: whoever connects to a new one is known there. */
	for (unsigned i = 0; i < d->n_workers; i++)
		pw_worker_publish(&d->workers[i], r);
	if (atomic_load(&d->draining))
		return;
	for (struct pw_listener *l = d->listeners; l; l = l->next)
		l->wanted = pw_routing_egress_at(r, l->address) != NULL;
	/* Old ones first: a new one may want an address that overlaps. */
	remove_listeners(d, /* all= */ false);
	for (size_t i = 0; i < r->n_egress; i++)
		open_listener(d, r->egress[i], ret_failed);
}

void pw_dataplane_check_drained(struct pw_dataplane *d)
{
	/* By way of the timer: done() may free us, and its caller must not be inside of us then. */
	if (atomic_load(&d->draining) && d->drained && atomic_load(&d->n_conns) == 0)
		event_active(d->drain_timer, EV_TIMEOUT, 0);
}

void pw_dataplane_drain(struct pw_dataplane *d, void (*done)(void *arg), void *arg)
{
	const int64_t ms = d->opt.limits.drain_timeout_ms;
	const struct timeval limit = { .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };

	d->drained = done;
	d->drained_arg = arg;
	atomic_store(&d->draining, true);
	remove_listeners(d, /* all= */ true);
	for (unsigned i = 0; i < d->n_workers; i++)
		pw_worker_command(&d->workers[i], PW_COMMAND_DRAIN, NULL);
	evtimer_add(d->drain_timer, &limit);
	pw_dataplane_check_drained(d);
}

static bool is_shown(const struct pw_conn *c)
{
	return c->state != PW_CONN_HELLO && c->state != PW_CONN_REFUSED && c->destination;
}

static void add_flows(struct pw_worker *w, struct pw_flow_info **list, size_t *n, size_t *size)
{
	struct pw_conn *c;

	pthread_mutex_lock(&w->lock);
	TAILQ_FOREACH(c, &w->conns, all)
	{
		if (!is_shown(c))
			continue;
		if (*n == *size) {
			*size = pw_max(*size * 2, (size_t)64);
			*list = pw_xrealloc(*list, *size * sizeof(**list));
		}
		pw_conn_flow_info(c, &(*list)[(*n)++]);
	}
	pthread_mutex_unlock(&w->lock);
}

int pw_dataplane_flows(struct pw_dataplane *d, struct pw_flow_info **ret, size_t *ret_n)
{
	struct pw_flow_info *list = NULL;
	size_t n = 0, size = 0;

	for (unsigned i = 0; i < d->n_workers; i++)
		add_flows(&d->workers[i], &list, &n, &size);
	*ret = list;
	*ret_n = n;
	return 0;
}

static void add_counters(struct pw_worker *w, struct pw_dataplane_counters *sum)
{
	pthread_mutex_lock(&w->lock);
	sum->half_joined += w->env.half_joined;
	sum->small_pipes += w->env.small_pipes;
	sum->no_pipes += w->env.no_pipes;
	pthread_mutex_unlock(&w->lock);
}

void pw_dataplane_counters(struct pw_dataplane *d, struct pw_dataplane_counters *ret)
{
	*ret = (struct pw_dataplane_counters){ 0 };
	for (unsigned i = 0; i < d->n_workers; i++)
		add_counters(&d->workers[i], ret);
	for (size_t i = 0; i < PW_LIMIT_MAX_; i++)
		ret->limits[i] = atomic_load(&d->limits[i]);
}

unsigned pw_dataplane_connections(const struct pw_dataplane *d)
{
	return atomic_load(&d->n_conns);
}

uint16_t pw_dataplane_port(const struct pw_dataplane *d)
{
	return pw_addr_port(&d->opt.bind);
}
