// SPDX-License-Identifier: Apache-2.0
/*
 * The verdict program sends bytes from socket to socket; we serve what it leaves to us: the bytes
 * from before the join, those beyond the credit, and the ends. The accounting is pw_flow_value's
 * (abi.h): the verdict counts what it redirects, we report what we relayed, and order is kept
 * because neither sends while bytes that came earlier are still with the other.
 */
#include "forward.h"
#include "../base/time.h"
#include "../kernel/kernel.h"
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

#define DRAIN_ROUNDS 16
#define EXACT_TRIES  16
#define TURN_BYTES   (1024 * 1024)
#define FIN_BYTES    1 /* a FIN counts as a byte received */
#define STATE_ESTABLISHED \
	1 /* include/net/tcp_states.h; netinet/tcp.h does not go with linux/tcp.h */

static int tcp_info(int fd, struct tcp_info *ret)
{
	socklen_t len = sizeof(*ret);

	*ret = (struct tcp_info){ 0 };
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, ret, &len) < 0 ? -errno : 0;
}

static bool is_established(int fd)
{
	struct tcp_info ti;

	return tcp_info(fd, &ti) == 0 && ti.tcpi_state == STATE_ESTABLISHED;
}

/* Bytes that ever entered the socket's send queue. The two are read one after the other; in this
 * order the sum can only be too small. */
static uint64_t queued_bytes(const struct pw_leg *leg)
{
	struct tcp_info ti;

	if (tcp_info(leg->fd, &ti) < 0)
		return 0;
	return ti.tcpi_bytes_acked + (uint64_t)pw_leg_unsent(leg);
}

/* The same, exact: nothing was acknowledged between the two readings. What is measured from a base
 * that is too small seems to be out while it still is in the backlog. */
static int exact_queued_bytes(const struct pw_leg *leg, __u64 *ret)
{
	struct tcp_info before, after;
	int r;

	for (int i = 0; i < EXACT_TRIES; i++) {
		uint64_t unsent;

		r = tcp_info(leg->fd, &before);
		if (r < 0)
			return r;
		unsent = (uint64_t)pw_leg_unsent(leg);
		r = tcp_info(leg->fd, &after);
		if (r < 0)
			return r;
		if (before.tcpi_bytes_acked == after.tcpi_bytes_acked) {
			*ret = before.tcpi_bytes_acked + unsent;
			return 0;
		}
	}
	return -EBUSY;
}

/* Everything that was redirected and relayed has left the kernel's backlog: what we send now comes
 * behind it. Sums, not differences: queued_bytes() may be less than base. */
static bool backlog_is_clear(const struct pw_flow *f, int i, const struct pw_flow_value *v)
{
	return queued_bytes(&f->legs[!i]) >= v->base + v->redirected + f->halves[i].relayed;
}

/* Nothing that legs[i] received is still on its way through the verdict or the socket's own queue.
 */
static bool all_was_taken(const struct pw_flow *f, int i, const struct pw_flow_value *v)
{
	struct tcp_info ti;
	uint64_t taken = v->start + v->redirected + f->halves[i].relayed + f->halves[i].held;

	if (tcp_info(f->legs[i].fd, &ti) < 0)
		return true;
	return ti.tcpi_bytes_received <= taken + (f->legs[i].eof ? FIN_BYTES : 0);
}

static void report_relayed(struct pw_flow *f, int i)
{
	struct pw_half *h = &f->halves[i];

	h->relayed += h->held;
	h->held = 0;
	pw_flow_relayed(f->env->kernel, f->cookies[i], h->relayed);
}

/* What came before the join is taken whole: the verdict sees a buffer that was read in part from
 * its beginning. */
static ssize_t read_first(struct pw_flow *f, int i)
{
	struct pw_half *h = &f->halves[i];
	int queued = 0;
	uint8_t *room;
	ssize_t n;

	h->first_read = true;
	if (ioctl(f->legs[i].fd, FIONREAD, &queued) < 0 || queued < 0)
		queued = 0;
	room = pw_buf_reserve(&h->rest, (size_t)queued + f->env->scratch_bytes);
	n = pw_leg_recv(&f->legs[i], room, (size_t)queued + f->env->scratch_bytes);
	if (n > 0)
		h->rest.len += (size_t)n;
	return n;
}

static ssize_t read_some(struct pw_flow *f, int i)
{
	struct pw_half *h = &f->halves[i];
	ssize_t n;

	if (!h->first_read) {
		n = read_first(f, i);
	} else {
		n = pw_leg_recv(&f->legs[i], f->env->scratch, f->env->scratch_bytes);
		if (n > 0)
			pw_buf_add(&h->rest, f->env->scratch, (size_t)n);
	}
	if (n <= 0)
		return n;
	h->held += (uint64_t)n;
	pw_flow_moved(f, i, (size_t)n);
	return n;
}

/* True: nothing is held. */
static bool send_held(struct pw_flow *f, int i, int64_t now_ms)
{
	struct pw_half *h = &f->halves[i];
	struct pw_flow_value v;

	if (h->held == 0)
		return true;
	/* Read after recv(): redirected stands still while we hold unreported bytes. */
	if (pw_flow_get(f->env->kernel, f->cookies[i], &v) == 0 && !backlog_is_clear(f, i, &v)) {
		pw_flow_poll(f, now_ms);
		return false;
	}
	if (!pw_copy_flush(f, i))
		return false;
	report_relayed(f, i);
	return true;
}

