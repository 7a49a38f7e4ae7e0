/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_AGENT_APPLY_H
#define PW_AGENT_APPLY_H
/*
 * Between the store and the data path: every transaction is compiled and staged in the kernel
 * before it is committed, and published after (the store's apply hook).
 *
 * I1 The store never holds what the maps refused. I2 Denials and removals are in force before the
 * commit and stay if it fails. I3 Only the newest compilation is published. Control thread.
 */
#include "compile.h"

struct pw_apply;
/* kernel may be NULL only if BPF is missing: then the maps are. Installs the hook. */
int pw_apply_new(struct pw_apply **ret, struct event_base *base, struct pw_compiler *compiler,
		 struct pw_kernel *kernel, struct pw_err *err);
void pw_apply_set_dataplane(struct pw_apply *a, struct pw_dataplane *d);
void pw_apply_free(struct pw_apply **a);
/* Something outside the store changed (a leaf, a resolved name, a peer's address): compile and
 * publish from the loop, soon. */
void pw_apply_soon(struct pw_apply *a);
int pw_apply_now(struct pw_apply *a, struct pw_err *err);
uint64_t pw_apply_generation(const struct pw_apply *a);
struct pw_policy *pw_apply_policy(
	const struct pw_apply *a); /* of what is published; borrowed; NULL before the first */
#endif
