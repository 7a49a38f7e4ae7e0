// SPDX-License-Identifier: Apache-2.0
/* GET /v1/agent/flows and /v1/agent/gateway: what the data path does, and what the agent knows of
 * itself. Ours alone. */
#include "internal.h"
#include "../base/time.h"
#include "../model/reason.h"

static json_t *flow_json(const struct pw_flow_info *f, int64_t now_ms)
{
	json_t *v = json_object();

	json_object_set_new(v, "ID", json_sprintf("%llu", (unsigned long long)f->id));
	json_object_set_new(v, "Peer", json_string(f->peer));
	json_object_set_new(v, "Source", json_string(f->source));
	json_object_set_new(v, "Destination", json_string(f->destination));
	json_object_set_new(v, "Direction", json_string(pw_direction_name(f->direction)));
	json_object_set_new(v, "Forwarder", json_string(pw_forwarder_name(f->forwarder)));
	json_object_set_new(v, "ForwarderReason", json_string(f->forwarder_reason));
	json_object_set_new(v, "TLS", json_string(pw_tls_mode_name(f->tls)));
	json_object_set_new(v, "TLSReason", json_string(f->tls_reason));
	json_object_set_new(v, "BytesIn", json_integer((json_int_t)f->bytes_in));
	json_object_set_new(v, "BytesOut", json_integer((json_int_t)f->bytes_out));
	json_object_set_new(v, "AgeSeconds", json_integer((now_ms - f->started_ms) / 1000));
	json_object_set_new(v, "State", json_string(pw_flow_state_name(f->state)));
	return v;
}

int pw_h_flows(struct pw_request *r, struct pw_err *err)
{
	pw_autofree struct pw_flow_info *flows = NULL;
	int64_t now_ms = pw_now_mono_ms();
	json_t *rows;
	size_t n = 0;
	int rc;

	if (!r->api->opt.dataplane)
		return pw_err_set(err, PW_ERR_UNAVAILABLE, EAGAIN,
				  "the data path is not running on this agent");
	rc = pw_dataplane_flows(r->api->opt.dataplane, &flows, &n);
	if (rc < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, rc, "the workers did not list their flows");
	rows = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(rows, flow_json(&flows[i], now_ms));
	return pw_reply_rows(r, rows, err);
}

static json_t *names_json(const struct pw_strv *names, bool set)
{
	json_t *list;

	if (!set)
		return json_null();
	list = json_array();
	for (size_t i = 0; i < names->n; i++)
		json_array_append_new(list, json_string(names->items[i]));
	return list;
}

static json_t *time_json(int64_t ns)
{
	pw_autofree char *text = ns ? pw_time_rfc3339(ns) : NULL;

	return text ? json_string(text) : json_null();
}

static json_t *peerings_json(struct pw_peering_mgr *m, const struct pw_store *s)
{
	pw_autoiter struct pw_iter it = pw_store_iter(s, PW_T_PEERING, /* prefix= */ NULL);
	const struct pw_peering *p;
	json_t *rows = json_array();

	while (m && (p = pw_iter_next(&it))) {
		pw_cleanup(pw_peering_status_clear) struct pw_peering_status st = { 0 };
		json_t *v = json_object();

		pw_peering_status(m, p, &st);
		json_object_set_new(v, "Name", json_string(p->name));
		json_object_set_new(v, "State", json_string(pw_peering_state_name(st.state)));
		json_object_set_new(v, "LastHeartbeat", time_json(st.last_heartbeat_ns));
		json_object_set_new(v, "LastError", json_string(pw_str_or_empty(st.last_error)));
		json_object_set_new(v, "LastErrorTime", time_json(st.last_error_ns));
		json_object_set_new(v, "Imported", names_json(&st.imported, st.imported_set));
		json_object_set_new(v, "Exported", names_json(&st.exported, st.exported_set));
		json_array_append_new(rows, v);
	}
	return rows;
}

static json_t *features_json(const struct pw_kernel *k)
{
	const struct pw_feature_state *features = k ? pw_kernel_features(k) : NULL;
	json_t *rows = json_array();

	for (int f = 0; features && f < PW_FEATURE_MAX_; f++)
		json_array_append_new(rows, json_pack("{s:s, s:b, s:s}", "Name",
						      pw_feature_name((enum pw_feature)f),
						      "Present", features[f].present ? 1 : 0,
						      "Reason", features[f].why));
	return rows;
}

static json_t *limits_json(const struct pw_limits *l)
{
	const struct {
		const char *name;
		int64_t ms;
	} times[] = {
		{ "HandshakeTimeout", l->handshake_timeout_ms },
		{ "ConnectTimeout", l->connect_timeout_ms },
		{ "HalfCloseTimeout", l->half_close_timeout_ms },
		{ "IdleTimeout", l->idle_timeout_ms },
		{ "UnackedTimeout", l->unacked_timeout_ms },
		{ "DrainTimeout", l->drain_timeout_ms },
	};
	const struct {
		const char *name;
		uint32_t n;
	} counts[] = {
		{ "MaxConnections", l->max_connections },
		{ "MaxConnectionsPerSource", l->max_connections_per_source },
		{ "MaxPendingHandshakes", l->max_pending_handshakes },
		{ "MaxControlConnectionsPerSource", l->max_control_connections_per_source },
		{ "BufferBytes", l->buffer_bytes },
		{ "HelloBytes", l->hello_bytes },
	};
	json_t *v = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		pw_autofree char *text = pw_duration_format_ms(times[i].ms);

		json_object_set_new(v, times[i].name, json_string(text));
	}
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		json_object_set_new(v, counts[i].name, json_integer(counts[i].n));
	return v;
}

