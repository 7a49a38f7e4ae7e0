// SPDX-License-Identifier: Apache-2.0
/*
 * recv and send, or SSL_read and SSL_write, through the worker's scratch buffer. Only what the
 * receiver did not take at once is kept with the flow, so an idle connection holds no buffer.
 */
#include "forward.h"

#define TURN_BYTES (512 * 1024)
/* The least that a read counts for: small ones cost their overhead. */
#define READ_BYTES (16 * 1024)

bool pw_copy_flush(struct pw_flow *f, int i)
{
	struct pw_buf *rest = &f->halves[i].rest;
	ssize_t n;

	while (pw_buf_used(rest)) {
		n = pw_leg_send(&f->legs[!i], pw_buf_head(rest), pw_buf_used(rest));
		if (n < 0)
			return false;
		pw_buf_consume(rest, (size_t)n);
		f->polls = 0;
	}
	if (rest->data)
		pw_buf_clear(rest);
	return true;
}

void pw_copy_move(struct pw_flow *f, int i, bool *again)
{
	struct pw_leg *src = &f->legs[i];
	size_t turn = 0;
	ssize_t n;

	for (;;) {
		size_t sent = 0;

		if (!pw_copy_flush(f, i) || !src->may_read || src->eof || src->drained)
			return;
		if (turn >= TURN_BYTES) {
			*again = true;
			return;
		}
		n = pw_leg_recv(src, f->env->scratch, f->env->scratch_bytes);
		if (n <= 0)
			return;
		pw_flow_moved(f, i, (size_t)n);
		turn += pw_max((size_t)n, (size_t)READ_BYTES);
		while (sent < (size_t)n) {
			ssize_t m =
				pw_leg_send(&f->legs[!i], f->env->scratch + sent, (size_t)n - sent);

			if (m < 0)
				break;
			sent += (size_t)m;
		}
		if (sent < (size_t)n)
			pw_buf_add(&f->halves[i].rest, f->env->scratch + sent, (size_t)n - sent);
	}
}

static bool settled(struct pw_flow *f, int i)
{
	return pw_buf_used(&f->halves[i].rest) == 0;
}

static enum pw_forward_result on_event(struct pw_flow *f, int64_t now_ms)
{
	static const struct pw_mover mover = { .move = pw_copy_move, .settled = settled };

	return pw_flow_pump(f, &mover, now_ms);
}

static bool eligible(const struct pw_flow *f, const char **ret_why)
{
	return true;
}

static int start(struct pw_flow *f)
{
	return 0;
}

static void stop(struct pw_flow *f) {}

static void stats(const struct pw_flow *f, uint64_t ret_bytes[2])
{
	ret_bytes[0] = f->halves[0].bytes;
	ret_bytes[1] = f->halves[1].bytes;
}

const struct pw_forward_ops pw_forward_copy = {
	.id = PW_FORWARDER_COPY,
	.eligible = eligible,
	.start = start,
	.on_event = on_event,
	.stop = stop,
	.stats = stats,
};
