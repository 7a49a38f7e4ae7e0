// SPDX-License-Identifier: Apache-2.0
/* The first byte chooses the limit; the rest is what a stranger sends. */
#include "../../userspace/dataplane/hello.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pw_hello h;
	uint8_t *copy;

	if (size < 1)
		return 0;
	copy = malloc(size);
	if (!copy)
		return 0;
	memcpy(copy, data + 1, size - 1);
	switch (pw_hello_parse(copy, size - 1, 64u * (data[0] + 1u), &h)) {
	case PW_HELLO_MORE:
		if (h.need_bytes < size)
			abort();
		break;
	case PW_HELLO_OK:
		if (!h.sni[0] || !memchr(h.sni, 0, sizeof(h.sni)))
			abort();
		break;
	case PW_HELLO_REFUSE:
		if (h.reason == PW_REASON_NONE)
			abort();
		break;
	}
	free(copy);
	return 0;
}
