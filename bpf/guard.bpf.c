// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may talk to the gateway port at all: the same logic at XDP, and at tc ingress for interfaces
 * where XDP would cost segmentation offload.
 */
#include "lib/pw.h"
#include "lib/guard.h"

#define GUARD_PULL_BYTES \
	128 /* Ethernet, two tags, and an IP and TCP header with the usual options */

char LICENSE[] SEC("license") = "GPL";

/*
 * The parsers are global functions: the verifier walks through them once and forgets the way, where
 * inlined they would multiply every path of the parser with every path of the decision.
 */
__noinline int guard_parse_xdp(struct xdp_md *ctx, __u32 port_be, struct pw_packet *ret)
{
	if (!ret)
		return PW_REASON_MALFORMED;
	return parse_packet((const __u8 *)(long)ctx->data, (const __u8 *)(long)ctx->data_end,
			    port_be, ret);
}

__noinline int guard_parse_tc(struct __sk_buff *skb, __u32 port_be, struct pw_packet *ret)
{
	if (!ret)
		return PW_REASON_MALFORMED;
	return parse_packet((const __u8 *)(long)skb->data, (const __u8 *)(long)skb->data_end,
			    port_be, ret);
}

/* frags: interfaces with large MTUs take the program too; headers are in the first buffer. */
SEC("xdp.frags")
int pw_guard_xdp(struct xdp_md *ctx)
{
	__u32 len = bpf_xdp_get_buff_len(ctx), zero = 0;
	struct pw_config_value *config = bpf_map_lookup_elem(&pw_config, &zero);
	struct pw_packet packet = {};
	enum pw_reason reason;

	if (!config)
		return XDP_PASS;
	reason = guard_parse_xdp(ctx, config->gateway_port_be, &packet);
	if (packet.cut &&
	    len > ctx->data_end - ctx->data) /* kilobytes of headers: nothing honest */
		reason = PW_REASON_MALFORMED;
	return guard_judge(config, &packet, reason, len) ? XDP_PASS : XDP_DROP;
}

SEC("tc")
int pw_guard_tc(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct pw_config_value *config = bpf_map_lookup_elem(&pw_config, &zero);
	struct pw_packet packet = {};
	enum pw_reason reason;

	if (!config)
		return PW_TC_ACT_UNSPEC;
	/* Drivers may leave the headers in a fragment. For a packet shorter than this it fails,
	 * which is fine. */
	bpf_skb_pull_data(skb, GUARD_PULL_BYTES);
	reason = guard_parse_tc(skb, config->gateway_port_be, &packet);
	if (packet.cut)
		reason = bpf_skb_pull_data(skb, skb->len)
				 ? PW_REASON_MALFORMED
				 : guard_parse_tc(skb, config->gateway_port_be, &packet);
	return guard_judge(config, &packet, reason, skb->len) ? PW_TC_ACT_UNSPEC : PW_TC_ACT_SHOT;
}
