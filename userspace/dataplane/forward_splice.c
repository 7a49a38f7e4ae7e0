// SPDX-License-Identifier: Apache-2.0
/*
 * splice() through a pipe. A flow holds a pipe only while it holds bytes: pipes are a limited good
 * (a user's pipe pages), and most connections are idle. Where no pipe can be had the bytes are
 * copied instead, which changes nothing but the cost.
 */
#include "forward.h"
#include <fcntl.h>
#include <unistd.h>

#define PIPE_BYTES (256 * 1024)
#define TURN_BYTES (1024 * 1024)

static bool take_pipe(struct pw_flow *f, int i)
{
	struct pw_forward_env *env = f->env;
	struct pw_half *h = &f->halves[i];
	int size;

	if (h->pipe[0] >= 0)
		return true;
	if (env->n_pipes) {
		env->n_pipes--;
		h->pipe[0] = env->pipes[env->n_pipes].fd[0];
		h->pipe[1] = env->pipes[env->n_pipes].fd[1];
		h->pipe_bytes = env->pipes[env->n_pipes].bytes;
		return true;
	}
	if (pipe2(h->pipe, O_NONBLOCK | O_CLOEXEC) < 0) {
		h->pipe[0] = h->pipe[1] = -1;
		env->no_pipes++;
		return false;
	}
	size = fcntl(h->pipe[1], F_SETPIPE_SZ, PIPE_BYTES);
	if (size < 0) {
		env->small_pipes++;
		size = fcntl(h->pipe[1], F_GETPIPE_SZ);
	}
	h->pipe_bytes = size > 0 ? (size_t)size : 4096;
	return true;
}

static void drop_pipe(struct pw_flow *f, int i)
{
	struct pw_forward_env *env = f->env;
	struct pw_half *h = &f->halves[i];

	if (h->pipe[0] < 0)
		return;
	if (h->in_pipe == 0 && env->n_pipes < PW_PIPE_CACHE) {
		env->pipes[env->n_pipes].fd[0] = TAKE_FD(h->pipe[0]);
		env->pipes[env->n_pipes].fd[1] = TAKE_FD(h->pipe[1]);
		env->pipes[env->n_pipes].bytes = h->pipe_bytes;
		env->n_pipes++;
		return;
	}
	pw_closep(&h->pipe[0]);
	pw_closep(&h->pipe[1]);
	h->in_pipe = 0;
}

/* True: the pipe is empty. */
static bool drain_pipe(struct pw_flow *f, int i)
{
	struct pw_half *h = &f->halves[i];
	struct pw_leg *dst = &f->legs[!i];

	while (h->in_pipe) {
		ssize_t n = splice(h->pipe[0], NULL, dst->fd, NULL, h->in_pipe,
				   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

		if (n > 0) {
			h->in_pipe -= (size_t)n;
			f->polls = 0;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			dst->may_write = false;
		else
			pw_leg_fail(dst, n < 0 ? -errno : -EPIPE, /* drained= */ false);
		return false;
	}
	return true;
}

/* > 0: bytes are in the pipe; 0: the leg has nothing to say now (or ended). The pipe is empty
 * before, so EAGAIN speaks of the leg. */
static ssize_t fill_pipe(struct pw_flow *f, int i)
{
	struct pw_half *h = &f->halves[i];
	struct pw_leg *src = &f->legs[i];
	ssize_t n;

	do {
		n = splice(src->fd, NULL, h->pipe[1], NULL, h->pipe_bytes,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	} while (n < 0 && errno == EINTR);
	if (n > 0) {
		h->in_pipe = (size_t)n;
		pw_flow_moved(f, i, (size_t)n);
		return n;
	}
	if (n < 0 && errno == EAGAIN)
		src->may_read = false;
	else if (n < 0 || src->error)
		pw_leg_fail(src, n < 0 ? -errno : -ECONNRESET, /* drained= */ true);
	else
		src->eof = true;
	return 0;
}

static void move(struct pw_flow *f, int i, bool *again)
{
	struct pw_leg *src = &f->legs[i];
	size_t turn = 0;

	for (;;) {
		ssize_t n;

		/* rest is only in use when no pipe could be had: one of both is always empty. */
		if (!drain_pipe(f, i) || !pw_copy_flush(f, i))
			return;
		if (!src->may_read || src->eof || src->drained)
			break;
		if (turn >= TURN_BYTES) {
			*again = true;
			break;
		}
		if (!take_pipe(f, i)) {
			pw_copy_move(f, i, again);
			return;
		}
		n = fill_pipe(f, i);
		if (n == 0)
			break;
		turn += (size_t)n;
	}
	drop_pipe(f, i);
}

static bool settled(struct pw_flow *f, int i)
{
	return f->halves[i].in_pipe == 0 && pw_buf_used(&f->halves[i].rest) == 0;
}

static enum pw_forward_result on_event(struct pw_flow *f, int64_t now_ms)
{
	static const struct pw_mover mover = { .move = move, .settled = settled };

	return pw_flow_pump(f, &mover, now_ms);
}

static bool eligible(const struct pw_flow *f, const char **ret_why)
{
	if (f->legs[0].ssl || f->legs[1].ssl) {
		*ret_why = "TLS in user space: only copy can encrypt";
		return false;
	}
	return true;
}

static int start(struct pw_flow *f)
{
	return 0;
}

static void stop(struct pw_flow *f)
{
	drop_pipe(f, 0);
	drop_pipe(f, 1);
}

static void stats(const struct pw_flow *f, uint64_t ret_bytes[2])
{
	ret_bytes[0] = f->halves[0].bytes;
	ret_bytes[1] = f->halves[1].bytes;
}

const struct pw_forward_ops pw_forward_splice = {
	.id = PW_FORWARDER_SPLICE,
	.eligible = eligible,
	.start = start,
	.on_event = on_event,
	.stop = stop,
	.stats = stats,
};
