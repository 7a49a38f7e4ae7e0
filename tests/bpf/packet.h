/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_TESTS_BPF_PACKET_H
#define PW_TESTS_BPF_PACKET_H
/* Packets made for every branch of the guard: a zeroed spec is a SYN over IPv4 from 192.0.2.1 to
 * the gateway port. */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PACKET_PORT 8443
#define FLAG_FIN    0x01
#define FLAG_SYN    0x02
#define FLAG_RST    0x04
#define FLAG_ACK    0x10

struct spec {
	const char *source; /* contains ':' for IPv6 */
	int vlans;
	uint16_t ethertype; /* 0: by the source */
	uint16_t port;	    /* 0: the gateway's */
	uint8_t flags;	    /* 0: SYN */
	uint8_t protocol;   /* 0: TCP */
	int option_words;   /* IPv4 */
	int ihl;	    /* 0: right; the value written, as is */
	int total; /* 0: right; IPv4 total length or IPv6 payload length as written; -1: 0 */
	uint16_t fragment;	/* offset in units of 8 */
	bool more;		/* more fragments */
	int doff;		/* 0: 5; in words, as written; -1: 0 */
	int tcp_option_words;	/* really there */
	uint8_t extensions[16]; /* IPv6 next headers; 0xff: hop by hop; ended by 0 */
	int extension_len;	/* the length field of each */
	int payload;
	int cut; /* bytes taken off at the end */
};

struct packet {
	uint8_t data[32768];
	size_t len;
};

static inline void packet_put(struct packet *p, const void *data, size_t len)
{
	memcpy(p->data + p->len, data, len);
	p->len += len;
}

static inline void packet_u8(struct packet *p, uint8_t v)
{
	packet_put(p, &v, 1);
}

static inline void packet_u16(struct packet *p, uint16_t v)
{
	uint16_t be = htons(v);

	packet_put(p, &be, 2);
}

static inline void packet_zero(struct packet *p, size_t len)
{
	memset(p->data + p->len, 0, len);
	p->len += len;
}

static inline void packet_tcp(struct packet *p, const struct spec *s)
{
	int words = s->doff == -1 ? 0 : s->doff ? s->doff : 5 + s->tcp_option_words;

	packet_u16(p, 40000);
	packet_u16(p, s->port ? s->port : PACKET_PORT);
	packet_zero(p, 8);
	packet_u8(p, (uint8_t)(words << 4));
	packet_u8(p, s->flags ? s->flags : FLAG_SYN);
	packet_zero(p, 6 + (size_t)s->tcp_option_words * 4 + (size_t)s->payload);
}

static inline void packet_length(struct packet *p, size_t at, int wanted, size_t right)
{
	uint16_t be = htons((uint16_t)(wanted == -1 ? 0 : wanted ? (size_t)wanted : right));

	memcpy(p->data + at, &be, sizeof(be));
}

static inline void packet_ipv4(struct packet *p, const struct spec *s)
{
	size_t at = p->len;
	int ihl = s->ihl ? s->ihl : 5 + s->option_words;

	packet_u8(p, (uint8_t)(0x40 | (ihl & 15)));
	packet_u8(p, 0);
	packet_u16(p, 0);
	packet_u16(p, 1);
	packet_u16(p, (uint16_t)(s->fragment | (s->more ? 0x2000 : 0)));
	packet_u8(p, 64);
	packet_u8(p, s->protocol ? s->protocol : 6);
	packet_u16(p, 0);
	inet_pton(AF_INET, s->source ? s->source : "192.0.2.1", p->data + p->len);
	p->len += 4;
	packet_put(p, "\xc0\x00\x02\xfe", 4);
	packet_zero(p, (size_t)s->option_words * 4);
	packet_tcp(p, s);
	packet_length(p, at + 2, s->total, p->len - at);
}

static inline void packet_extension(struct packet *p, const struct spec *s, uint8_t kind,
				    uint8_t next)
{
	size_t len = kind == 44	  ? 8
		     : kind == 51 ? (size_t)(s->extension_len + 2) * 4
				  : (size_t)(s->extension_len + 1) * 8;
	size_t at = p->len;

	packet_zero(p, len);
	p->data[at] = next;
	p->data[at + 1] = kind == 44 ? 0 : (uint8_t)s->extension_len;
	if (kind == 44) {
		uint16_t be = htons((uint16_t)(s->fragment << 3 | s->more));

		memcpy(p->data + at + 2, &be, 2);
	}
}

static inline uint8_t packet_next(const struct spec *s, int i)
{
	if (s->extensions[i] == 0xff)
		return 0;
	return s->extensions[i] ? s->extensions[i] : s->protocol ? s->protocol : 6;
}

static inline void packet_ipv6(struct packet *p, const struct spec *s)
{
	size_t at = p->len;

	packet_u8(p, 0x60);
	packet_zero(p, 5);
	packet_u8(p, packet_next(s, 0));
	packet_u8(p, 64);
	inet_pton(AF_INET6, s->source, p->data + p->len);
	p->len += 16;
	inet_pton(AF_INET6, "2001:db8::fe", p->data + p->len);
	p->len += 16;
	for (int i = 0; s->extensions[i]; i++)
		packet_extension(p, s, packet_next(s, i), packet_next(s, i + 1));
	packet_tcp(p, s);
	packet_length(p, at + 4, s->total, p->len - at - 40);
}

static inline void packet_make(struct packet *p, const struct spec *s)
{
	bool v6 = s->source && strchr(s->source, ':');

	memset(p, 0, sizeof(*p));
	packet_put(p, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02", 12);
	for (int i = 0; i < s->vlans; i++) {
		packet_u16(p, i + 1 < s->vlans ? 0x88a8 : 0x8100);
		packet_u16(p, (uint16_t)(i + 100));
	}
	packet_u16(p, s->ethertype ? s->ethertype : v6 ? 0x86dd : 0x0800);
	if (v6)
		packet_ipv6(p, s);
	else
		packet_ipv4(p, s);
	p->len -= (size_t)s->cut;
}
#endif
