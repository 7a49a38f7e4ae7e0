/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_AGENT_COMPILE_PRIVATE_H
#define PW_AGENT_COMPILE_PRIVATE_H
/* Between compile.c (routing) and compile_kernel.c (maps). */
#include "compile.h"

bool pw_peering_is_live(const struct pw_peering *p); /* neither DELETING nor TERMINATED */
void pw_compile_kernel(struct pw_compiler *c, const struct pw_routing *r,
		       struct pw_kernel_state *ret);
#endif
