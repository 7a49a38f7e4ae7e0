// SPDX-License-Identifier: Apache-2.0
/* Loads the programs on the pinned maps. What does not load is a missing feature, never a failed
 * start. */
#include "guard.skel.h"
#include "kernel_private.h"
#include "sock.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>

static int pin_guard(struct pw_kernel *k, struct pw_err *err)
{
	int r;

	k->old_tc_id = pw_pins_program_id(k->dir, "pw_guard_tc");
	r = pw_pins_put_program(k, "pw_guard_xdp", bpf_program__fd(k->guard->progs.pw_guard_xdp),
				err);
	if (r < 0)
		return r;
	return pw_pins_put_program(k, "pw_guard_tc", bpf_program__fd(k->guard->progs.pw_guard_tc),
				   err);
}

void pw_load_guard(struct pw_kernel *k)
{
	struct guard_bpf *skel = guard_bpf__open();
	struct pw_err err = PW_ERR_INIT;
	int r = skel ? pw_pins_reuse(skel->obj, k->maps) : -errno;

	if (r == 0)
		r = guard_bpf__load(skel);
	if (r < 0) {
		pw_feature_set(k, PW_FEATURE_XDP_NATIVE, false, "the guard does not load: %s",
			       strerror(-r));
		pw_feature_set(k, PW_FEATURE_TC, false, "the guard does not load: %s",
			       strerror(-r));
		guard_bpf__destroy(skel);
		return;
	}
	k->guard = skel;
	if (pin_guard(k, &err) < 0) {
		pw_feature_set(k, PW_FEATURE_XDP_NATIVE, false, "%.140s", err.text);
		pw_feature_set(k, PW_FEATURE_TC, false, "%.140s", err.text);
		guard_bpf__destroy(TAKE_PTR(k->guard));
		return;
	}
	pw_feature_set(k, PW_FEATURE_XDP_NATIVE, false, "no interface is guarded");
	pw_feature_set(k, PW_FEATURE_TC, true, "the program loads; no interface needs it");
}

static int attach_sock(struct pw_kernel *k, struct sock_bpf *skel, struct pw_err *err)
{
	int fd = bpf_program__fd(skel->progs.pw_sock_verdict), r;

	/* Replaces the program of the agent before us; its sockets keep the old one until they
	 * leave. */
	r = bpf_prog_attach(fd, k->maps[PW_MAP_SOCKS], BPF_SK_SKB_STREAM_VERDICT, 0);
	if (r < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, r, "attach the verdict: %s", strerror(-r));
	return pw_pins_put_program(k, "pw_sock_verdict", fd, err);
}

void pw_load_sock(struct pw_kernel *k, bool allowed)
{
	struct pw_err err = PW_ERR_INIT;
	struct sock_bpf *skel = NULL;
	char why[160] = "";
	int r;

	if (!allowed) {
		pw_feature_set(k, PW_FEATURE_SOCKMAP, false, "not among the configured forwarders");
		return;
	}
	r = pw_probe_sockmap(why);
	if (r < 0) {
		pw_feature_set(k, PW_FEATURE_SOCKMAP, false, "%.150s", why);
		return;
	}
	skel = sock_bpf__open();
	r = skel ? pw_pins_reuse(skel->obj, k->maps) : -errno;
	if (r == 0)
		r = sock_bpf__load(skel);
	if (r < 0)
		pw_err_set(&err, PW_ERR_INTERNAL, r, "the verdict does not load: %s", strerror(-r));
	else
		r = attach_sock(k, skel, &err);
	if (r < 0) {
		pw_feature_set(k, PW_FEATURE_SOCKMAP, false, "%.150s", err.text);
		sock_bpf__destroy(skel);
		return;
	}
	k->sock = skel;
	pw_feature_set(k, PW_FEATURE_SOCKMAP, true, "redirects and counts on a loopback pair");
}
