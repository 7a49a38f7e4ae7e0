// SPDX-License-Identifier: Apache-2.0
#include "config_private.h"
#include "../base/log.h"
#include <string.h>

#define BAD(...) pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, __VA_ARGS__)

/* What the format knows and this version cannot do yet: refused, never ignored. */
static int check_not_built(const struct pw_config *c, struct pw_err *err)
{
	static const char later[] = "is not built in this version; leave it out";

	if (c->acl.enabled)
		return BAD("acl.enabled: ACLs %s", later);
	if (!pw_str_empty(c->acl.default_policy))
		return BAD("acl.default_policy: ACLs %s; default_intention_policy is for "
			   "connections",
			   later);
	if (!pw_str_empty(c->acl.tokens.initial_management))
		return BAD("acl.tokens.initial_management: ACLs %s", later);
	if (c->ports.https != -1)
		return BAD("ports.https: HTTPS %s, or set it to -1", later);
	if (c->ports.dns != -1)
		return BAD("ports.dns: DNS %s, or set it to -1", later);
	if (c->ports.mesh != -1)
		return BAD("ports.mesh: the listener for local sidecars %s, or set it to -1",
			   later);
	if (!pw_streq(c->store.backend, "sqlite"))
		return BAD("store.backend: \"%s\" %s; \"sqlite\" is there", c->store.backend,
			   later);
	if (pw_streq(c->gateway.ktls, "require"))
		return BAD("gateway.ktls: kTLS %s, so it cannot be required; \"auto\" and \"off\" "
			   "use TLS in user space",
			   later);
	if (pw_strv_has(&c->gateway.forwarders, "packet"))
		return BAD("gateway.forwarders: \"packet\" %s", later);
	return 0;
}

static int check_choice(const char *key, const char *value, const char *const *names, size_t n,
			int *ret, struct pw_err *err)
{
	pw_cleanup(pw_strbuf_clear) struct pw_strbuf list = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (pw_streq(value, names[i])) {
			*ret = (int)i;
			return 0;
		}
		pw_strbuf_add(&list, "%s%s", i ? ", " : "", names[i]);
	}
	return BAD("%s: \"%s\" must be one of %s", key, pw_str_or_empty(value), list.text);
}

static int check_range(const char *key, int64_t v, int64_t low, int64_t high, struct pw_err *err)
{
	if (v < low || v > high)
		return BAD("%s: %lld must be from %lld to %lld", key, (long long)v, (long long)low,
			   (long long)high);
	return 0;
}

static int check_limits(struct pw_config *c, struct pw_err *err)
{
	const struct pw_config_limits *l = &c->gateway.limits;
	const int64_t day_ms = 86400000;
	const struct {
		const char *key;
		int64_t v, low, high;
	} rows[] = {
		{ "handshake_timeout", l->handshake_timeout_ms, 100, day_ms },
		{ "connect_timeout", l->connect_timeout_ms, 100, day_ms },
		{ "half_close_timeout", l->half_close_timeout_ms, 100, 30 * day_ms },
		{ "idle_timeout", l->idle_timeout_ms, 0, 30 * day_ms },
		{ "unacked_timeout", l->unacked_timeout_ms, 100, day_ms },
		{ "drain_timeout", l->drain_timeout_ms, 0, day_ms },
		{ "max_connections", l->max_connections, 1, 1000000 },
		{ "max_connections_per_source", l->max_connections_per_source, 1, 1000000 },
		{ "max_pending_handshakes", l->max_pending_handshakes, 1, 1000000 },
		{ "max_control_connections_per_source", l->max_control_connections_per_source, 1,
		  100000 },
		{ "buffer_bytes", l->buffer_bytes, 16384, 64 << 20 },
		{ "hello_bytes", l->hello_bytes, 512, 65536 },
	};
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		r = check_range(rows[i].key, rows[i].v, rows[i].low, rows[i].high, err);
		if (r < 0)
			return pw_err_prefix(err, "gateway.limits");
	}
	c->limits = (struct pw_limits){
		.handshake_timeout_ms = l->handshake_timeout_ms,
		.connect_timeout_ms = l->connect_timeout_ms,
		.half_close_timeout_ms = l->half_close_timeout_ms,
		.idle_timeout_ms = l->idle_timeout_ms,
		.unacked_timeout_ms = l->unacked_timeout_ms,
		.drain_timeout_ms = l->drain_timeout_ms,
		.max_connections = (uint32_t)l->max_connections,
		.max_connections_per_source = (uint32_t)l->max_connections_per_source,
		.max_pending_handshakes = (uint32_t)l->max_pending_handshakes,
		.max_control_connections_per_source =
			(uint32_t)l->max_control_connections_per_source,
		.buffer_bytes = (uint32_t)l->buffer_bytes,
		.hello_bytes = (uint32_t)l->hello_bytes,
	};
	return 0;
}

static int check_prefixes(const char *key, const struct pw_strv *list, struct pw_err *err)
{
	uint8_t addr[16];
	unsigned bits;

	for (size_t i = 0; i < list->n; i++)
		if (pw_prefix_parse(list->items[i], addr, &bits) < 0)
			return BAD(
				"%s: \"%s\" is no address prefix such as 192.0.2.0/24 (host bits "
				"must be zero)",
				key, list->items[i]);
	return 0;
}

