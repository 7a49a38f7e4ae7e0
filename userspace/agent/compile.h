/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_AGENT_COMPILE_H
#define PW_AGENT_COMPILE_H
/*
 * What the data path must know, computed from the store: the workers' routing and the kernel's
 * maps. Pure but for leaf certificates, which the CA may have to issue, and host names, which the
 * resolver may have to look up. Control thread.
 */
#include "../ca/ca.h"
#include "../dataplane/dataplane.h"
#include "../kernel/kernel.h"
#include "../peering/own.h"
#include "../peering/peering.h"
#include "config.h"
#include "ids.h"
#include "resolve.h"

struct pw_compiler {
	const struct pw_config *config;
	struct pw_store *store;
	struct pw_ca *ca;
	struct pw_ids *ids;
	struct pw_resolver *resolver;
	struct pw_peering_mgr *peering; /* NULL until it is there: then no guard entries of peers */
	struct pw_policy_defaults defaults;
	uint64_t generation;
	struct pw_own_addrs own;
	struct pw_trust_cache *trusts; /* by peer, until its bundle changes */
	bool full[2];		       /* services, guard: that peers do not fit was said already */
};
/* Both are new; entries that cannot be made (a leaf that fails) are left out and logged. */
int pw_compile(struct pw_compiler *c, struct pw_routing **ret_routing,
	       struct pw_kernel_state *ret_state, struct pw_err *err);
void pw_compiler_clear(struct pw_compiler *c); /* what it keeps from one compilation to the next */
#endif
