/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DATAPLANE_SANDBOX_H
#define TESTS_DATAPLANE_SANDBOX_H
/* Network and mount namespace of this test alone, with a bpffs of its own, and the programs loaded
 * there. Needs root. */
#include "../../userspace/kernel/kernel.h"
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

/* Down, every packet is lost. */
static inline int set_loopback(bool up)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = up ? IFF_UP : 0 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int r = ioctl(fd, SIOCSIFFLAGS, &ifr) < 0 ? -errno : 0;

	close(fd);
	return r;
}

static inline int enter_sandbox(void)
{

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
		return -errno;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL) < 0)
		return -errno;
	return set_loopback(true);
}

/* NULL: ret_why says what is missing. */
static inline struct pw_kernel *sandbox_kernel(struct event_base *base, uint64_t credit,
					       char *ret_why, size_t len)
{
	struct pw_kernel_options opt = { .base = base,
					 .bpf_dir = "/sys/fs/bpf/peerway",
					 .sockmap = true,
					 .credit_bytes = credit };
	struct pw_err err = PW_ERR_INIT;
	struct pw_kernel *k = NULL;
	int r = enter_sandbox();

	if (r < 0) {
		snprintf(ret_why, len, "namespaces: %s", strerrordesc_np(-r));
	} else if (pw_kernel_open(&k, &opt, &err) < 0) {
		snprintf(ret_why, len, "%.200s", err.text);
	} else if (!pw_kernel_sockmap_ready(k)) {
		snprintf(ret_why, len, "%.200s", pw_kernel_features(k)[PW_FEATURE_SOCKMAP].why);
		pw_kernel_close(&k);
	}
	return k;
}
#endif
