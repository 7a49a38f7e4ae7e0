// SPDX-License-Identifier: Apache-2.0
/* What the kernel can do, found by doing it on a loopback pair: neither version nor configuration
 * tell (kTLS, sockmap). */
#include "kernel_private.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "probe_private.h"

static const char *const feature_names[] = {
	[PW_FEATURE_BPF] = "bpf",	  [PW_FEATURE_XDP_NATIVE] = "xdp_native",
	[PW_FEATURE_TC] = "tc",		  [PW_FEATURE_SOCKMAP] = "sockmap",
	[PW_FEATURE_KTLS] = "ktls",	  [PW_FEATURE_SPLICE] = "splice",
	[PW_FEATURE_RINGBUF] = "ringbuf",
};
_Static_assert(ARRAY_SIZE(feature_names) == PW_FEATURE_MAX_, "a name for each feature");

const char *pw_feature_name(enum pw_feature f)
{
	return (unsigned)f < PW_FEATURE_MAX_ ? feature_names[f] : "none";
}

int pw_probe_pair(struct pw_probe_pair *ret)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { .tv_sec = 1 };
	socklen_t len = sizeof(addr);
	pw_autoclose int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pw_autoclose int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pw_autoclose int server = -1;

	if (listener < 0 || client < 0 ||
	    bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&addr, &len) < 0)
		return -errno;
	setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(client, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (server < 0)
		return -errno;
	setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	ret->client = TAKE_FD(client);
	ret->server = TAKE_FD(server);
	return 0;
}

void pw_probe_pair_close(struct pw_probe_pair *pair)
{
	pw_closep(&pair->client);
	pw_closep(&pair->server);
}

static void probe_ktls(struct pw_kernel *k)
{
	pw_cleanup(pw_probe_pair_close) struct pw_probe_pair pair = { -1, -1 };
	int r = pw_probe_pair(&pair);

	if (r < 0)
		pw_feature_set(k, PW_FEATURE_KTLS, false, "no connection over loopback: %s",
			       strerror(-r));
	else if (setsockopt(pair.server, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) == 0)
		pw_feature_set(k, PW_FEATURE_KTLS, true, "TCP_ULP tls is accepted");
	else if (errno == ENOENT)
		pw_feature_set(k, PW_FEATURE_KTLS, false, "the kernel has no tls module");
	else
		pw_feature_set(k, PW_FEATURE_KTLS, false, "TCP_ULP tls: %s", strerror(errno));
}

static void probe_splice(struct pw_kernel *k)
{
	pw_cleanup(pw_probe_pair_close) struct pw_probe_pair pair = { -1, -1 };
	int pipes[2] = { -1, -1 }, r = pw_probe_pair(&pair);

	if (r == 0 && pipe2(pipes, O_CLOEXEC) < 0)
		r = -errno;
	if (r == 0 && send(pair.client, "x", 1, MSG_NOSIGNAL) != 1)
		r = -errno;
	if (r == 0 && splice(pair.server, NULL, pipes[1], NULL, 1, 0) != 1)
		r = -errno;
	if (r < 0)
		pw_feature_set(k, PW_FEATURE_SPLICE, false, "socket to pipe: %s", strerror(-r));
	else
		pw_feature_set(k, PW_FEATURE_SPLICE, true, "socket to pipe works");
	pw_closep(&pipes[0]);
	pw_closep(&pipes[1]);
}

void pw_probe(struct pw_kernel *k)
{
	probe_ktls(k);
	probe_splice(k);
}