/* Not a refusal: let through, not ours, or moved along in the kernel. */
static bool is_refusal(int reason)
{
	return reason != PW_REASON_NONE && reason != PW_REASON_PASSED &&
	       reason != PW_REASON_FRAGMENT && reason != PW_REASON_OTHER &&
	       reason != PW_REASON_CREDIT && reason != PW_REASON_REDIRECTED;
}

static json_t *refusals_json(const struct pw_stat_value stats[PW_REASON_MAX])
{
	json_t *v = json_object();

	for (int i = 0; i < PW_REASON_MAX; i++) {
		enum pw_reason reason = (enum pw_reason)i;
		uint64_t n = pw_reason_total(reason) + stats[i].packets;

		if (is_refusal(i))
			json_object_set_new(v, pw_reason_name(reason), json_integer((json_int_t)n));
	}
	return v;
}

static json_t *limits_reached_json(const struct pw_dataplane_counters *c)
{
	json_t *v = json_object();

	for (int i = 0; i < PW_LIMIT_MAX_; i++)
		json_object_set_new(v, pw_limit_name((enum pw_limit)i),
				    json_integer((json_int_t)c->limits[i]));
	return v;
}

/* What was forwarded, but by a slower way than meant. */
static json_t *forwarders_json(const struct pw_dataplane_counters *c)
{
	return json_pack("{s:I, s:I, s:I}", "HalfJoined", (json_int_t)c->half_joined, "SmallPipes",
			 (json_int_t)c->small_pipes, "NoPipes", (json_int_t)c->no_pipes);
}

static json_t *stats_json(const struct pw_stat_value stats[PW_REASON_MAX], const int *reasons,
			  size_t n)
{
	json_t *v = json_object();

	for (size_t i = 0; i < n; i++)
		json_object_set_new(v, pw_reason_name((enum pw_reason)reasons[i]),
				    json_pack("{s:I, s:I}", "Packets",
					      (json_int_t)stats[reasons[i]].packets, "Bytes",
					      (json_int_t)stats[reasons[i]].bytes));
	return v;
}

/* Mode and interfaces, and what passed and was dropped: {Mode, Interfaces: [{Name, Attach,
 * Reason}], Counts}. */
static json_t *guard_json(const struct pw_kernel *k,
			  const struct pw_stat_value stats[PW_REASON_MAX])
{
	static const int counted[] = { PW_REASON_PASSED,       PW_REASON_GUARD_LIMIT,
				       PW_REASON_GUARD_DENIED, PW_REASON_MALFORMED,
				       PW_REASON_FRAGMENT,     PW_REASON_OTHER };
	const struct pw_guard_attachment *a = NULL;
	size_t n = k ? pw_kernel_guard_attachments(k, &a) : 0;
	json_t *interfaces = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(interfaces,
				      json_pack("{s:s, s:s, s:s}", "Name", a[i].name, "Attach",
						a[i].hook, "Reason", a[i].why));
	return json_pack("{s:s, s:o, s:o}", "Mode",
			 pw_guard_mode_name(k ? pw_kernel_guard_mode(k) : PW_GUARD_OFF),
			 "Interfaces", interfaces, "Counts",
			 stats_json(stats, counted, ARRAY_SIZE(counted)));
}

int pw_h_gateway(struct pw_request *r, struct pw_err *err)
{
	static const int sockmap[] = { PW_REASON_REDIRECTED, PW_REASON_CREDIT, PW_REASON_REVOKED };
	const struct pw_api_options *opt = &r->api->opt;
	struct pw_stat_value stats[PW_REASON_MAX] = { 0 };
	struct pw_dataplane_counters counters = { 0 };
	uint64_t generation = opt->generation ? opt->generation(opt->arg) : 0;
	json_t *v = json_object();

	/* Without statistics the counters of user space are still true. */
	if (opt->kernel && pw_kernel_stats(opt->kernel, stats) < 0)
		pw_reply_header(r, "X-Peerway-Kernel-Stats", "unavailable");
	if (opt->dataplane)
		pw_dataplane_counters(opt->dataplane, &counters);
	json_object_set_new(v, "Generation", json_integer((json_int_t)generation));
	json_object_set_new(v, "Connections",
			    json_integer(opt->dataplane ? (json_int_t)pw_dataplane_connections(
								  opt->dataplane)
							: 0));
	json_object_set_new(v, "Peerings", peerings_json(opt->peering, opt->store));
	json_object_set_new(v, "Features", features_json(opt->kernel));
	json_object_set_new(v, "Limits", opt->limits ? limits_json(opt->limits) : json_object());
	json_object_set_new(v, "Refusals", refusals_json(stats));
	json_object_set_new(v, "LimitsReached", limits_reached_json(&counters));
	json_object_set_new(v, "Forwarders", forwarders_json(&counters));
	json_object_set_new(v, "Guard", guard_json(opt->kernel, stats));
	json_object_set_new(v, "Sockmap", stats_json(stats, sockmap, ARRAY_SIZE(sockmap)));
	return pw_reply_json(r, 200, v);
}
