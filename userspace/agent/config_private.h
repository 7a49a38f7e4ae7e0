/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_AGENT_CONFIG_PRIVATE_H
#define PW_AGENT_CONFIG_PRIVATE_H
/* Between config.c, config_schema.c and config_check.c. */
#include "config.h"

extern const struct pw_schema pw_config_schema;
/* Fills the derived members; refuses what cannot work or is not built yet, by key. */
int pw_config_check(struct pw_config *c, struct pw_err *err);
#endif
