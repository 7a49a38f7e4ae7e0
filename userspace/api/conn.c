// SPDX-License-Identifier: Apache-2.0
/*
 * Keeps evhttp's connections within limits: how many in all and from one source, how long an
 * unfinished request may take, how much unfinished requests may hold.
 *
 * evhttp tells neither that a connection was accepted nor that it ended. The first is learnt where
 * it asks for a bufferevent; the second from the socket's cookie: as long as the descriptor still
 * is that socket, the connection lives. A connection is ended by shutting its socket down, evhttp
 * then sees the end and cleans up. I1 Once the socket was adopted, a record's bev is compared, and
 * followed only in callbacks of its own connection. I2 bytes and deadline count from a request's
 * first byte until it is complete.
 */
#include "internal.h"
#include "../base/addr.h"
#include "../base/time.h"
#include "../model/reason.h"
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdio.h>
#include <utlist.h>

#define TICK_MS		 1000
#define BYTES_PER_SECOND (64 * 1024)

struct conn {
	struct conn *prev, *next;
	struct pw_conns *owner;
	struct bufferevent *bev;
	int fd; /* -1: not adopted yet */
	uint64_t cookie;
	struct pw_addr source;
	bool busy;	  /* a complete request is being answered */
	int64_t since_ms; /* first byte of the unfinished request, or the accept; 0: idle */
	size_t bytes;
};
struct pw_conns {
	int64_t timeout_ms;
	int64_t tick_ms;
	struct conn *list;
	size_t n;
	size_t bytes; /* sum over the list */
	struct event *adopt;
	struct event *tick;
};

static bool alive(const struct conn *c)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return getsockopt(c->fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0 && cookie == c->cookie;
}

static void conn_drop(struct conn *c)
{
	c->owner->bytes -= c->bytes;
	c->owner->n--;
	DL_DELETE(c->owner->list, c);
	free(c);
}

static void sweep(struct pw_conns *cs)
{
	struct conn *c, *next;

	DL_FOREACH_SAFE(cs->list, c, next)
	if (c->fd >= 0 && !alive(c))
		conn_drop(c);
}

static void conn_cut(struct conn *c)
{
	if (alive(c))
		shutdown(c->fd, SHUT_RDWR);
	pw_reason_count(PW_REASON_LIMIT);
}

static struct timeval tick_time(const struct pw_conns *cs)
{
	return (struct timeval){ .tv_sec = cs->tick_ms / 1000,
				 .tv_usec = cs->tick_ms % 1000 * 1000 };
}

static void set_unfinished(struct conn *c, size_t bytes)
{
	struct timeval tick = tick_time(c->owner);

	c->owner->bytes += bytes - c->bytes;
	c->bytes = bytes;
	if (!c->since_ms)
		c->since_ms = pw_now_mono_ms();
	if (!event_pending(c->owner->tick, EV_TIMEOUT, NULL))
		event_add(c->owner->tick, &tick);
}

static void on_input(struct evbuffer *buf, const struct evbuffer_cb_info *info, void *arg)
{
	struct conn *c = arg;

	if (!info->n_added || c->busy)
		return;
	set_unfinished(c, c->bytes + info->n_added);
	if (c->owner->bytes > PW_API_MAX_UNFINISHED_BYTES && c->fd >= 0)
		conn_cut(c);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct pw_conns *cs = arg;
	struct timeval tick = tick_time(cs);
	int64_t now = pw_now_mono_ms();
	struct conn *c, *next;
	bool unfinished = false;

	sweep(cs);
	DL_FOREACH_SAFE(cs->list, c, next)
	{
		int64_t allowed = cs->timeout_ms + (int64_t)(c->bytes / BYTES_PER_SECOND) * 1000;

		if (c->busy || !c->since_ms)
			continue;
		unfinished = true;
		if (now - c->since_ms > allowed)
			conn_cut(c);
	}
	if (unfinished)
		event_add(cs->tick, &tick);
}

/* Consul's text: its clients know it. The answer comes before the request was read. */
static void refuse(const struct conn *c)
{
	static const char text[] =
		"Your IP is issuing too many concurrent connections, please rate limit your calls\n";
	char answer[512];
	int len = snprintf(answer, sizeof(answer),
			   "HTTP/1.1 429 Too Many Requests\r\n"
			   "Content-Type: text/plain; charset=utf-8\r\n"
			   "Connection: close\r\nContent-Length: %zu\r\n\r\n%s",
			   sizeof(text) - 1, text);

	if (send(c->fd, answer, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return; /* it is cut next anyway */
}

static bool over_limit(struct pw_conns *cs, const struct conn *which)
{
	size_t same = 0;
	struct conn *c;

	DL_FOREACH(cs->list, c)
	if (c->fd >= 0 && pw_addr_same_ip(&c->source, &which->source))
		same++;
	return cs->n > PW_API_MAX_CONNECTIONS || same > PW_API_MAX_PER_SOURCE;
}

/* Returns false if the socket is gone already. */
static bool conn_identify(struct conn *c)
{
	socklen_t len = sizeof(c->cookie);
	int fd = bufferevent_getfd(c->bev);

	c->source.len = sizeof(c->source.u);
	if (fd < 0 || getpeername(fd, &c->source.u.sa, &c->source.len) < 0)
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &c->cookie, &len) < 0)
		return false;
	c->fd = fd;
	return true;
}

