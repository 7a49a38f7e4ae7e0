// SPDX-License-Identifier: Apache-2.0
/* Worker → control: a bounded queue and an eventfd that the control loop watches. */
#include "dataplane_private.h"
#include "../base/log.h"
#include <event2/event.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MAX_EVENTS   2048
#define MAX_CONTROLS 1024
/* A stranger's certificate may carry a name of 100 KB. */
#define MAX_TEXT 1024

enum message_kind { MESSAGE_EVENT, MESSAGE_CONTROL, MESSAGE_IDLE };
struct message {
	enum message_kind kind;
	enum pw_reason reason;
	char *texts[8];
	int fd;
	struct pw_addr client;
	STAILQ_ENTRY(message) link;
};
STAILQ_HEAD(message_list, message);
struct pw_messages {
	pthread_mutex_t lock;
	struct message_list list;
	size_t n_events, n_controls;
	bool idle_queued;
	int fd;
	struct event *event;
};

static void message_free(struct message *m)
{
	for (size_t i = 0; i < ARRAY_SIZE(m->texts); i++)
		free(m->texts[i]);
	pw_closep(&m->fd);
	free(m);
}

static void deliver_event(struct pw_dataplane *d, const struct message *m)
{
	const struct pw_dp_event e = {
		.reason = m->reason,
		.client = m->texts[0],
		.sni = m->texts[1],
		.peer = m->texts[2],
		.source = m->texts[3],
		.destination = m->texts[4],
		.their_id = m->texts[5],
		.our_id = m->texts[6],
		.detail = m->texts[7],
	};

	if (d->opt.on_event)
		d->opt.on_event(d->opt.arg, &e);
}

static void deliver(struct pw_dataplane *d, struct message *m)
{
	switch (m->kind) {
	case MESSAGE_EVENT:
		deliver_event(d, m);
		break;
	case MESSAGE_CONTROL:
		if (d->opt.on_control)
			d->opt.on_control(d->opt.arg, TAKE_FD(m->fd), &m->client);
		break;
	case MESSAGE_IDLE:
		pw_dataplane_check_drained(d);
		break;
	}
}

static void on_messages(evutil_socket_t fd, short what, void *arg)
{
	struct pw_dataplane *d = arg;
	struct pw_messages *q = d->messages;
	struct message_list list = STAILQ_HEAD_INITIALIZER(list);
	struct message *m;
	uint64_t n;

	if (read(fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		return;
	pthread_mutex_lock(&q->lock);
	STAILQ_CONCAT(&list, &q->list);
	q->n_events = q->n_controls = 0;
	q->idle_queued = false;
	pthread_mutex_unlock(&q->lock);
	while ((m = STAILQ_FIRST(&list))) {
		STAILQ_REMOVE_HEAD(&list, link);
		deliver(d, m);
		message_free(m);
	}
}

int pw_messages_new(struct pw_dataplane *d, struct pw_err *err)
{
	struct pw_messages *q = pw_new0(struct pw_messages);

	pthread_mutex_init(&q->lock, NULL);
	STAILQ_INIT(&q->list);
	d->messages = q;
	q->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (q->fd < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, errno, "cannot make an eventfd: %s",
				  strerrordesc_np(errno));
	q->event = event_new(d->opt.base, q->fd, EV_READ | EV_PERSIST, on_messages, d);
	if (!q->event || event_add(q->event, NULL) < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, ENOMEM,
				  "cannot watch the workers' messages");
	return 0;
}

void pw_messages_free(struct pw_dataplane *d)
{
	struct pw_messages *q = TAKE_PTR(d->messages);
	struct message *m;

	if (!q)
		return;
	if (q->event)
		event_free(q->event);
	while ((m = STAILQ_FIRST(&q->list))) {
		STAILQ_REMOVE_HEAD(&q->list, link);
		message_free(m);
	}
	pw_closep(&q->fd);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

/* With the lock held. */
static void push(struct pw_messages *q, struct message *m)
{
	const uint64_t one = 1;

	STAILQ_INSERT_TAIL(&q->list, m, link);
	/* The counter of an eventfd cannot overflow by such steps, and a full one is readable
	 * anyway. */
	if (write(q->fd, &one, sizeof(one)) < 0)
		return;
}

static struct message *message_new(enum message_kind kind)
{
	struct message *m = pw_new0(struct message);

	m->kind = kind;
	m->fd = -1;
	return m;
}

static char *cut(const char *text)
{
	return pw_xstrndup(text, strnlen(text, MAX_TEXT));
}

void pw_message_event(struct pw_dataplane *d, const struct pw_dp_event *e)
{
	struct pw_messages *q = d->messages;
	const char *const texts[] = { e->client,      e->sni,	   e->peer,   e->source,
				      e->destination, e->their_id, e->our_id, e->detail };
	struct message *m;

	_Static_assert(ARRAY_SIZE(texts) == ARRAY_SIZE(m->texts), "one text each");
	pthread_mutex_lock(&q->lock);
	/* The counters have them all; the log can do without some of a flood. */
	if (q->n_events < MAX_EVENTS) {
		m = message_new(MESSAGE_EVENT);
		m->reason = e->reason;
		for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
			m->texts[i] = texts[i] ? cut(texts[i]) : NULL;
		q->n_events++;
		push(q, m);
	}
	pthread_mutex_unlock(&q->lock);
}

bool pw_message_control(struct pw_dataplane *d, int fd, const struct pw_addr *client)
{
	struct pw_messages *q = d->messages;
	struct message *m;
	bool ok;

	pthread_mutex_lock(&q->lock);
	ok = q->n_controls < MAX_CONTROLS;
	if (ok) {
		m = message_new(MESSAGE_CONTROL);
		m->fd = fd;
		m->client = *client;
		q->n_controls++;
		push(q, m);
	}
	pthread_mutex_unlock(&q->lock);
	return ok;
}

void pw_message_idle(struct pw_dataplane *d)
{
	struct pw_messages *q = d->messages;

	pthread_mutex_lock(&q->lock);
	if (!q->idle_queued) {
		q->idle_queued = true;
		push(q, message_new(MESSAGE_IDLE));
	}
	pthread_mutex_unlock(&q->lock);
}
