// SPDX-License-Identifier: Apache-2.0
/*
 * Runs the verdict on small maps of its own: near → left | right → far, where the program joins
 * left and right. The credit is smaller than what is sent in all, so the end arrives only if the
 * partner's acknowledgements are seen.
 */
#include "kernel_private.h"
#include "probe_private.h"
#include "sock.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define MESSAGE		100
#define MESSAGES	4
#define CREDIT		(2 * MESSAGE)
#define ACKED_WITHIN_MS 500

static void sock_closep(struct sock_bpf **s)
{
	sock_bpf__destroy(*s);
	*s = NULL;
}

static int load(struct sock_bpf **ret)
{
	pw_cleanup(sock_closep) struct sock_bpf *s = sock_bpf__open();
	struct bpf_map *map;
	int r;

	if (!s)
		return -errno;
	bpf_object__for_each_map(map, s->obj)
	{
		if (bpf_map__type(map) == BPF_MAP_TYPE_RINGBUF)
			r = bpf_map__set_max_entries(map, 4096);
		else if (bpf_map__max_entries(map) > PW_REASON_MAX)
			r = bpf_map__set_max_entries(map, 8);
		else
			continue;
		if (r < 0)
			return r;
	}
	r = sock_bpf__load(s);
	if (r < 0)
		return r;
	r = bpf_prog_attach(bpf_program__fd(s->progs.pw_sock_verdict),
			    bpf_map__fd(s->maps.pw_socks), BPF_SK_SKB_STREAM_VERDICT, 0);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

static int join(struct sock_bpf *s, int left, int right)
{
	struct pw_config_value config = { .credit_bytes = CREDIT };
	struct pw_policy_value policy = { .action = PW_ACTION_ALLOW };
	uint64_t l = pw_socket_cookie(left), r = pw_socket_cookie(right), fd;
	struct pw_flow_value flow = { .forwarder = PW_FORWARDER_SOCKMAP,
				      .state = PW_FLOW_OPEN,
				      .paused = 1 };
	uint32_t zero = 0;
	int e;

	e = bpf_map_update_elem(bpf_map__fd(s->maps.pw_config), &zero, &config, BPF_ANY);
	if (e == 0)
		e = bpf_map_update_elem(bpf_map__fd(s->maps.pw_policy), &flow.policy, &policy,
					BPF_ANY);
	flow.partner = r;
	if (e == 0)
		e = bpf_map_update_elem(bpf_map__fd(s->maps.pw_flows), &l, &flow, BPF_ANY);
	flow.partner = l;
	if (e == 0)
		e = bpf_map_update_elem(bpf_map__fd(s->maps.pw_flows), &r, &flow, BPF_ANY);
	fd = (uint64_t)right;
	if (e == 0)
		e = bpf_map_update_elem(bpf_map__fd(s->maps.pw_socks), &l, &fd, BPF_ANY);
	fd = (uint64_t)left;
	if (e == 0)
		e = bpf_map_update_elem(bpf_map__fd(s->maps.pw_socks), &r, &fd, BPF_ANY);
	return e;
}

static void wait_acked(int fd)
{
	int queued = 0;

	for (int ms = 0; ms < ACKED_WITHIN_MS; ms++) {
		if (ioctl(fd, SIOCOUTQ, &queued) < 0 || queued == 0)
			return;
		poll(NULL, 0, 1);
	}
}

static int exchange(struct sock_bpf *s, struct pw_probe_pair *near, struct pw_probe_pair *far,
		    char why[160])
{
	uint64_t cookie = pw_socket_cookie(near->server);
	struct pw_flow_value flow = { 0 };
	char out[MESSAGE], in[MESSAGE];

	memset(out, 'p', sizeof(out));
	for (int i = 0; i < MESSAGES; i++) {
		if (send(near->client, out, sizeof(out), MSG_NOSIGNAL) != sizeof(out) ||
		    recv(far->client, in, sizeof(in), MSG_WAITALL) != sizeof(in) ||
		    memcmp(in, out, sizeof(in))) {
			bpf_map_lookup_elem(bpf_map__fd(s->maps.pw_flows), &cookie, &flow);
			snprintf(
				why, 160,
				"message %d did not cross a loopback pair (redirected %llu, passed %llu)",
				i + 1, flow.redirected, flow.passed);
			return -EIO;
		}
		wait_acked(far->server);
	}
	bpf_map_lookup_elem(bpf_map__fd(s->maps.pw_flows), &cookie, &flow);
	if (flow.redirected == MESSAGE * MESSAGES)
		return 0;
	snprintf(why, 160, "only %llu of %d bytes were redirected on a loopback pair",
		 flow.redirected, MESSAGE * MESSAGES);
	return -EIO;
}

int pw_probe_sockmap(char why[160])
{
	pw_cleanup(sock_closep) struct sock_bpf *s = NULL;
	pw_cleanup(pw_probe_pair_close) struct pw_probe_pair near = { -1, -1 }, far = { -1, -1 };
	int r = load(&s);

	if (r < 0) {
		snprintf(why, 160, "the verdict does not load or attach: %s", strerror(-r));
		return r;
	}
	r = pw_probe_pair(&near);
	if (r == 0)
		r = pw_probe_pair(&far);
	if (r < 0) {
		snprintf(why, 160, "no connection over loopback: %s", strerror(-r));
		return r;
	}
	r = join(s, near.server, far.server);
	if (r < 0) {
		snprintf(why, 160, "sockets do not join the map: %s", strerror(-r));
		return r;
	}
	return exchange(s, &near, &far, why);
}
