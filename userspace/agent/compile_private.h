/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_AGENT_COMPILE_PRIVATE_H
#define PW_AGENT_COMPILE_PRIVATE_H
/* Between compile.c (routing) and compile_kernel.c (maps). */
#include "compile.h"

bool pw_peering_is_live(const struct pw_peering *p); /* neither DELETING nor TERMINATED */
/* The peer's bundle; NULL: it has sent none that is of use. A reference. */
struct pw_trust *pw_compile_trust(struct pw_compiler *c, const char *peer);
void pw_compile_kernel(struct pw_compiler *c, const struct pw_routing *r,
		       struct pw_kernel_state *ret);
#endif
