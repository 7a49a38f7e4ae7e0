/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_KERNEL_PROBE_PRIVATE_H
#define PW_KERNEL_PROBE_PRIVATE_H
/* Two ends of a TCP connection over loopback; sends and receives give up after a second. */
struct pw_probe_pair {
	int client, server;
};
int pw_probe_pair(struct pw_probe_pair *ret);
void pw_probe_pair_close(struct pw_probe_pair *pair);
#endif
