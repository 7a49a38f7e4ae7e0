/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_AGENT_AGENT_H
#define PW_AGENT_AGENT_H
/*
 * `peerway agent` and `peerway uninstall`: options → configuration → wiring → loop, and the order
 * of starting and stopping.
 */
int pw_agent_main(int argc, char **argv);
int pw_agent_uninstall_main(int argc, char **argv);
#endif