static int check_gateway(struct pw_config *c, struct pw_err *err)
{
	static const char *const modes[] = { "off", "limit", "enforce" };
	static const char *const xdp[] = { "auto", "native", "generic", "tc" };
	static const char *const ktls[] = { "auto", "off", "require" };
	struct pw_config_gateway *g = &c->gateway;
	int choice, r;

	r = check_choice("gateway.guard.mode", g->guard.mode, modes, ARRAY_SIZE(modes), &choice,
			 err);
	if (r < 0)
		return r;
	c->guard_mode = (enum pw_guard_mode)choice;
	r = check_choice("gateway.xdp", g->xdp, xdp, ARRAY_SIZE(xdp), &choice, err);
	if (r < 0)
		return r;
	c->xdp_mode = (enum pw_xdp_mode)choice;
	r = check_choice("gateway.ktls", g->ktls, ktls, ARRAY_SIZE(ktls), &choice, err);
	if (r < 0)
		return r;
	if (!g->forwarders.n || g->forwarders.n >= ARRAY_SIZE(c->forwarders))
		return BAD("gateway.forwarders: name one to three of sockmap, splice, copy");
	for (size_t i = 0; i < g->forwarders.n; i++)
		if (pw_forwarder_parse(g->forwarders.items[i], &c->forwarders[i]) < 0)
			return BAD("gateway.forwarders: \"%s\" must be sockmap, splice or copy",
				   g->forwarders.items[i]);
	r = check_prefixes("gateway.guard.allow", &g->guard.allow, err);
	if (r == 0)
		r = check_prefixes("gateway.guard.deny", &g->guard.deny, err);
	if (r == 0)
		r = check_range("gateway.guard.new_connections_per_second",
				g->guard.new_connections_per_second, 1, 10000000, err);
	if (r == 0)
		r = check_range("gateway.workers", g->workers, 0, 256, err);
	if (r < 0)
		return r;
	if (pw_addr_parse(g->bind_addr, (uint16_t)c->ports.gateway, &c->gateway_bind) < 0)
		return BAD("gateway.bind_addr: \"%s\" is no IP address", g->bind_addr);
	return check_limits(c, err);
}

static int check_names(struct pw_config *c, struct pw_err *err)
{
	const char *dc = c->datacenter;
	struct pw_addr def;
	char text[PW_ADDR_TEXT];
	bool ok = !pw_str_empty(dc) && strlen(dc) < 64;

	for (const char *p = dc; ok && *p; p++)
		ok = (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '-' || *p == '_';
	if (!ok)
		return BAD("datacenter: \"%s\" must be 1 to 63 of a-z, 0-9, - and _",
			   pw_str_or_empty(dc));
	if (pw_str_empty(c->node_name) || strlen(c->node_name) > 128 ||
	    pw_str_has_control(c->node_name))
		return BAD("node_name: must be 1 to 128 printable characters");
	if (c->data_dir[0] != '/' || c->bpf_dir[0] != '/')
		return BAD("data_dir and bpf_dir: must be absolute paths");
	if (!pw_str_empty(c->default_intention_policy) &&
	    !pw_streq(c->default_intention_policy, "allow") &&
	    !pw_streq(c->default_intention_policy, "deny"))
		return BAD("default_intention_policy: \"%s\" must be allow or deny",
			   c->default_intention_policy);
	if (!pw_str_empty(c->advertise_addr_wan))
		return 0;
	if (pw_addr_default(&def) < 0)
		return BAD("advertise_addr_wan: there is no default route to take an address from; "
			   "set the address at which peers reach this gateway");
	free(c->advertise_addr_wan);
	c->advertise_addr_wan = pw_xstrdup(pw_addr_ip_text(&def, text));
	return 0;
}

int pw_config_check(struct pw_config *c, struct pw_err *err)
{
	enum pw_log_level level;
	struct pw_addr literal;
	int r;

	r = check_not_built(c, err);
	if (r < 0)
		return r;
	r = check_range("ports.http", c->ports.http, 1, 65535, err);
	if (r == 0)
		r = check_range("ports.gateway", c->ports.gateway, 1, 65535, err);
	if (r == 0)
		r = check_range("peering.heartbeat_interval", c->peering.heartbeat_interval_ms, 100,
				3600000, err);
	if (r == 0)
		r = check_range("peering.heartbeat_timeout", c->peering.heartbeat_timeout_ms,
				c->peering.heartbeat_interval_ms + 1, 86400000, err);
	if (r == 0)
		r = check_names(c, err);
	if (r == 0)
		r = check_gateway(c, err);
	if (r < 0)
		return r;
	if (pw_log_level_parse(c->log_level, &level) < 0)
		return BAD("log_level: \"%s\" must be trace, debug, info, warn or error",
			   c->log_level);
	if (!c->dev && pw_addr_parse(c->advertise_addr_wan, 1, &literal) == 0 &&
	    pw_addr_is_special(&literal))
		return BAD("advertise_addr_wan: %s cannot be reached by a peer; set the address at "
			   "which peers reach this gateway",
			   c->advertise_addr_wan);
	return 0;
}
