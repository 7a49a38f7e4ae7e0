// SPDX-License-Identifier: Apache-2.0
/* pw_flows, pw_relayed and pw_socks. Any thread: descriptors never change, each call is one or a
 * few system calls. */
#include "kernel_private.h"

#include <bpf/bpf.h>
#include <string.h>
#include <sys/socket.h>

static int full(int r)
{
	return r == -ENOSPC ? -E2BIG : r;
}

/* Whether the verdict may run for the socket: it is in pw_socks under its partner's cookie. */
static bool in_sockmap(const struct pw_kernel *k, uint64_t partner)
{
	uint64_t found;

	return bpf_map_lookup_elem(k->maps[PW_MAP_SOCKS], &partner, &found) == 0;
}

int pw_flow_put(struct pw_kernel *k, uint64_t cookie, const struct pw_flow_value *v)
{
	struct pw_relayed_value none = { 0 };
	struct pw_flow_value flow;
	int r;

	if (!pw_kernel_has_maps(k))
		return -EOPNOTSUPP;
	if (bpf_map_lookup_elem(k->maps[PW_MAP_FLOWS], &cookie, &flow) == 0 &&
	    flow.forwarder == PW_FORWARDER_SOCKMAP && in_sockmap(k, flow.partner))
		return -EBUSY;
	flow = *v;
	if (flow.forwarder == PW_FORWARDER_SOCKMAP) {
		flow.paused = 1;
		flow.bytes = flow.start;
		flow.redirected = flow.passed = 0;
		r = bpf_map_update_elem(k->maps[PW_MAP_RELAYED], &cookie, &none, BPF_ANY);
		if (r < 0)
			return full(r);
	}
	r = bpf_map_update_elem(k->maps[PW_MAP_FLOWS], &cookie, &flow, BPF_ANY);
	if (r < 0 || flow.forwarder != PW_FORWARDER_SOCKMAP)
		bpf_map_delete_elem(k->maps[PW_MAP_RELAYED], &cookie);
	return full(r);
}

int pw_flow_relayed(struct pw_kernel *k, uint64_t cookie, uint64_t total)
{
	struct pw_relayed_value v = { .bytes = total };

	if (!pw_kernel_has_maps(k))
		return -EOPNOTSUPP;
	return full(bpf_map_update_elem(k->maps[PW_MAP_RELAYED], &cookie, &v, BPF_ANY));
}

int pw_flow_get(struct pw_kernel *k, uint64_t cookie, struct pw_flow_value *ret)
{
	struct pw_relayed_value relayed = { 0 };
	struct pw_flow_value v;
	int r;

	if (!pw_kernel_has_maps(k))
		return -ENOENT;
	r = bpf_map_lookup_elem(k->maps[PW_MAP_FLOWS], &cookie, &v);
	if (r < 0)
		return r;
	/* The verdict brings `bytes` up to date only when a buffer comes by. */
	if (v.forwarder == PW_FORWARDER_SOCKMAP &&
	    bpf_map_lookup_elem(k->maps[PW_MAP_RELAYED], &cookie, &relayed) == 0)
		v.bytes = v.start + v.redirected + relayed.bytes;
	*ret = v;
	return 0;
}

int pw_flow_delete(struct pw_kernel *k, uint64_t cookie)
{
	if (!pw_kernel_has_maps(k))
		return -ENOENT;
	bpf_map_delete_elem(k->maps[PW_MAP_RELAYED], &cookie);
	return bpf_map_delete_elem(k->maps[PW_MAP_FLOWS], &cookie);
}

int pw_sock_put(struct pw_kernel *k, uint64_t cookie, int partner_fd)
{
	uint64_t fd = (uint64_t)partner_fd;

	if (!pw_kernel_sockmap_ready(k))
		return -EOPNOTSUPP;
	return full(bpf_map_update_elem(k->maps[PW_MAP_SOCKS], &cookie, &fd, BPF_ANY));
}

int pw_sock_delete(struct pw_kernel *k, uint64_t cookie)
{
	if (!pw_kernel_has_maps(k))
		return -ENOENT;
	return bpf_map_delete_elem(k->maps[PW_MAP_SOCKS], &cookie);
}

uint64_t pw_socket_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0 ? cookie : 0;
}
