/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef PW_BPF_PARSE_H
#define PW_BPF_PARSE_H
/*
 * The guard's view of a packet: is it TCP to the gateway port, from whom, does it open a
 * connection?
 *
 * Works on [data, end) and byte offsets alone, so that XDP, tc and the unit tests compile the same
 * lines. I1  Nothing at or behind end is read. I2  parse_packet() returns NONE (judge it: *ret is
 * filled), OTHER, FRAGMENT or MALFORMED. I3  ret->cut says that the answer may be different if more
 * of the packet were visible.
 */
#include <peerway/abi.h>

#define PW_ETH_LEN	    14
#define PW_ETH_P_IPV4	    0x0800
#define PW_ETH_P_IPV6	    0x86dd
#define PW_ETH_P_VLAN	    0x8100
#define PW_ETH_P_QINQ	    0x88a8
#define PW_VLAN_MAX	    2
#define PW_IPV4_LEN	    20
#define PW_IPV6_LEN	    40
#define PW_TCP_LEN	    20
#define PW_NEXT_HOPOPTS	    0
#define PW_NEXT_TCP	    6
#define PW_NEXT_ROUTING	    43
#define PW_NEXT_FRAGMENT    44
#define PW_NEXT_AH	    51
#define PW_NEXT_DSTOPTS	    60
#define PW_NEXT_MOBILITY    135
#define PW_NEXT_MAX	    8	   /* extension headers; nobody sends half as many */
#define PW_NEXT_BYTES_MAX   0x7fff /* of all these headers; a mask */
#define PW_TCP_FLAG_SYN	    0x02
#define PW_TCP_FLAG_ACK	    0x10
#define PW_IPV4_OFFSET_MASK 0x1fff

struct pw_packet {
	__u8 source_be[16]; /* IPv4 as v4-mapped */
	__u16 source_port_be;
	__u8 opens;   /* SYN without ACK */
	__u8 cut;     /* I3 */
	__u16 offset; /* where the walk along IPv6's headers stands, from the IPv6 header */
	__u8 next;    /* what stands there */
	__u8 pad;
};

static __always_inline __u16 parse_u16(const __u8 *p)
{
	return (__u16)((__u16)p[0] << 8 | p[1]);
}

