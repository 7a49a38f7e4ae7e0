/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_DATAPLANE_TIMERS_H
#define PW_DATAPLANE_TIMERS_H
/* A heap of deadlines, one a connection, embedded in its owner. I1 pos is 0 when not armed, else
 * the place in the heap plus one. */
#include "../base/util.h"

struct pw_timer {
	int64_t at_ms;
	size_t pos;
};
struct pw_timers {
	struct pw_timer **heap;
	size_t n, size;
};
void pw_timers_set(struct pw_timers *t, struct pw_timer *timer, int64_t at_ms); /* 0: disarm */
struct pw_timer *pw_timers_due(struct pw_timers *t,
			       int64_t now_ms);	   /* disarmed and returned; NULL: none */
int64_t pw_timers_next(const struct pw_timers *t); /* 0: none */
void pw_timers_clear(struct pw_timers *t);
#endif
