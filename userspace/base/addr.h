/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_BASE_ADDR_H
#define PW_BASE_ADDR_H
/* Socket addresses. No name is resolved here. */
#include "err.h"
#include <netinet/in.h>
#include <sys/socket.h>
#define PW_ADDR_TEXT 64
struct pw_addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} u;
	socklen_t len;
};
/* literal IPv4 or IPv6, with or without []; -EINVAL */
int pw_addr_parse(const char *ip, uint16_t port, struct pw_addr *ret);
int pw_addr_parse_hostport(const char *s, struct pw_addr *ret); /* literal only; -EINVAL */
/* Splits "host:port", "[v6]:port"; host is not checked to be an IP. port 1..65535. -EINVAL */
int pw_addr_split(const char *hostport, char **ret_host, uint16_t *ret_port);
/* "1.2.3.4:80", "[::1]:80" */
const char *pw_addr_text(const struct pw_addr *a, char buf[PW_ADDR_TEXT]);
/* without port; v4-mapped prints as IPv4 */
const char *pw_addr_ip_text(const struct pw_addr *a, char buf[PW_ADDR_TEXT]);
uint16_t pw_addr_port(const struct pw_addr *a);
bool pw_addr_same_ip(const struct pw_addr *a, const struct pw_addr *b); /* v4-mapped equals IPv4 */
void pw_addr_to16(const struct pw_addr *a, uint8_t ret[16]);		/* IPv4 as v4-mapped */
bool pw_addr_is_loopback(const struct pw_addr *a);
bool pw_addr_is_unspecified(const struct pw_addr *a);
/* loopback, link-local, multicast, unspecified, broadcast: nothing a peer may make us dial */
bool pw_addr_is_special(const struct pw_addr *a);
/* "10.0.0.0/8", "::/0", or a bare address. IPv4 is mapped: ret_bits counts of 128. Host bits must
 * be zero. -EINVAL */
int pw_prefix_parse(const char *s, uint8_t ret_addr[16], unsigned *ret_bits);
/* First global address of the interface that has the default route; -ENOENT. */
int pw_addr_default(struct pw_addr *ret);
bool pw_addr_is_own(const struct pw_addr *a); /* bound to an interface of this network namespace */
#endif
