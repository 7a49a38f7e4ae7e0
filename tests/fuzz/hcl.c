// SPDX-License-Identifier: Apache-2.0
/* HCL and JSON as users write them: no input may crash, leak or hang the parser, and what it
 * accepts must survive a round trip. */
#include "userspace/base/hcl.h"
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	pw_autojson json_t *v = NULL, *again = NULL;
	pw_autofree char *text = NULL;
	struct pw_err err = PW_ERR_INIT;

	if (pw_hcl_parse((const char *)data, size, "fuzz.hcl", &v, &err) < 0) {
		assert(err.code < 0 && err.text[0]);
		return 0;
	}
	/* 32 levels of HCL become at most 65 of JSON, which allows 80. */
	text = pw_json_dump(v);
	assert(pw_json_parse(text, strlen(text), &again, &err) == 0);
	return 0;
}
