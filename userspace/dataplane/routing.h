/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_DATAPLANE_ROUTING_H
#define PW_DATAPLANE_ROUTING_H
/*
 * The immutable snapshot that workers route by: made by the control thread, swapped atomically,
 * freed with its last reference. I1 Nothing in it changes after pw_dataplane_publish(). I2 Strings
 * are lower case where they are compared with an SNI.
 */
#include "../base/addr.h"
#include "../base/str.h"
#include "../ca/ca.h"
#include "../policy/policy.h"
#include <peerway/abi.h>

struct pw_endpoint {
	struct pw_addr addr;
	uint32_t weight; /* at least 1 */
	bool unhealthy;	 /* registered but not passing: not dialled, but its live flows are not cut
			    either */
};
enum pw_ingress_mode { PW_INGRESS_TERMINATE, PW_INGRESS_PASSTHROUGH };
/* One exported service as one peer may call it: found by SNI. */
struct pw_ingress {
	char *sni;
	char *peer;
	char *service;
	uint32_t peer_id, service_id;
	enum pw_ingress_mode mode;
	struct pw_identity *identity; /* terminate: our leaf for the service */
	struct pw_trust *trust; /* terminate: that peer's roots; NULL: no bundle yet, refuse */
	struct pw_endpoint *endpoints; /* instances; a live flow to one that is not listed any more
					  is cut (deregistered) */
	size_t n_endpoints;
	SSL_CTX *ctx; /* made by dataplane at publish */
};
/* One upstream: a listener of ours that speaks as `source`. */
struct pw_egress {
	char *id; /* stable: source, destination, peer, address; a listener lives on through
		     publishes with the same id */
	struct pw_addr bind;
	char *source;
	char *destination;
	char *peer; /* "" : a local service, plain on both legs */
	uint32_t peer_id, source_id, destination_id;
	struct pw_addr *allowed; /* addresses of the source's instances; bind on loopback: anyone on
				    the host */
	size_t n_allowed;
	struct pw_identity *identity; /* peer not "": leaf of source */
	struct pw_trust *trust;	      /* peer's bundle */
	char *sni;
	struct pw_strv spiffe_ids;     /* any of these is the right callee */
	struct pw_endpoint *endpoints; /* healthy gateways of the peer, or local instances */
	size_t n_endpoints;
	SSL_CTX *ctx;
};
struct pw_routing {
	_Atomic unsigned refs;
	uint64_t generation;
	char *control_sni;
	bool passthrough; /* gateway { passthrough } */
	struct pw_ingress **ingress;
	size_t n_ingress;
	struct pw_egress **egress;
	size_t n_egress;
	struct pw_policy *policy;
	struct pw_strv
		known; /* addresses of peers, as pw_addr_ip_text() writes them: no strangers */
	void *index;   /* by SNI; made at publish */
};
struct pw_routing *pw_routing_new(void);
void pw_routing_add_ingress(struct pw_routing *r, struct pw_ingress *i); /* takes i */
void pw_routing_add_egress(struct pw_routing *r, struct pw_egress *e);	 /* takes e */
struct pw_routing *pw_routing_ref(struct pw_routing *r);
void pw_routing_unref(struct pw_routing **r);
/* Builds the index; once, before the first lookup. Of entries with the same name or listener
 * address the first one counts. */
void pw_routing_index(struct pw_routing *r);
struct pw_ingress *pw_routing_ingress(const struct pw_routing *r,
				      const char *sni); /* lower case; NULL: unknown */
struct pw_egress *
pw_routing_egress_at(const struct pw_routing *r,
		     const char *address); /* address: text of bind; NULL: nobody listens there */
bool pw_routing_knows(const struct pw_routing *r, const struct pw_addr *client);
struct pw_egress *pw_routing_egress(const struct pw_routing *r, const char *id);
#endif
