/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_PEERING_ARENA_H
#define PW_PEERING_ARENA_H
/* Memory for the many small structs of one protobuf message: taken piece by piece, freed at once.
 * Zeroed is valid. */
#include "../base/util.h"

struct pw_arena_block;
struct pw_arena {
	struct pw_arena_block *blocks;
	size_t used; /* of the newest block */
};
void *pw_arena_alloc(struct pw_arena *a, size_t n,
		     size_t size); /* zeroed, aligned for anything; never NULL */
void pw_arena_clear(struct pw_arena *a);
#define pw_autoarena	      pw_cleanup(pw_arena_clear)
#define PW_ARENA_NEW(a, type) ((type *)pw_arena_alloc(a, 1, sizeof(type)))
#endif
