/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_MODEL_REASON_H
#define PW_MODEL_REASON_H
/* Names of the reasons in abi.h, and one process-wide counter for each (user space's share;
 * pw_stats has the programs'). Any thread. */
#include "../base/util.h"
#include <peerway/abi.h>

const char *pw_reason_name(enum pw_reason r); /* "unknown_ca"; out of range: "none" */
void pw_reason_count(enum pw_reason r);
uint64_t pw_reason_total(enum pw_reason r);
#endif
