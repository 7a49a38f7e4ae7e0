// SPDX-License-Identifier: Apache-2.0
#include "forward.h"
#include "../base/str.h"
#include "../base/time.h"
#include <stdio.h>
#include <unistd.h>

#define SCRATCH_MAX    (256 * 1024)
#define SCRATCH_MIN    (16 * 1024)
#define POLL_FIRST_MS  1
#define POLL_DOUBLINGS 8 /* up to 256 ms */

static const struct pw_forward_ops *const forwarders[] = { &pw_forward_sockmap, &pw_forward_splice,
							   &pw_forward_copy };

int pw_forward_env_init(struct pw_forward_env *env, struct pw_kernel *kernel, size_t buffer_bytes,
			int64_t abort_timeout_ms)
{
	*env = (struct pw_forward_env){ .kernel = kernel, .abort_timeout_ms = abort_timeout_ms };
	env->scratch_bytes = pw_max(pw_min(buffer_bytes / 2, (size_t)SCRATCH_MAX), SCRATCH_MIN);
	env->scratch = pw_xcalloc(1, env->scratch_bytes);
	return 0;
}

void pw_forward_env_clear(struct pw_forward_env *env)
{
	for (size_t i = 0; i < env->n_pipes; i++) {
		close(env->pipes[i].fd[0]);
		close(env->pipes[i].fd[1]);
	}
	free(env->scratch);
	*env = (struct pw_forward_env){ 0 };
}

void pw_flow_init(struct pw_flow *f, struct pw_forward_env *env)
{
	*f = (struct pw_flow){ .env = env };
	for (int i = 0; i < 2; i++) {
		f->legs[i].fd = -1;
		f->halves[i].pipe[0] = f->halves[i].pipe[1] = -1;
	}
}

static const struct pw_forward_ops *find_forwarder(enum pw_forwarder id)
{
	for (size_t i = 0; i < ARRAY_SIZE(forwarders); i++)
		if (forwarders[i]->id == id)
			return forwarders[i];
	return NULL;
}

static bool try_forwarder(struct pw_flow *f, const struct pw_forward_ops *ops)
{
	const char *why = NULL;
	int r;

	if (!ops->eligible(f, &why)) {
		/* The first answer is about the best one: that is what the user asks for. */
		if (!f->why[0])
			snprintf(f->why, sizeof(f->why), "%s", why);
		return false;
	}
	r = ops->start(f);
	if (r < 0) {
		if (!f->why[0])
			snprintf(f->why, sizeof(f->why), "cannot start: %s",
				 strerrordesc_np(-r) ? strerrordesc_np(-r) : "unknown error");
		return false;
	}
	f->ops = ops;
	if (!f->why[0])
		snprintf(f->why, sizeof(f->why), "first of those allowed");
	return true;
}

void pw_flow_start(struct pw_flow *f, const enum pw_forwarder *allowed, int64_t now_ms)
{
	f->last_byte_ms = now_ms;
	/* Bytes may be waiting since before the legs were watched: TLS holds some, too. */
	f->legs[0].may_read = f->legs[1].may_read = true;
	f->legs[0].may_write = f->legs[1].may_write = true;
	f->why[0] = '\0';
	for (; *allowed != PW_FORWARDER_NONE; allowed++) {
		const struct pw_forward_ops *ops = find_forwarder(*allowed);

		if (ops && try_forwarder(f, ops))
			return;
	}
	try_forwarder(f, &pw_forward_copy);
}

void pw_flow_stop(struct pw_flow *f)
{
	if (f->ops)
		f->ops->stop(f);
	for (int i = 0; i < 2; i++)
		pw_buf_clear(&f->halves[i].rest);
}

void pw_flow_moved(struct pw_flow *f, int i, size_t bytes)
{
	f->halves[i].bytes += bytes;
	f->last_byte_ms = pw_now_mono_ms();
	f->polls = 0;
}

/* There is no event for "the send queue is empty", so ask again, ever less often. */
enum pw_forward_result pw_flow_poll(struct pw_flow *f, int64_t now_ms)
{
	int64_t wait_ms = POLL_FIRST_MS << pw_min(f->polls, (unsigned)POLL_DOUBLINGS);

	f->polls++;
	f->wake_ms = now_ms + wait_ms;
	return PW_FORWARD_WAIT;
}

static void pass_end(struct pw_flow *f, const struct pw_mover *m, int i, int64_t now_ms)
{
	struct pw_leg *dst = &f->legs[!i];

	if (!f->legs[i].eof || dst->shut || dst->error)
		return;
	if (!m->settled(f, i)) {
		pw_flow_poll(f, now_ms);
		return;
	}
	pw_leg_shutdown(dst);
}

/* One leg is gone: deliver to the other what came before, then reset it. */
static enum pw_forward_result abort_flow(struct pw_flow *f, const struct pw_mover *m,
					 int64_t now_ms)
{
	int gone = f->legs[0].error ? 0 : 1;
	struct pw_leg *src = &f->legs[gone], *dst = &f->legs[!gone];

	if (!f->abort_ms)
		f->abort_ms = now_ms;
	if (dst->error || now_ms - f->abort_ms >= f->env->abort_timeout_ms)
		return PW_FORWARD_RESET;
	if (src->eof)
		src->drained = true;
	if (!src->drained || !m->settled(f, gone) || pw_leg_unsent(dst) > 0)
		return pw_flow_poll(f, now_ms);
	return PW_FORWARD_RESET;
}

enum pw_forward_result pw_flow_pump(struct pw_flow *f, const struct pw_mover *m, int64_t now_ms)
{
	bool again = false;

	f->wake_ms = 0;
	for (int i = 0; i < 2; i++)
		if (!f->legs[!i].error) /* a receiver that is gone stops the pull from the sender */
			m->move(f, i, &again);
	for (int i = 0; i < 2; i++)
		pass_end(f, m, i, now_ms);
	if (f->legs[0].error || f->legs[1].error)
		return again && f->legs[0].error != f->legs[1].error ? PW_FORWARD_AGAIN
								     : abort_flow(f, m, now_ms);
	if (f->legs[0].shut && f->legs[1].shut)
		return PW_FORWARD_DONE;
	return again ? PW_FORWARD_AGAIN : PW_FORWARD_WAIT;
}
