// SPDX-License-Identifier: Apache-2.0
#include "uuid.h"
#include "log.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

void pw_random(void *buf, size_t len)
{
	uint8_t *at = buf;

	while (len > 0) {
		ssize_t n = getrandom(at, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			/* Secrets without randomness are worse than no process. */
			pw_log_error("process.no_random", "error", strerror(errno), NULL);
			abort();
		}
		at += n;
		len -= (size_t)n;
	}
}

void pw_uuid_new(char ret[PW_UUID_LEN])
{
	uint8_t b[16];

	pw_random(b, sizeof(b));
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	snprintf(ret, PW_UUID_LEN,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		 b[15]);
}

bool pw_uuid_valid(const char *s)
{
	if (!s || strlen(s) != PW_UUID_LEN - 1)
		return false;
	for (size_t i = 0; i < PW_UUID_LEN - 1; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s[i] != '-' : !isxdigit((unsigned char)s[i]))
			return false;
	}
	return true;
}
