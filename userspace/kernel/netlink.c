// SPDX-License-Identifier: Apache-2.0
#include "kernel_private.h"

#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define ANSWER_BYTES (64 * 1024)

static void socket_closep(struct mnl_socket **s)
{
	if (*s)
		mnl_socket_close(*s);
	*s = NULL;
}

/* Sends the request and runs cb on the answers; -errno. */
static int ask(struct nlmsghdr *request, mnl_cb_t cb, void *arg)
{
	pw_cleanup(socket_closep) struct mnl_socket *s =
		mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	pw_autofree char *answer = pw_xcalloc(1, ANSWER_BYTES);
	int r = MNL_CB_OK;

	if (!s || mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	request->nlmsg_seq = 1;
	if (mnl_socket_sendto(s, request, request->nlmsg_len) < 0)
		return -errno;
	while (r > MNL_CB_STOP) {
		ssize_t n = mnl_socket_recvfrom(s, answer, ANSWER_BYTES);

		if (n < 0)
			return -errno;
		r = mnl_cb_run(answer, (size_t)n, request->nlmsg_seq, mnl_socket_get_portid(s), cb,
			       arg);
		if (r < 0)
			return -errno;
		if (!(request->nlmsg_flags & NLM_F_DUMP))
			break;
	}
	return 0;
}

static int on_linkinfo(const struct nlattr *attr, void *arg)
{
	struct pw_link *link = arg;

	if (mnl_attr_get_type(attr) == IFLA_INFO_KIND &&
	    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		strncpy(link->kind, mnl_attr_get_str(attr), sizeof(link->kind) - 1);
	return MNL_CB_OK;
}

static int on_link_attr(const struct nlattr *attr, void *arg)
{
	if (mnl_attr_get_type(attr) == IFLA_LINKINFO)
		mnl_attr_parse_nested(attr, on_linkinfo, arg);
	return MNL_CB_OK;
}

static int on_link(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct pw_link *link = arg;

	link->ifindex = ifi->ifi_index;
	link->ethernet = ifi->ifi_type == ARPHRD_ETHER || ifi->ifi_type == ARPHRD_LOOPBACK;
	mnl_attr_parse(nlh, sizeof(*ifi), on_link_attr, link);
	return MNL_CB_OK;
}

static void read_driver(const char *ifname, struct pw_link *link)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq request = { .ifr_data = (char *)&info };
	pw_autoclose int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(request.ifr_name, ifname, sizeof(request.ifr_name) - 1);
	if (fd >= 0 && ioctl(fd, SIOCETHTOOL, &request) == 0)
		memcpy(link->driver, info.driver,
		       pw_min(sizeof(link->driver), sizeof(info.driver)) - 1);
}

int pw_netlink_link(const char *ifname, struct pw_link *ret)
{
	char buf[256] __attribute__((aligned(8))) = { 0 };
	struct nlmsghdr *request = mnl_nlmsg_put_header(buf);
	struct pw_link link = { 0 };
	int r;

	if (!ifname[0] || strlen(ifname) >= IFNAMSIZ)
		return -ENODEV;
	request->nlmsg_type = RTM_GETLINK;
	request->nlmsg_flags = NLM_F_REQUEST;
	mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(request, IFLA_IFNAME, ifname);
	r = ask(request, on_link, &link);
	if (r < 0)
		return r;
	if (!link.ifindex)
		return -ENODEV;
	read_driver(ifname, &link);
	*ret = link;
	return 0;
}

static int on_filter(const struct nlmsghdr *nlh, void *arg)
{
	size_t *n = arg;

	(*n)++;
	return MNL_CB_OK;
}

int pw_netlink_filters(int ifindex, size_t *ret_n)
{
	static const uint32_t hooks[] = { TC_H_MIN_INGRESS, TC_H_MIN_EGRESS };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		char buf[256] __attribute__((aligned(8))) = { 0 };
		struct nlmsghdr *request = mnl_nlmsg_put_header(buf);
		struct tcmsg *tc;
		int r;

		request->nlmsg_type = RTM_GETTFILTER;
		request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
		tc = mnl_nlmsg_put_extra_header(request, sizeof(*tc));
		tc->tcm_family = AF_UNSPEC;
		tc->tcm_ifindex = ifindex;
		tc->tcm_parent = TC_H_MAKE(TC_H_CLSACT, hooks[i]);
		r = ask(request, on_filter, &n);
		if (r < 0)
			return r;
	}
	*ret_n = n;
	return 0;
}
