/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_AGENT_LOCAL_SERVICES_H
#define PW_AGENT_LOCAL_SERVICES_H
/*
 * The gateway's own node and the `service {}` blocks of its configuration, in the catalog: written
 * at start in one transaction; blocks that are gone from the files are deregistered. What the API
 * registered is left alone.
 */
#include "../store/store.h"
#include "config.h"
int pw_local_services_sync(struct pw_store *s, const struct pw_config *c, const char *node_id,
			   const char *node_address, struct pw_err *err);
#endif
