/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_TESTS_BPF_COMMON_H
#define PW_TESTS_BPF_COMMON_H
/*
 * What the BPF tests share. They run as root in a network and mount namespace of their own
 * (scripts/bpf-test.sh), where /sys/fs/bpf is a fresh bpffs and loopback is up.
 */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include "userspace/base/addr.h"
#include "userspace/base/str.h"
#include "userspace/kernel/kernel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BPF_DIR	     "/sys/fs/bpf/peerway"
#define GATEWAY_PORT 8443

static inline struct pw_kernel_options kernel_options(void)
{
	return (struct pw_kernel_options){
		.bpf_dir = BPF_DIR,
		.guard = { .mode = PW_GUARD_OFF,
			   .gateway_port = GATEWAY_PORT,
			   .syn_per_second = 2 },
		.sockmap = true,
	};
}

static inline struct pw_kernel *kernel_open(const struct pw_kernel_options *opt)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_kernel *k = NULL;

	if (pw_kernel_open(&k, opt, &err) < 0)
		fail_msg("open: %s", err.text);
	return k;
}

static inline void uninstall(const char *const *interfaces)
{
	struct pw_err err = PW_ERR_INIT;

	if (pw_kernel_uninstall(BPF_DIR, interfaces, &err) < 0)
		fail_msg("uninstall: %s", err.text);
}

static inline int map_fd(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), BPF_DIR "/v%d/maps/%s", PW_ABI_VERSION, name);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	return fd;
}

static inline int prog_fd(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), BPF_DIR "/v%d/progs/%s", PW_ABI_VERSION, name);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	return fd;
}

/* Runs the loop until *kind is set; the ring may hold more events than one round takes. */
static inline void loop_until(struct event_base *base, const enum pw_event_kind *kind)
{
	for (int ms = 0; ms < 5000 && *(const volatile enum pw_event_kind *)kind == PW_EVENT_NONE;
	     ms++) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		usleep(1000);
	}
}

static inline void guard_key(const char *prefix, struct pw_guard_key *ret)
{
	unsigned bits;

	memset(ret, 0, sizeof(*ret));
	assert_int_equal(pw_prefix_parse(prefix, ret->addr_be, &bits), 0);
	ret->prefixlen = bits;
}
#endif
