// SPDX-License-Identifier: Apache-2.0
/* The ring buffer in the control thread's loop. */
#include "kernel_private.h"

#include <bpf/libbpf.h>
#include <event2/event.h>
#include <string.h>

/* A flood of events must not keep the loop: the rest comes in its next round. */
#define EVENTS_PER_ROUND 256

/* Control thread only, as all of this file. */
static int on_record(void *arg, void *data, size_t len)
{
	struct pw_kernel *k = arg;
	struct pw_event event;

	if (len >= sizeof(event) && k->on_event) {
		memcpy(&event, data, sizeof(event));
		event.peer[sizeof(event.peer) - 1] = '\0';
		k->on_event(k->on_event_arg, &event);
	}
	return --k->ring_left > 0 ? 0 : -EAGAIN;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct pw_kernel *k = arg;

	k->ring_left = EVENTS_PER_ROUND;
	ring_buffer__consume(k->ring);
}

int pw_events_open(struct pw_kernel *k, struct pw_err *err)
{
	if (!k->base) {
		pw_feature_set(k, PW_FEATURE_RINGBUF, true, "made; nobody listens");
		return 0;
	}
	k->ring = ring_buffer__new(k->maps[PW_MAP_EVENTS], on_record, k, NULL);
	if (!k->ring) {
		pw_feature_set(k, PW_FEATURE_RINGBUF, false, "%s", strerror(errno));
		return 0;
	}
	k->ring_event = event_new(k->base, ring_buffer__epoll_fd(k->ring), EV_READ | EV_PERSIST,
				  on_readable, k);
	if (!k->ring_event || event_add(k->ring_event, NULL) < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, ENOMEM, "cannot watch the ring buffer");
	pw_feature_set(k, PW_FEATURE_RINGBUF, true, "events arrive");
	return 0;
}

void pw_events_close(struct pw_kernel *k)
{
	if (k->ring_event)
		event_free(k->ring_event);
	k->ring_event = NULL;
	ring_buffer__free(k->ring);
	k->ring = NULL;
}

void pw_kernel_on_event(struct pw_kernel *k, void (*fn)(void *arg, const struct pw_event *e),
			void *arg)
{
	k->on_event = fn;
	k->on_event_arg = arg;
}
