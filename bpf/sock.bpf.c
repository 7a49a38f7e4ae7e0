// SPDX-License-Identifier: GPL-2.0-only
/* Forwards what arrives at one socket of a flow to the other, with credit and the policy's consent.
 */
#include "lib/pw.h"
#include "lib/flow_logic.h"
#include "lib/stats.h"

char LICENSE[] SEC("license") = "GPL";

static __always_inline void sock_tell(const struct pw_flow_value *flow, enum pw_event_kind kind,
				      enum pw_reason reason, __u64 cookie)
{
	struct pw_event *event = bpf_ringbuf_reserve(&pw_events, sizeof(*event), 0);

	if (!event)
		return;
	__builtin_memset(event, 0, sizeof(*event));
	event->kind = kind;
	event->reason = reason;
	event->cookie = cookie;
	event->time_ns = bpf_ktime_get_ns();
	__builtin_memcpy(event->peer, flow->peer, sizeof(event->peer));
	bpf_ringbuf_submit(event, 0);
}

/* The partner is in pw_socks under our cookie; we are there under the partner's. */
static __always_inline __u64 sock_acked(__u64 cookie, struct flow_numbers *n)
{
	struct bpf_sock *partner = bpf_map_lookup_elem(&pw_socks, &cookie);
	struct tcp_sock *tcp;
	__u64 acked = 0;

	if (!partner)
		return 0;
	n->partner = 1;
	tcp = bpf_skc_to_tcp_sock(partner);
	if (tcp)
		acked = tcp->bytes_acked;
	else
		n->known = 0;
	bpf_sk_release(partner);
	return acked;
}

static __always_inline void sock_numbers(struct __sk_buff *skb, __u64 cookie,
					 struct flow_numbers *n)
{
	struct pw_relayed_value *relayed = bpf_map_lookup_elem(&pw_relayed, &cookie);
	struct pw_config_value *config;
	struct bpf_sock *self = skb->sk;
	struct tcp_sock *tcp = NULL;
	__u32 zero = 0;

	n->known = 1;
	n->relayed = relayed ? relayed->bytes : 0;
	n->acked = sock_acked(cookie, n);
	config = bpf_map_lookup_elem(&pw_config, &zero);
	n->credit = config ? config->credit_bytes : 0;
	if (self)
		tcp = bpf_skc_to_tcp_sock(self);
	if (tcp)
		n->received = tcp->bytes_received;
	else
		n->known = 0;
}

SEC("sk_skb/stream_verdict")
int pw_sock_verdict(struct __sk_buff *skb)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct flow_numbers n = {};
	struct pw_policy_value *policy;
	enum flow_verdict verdict;
	struct pw_flow_value *flow;
	__u32 len = skb->len;

	if (!len) /* a bare FIN would set EPIPE on the partner; ends are the worker's to pass on */
		return SK_DROP;
	flow = bpf_map_lookup_elem(&pw_flows, &cookie);
	if (!flow) { /* a socket joins after its flow and leaves before it: whose is this? */
		stats_count(PW_REASON_DENIED, len);
		return SK_DROP;
	}
	policy = bpf_map_lookup_elem(&pw_policy, &flow->policy);
	if (!flow_allowed(flow, policy)) {
		if (flow_cut(flow) == FLOW_CUT)
			sock_tell(flow, PW_EVENT_FLOW_CUT, PW_REASON_REVOKED, cookie);
		stats_count(PW_REASON_REVOKED, len);
		return SK_DROP;
	}
	sock_numbers(skb, cookie, &n);
	verdict = flow_forward(flow, &n, len);
	if (verdict == FLOW_REDIRECT) {
		stats_count(PW_REASON_REDIRECTED, len);
		return bpf_sk_redirect_hash(skb, &pw_socks, &cookie, 0);
	}
	if (verdict == FLOW_PAUSE)
		sock_tell(flow, PW_EVENT_FLOW_PAUSED, PW_REASON_CREDIT, cookie);
	stats_count(PW_REASON_CREDIT, len);
	return SK_PASS;
}
