// SPDX-License-Identifier: Apache-2.0
#include "reason.h"

#include <assert.h>
#include <stdatomic.h>

static const char *const names[] = {
	[PW_REASON_NONE] = "none",
	[PW_REASON_PASSED] = "passed",
	[PW_REASON_UNKNOWN_CA] = "unknown_ca",
	[PW_REASON_WRONG_SAN] = "wrong_san",
	[PW_REASON_EXPIRED] = "expired",
	[PW_REASON_NO_CERTIFICATE] = "no_certificate",
	[PW_REASON_BAD_VERSION] = "bad_version",
	[PW_REASON_UNKNOWN_SNI] = "unknown_sni",
	[PW_REASON_NO_SNI] = "no_sni",
	[PW_REASON_NOT_TLS] = "not_tls",
	[PW_REASON_DENIED] = "denied",
	[PW_REASON_NO_ROUTE] = "no_route",
	[PW_REASON_UPSTREAM_REFUSED] = "upstream_refused",
	[PW_REASON_UPSTREAM_TIMEOUT] = "upstream_timeout",
	[PW_REASON_HELLO_TOO_BIG] = "hello_too_big",
	[PW_REASON_HANDSHAKE_TIMEOUT] = "handshake_timeout",
	[PW_REASON_LIMIT] = "limit",
	[PW_REASON_GUARD_LIMIT] = "guard_limit",
	[PW_REASON_GUARD_DENIED] = "guard_denied",
	[PW_REASON_REVOKED] = "revoked",
	[PW_REASON_FOREIGN_SOURCE] = "foreign_source",
	[PW_REASON_HANDSHAKE_FAILED] = "handshake_failed",
	[PW_REASON_MALFORMED] = "malformed",
	[PW_REASON_FRAGMENT] = "fragment",
	[PW_REASON_OTHER] = "other",
	[PW_REASON_CREDIT] = "credit",
	[PW_REASON_REDIRECTED] = "redirected",
};
static_assert(ARRAY_SIZE(names) == PW_REASON_MAX, "each reason needs a name");

static _Atomic uint64_t totals[PW_REASON_MAX];

const char *pw_reason_name(enum pw_reason r)
{
	return (unsigned)r < PW_REASON_MAX ? names[r] : names[PW_REASON_NONE];
}

void pw_reason_count(enum pw_reason r)
{
	if ((unsigned)r < PW_REASON_MAX)
		atomic_fetch_add_explicit(&totals[r], 1, memory_order_relaxed);
}

uint64_t pw_reason_total(enum pw_reason r)
{
	if ((unsigned)r >= PW_REASON_MAX)
		return 0;
	return atomic_load_explicit(&totals[r], memory_order_relaxed);
}
