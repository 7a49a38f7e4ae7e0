/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_AGENT_EVENTS_H
#define PW_AGENT_EVENTS_H
/* Refusals and cuts become log lines here, at most 50 a second and reason; what is left out is
 * counted and said. Control thread. */
#include "../dataplane/dataplane.h"
void pw_agent_dp_event(void *arg, const struct pw_dp_event *e);
void pw_agent_kernel_event(void *arg, const struct pw_event *e);
#endif
