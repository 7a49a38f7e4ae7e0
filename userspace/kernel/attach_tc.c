// SPDX-License-Identifier: Apache-2.0
/*
 * tc ingress: a filter on clsact (this libbpf has no tcx). A filter belongs to its interface, not
 * to a descriptor; so a directory among the links tells that it is there, and one inside it that
 * the qdisc is ours too.
 */
#include "guard.skel.h"
#include "kernel_private.h"

#include <bpf/libbpf.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TC_HANDLE   1
#define TC_PRIORITY 50

/* 0: no filter of anybody at our place. */
static uint32_t filter_id(int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);

	return bpf_tc_query(&hook, &opts) == 0 ? opts.prog_id : 0;
}

static int mark(const char *path, bool made_qdisc, struct pw_err *err)
{
	pw_autofree char *inner = pw_xasprintf("%s/clsact", path);
	int r = pw_bpffs_mkdir(path, err);

	return r == 0 && made_qdisc ? pw_bpffs_mkdir(inner, err) : r;
}

int pw_attach_tc(struct pw_kernel *k, const char *ifname, int ifindex, struct pw_err *err)
{
	pw_autofree char *path = pw_bpffs_interface_path(k->dir, "tc", ifname);
	uint32_t current = pw_pins_program_id(k->dir, "pw_guard_tc"), id;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);
	int r, made;

	/* Without our mark there is nothing of ours to replace, and a foreign filter answers
	 * EEXIST. */
	id = access(path, F_OK) == 0 ? filter_id(ifindex) : 0;
	if (id && id != current && id != k->old_tc_id)
		return pw_err_set(
			err, PW_ERR_UNAVAILABLE, EBUSY,
			"%s has a tc filter at priority %d that is not ours (program %u), which is left alone",
			ifname, TC_PRIORITY, id);
	made = bpf_tc_hook_create(&hook);
	if (made < 0 && made != -EEXIST)
		return pw_err_set(err, PW_ERR_UNAVAILABLE, made, "%s takes no clsact qdisc: %s",
				  ifname, strerror(-made));
	/* The mark comes first: a filter without one would outlive us, a mark without a filter does
	 * no harm. */
	r = mark(path, made == 0, err);
	if (r < 0)
		return r;
	opts.prog_fd = bpf_program__fd(k->guard->progs.pw_guard_tc);
	opts.flags = id ? BPF_TC_F_REPLACE : 0;
	r = bpf_tc_attach(&hook, &opts);
	if (r < 0)
		return pw_err_set(err, PW_ERR_UNAVAILABLE, r, "%s takes no tc filter: %s", ifname,
				  strerror(-r));
	return 0;
}

/* The qdisc goes only if we made it and nobody has put filters there since. */
static int destroy_qdisc(int ifindex, const char *path)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	pw_autofree char *inner = pw_xasprintf("%s/clsact", path);
	size_t others = 0;
	int r;

	if (access(inner, F_OK) < 0)
		return 0;
	r = pw_netlink_filters(ifindex, &others);
	return r < 0 || others ? r : bpf_tc_hook_destroy(&hook);
}

int pw_detach_tc(const char *dir, const char *ifname, uint32_t id, uint32_t other_id,
		 struct pw_err *err)
{
	pw_autofree char *path = pw_bpffs_interface_path(dir, "tc", ifname);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);
	int ifindex = (int)if_nametoindex(ifname), r = 0;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	uint32_t now;

	if (access(path, F_OK) < 0)
		return -ENOENT;
	now = ifindex ? filter_id(ifindex) : 0;
	if (now && (now == id || now == other_id))
		r = bpf_tc_detach(&hook, &opts);
	if (r == 0 && ifindex)
		r = destroy_qdisc(ifindex, path);
	if (r < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, r, "%s: cannot take the guard off tc: %s",
				  ifname, strerror(-r));
	return pw_bpffs_remove_tree(path, err);
}
