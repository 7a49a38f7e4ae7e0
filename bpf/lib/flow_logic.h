/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef PW_BPF_FLOW_LOGIC_H
#define PW_BPF_FLOW_LOGIC_H
/*
 * The verdict's decision for one buffer of a sockmap flow, without maps: compiled into the program,
 * and natively into the unit tests. The accounting is pw_flow_value's.
 *
 * I1  Fail closed: without an ALLOW the flow is cut, and once cut it stays so (its stream has a
 * hole). I2  A buffer is redirected only if nothing that came before it waits in user space
 * (position). I3  redirected + passed grows by len with every buffer that is not dropped.
 */
#include <peerway/abi.h>

enum flow_verdict {
	FLOW_DROP = 0,	   /* drop, silently */
	FLOW_CUT = 1,	   /* drop, and tell: the policy changed */
	FLOW_PASS = 2,	   /* leave it to user space */
	FLOW_PAUSE = 3,	   /* the same, because the credit is used up just now */
	FLOW_REDIRECT = 4, /* to the partner */
};

struct flow_numbers {
	__u64 received; /* bytes_received of this socket, len included */
	__u64 relayed;
	__u64 acked; /* bytes_acked of the partner */
	__u64 credit;
	__u32 known;   /* 0: the sockets' counters could not be read */
	__u32 partner; /* 0: the partner has left the sockmap */
};

static __always_inline int flow_allowed(struct pw_flow_value *flow,
					const struct pw_policy_value *policy)
{
	return flow->state != PW_FLOW_CLOSING && policy && policy->action == PW_ACTION_ALLOW;
}

static __always_inline enum flow_verdict flow_cut(struct pw_flow_value *flow)
{
	if (flow->state == PW_FLOW_CLOSING)
		return FLOW_DROP;
	flow->state = PW_FLOW_CLOSING;
	return FLOW_CUT;
}

/* I2; always true for a flow that is not paused: then nothing has been left to user space. */
static __always_inline int flow_in_order(const struct pw_flow_value *flow,
					 const struct flow_numbers *n, __u32 len)
{
	return !flow->paused || n->received - len == flow->start + flow->redirected + n->relayed;
}

static __always_inline int flow_has_credit(const struct pw_flow_value *flow,
					   const struct flow_numbers *n)
{
	__s64 in_flight = (__s64)(flow->redirected + n->relayed - (n->acked - flow->base));

	/* Half of it to go on: a flow at its limit would otherwise change sides with every buffer.
	 */
	return in_flight <= (__s64)(flow->paused ? n->credit / 2 : n->credit);
}

/* For a flow that is allowed. */
static __always_inline enum flow_verdict flow_forward(struct pw_flow_value *flow,
						      const struct flow_numbers *n, __u32 len)
{
	enum flow_verdict verdict = FLOW_REDIRECT;

	if (!n->known || !n->partner || !flow_in_order(flow, n, len))
		verdict = FLOW_PASS;
	else if (!flow_has_credit(flow, n))
		verdict = flow->paused ? FLOW_PASS : FLOW_PAUSE;
	if (verdict == FLOW_REDIRECT) {
		flow->paused = 0;
		flow->redirected += len;
	} else {
		flow->paused = 1;
		flow->passed += len;
	}
	flow->bytes = flow->start + flow->redirected + n->relayed;
	return verdict;
}
#endif
