// SPDX-License-Identifier: Apache-2.0
#include "dataplane.h"

static const char *const direction_names[] = { "inbound", "outbound", "local" };
static const char *const forwarder_names[] = { "none", "copy", "splice", "sockmap", "packet" };
static const char *const tls_names[] = { "none", "passthrough", "userspace", "ktls", "ktls-tx" };
static const char *const state_names[] = { "none", "connecting", "open", "half-closed", "closing" };
static const char *const limit_names[] = {
	"max_connections",	  "max_connections_per_source",
	"max_pending_handshakes", "half_close_timeout",
	"idle_timeout",		  "unacked_timeout",
	"control_queue",	  "file_descriptors",
};
_Static_assert(ARRAY_SIZE(limit_names) == PW_LIMIT_MAX_, "one name each");
_Static_assert(ARRAY_SIZE(direction_names) == PW_DIRECTION_LOCAL + 1, "one name each");
_Static_assert(ARRAY_SIZE(forwarder_names) == PW_FORWARDER_PACKET + 1, "one name each");
_Static_assert(ARRAY_SIZE(tls_names) == PW_TLS_KTLS_TX + 1, "one name each");
_Static_assert(ARRAY_SIZE(state_names) == PW_FLOW_CLOSING + 1, "one name each");

static const char *name_of(const char *const *names, size_t n, unsigned i)
{
	return i < n ? names[i] : "unknown";
}

const char *pw_direction_name(enum pw_direction d)
{
	return name_of(direction_names, ARRAY_SIZE(direction_names), (unsigned)d);
}

const char *pw_forwarder_name(enum pw_forwarder f)
{
	return name_of(forwarder_names, ARRAY_SIZE(forwarder_names), (unsigned)f);
}

int pw_forwarder_parse(const char *s, enum pw_forwarder *ret)
{
	for (unsigned i = PW_FORWARDER_COPY; i < ARRAY_SIZE(forwarder_names); i++)
		if (pw_streq(s, forwarder_names[i])) {
			*ret = (enum pw_forwarder)i;
			return 0;
		}
	return -EINVAL;
}

const char *pw_tls_mode_name(enum pw_tls_mode m)
{
	return name_of(tls_names, ARRAY_SIZE(tls_names), (unsigned)m);
}

const char *pw_flow_state_name(enum pw_flow_state s)
{
	return name_of(state_names, ARRAY_SIZE(state_names), (unsigned)s);
}

const char *pw_limit_name(enum pw_limit l)
{
	return name_of(limit_names, ARRAY_SIZE(limit_names), (unsigned)l);
}
