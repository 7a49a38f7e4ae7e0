// SPDX-License-Identifier: Apache-2.0
#include "hash.h"
#include "str.h"
#include <openssl/sha.h>
#include <string.h>

#define FNV_OFFSET 0xcbf29ce484222325ULL
#define FNV_PRIME  0x100000001b3ULL

uint64_t pw_hash64(const void *data, size_t len)
{
	const uint8_t *b = data;
	uint64_t h = FNV_OFFSET;

	for (size_t i = 0; i < len; i++)
		h = (h ^ b[i]) * FNV_PRIME;
	return h;
}

void pw_sha256(const void *data, size_t len, uint8_t ret[32])
{
	SHA256(data, len, ret);
}

int pw_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

char *pw_hex(const uint8_t *data, size_t len, const char *sep)
{
	static const char digits[] = "0123456789abcdef";
	size_t sep_len = strlen(sep);
	char *text = pw_xcalloc(1, len * (2 + sep_len) + 1);
	char *at = text;

	for (size_t i = 0; i < len; i++) {
		if (i) {
			memcpy(at, sep, sep_len);
			at += sep_len;
		}
		*at++ = digits[data[i] >> 4];
		*at++ = digits[data[i] & 15];
	}
	return text;
}

static const char base64_alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *pw_base64_encode(const void *data, size_t len)
{
	const uint8_t *in = data;
	char *text = pw_xcalloc(1, (len + 2) / 3 * 4 + 1);
	char *at = text;

	for (size_t i = 0; i < len; i += 3) {
		size_t have = pw_min(len - i, (size_t)3);
		uint32_t bits = (uint32_t)in[i] << 16;

		bits |= have > 1 ? (uint32_t)in[i + 1] << 8 : 0;
		bits |= have > 2 ? in[i + 2] : 0;
		*at++ = base64_alphabet[bits >> 18];
		*at++ = base64_alphabet[bits >> 12 & 63];
		*at++ = have > 1 ? base64_alphabet[bits >> 6 & 63] : '=';
		*at++ = have > 2 ? base64_alphabet[bits & 63] : '=';
	}
	return text;
}

static int base64_value(char c)
{
	const char *at = c ? strchr(base64_alphabet, c) : NULL;

	return at ? (int)(at - base64_alphabet) : -1;
}

/* Decodes one group of four; pad: how many '=' it ends with. Bits behind the data must be zero: one
 * text for one value. */
static int decode_group(const char *s, size_t pad, uint8_t *out)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		int v = i >= 4 - pad ? 0 : base64_value(s[i]);

		if (v < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)v;
	}
	if ((pad == 1 && (bits & 0xff)) || (pad == 2 && (bits & 0xffff)))
		return -EINVAL;
	out[0] = (uint8_t)(bits >> 16);
	if (pad < 2)
		out[1] = (uint8_t)(bits >> 8);
	if (pad < 1)
		out[2] = (uint8_t)bits;
	return 0;
}

int pw_base64_decode(const char *s, size_t len, uint8_t **ret, size_t *ret_len)
{
	pw_autofree uint8_t *out = NULL;
	size_t pad = 0, out_len;

	if (len % 4 != 0)
		return -EINVAL;
	if (len && s[len - 1] == '=')
		pad = s[len - 2] == '=' ? 2 : 1;
	out_len = len / 4 * 3 - pad;
	/* One more: text decoded from it can be used as a string. */
	out = pw_xcalloc(1, out_len + 1);
	for (size_t i = 0; i < len; i += 4)
		if (decode_group(s + i, i + 4 == len ? pad : 0, out + i / 4 * 3) < 0)
			return -EINVAL;
	*ret = TAKE_PTR(out);
	*ret_len = out_len;
	return 0;
}
