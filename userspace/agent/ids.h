/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_AGENT_IDS_H
#define PW_AGENT_IDS_H
/*
 * Numbers for names, so that kernel keys are small. I1 An id is never used again for another name
 * while the process lives. I2 0 means none (local peer, opaque source). Names that no compilation
 * asked for any more are forgotten, so the table holds what the cluster holds. Control thread.
 */
#include "../base/util.h"

struct pw_ids;
struct pw_ids *pw_ids_new(void);
void pw_ids_free(struct pw_ids **ids);
/* The id of `name` in the scope of `peer` ("" is ours); a peer's own id has name "". Both "": 0. */
uint32_t pw_ids_get(struct pw_ids *ids, const char *peer, const char *name);
/* Between two sweeps, whatever was not asked for is forgotten. */
void pw_ids_sweep(struct pw_ids *ids);
#endif
