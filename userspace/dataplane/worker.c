// SPDX-License-Identifier: Apache-2.0
#include "dataplane_private.h"
#include "../base/time.h"
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BATCH 128

static void wake(struct pw_worker *w)
{
	const uint64_t one = 1;

	/* A full counter is readable, too: nothing is lost. */
	if (write(w->wake, &one, sizeof(one)) < 0)
		return;
}

void pw_worker_command(struct pw_worker *w, enum pw_command_kind kind, struct pw_listener *l)
{
	struct pw_command *c = pw_new0(struct pw_command);

	c->kind = kind;
	c->listener = l;
	if (l)
		atomic_fetch_add(&l->refs, 1);
	pthread_mutex_lock(&w->commands_lock);
	STAILQ_INSERT_TAIL(&w->commands, c, link);
	pthread_mutex_unlock(&w->commands_lock);
	wake(w);
}

void pw_worker_publish(struct pw_worker *w, struct pw_routing *r)
{
	struct pw_routing *old = atomic_exchange(&w->next_routing, pw_routing_ref(r));

	pw_routing_unref(&old);
	wake(w);
}

void pw_worker_ready(struct pw_conn *c)
{
	if (c->is_ready || c->state == PW_CONN_DEAD)
		return;
	c->is_ready = true;
	TAILQ_INSERT_TAIL(&c->worker->ready, c, queue);
}

static void close_gateway(struct pw_worker *w)
{
	if (!w->gateway)
		return;
	epoll_ctl(w->epoll, EPOLL_CTL_DEL, w->gateway->fd, NULL);
	pw_listener_unref(&w->gateway);
}

static void run_command(struct pw_worker *w, struct pw_command *c)
{
	switch (c->kind) {
	case PW_COMMAND_ADD_LISTENER:
		/* Our reference is kept with the epoll entry. */
		if (pw_worker_watch(w, c->listener) == 0)
			c->listener = NULL;
		break;
	case PW_COMMAND_REMOVE_LISTENER:
		if (epoll_ctl(w->epoll, EPOLL_CTL_DEL, c->listener->fd, NULL) == 0) {
			struct pw_listener *l = c->listener;

			pw_listener_unref(&l);
		}
		break;
	case PW_COMMAND_DRAIN:
		w->draining = true;
		close_gateway(w);
		break;
	case PW_COMMAND_QUIT:
		w->quit = true;
		break;
	}
	pw_listener_unref(&c->listener);
}

static void run_commands(struct pw_worker *w)
{
	struct pw_command *c;

	for (;;) {
		pthread_mutex_lock(&w->commands_lock);
		c = STAILQ_FIRST(&w->commands);
		if (c)
			STAILQ_REMOVE_HEAD(&w->commands, link);
		pthread_mutex_unlock(&w->commands_lock);
		if (!c)
			return;
		run_command(w, c);
		free(c);
	}
}

static void take_routing(struct pw_worker *w)
{
	struct pw_routing *next = atomic_exchange(&w->next_routing, NULL);

	if (!next)
		return;
	pw_routing_unref(&w->routing);
	w->routing = next;
	pw_worker_recheck(w);
}

static void run_ready(struct pw_worker *w)
{
	struct pw_conn_list now = TAILQ_HEAD_INITIALIZER(now);
	struct pw_conn *c;

	TAILQ_CONCAT(&now, &w->ready, queue);
	while ((c = TAILQ_FIRST(&now))) {
		TAILQ_REMOVE(&now, c, queue);
		c->is_ready = false;
		if (c->state == PW_CONN_DEAD)
			TAILQ_INSERT_TAIL(&w->dead, c, queue);
		else
			pw_conn_run(c);
	}
}

static void run_timers(struct pw_worker *w)
{
	int64_t now_ms = pw_now_mono_ms();
	struct pw_timer *t;

	while ((t = pw_timers_due(&w->timers, now_ms)))
		pw_conn_timer(pw_container_of(t, struct pw_conn, timer));
	if (w->rearm_ms && now_ms >= w->rearm_ms)
		w->rearm_ms = 0;
}

static void bury(struct pw_worker *w)
{
	struct pw_conn *c;

	while ((c = TAILQ_FIRST(&w->dead))) {
		TAILQ_REMOVE(&w->dead, c, queue);
		pw_conn_free(c);
	}
}