/* Sockets get their connection object after the bufferevent was made, so they are looked at from
 * the loop. */
static void on_adopt(evutil_socket_t fd, short what, void *arg)
{
	struct pw_conns *cs = arg;
	struct conn *c, *next;

	DL_FOREACH_SAFE(cs->list, c, next)
	{
		bool known;

		if (c->fd >= 0)
			continue;
		known = conn_identify(c);
		/* Reset meanwhile; but what it sent before may still be read, without us. */
		if (!known)
			evbuffer_remove_cb(bufferevent_get_input(c->bev), on_input, c);
		bufferevent_decref(c->bev);
		if (!known) {
			conn_drop(c);
			continue;
		}
		if (!over_limit(cs, c))
			continue;
		sweep(cs);
		if (over_limit(cs, c)) {
			refuse(c);
			conn_cut(c);
		}
	}
}

static struct bufferevent *on_accept(struct event_base *base, void *arg)
{
	struct pw_conns *cs = arg;
	struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	struct conn *c, *next;

	if (!bev)
		return NULL;
	DL_FOREACH_SAFE(cs->list, c, next)
	if (c->bev == bev) /* the allocator gave the address of an ended one again */
		conn_drop(c);
	c = pw_new0(struct conn);
	c->owner = cs;
	c->bev = bev;
	c->fd = -1;
	DL_APPEND(cs->list, c);
	cs->n++;
	bufferevent_incref(bev);
	evbuffer_add_cb(bufferevent_get_input(bev), on_input, c);
	set_unfinished(c, 0);
	event_active(cs->adopt, EV_TIMEOUT, 0);
	return bev;
}

static void on_answered(struct evhttp_request *http, void *arg)
{
	struct conn *c = arg;
	size_t left = evbuffer_get_length(bufferevent_get_input(c->bev));

	c->busy = false;
	if (left)
		set_unfinished(c, left);
}

void pw_conns_busy(struct pw_conns *cs, struct evhttp_request *http)
{
	struct evhttp_connection *evcon = evhttp_request_get_connection(http);
	struct bufferevent *bev = evcon ? evhttp_connection_get_bufferevent(evcon) : NULL;
	struct conn *c;

	DL_FOREACH(cs->list, c)
	{
		if (c->bev != bev)
			continue;
		cs->bytes -= c->bytes;
		c->bytes = 0;
		c->since_ms = 0;
		c->busy = true;
		evhttp_request_set_on_complete_cb(http, on_answered, c);
		return;
	}
}

size_t pw_conns_count(struct pw_conns *cs)
{
	sweep(cs);
	return cs->n;
}

void pw_conns_set_timeout(struct pw_conns *cs, int64_t timeout_ms)
{
	cs->timeout_ms = timeout_ms;
	cs->tick_ms = pw_min((int64_t)TICK_MS, timeout_ms);
}

int pw_conns_new(struct pw_conns **ret, struct event_base *base, struct evhttp *http,
		 struct pw_err *err)
{
	struct pw_conns *cs = pw_new0(struct pw_conns);

	pw_conns_set_timeout(cs, PW_API_REQUEST_TIMEOUT_MS);
	cs->adopt = event_new(base, -1, 0, on_adopt, cs);
	cs->tick = event_new(base, -1, 0, on_tick, cs);
	if (!cs->adopt || !cs->tick) {
		pw_conns_free(&cs);
		return pw_err_set(err, PW_ERR_INTERNAL, ENOMEM, "HTTP server: no memory");
	}
	evhttp_set_bevcb(http, on_accept, cs);
	*ret = cs;
	return 0;
}

void pw_conns_free(struct pw_conns **pcs)
{
	struct pw_conns *cs = TAKE_PTR(*pcs);
	struct conn *c, *next;

	if (!cs)
		return;
	DL_FOREACH_SAFE(cs->list, c, next)
	{
		if (c->fd < 0)
			bufferevent_decref(c->bev);
		conn_drop(c);
	}
	if (cs->adopt)
		event_free(cs->adopt);
	if (cs->tick)
		event_free(cs->tick);
	free(cs);
}
