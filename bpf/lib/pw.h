/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef PW_BPF_PW_H
#define PW_BPF_PW_H
/* The one place that includes headers of others: vmlinux.h must come first, and abi.h behind it. */
/* clang-format off */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_core_read.h>
#include <peerway/abi.h>
/* clang-format on */

/* Constants that are macros in the kernel, and so are not in its BTF. */
#define PW_TC_ACT_UNSPEC (-1) /* go on with the next filter */
#define PW_TC_ACT_SHOT	 2
#endif
