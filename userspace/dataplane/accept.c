// SPDX-License-Identifier: Apache-2.0
/* Listening sockets, and what is refused before a connection is looked at. */
#include "dataplane_private.h"
#include "../base/time.h"
#include "../model/reason.h"
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BACKLOG	    4096
#define ACCEPT_TURN 64
#define REST_MS	    100

static int listen_at(const struct pw_addr *addr, bool gateway)
{
	pw_autoclose int fd =
		socket(addr->u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const int on = 1;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -errno;
	/* One listener a worker on the public port. */
	if (gateway && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0)
		return -errno;
	if (bind(fd, &addr->u.sa, addr->len) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int pw_listener_new(struct pw_listener **ret, const struct pw_addr *addr, bool gateway,
		    struct pw_err *err)
{
	struct pw_listener *l;
	char text[PW_ADDR_TEXT];
	int fd = listen_at(addr, gateway);

	if (fd < 0)
		return pw_err_set(err, PW_ERR_UNAVAILABLE, fd, "cannot listen at %s: %s",
				  pw_addr_text(addr, text), strerrordesc_np(-fd));
	l = pw_new0(struct pw_listener);
	l->poll.kind = PW_POLL_LISTENER;
	l->fd = fd;
	l->gateway = gateway;
	l->loopback = pw_addr_is_loopback(addr);
	l->refs = 1;
	pw_addr_text(addr, l->address);
	*ret = l;
	return 0;
}

void pw_listener_unref(struct pw_listener **pl)
{
	struct pw_listener *l = TAKE_PTR(*pl);

	if (!l || atomic_fetch_sub(&l->refs, 1) != 1)
		return;
	pw_closep(&l->fd);
	free(l);
}

int pw_worker_watch(struct pw_worker *w, struct pw_listener *l)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = &l->poll };

	return epoll_ctl(w->epoll, EPOLL_CTL_ADD, l->fd, &ev) < 0 ? -errno : 0;
}

static void reset_fd(int fd)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static void refuse_fd(struct pw_worker *w, int fd, const struct pw_addr *client,
		      enum pw_limit limit)
{
	char text[PW_ADDR_TEXT];
	const struct pw_dp_event e = {
		.reason = PW_REASON_LIMIT,
		.client = client ? pw_addr_text(client, text) : NULL,
		.detail = pw_limit_name(limit),
	};

	reset_fd(fd);
	atomic_fetch_add(&w->d->limits[limit], 1);
	pw_reason_count(PW_REASON_LIMIT);
	pw_message_event(w->d, &e);
}

/*
 * No fd is left: a connection that waits in the backlog would wake us for ever. With the spare one
 * it can at least be told no; if even that cannot be had again, the listener rests for a moment.
 * True: there may be more of them. (accept() asks for the fd first: EMFILE does not mean that
 * somebody waits.)
 */
static bool out_of_fds(struct pw_worker *w, struct pw_listener *l)
{
	int fd = -1;

	if (w->spare >= 0) {
		pw_closep(&w->spare);
		fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			refuse_fd(w, fd, /* client= */ NULL, PW_LIMIT_FILE_DESCRIPTORS);
	}
	w->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (w->spare < 0)
		w->rearm_ms = pw_now_mono_ms() + REST_MS;
	return fd >= 0 && !w->rearm_ms;
}

/* Strangers get half of the handshakes, so that they cannot keep known peers out. */
static bool pending_full(struct pw_worker *w, bool stranger)
{
	uint32_t max = w->d->opt.limits.max_pending_handshakes;

	if (!max)
		return false;
	if (atomic_load(&w->d->n_pending) >= max)
		return true;
	return stranger && atomic_load(&w->d->n_strangers) >= pw_max(1, max / 2);
}

/* PW_LIMIT_MAX_: none. Workers count on their own: at the edge there may be one more for each. */
static enum pw_limit limit_reached(struct pw_worker *w, const struct pw_listener *l,
				   const struct pw_addr *client, bool stranger)
{
	const struct pw_limits *limits = &w->d->opt.limits;

	if (limits->max_connections && atomic_load(&w->d->n_conns) >= limits->max_connections)
		return PW_LIMIT_CONNECTIONS;
	if (!l->gateway)
		return PW_LIMIT_MAX_;
	if (pending_full(w, stranger))
		return PW_LIMIT_PENDING_HANDSHAKES;
	/* Last, because it counts. Local applications are not strangers: they share one address. */
	if (!pw_sources_add(w->d->sources, client))
		return PW_LIMIT_CONNECTIONS_PER_SOURCE;
	return PW_LIMIT_MAX_;
}

static void take_fd(struct pw_worker *w, struct pw_listener *l, int fd,
		    const struct pw_addr *client)
{
	bool stranger = l->gateway && !pw_routing_knows(w->routing, client);
	enum pw_limit limit = limit_reached(w, l, client, stranger);
	struct pw_conn *c;

	if (limit != PW_LIMIT_MAX_) {
		refuse_fd(w, fd, client, limit);
		return;
	}
	c = pw_conn_new(w, fd, client, l->gateway ? PW_DIRECTION_INBOUND : PW_DIRECTION_OUTBOUND);
	c->counted_source = l->gateway;
	c->stranger = stranger;
	if (l->gateway) {
		pw_conn_set_pending(c, true);
		pw_conn_deadline(c, w->d->opt.limits.handshake_timeout_ms);
		if (pw_conn_watch(c, 0) < 0)
			pw_conn_refuse(c, PW_REASON_LIMIT, "cannot watch the socket");
		else
			pw_ingress_hello(c);
	} else {
		pw_egress_accepted(c, l);
	}
}

void pw_worker_accept(struct pw_worker *w, struct pw_listener *l)
{
	for (int i = 0; i < ACCEPT_TURN && !w->draining; i++) {
		struct pw_addr client = { .len = sizeof(client.u) };
		int fd = accept4(l->fd, &client.u.sa, &client.len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			take_fd(w, l, fd, &client);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE) {
			if (!out_of_fds(w, l))
				return;
			continue;
		}
		if (errno == ENOBUFS || errno == ENOMEM)
			w->rearm_ms = pw_now_mono_ms() + REST_MS;
		/* The rest concern one connection that is gone again, or mean that there is none.
		 */
		if (errno != ECONNABORTED && errno != EINTR && errno != EPROTO)
			return;
	}
}
