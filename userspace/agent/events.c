// SPDX-License-Identifier: Apache-2.0
#include "events.h"
#include "../base/log.h"
#include "../base/time.h"
#include "../model/reason.h"
#include <arpa/inet.h>
#include <string.h>

#define LINES_PER_SECOND 50

static struct {
	int64_t second;
	unsigned lines;
	unsigned left_out;
} budget[PW_REASON_MAX];

/* A flood of refusals must not become a flood of log lines. */
static bool may_log(enum pw_reason reason)
{
	int64_t second = pw_now_mono_ms() / 1000;
	size_t i = (size_t)reason < PW_REASON_MAX ? (size_t)reason : 0;

	if (budget[i].second != second) {
		if (budget[i].left_out)
			pw_log_warn("log.limited", "reason", pw_reason_name(reason), "left_out",
				    pw_log_u64(budget[i].left_out), NULL);
		budget[i].second = second;
		budget[i].lines = 0;
		budget[i].left_out = 0;
	}
	if (budget[i].lines++ < LINES_PER_SECOND)
		return true;
	budget[i].left_out++;
	return false;
}

void pw_agent_dp_event(void *arg, const struct pw_dp_event *e)
{
	if (may_log(e->reason))
		pw_log_warn("connection.refused", "reason", pw_reason_name(e->reason), "client",
			    e->client, "sni", e->sni, "peer", e->peer, "source", e->source,
			    "destination", e->destination, "their_id", e->their_id, "our_id",
			    e->our_id, "detail", e->detail, NULL);
}

void pw_agent_kernel_event(void *arg, const struct pw_event *e)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char ip[INET6_ADDRSTRLEN] = "";
	char peer[PW_NAME_LEN + 1] = "";
	const char *kind = e->kind == PW_EVENT_GUARD	     ? "guard.dropped"
			   : e->kind == PW_EVENT_FLOW_CUT    ? "flow.cut"
			   : e->kind == PW_EVENT_FLOW_PAUSED ? "flow.paused"
							     : "kernel.event";

	if (!may_log(e->reason))
		return;
	if (!memcmp(e->source_be, mapped, sizeof(mapped)))
		inet_ntop(AF_INET, e->source_be + 12, ip, sizeof(ip));
	else
		inet_ntop(AF_INET6, e->source_be, ip, sizeof(ip));
	memcpy(peer, e->peer, PW_NAME_LEN);
	pw_log(e->kind == PW_EVENT_FLOW_PAUSED ? PW_LOG_DEBUG : PW_LOG_WARN, kind, "reason",
	       pw_reason_name(e->reason), "client", e->kind == PW_EVENT_GUARD ? ip : NULL, "flow",
	       pw_log_u64(e->cookie), "peer", peer, NULL);
}
