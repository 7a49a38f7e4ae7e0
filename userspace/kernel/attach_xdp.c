// SPDX-License-Identifier: Apache-2.0
/* XDP by a pinned link: it outlives the agent, and an upgrade is one link update without a gap. */
#include "guard.skel.h"
#include "kernel_private.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <string.h>
#include <unistd.h>

/* The link behind a pin if it is ours and on this interface, else -ENOENT. */
static int open_link(const char *path, int ifindex)
{
	pw_autoclose int fd = bpf_obj_get(path);
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);

	if (fd < 0 || pw_pin_kind(fd) != PW_PIN_LINK || bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return -ENOENT;
	/* The index is 0 when the interface is gone, another when its name was given to a new one.
	 */
	if (info.type != BPF_LINK_TYPE_XDP || info.xdp.ifindex != (uint32_t)ifindex)
		return -ENOENT;
	return TAKE_FD(fd);
}

static int create_link(const char *path, int prog_fd, int ifindex, uint32_t flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	pw_autoclose int fd = bpf_link_create(prog_fd, ifindex, BPF_XDP, &opts);
	int r;

	if (fd < 0)
		return fd;
	r = bpf_obj_pin(fd, path);
	return r < 0 ? r : 0;
}

int pw_attach_xdp(struct pw_kernel *k, const char *ifname, int ifindex, bool generic,
		  struct pw_err *err)
{
	pw_autofree char *path = pw_bpffs_interface_path(k->dir, "xdp", ifname);
	uint32_t flags = generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
	LIBBPF_OPTS(bpf_xdp_query_opts, now);
	int prog_fd = bpf_program__fd(k->guard->progs.pw_guard_xdp), r;
	pw_autoclose int link = open_link(path, ifindex);

	r = bpf_xdp_query(ifindex, 0, &now);
	if (r < 0)
		memset(&now, 0, sizeof(now));
	if (link >= 0 && now.attach_mode == (generic ? XDP_ATTACHED_SKB : XDP_ATTACHED_DRV)) {
		r = bpf_link_update(link, prog_fd, NULL);
		if (r == 0)
			return 0;
	}
	if (link < 0 && now.attach_mode != XDP_ATTACHED_NONE)
		return pw_err_set(
			err, PW_ERR_UNAVAILABLE, EBUSY,
			"%s already runs an XDP program that is not ours (id %u), which is left alone",
			ifname,
			now.prog_id	  ? now.prog_id
			: now.drv_prog_id ? now.drv_prog_id
					  : now.skb_prog_id);
	/* A link cannot change its mode, and one that refuses an update is of no use. */
	if (link >= 0)
		bpf_link_detach(link);
	unlink(path);
	r = create_link(path, prog_fd, ifindex, flags);
	if (r < 0)
		return pw_err_set(err, PW_ERR_UNAVAILABLE, r, "%s takes no %s XDP: %s", ifname,
				  generic ? "generic" : "native", strerror(-r));
	return 0;
}

int pw_detach_xdp(const char *dir, const char *ifname)
{
	pw_autofree char *path = pw_bpffs_interface_path(dir, "xdp", ifname);
	pw_autoclose int fd = bpf_obj_get(path);

	if (fd < 0)
		return fd;
	if (pw_pin_kind(fd) == PW_PIN_LINK)
		bpf_link_detach(fd);
	return unlink(path) < 0 ? -errno : 0;
}