static void move(struct pw_flow *f, int i, bool *again)
{
	struct pw_leg *src = &f->legs[i];
	int64_t now_ms = pw_now_mono_ms();
	struct pw_flow_value v;
	size_t turn = 0;
	ssize_t n;

	for (;;) {
		if (!send_held(f, i, now_ms) || !src->may_read || src->eof || src->drained)
			return;
		if (turn >= TURN_BYTES) {
			*again = true;
			return;
		}
		n = read_some(f, i);
		if (n == -EAGAIN)
			return;
		if (n > 0) {
			turn += (size_t)n;
			continue;
		}
		/* The end is seen at once, passed bytes may still be on their way to our queue. */
		if (pw_flow_get(f->env->kernel, f->cookies[i], &v) == 0 &&
		    !all_was_taken(f, i, &v)) {
			src->eof = src->drained = false;
			src->may_read = true;
			pw_flow_poll(f, now_ms);
			return;
		}
	}
}

static bool settled(struct pw_flow *f, int i)
{
	struct pw_flow_value v;

	if (f->halves[i].held)
		return false;
	if (pw_flow_get(f->env->kernel, f->cookies[i], &v) < 0)
		return true;
	return backlog_is_clear(f, i, &v);
}

static bool was_cut(struct pw_flow *f)
{
	struct pw_flow_value v;

	for (int i = 0; i < 2; i++)
		if (pw_flow_get(f->env->kernel, f->cookies[i], &v) == 0 &&
		    v.state == PW_FLOW_CLOSING)
			return true;
	return false;
}

static enum pw_forward_result on_event(struct pw_flow *f, int64_t now_ms)
{
	static const struct pw_mover mover = { .move = move, .settled = settled };

	/* The verdict has dropped bytes of a flow that the policy no longer allows: nothing whole
	 * can come of it. */
	if (was_cut(f))
		return PW_FORWARD_RESET;
	return pw_flow_pump(f, &mover, now_ms);
}

static bool eligible(const struct pw_flow *f, const char **ret_why)
{
	if (f->legs[0].ssl || f->legs[1].ssl)
		*ret_why = "TLS in user space: only copy can encrypt";
	else if (!f->env->kernel || !pw_kernel_sockmap_ready(f->env->kernel))
		*ret_why = "sockmap is not available on this host";
	else if (!is_established(f->legs[0].fd) || !is_established(f->legs[1].fd))
		*ret_why = "an end came before the sockets could join a sockmap";
	else
		return true;
	return false;
}

/* Reads all that is queued at both sockets and sends it on. Busy senders are not waited for: the
 * slower path serves them at once. */
static int drain_before_join(struct pw_flow *f)
{
	for (int i = 0; i < 2; i++) {
		for (int round = 0; f->legs[i].may_read; round++) {
			ssize_t n;

			if (round == DRAIN_ROUNDS)
				return -EBUSY;
			n = pw_leg_recv(&f->legs[i], f->env->scratch, f->env->scratch_bytes);
			if (n == -EAGAIN)
				break;
			if (n <= 0)
				return -EPIPE;
			pw_flow_moved(f, i, (size_t)n);
			pw_buf_add(&f->halves[i].rest, f->env->scratch, (size_t)n);
			if (!pw_copy_flush(f, i))
				return -EBUSY;
		}
	}
	return 0;
}

static int fill_value(struct pw_flow *f, int i)
{
	struct pw_flow_value *v = &f->values[i];
	int r = exact_queued_bytes(&f->legs[!i], &v->base);

	if (r < 0)
		return r;
	v->partner = f->cookies[!i];
	v->forwarder = PW_FORWARDER_SOCKMAP;
	v->state = PW_FLOW_OPEN;
	v->paused = 1;
	v->bytes = v->start = f->halves[i].bytes;
	v->redirected = v->passed = 0;
	f->halves[i].relayed = f->halves[i].held = 0;
	f->halves[i].first_read = false;
	return 0;
}

static int start(struct pw_flow *f)
{
	struct pw_kernel *k = f->env->kernel;
	int r;

	r = drain_before_join(f);
	if (r < 0)
		return r;
	for (int i = 0; i < 2 && r == 0; i++) {
		r = fill_value(f, i);
		if (r == 0)
			r = pw_flow_put(k, f->cookies[i], &f->values[i]);
	}
	if (r == 0)
		r = pw_sock_put(k, f->cookies[0], f->legs[1].fd);
	if (r < 0) {
		pw_flow_delete(k, f->cookies[0]);
		pw_flow_delete(k, f->cookies[1]);
		return r;
	}
	/*
	 * From here there is no way back: legs[1] may already have bytes in its sockmap queue,
	 * which would be lost with it. Should the other socket be refused, the verdict finds no
	 * partner and leaves everything to us: slow, but whole.
	 */
	f->env->half_joined += pw_sock_put(k, f->cookies[1], f->legs[0].fd) < 0;
	f->legs[0].may_read = f->legs[1].may_read = true;
	return 0;
}

static void stop(struct pw_flow *f)
{
	for (int i = 0; i < 2; i++)
		pw_sock_delete(f->env->kernel, f->cookies[i]);
	for (int i = 0; i < 2; i++)
		pw_flow_delete(f->env->kernel, f->cookies[i]);
}

static void stats(const struct pw_flow *f, uint64_t ret_bytes[2])
{
	struct pw_flow_value v;

	for (int i = 0; i < 2; i++) {
		ret_bytes[i] = f->halves[i].bytes;
		if (pw_flow_get(f->env->kernel, f->cookies[i], &v) == 0)
			ret_bytes[i] += v.redirected;
	}
}

const struct pw_forward_ops pw_forward_sockmap = {
	.id = PW_FORWARDER_SOCKMAP,
	.eligible = eligible,
	.start = start,
	.on_event = on_event,
	.stop = stop,
	.stats = stats,
};
