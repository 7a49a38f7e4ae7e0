// SPDX-License-Identifier: Apache-2.0
/* Peering tokens: the input as base64 text, and as the JSON inside. */
#include "../../userspace/base/hash.h"
#include "../../userspace/peering/token.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(const char *text)
{
	pw_autotoken struct pw_token t = { 0 };
	struct pw_err err = PW_ERR_INIT;

	if (pw_token_decode(text, &t, &err) == 0)
		pw_token_validate(&t, "server.own.peering.x.consul", &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	pw_autofree char *text = pw_xstrndup((const char *)data, size);
	pw_autofree char *encoded = pw_base64_encode(data, size);

	take(text);
	take(encoded);
	return 0;
}