static void handle(struct pw_worker *w, const struct epoll_event *ev)
{
	struct pw_poll *p = ev->data.ptr;
	uint64_t n;

	switch (p->kind) {
	case PW_POLL_LEG:
		pw_conn_event(pw_container_of(p, struct pw_conn, poll[p->leg]), p->leg, ev->events);
		break;
	case PW_POLL_LISTENER:
		if (!w->rearm_ms)
			pw_worker_accept(w, pw_container_of(p, struct pw_listener, poll));
		break;
	case PW_POLL_WAKE:
		if (read(w->wake, &n, sizeof(n)) < 0)
			break;
		break;
	}
}

static int wait_ms(const struct pw_worker *w)
{
	int64_t next = pw_timers_next(&w->timers), now_ms = pw_now_mono_ms();

	if (!TAILQ_EMPTY(&w->ready))
		return 0;
	if (w->rearm_ms && (!next || w->rearm_ms < next))
		next = w->rearm_ms;
	if (!next)
		return -1;
	return (int)pw_max((int64_t)0, pw_min(next - now_ms, (int64_t)60000));
}

static int wait_events(struct pw_worker *w, struct epoll_event events[BATCH])
{
	/* While no fd can be had, the listeners' level-triggered readiness would turn this loop
	 * into a spin. */
	if (w->rearm_ms) {
		int ms = wait_ms(w);

		usleep((useconds_t)pw_min(pw_max(ms, 1), 10) * 1000);
		return epoll_wait(w->epoll, events, BATCH, 0);
	}
	return epoll_wait(w->epoll, events, BATCH, wait_ms(w));
}

static void *run(void *arg)
{
	struct epoll_event events[BATCH];
	struct pw_worker *w = arg;
	int n;

	pthread_mutex_lock(&w->lock);
	while (!w->quit) {
		pthread_mutex_unlock(&w->lock);
		n = wait_events(w, events);
		pthread_mutex_lock(&w->lock);
		/* Routes first: what is accepted in this batch is judged by the newest ones. */
		take_routing(w);
		for (int i = 0; i < n; i++)
			handle(w, &events[i]);
		run_commands(w);
		run_timers(w);
		run_ready(w);
		bury(w);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static void init(struct pw_worker *w, struct pw_dataplane *d)
{
	*w = (struct pw_worker){ .d = d, .epoll = -1, .wake = -1, .spare = -1 };
	w->wake_poll.kind = PW_POLL_WAKE;
	pthread_mutex_init(&w->lock, NULL);
	pthread_mutex_init(&w->commands_lock, NULL);
	STAILQ_INIT(&w->commands);
	TAILQ_INIT(&w->conns);
	TAILQ_INIT(&w->ready);
	TAILQ_INIT(&w->dead);
	w->hello = pw_xcalloc(1, d->opt.limits.hello_bytes);
	pw_forward_env_init(&w->env, d->opt.kernel, d->opt.limits.buffer_bytes,
			    d->opt.limits.unacked_timeout_ms);
}

static int start_thread(struct pw_worker *w)
{
	sigset_t all, old;
	int r;

	/* Signals are the control thread's; SIGPIPE of a write to a closed socket stays blocked
	 * here. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	w->running = r == 0;
	return -r;
}

int pw_worker_start(struct pw_worker *w, struct pw_dataplane *d, struct pw_listener *gateway,
		    struct pw_err *err)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &w->wake_poll };
	int r = 0;

	init(w, d);
	w->gateway = gateway;
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	w->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (w->epoll < 0 || w->wake < 0 || epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->wake, &ev) < 0)
		r = -errno;
	if (r == 0)
		r = pw_worker_watch(w, gateway);
	if (r == 0)
		r = start_thread(w);
	if (r < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, r, "cannot start a worker: %s",
				  strerrordesc_np(-r));
	return 0;
}

void pw_worker_stop(struct pw_worker *w)
{
	struct pw_routing *next;
	struct pw_conn *c;

	if (!w->d)
		return;
	if (w->running) {
		pw_worker_command(w, PW_COMMAND_QUIT, NULL);
		pthread_join(w->thread, NULL);
	}
	run_commands(w);
	while ((c = TAILQ_FIRST(&w->conns)))
		pw_conn_end(c, /* reset= */ true);
	run_ready(w);
	bury(w);
	next = atomic_exchange(&w->next_routing, NULL);
	pw_routing_unref(&next);
	pw_routing_unref(&w->routing);
	pw_listener_unref(&w->gateway);
	pw_timers_clear(&w->timers);
	pw_forward_env_clear(&w->env);
	pw_closep(&w->epoll);
	pw_closep(&w->wake);
	pw_closep(&w->spare);
	free(TAKE_PTR(w->hello));
	pthread_mutex_destroy(&w->lock);
	pthread_mutex_destroy(&w->commands_lock);
	w->d = NULL;
}
