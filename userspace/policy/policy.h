/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_POLICY_POLICY_H
#define PW_POLICY_POLICY_H
/*
 * Intentions compiled to verdicts. A compiled policy is immutable and reference-counted (atomic):
 * the control thread makes it, workers read it.
 *
 * Matching: (peer, source, destination) by precedence 9 (both exact), 8 (any source), 6 (any
 * destination), 5 (any of both). A wildcard source of a peer covers only that peer's services; one
 * without peer only local ones. Permissions (L7) on a TCP service count as deny. Nothing matches:
 * the default. Names are compared without case.
 */
#include "../store/store.h"
#include <peerway/abi.h>

struct pw_policy;
struct pw_policy_defaults {
	bool allow_local;
	bool allow_peers;
};
struct pw_policy *pw_policy_compile(const struct pw_store *s, const struct pw_policy_defaults *d);
struct pw_policy *pw_policy_ref(struct pw_policy *p);
void pw_policy_unref(struct pw_policy **p);

struct pw_verdict {
	enum pw_action action;
	uint32_t precedence; /* 0: the default decided */
};
/* peer "": a local source. A NULL or empty name is denied, and so is a source that calls itself
 * "*". */
struct pw_verdict pw_policy_check(const struct pw_policy *p, const char *peer, const char *source,
				  const char *destination);
/* Passthrough: true if at least one source of that peer may call destination. */
bool pw_policy_any_allowed(const struct pw_policy *p, const char *peer, const char *destination);
/* Every compiled rule, highest precedence first; source or destination may be "*". */
struct pw_policy_rule {
	const char *peer, *source, *destination;
	enum pw_action action;
	uint32_t precedence;
};
size_t pw_policy_rules(const struct pw_policy *p, const struct pw_policy_rule **ret);
#endif