static __always_inline __u16 parse_u16_be(const __u8 *p)
{
	__u16 v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

/* left: bytes of TCP by the length in the IP header; bad: that header is broken, its length was
 * guessed. */
static __always_inline enum pw_reason parse_tcp(const __u8 *tcp, const __u8 *end, __u32 left,
						int bad, __u16 port_be, struct pw_packet *ret)
{
	__u32 header;

	if (tcp + 4 > end) {
		ret->cut = 1;
		return PW_REASON_OTHER;
	}
	if (parse_u16_be(tcp + 2) != port_be)
		return PW_REASON_OTHER;
	ret->source_port_be = parse_u16_be(tcp);
	if (bad || left < PW_TCP_LEN)
		return PW_REASON_MALFORMED;
	if (tcp + PW_TCP_LEN > end) {
		ret->cut = 1;
		return PW_REASON_MALFORMED;
	}
	header = (tcp[12] >> 4) * 4;
	if (header < PW_TCP_LEN || header > left)
		return PW_REASON_MALFORMED;
	if (tcp + header > end) {
		ret->cut = 1;
		return PW_REASON_MALFORMED;
	}
	ret->opens = (tcp[13] & (PW_TCP_FLAG_SYN | PW_TCP_FLAG_ACK)) == PW_TCP_FLAG_SYN;
	return PW_REASON_NONE;
}

static __always_inline enum pw_reason parse_ipv4(const __u8 *ip, const __u8 *end, __u16 port_be,
						 struct pw_packet *ret)
{
	__u32 header, total;
	int bad;

	if (ip + PW_IPV4_LEN > end) {
		ret->cut = 1;
		return PW_REASON_OTHER;
	}
	if (ip[9] != PW_NEXT_TCP)
		return PW_REASON_OTHER;
	if (parse_u16(ip + 6) & PW_IPV4_OFFSET_MASK)
		return PW_REASON_FRAGMENT;
	header = (ip[0] & 15) * 4;
	bad = header < PW_IPV4_LEN || ip[0] >> 4 != 4;
	if (bad)
		header = PW_IPV4_LEN;
	total = parse_u16(ip + 2);
	if (!total) /* longer than 64 KB, put together by the kernel */
		total = 0x10000;
	ret->source_be[10] = ret->source_be[11] = 0xff;
	__builtin_memcpy(ret->source_be + 12, ip + 12, 4);
	return parse_tcp(ip + header, end, total > header ? total - header : 0, bad, port_be, ret);
}

static __always_inline int parse_is_mapped(const __u8 a[16])
{
	for (int i = 0; i < 10; i++)
		if (a[i])
			return 0;
	return a[10] == 0xff && a[11] == 0xff;
}

static __always_inline int parse_is_extension(__u8 next)
{
	return next == PW_NEXT_HOPOPTS || next == PW_NEXT_ROUTING || next == PW_NEXT_FRAGMENT ||
	       next == PW_NEXT_AH || next == PW_NEXT_DSTOPTS || next == PW_NEXT_MOBILITY;
}

static __always_inline __u32 parse_extension(__u8 next, __u32 length)
{
	if (next == PW_NEXT_FRAGMENT)
		return 8;
	return next == PW_NEXT_AH ? (length + 2) * 4 : (length + 1) * 8;
}

/* At a TCP header behind ret->offset bytes of IPv6 headers. */
static __always_inline enum pw_reason parse_ipv6_tcp(const __u8 *ip, const __u8 *tcp,
						     const __u8 *end, __u32 used, __u16 port_be,
						     struct pw_packet *ret)
{
	__u32 total = parse_u16(ip + 4) + PW_IPV6_LEN;
	enum pw_reason reason;

	if (total == PW_IPV6_LEN) /* a jumbogram, or put together by the kernel */
		total = 0x10000;
	reason =
		parse_tcp(tcp, end, total > used ? total - used : 0, ip[0] >> 4 != 6, port_be, ret);
	/* A v4-mapped source on the wire would borrow the rights of an IPv4 address. */
	if (reason == PW_REASON_NONE && parse_is_mapped(ret->source_be))
		return PW_REASON_MALFORMED;
	return reason;
}

static __always_inline enum pw_reason parse_ipv6(const __u8 *ip, const __u8 *end, __u16 port_be,
						 struct pw_packet *ret)
{
	if (ip + PW_IPV6_LEN > end) {
		ret->cut = 1;
		return PW_REASON_OTHER;
	}
	__builtin_memcpy(ret->source_be, ip + 8, 16);
	ret->next = ip[6];
	ret->offset = PW_IPV6_LEN;
	for (int i = 0; i <= PW_NEXT_MAX; i++) {
		const __u8 *pos;
		__u32 used, len;
		__u8 next;

		/*
		 * The walk's state lives in memory, and is read anew each time: the verifier
		 * forgets what it knew of it, so that all ways through one round are the same way
		 * into the next (1,000 times fewer states).
		 */
		__asm__ volatile("" ::: "memory");
		used = ret->offset &
		       PW_NEXT_BYTES_MAX; /* changes nothing but what the verifier knows */
		next = ret->next;
		pos = ip + used;
		if (next == PW_NEXT_TCP)
			return parse_ipv6_tcp(ip, pos, end, used, port_be, ret);
		if (!parse_is_extension(next))
			return PW_REASON_OTHER;
		if (pos + 8 > end) {
			ret->cut = 1;
			return PW_REASON_OTHER;
		}
		if (next == PW_NEXT_FRAGMENT && parse_u16(pos + 2) >> 3)
			return pos[0] == PW_NEXT_TCP ? PW_REASON_FRAGMENT : PW_REASON_OTHER;
		len = parse_extension(next, pos[1]);
		if (used + len > PW_NEXT_BYTES_MAX)
			return PW_REASON_MALFORMED;
		ret->next = pos[0];
		ret->offset = used + len;
	}
	/* Closed: a guard that a long enough chain passes is none, and no honest packet looks like
	 * this. */
	return PW_REASON_MALFORMED;
}

static __always_inline enum pw_reason parse_packet(const __u8 *data, const __u8 *end, __u16 port_be,
						   struct pw_packet *ret)
{
	const __u8 *pos = data + PW_ETH_LEN;
	__u16 proto;

	__builtin_memset(ret, 0, sizeof(*ret));
	if (pos > end)
		return PW_REASON_OTHER;
	proto = parse_u16(data + 12);
	for (int i = 0; i < PW_VLAN_MAX; i++) {
		if (proto != PW_ETH_P_VLAN && proto != PW_ETH_P_QINQ)
			break;
		if (pos + 4 > end)
			return PW_REASON_OTHER;
		proto = parse_u16(pos + 2);
		pos += 4;
	}
	if (proto == PW_ETH_P_IPV4)
		return parse_ipv4(pos, end, port_be, ret);
	if (proto == PW_ETH_P_IPV6)
		return parse_ipv6(pos, end, port_be, ret);
	return PW_REASON_OTHER;
}
#endif
