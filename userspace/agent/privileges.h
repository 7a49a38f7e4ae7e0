/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_AGENT_PRIVILEGES_H
#define PW_AGENT_PRIVILEGES_H
#include "../base/err.h"
/*
 * What the process may do once everything is opened: CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON and
 * CAP_NET_BIND_SERVICE, no new privileges, no core dump of the keys it holds. Called on the only
 * thread, before workers start, so that they inherit it. What is not held in the first place is not
 * an error.
 */
int pw_privileges_drop(struct pw_err *err);
/* As many file descriptors as the hard limit allows. Returns the limit in force. */
uint64_t pw_privileges_raise_files(void);
#endif
