/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_BASE_HASH_H
#define PW_BASE_HASH_H
#include "util.h"
/* FNV-1a: buckets only, never for untrusted equality */
uint64_t pw_hash64(const void *data, size_t len);
void pw_sha256(const void *data, size_t len, uint8_t ret[32]);
char *pw_hex(const uint8_t *data, size_t len,
	     const char *sep);			      /* "ab:cd" with sep ":"; "" gives "abcd" */
int pw_hex_digit(char c);			      /* 0..15; -1: no hex digit */
char *pw_base64_encode(const void *data, size_t len); /* RFC 4648, padded */
/* padding required, no white space; -EINVAL */
int pw_base64_decode(const char *s, size_t len, uint8_t **ret, size_t *ret_len);
#endif
