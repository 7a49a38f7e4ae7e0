// SPDX-License-Identifier: Apache-2.0
/*
 * Blocking queries: a read with ?index=N waits until one of its tables has a greater index, one
 * with ?hash=H until its content has another hash, or until ?wait is over. I1 r->blocked exactly
 * while r counts in n_blocked and has its timer. I2 Whatever ends the wait, the handler runs once,
 * from the loop.
 */
#include "internal.h"
#include "../base/uuid.h"
#include <event2/bufferevent.h>
#include <sys/socket.h>
#include <utlist.h>

#define JITTER_PART 16

uint64_t pw_block_index(const struct pw_store *s, uint32_t tables)
{
	uint64_t index = 1;

	for (unsigned t = 0; t < PW_T_MAX; t++)
		if (tables & PW_BIT(t))
			index = pw_max(index, pw_store_table_index(s, t));
	return index;
}

static int64_t with_jitter(int64_t wait_ms)
{
	uint32_t random;

	pw_random(&random, sizeof(random));
	return wait_ms + random % (wait_ms / JITTER_PART + 1);
}

void pw_block_stop(struct pw_request *r)
{
	if (!r->blocked)
		return;
	r->blocked = false;
	r->api->n_blocked--;
	if (r->timer)
		event_free(r->timer);
	if (r->gone)
		event_free(r->gone);
	r->timer = r->gone = NULL;
}

static void unblock(struct pw_request *r)
{
	pw_block_stop(r);
	pw_request_handle(r);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	unblock(arg);
}

/*
 * evhttp does not read while a request is open, so it would notice a client that left only when it
 * answers. The answer to a closed socket lets evhttp clean up. A client that pipelines is not
 * watched any further.
 */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		unblock(arg);
}

static bool wait_for_change(struct pw_request *r)
{
	struct evhttp_connection *evcon = evhttp_request_get_connection(r->http);
	int64_t wait_ms = with_jitter(r->wait_ms);
	struct timeval tv = { .tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000 };
	int fd = evcon ? bufferevent_getfd(evhttp_connection_get_bufferevent(evcon)) : -1;

	r->timer = event_new(r->api->opt.base, -1, 0, on_timeout, r);
	r->gone = event_new(r->api->opt.base, fd, EV_READ, on_readable, r);
	r->blocked = true;
	r->api->n_blocked++;
	if (!r->timer || !r->gone || event_add(r->timer, &tv) < 0 || event_add(r->gone, NULL) < 0) {
		pw_block_stop(r);
		return false;
	}
	pw_request_hold(r);
	return true;
}

/* Greater than any index there is: it is from before the store was made anew. The answer's smaller
 * index tells the client. */
static bool must_wait(const struct pw_request *r)
{
	const struct pw_store *s = r->api->opt.store;

	if (r->route->unchanged)
		return r->route->unchanged(r);
	return r->index && r->index >= pw_block_index(s, r->route->tables) &&
	       r->index <= pw_store_index(s);
}

void pw_block_start(struct pw_request *r)
{
	if (!r->route->tables || !must_wait(r)) {
		pw_request_handle(r);
		return;
	}
	if (r->api->n_blocked >= PW_API_MAX_BLOCKED) {
		pw_reply_text(r, 429, "Too many blocking queries (at most %d)", PW_API_MAX_BLOCKED);
		return;
	}
	if (!wait_for_change(r))
		pw_request_handle(r);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct pw_api *api = arg;
	uint32_t changed = api->changed;
	struct pw_request *r, *next;

	api->changed = 0;
	DL_FOREACH_SAFE(api->requests, r, next)
	if (r->blocked && (r->route->tables & changed) && !must_wait(r))
		unblock(r);
}

static void on_change(void *arg, uint32_t tables, uint64_t index)
{
	struct pw_api *api = arg;

	api->changed |= tables;
	event_active(api->wake, EV_TIMEOUT, 0);
}

int pw_block_init(struct pw_api *api, struct pw_err *err)
{
	api->wake = event_new(api->opt.base, -1, 0, on_wake, api);
	if (api->wake)
		api->watch = pw_store_watch(api->opt.store, PW_BIT(PW_T_MAX) - 1, on_change, api);
	if (!api->wake || !api->watch)
		return pw_err_set(err, PW_ERR_INTERNAL, ENOMEM, "HTTP API: no memory");
	return 0;
}

void pw_block_fini(struct pw_api *api)
{
	pw_watch_free(&api->watch);
	if (api->wake)
		event_free(api->wake);
	api->wake = NULL;
}
