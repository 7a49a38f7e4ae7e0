/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_API_API_H
#define PW_API_API_H
/*
 * The HTTP API (libevent's evhttp) under /v1, Consul's paths, fields, statuses and texts. Control
 * thread only. Every request passes one gate before its handler: method table (405 with Allow),
 * Host and Origin (403), tenancy parameters (400), ACL hook, body limit.
 */
#include "../base/err.h"
#include "../catalog/checks.h"
#include "../dataplane/dataplane.h"
#include "../kernel/kernel.h"
#include "../peering/peering.h"

struct pw_api;
struct pw_api_options {
	struct event_base *base;
	struct pw_store *store;
	struct pw_ca *ca;
	struct pw_peering_mgr *peering;
	struct pw_checks *checks;
	struct pw_dataplane *dataplane; /* for flows */
	struct pw_kernel *kernel;	/* for features and stats */
	const char *datacenter, *node_name, *node_id,
		*advertise_lan; /* node_address for the agent's own services */
	const struct pw_limits *limits;
	struct pw_policy_defaults policy_defaults;
	const char *const *addresses; /* client_addr, NULL-terminated */
	uint16_t http_port;
	const char *const
		*host_names; /* further allowed Host values, NULL-terminated, may be NULL */
	/* Current generation and compiled policy, for status and intention checks. */
	uint64_t (*generation)(void *arg);
	struct pw_policy *(*policy)(void *arg); /* borrowed */
	void *arg;
};
int pw_api_new(struct pw_api **ret, const struct pw_api_options *opt,
	       struct pw_err *err); /* binds; an address in use is named */
void pw_api_free(struct pw_api **a);
uint16_t pw_api_port(const struct pw_api *a); /* the bound one when http_port was 0 */
#endif
