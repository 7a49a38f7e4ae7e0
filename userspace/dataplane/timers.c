// SPDX-License-Identifier: Apache-2.0
#include "timers.h"

static void place(struct pw_timers *t, size_t i, struct pw_timer *timer)
{
	t->heap[i] = timer;
	timer->pos = i + 1;
}

static void sift_up(struct pw_timers *t, size_t i, struct pw_timer *timer)
{
	while (i > 0 && t->heap[(i - 1) / 2]->at_ms > timer->at_ms) {
		place(t, i, t->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(t, i, timer);
}

static void sift_down(struct pw_timers *t, size_t i, struct pw_timer *timer)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= t->n)
			break;
		if (child + 1 < t->n && t->heap[child + 1]->at_ms < t->heap[child]->at_ms)
			child++;
		if (t->heap[child]->at_ms >= timer->at_ms)
			break;
		place(t, i, t->heap[child]);
		i = child;
	}
	place(t, i, timer);
}

static void remove_timer(struct pw_timers *t, struct pw_timer *timer)
{
	size_t i = timer->pos - 1;
	struct pw_timer *last = t->heap[--t->n];

	timer->pos = 0;
	if (last == timer)
		return;
	if (i > 0 && t->heap[(i - 1) / 2]->at_ms > last->at_ms)
		sift_up(t, i, last);
	else
		sift_down(t, i, last);
}

void pw_timers_set(struct pw_timers *t, struct pw_timer *timer, int64_t at_ms)
{
	if (timer->pos && timer->at_ms == at_ms)
		return;
	if (timer->pos)
		remove_timer(t, timer);
	timer->at_ms = at_ms;
	if (!at_ms)
		return;
	if (t->n == t->size) {
		t->size = pw_max(t->size * 2, (size_t)64);
		t->heap = pw_xrealloc(t->heap, t->size * sizeof(struct pw_timer *));
	}
	t->n++;
	sift_up(t, t->n - 1, timer);
}

struct pw_timer *pw_timers_due(struct pw_timers *t, int64_t now_ms)
{
	struct pw_timer *first = t->n ? t->heap[0] : NULL;

	if (!first || first->at_ms > now_ms)
		return NULL;
	remove_timer(t, first);
	first->at_ms = 0;
	return first;
}

int64_t pw_timers_next(const struct pw_timers *t)
{
	return t->n ? t->heap[0]->at_ms : 0;
}

void pw_timers_clear(struct pw_timers *t)
{
	free(t->heap);
	*t = (struct pw_timers){ 0 };
}
