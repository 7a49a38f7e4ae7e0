// SPDX-License-Identifier: Apache-2.0
#include "internal.h"
#include "../base/hash.h"
#include "../base/str.h"

#include <string.h>

char *rpc_status_encode_message(const char *text)
{
	struct pw_strbuf b = { 0 };

	pw_strbuf_add_n(&b, "", 0);
	for (const char *p = text; *p; p++) {
		if (*p >= 0x20 && *p <= 0x7e && *p != '%')
			pw_strbuf_add_n(&b, p, 1);
		else
			pw_strbuf_add(&b, "%%%02X", (uint8_t)*p);
		if (b.len > RPC_HEADER_BYTES / 2)
			break;
	}
	return b.text ? b.text : pw_xstrdup("");
}

/* What comes from outside ends in JSON and logs: anything that is not UTF-8 becomes '?'. */
static void sanitize(char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t n = rpc_utf8_len((const uint8_t *)text + i, len - i);

		if (n == 0)
			text[i] = '?';
		i += n ? n : 1;
	}
}

char *rpc_status_decode_message(const char *value, size_t len)
{
	char *text = pw_xcalloc(1, len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int hi = i + 2 < len && value[i] == '%' ? pw_hex_digit(value[i + 1]) : -1;
		int lo = hi >= 0 ? pw_hex_digit(value[i + 2]) : -1;

		if (lo >= 0) {
			text[n++] = (char)(hi << 4 | lo);
			i += 2;
		} else {
			text[n++] = value[i];
		}
	}
	sanitize(text, n);
	return text;
}

char *rpc_status_encode_details(const void *data, size_t len)
{
	char *text = pw_base64_encode(data, len);

	text[strcspn(text, "=")] = '\0';
	return text;
}

int rpc_status_decode_details(const char *value, size_t len, uint8_t **ret, size_t *ret_len)
{
	pw_autofree char *padded = NULL;

	while (len > 0 && value[len - 1] == '=')
		len--;
	padded = pw_xasprintf("%.*s%.*s", (int)len, value, (int)((4 - len % 4) % 4), "===");
	return pw_base64_decode(padded, strlen(padded), ret, ret_len);
}

/* doc/http-grpc-status-mapping.md of gRPC */
int rpc_status_of_http(int http_status)
{
	switch (http_status) {
	case 400:
		return PW_GRPC_INTERNAL;
	case 401:
		return PW_GRPC_UNAUTHENTICATED;
	case 403:
		return PW_GRPC_PERMISSION_DENIED;
	case 404:
		return PW_GRPC_UNIMPLEMENTED;
	case 429:
	case 502:
	case 503:
	case 504:
		return PW_GRPC_UNAVAILABLE;
	default:
		return PW_GRPC_UNKNOWN;
	}
}

int rpc_status_of_h2(uint32_t h2_error)
{
	switch (h2_error) {
	case NGHTTP2_CANCEL:
		return PW_GRPC_CANCELLED;
	case NGHTTP2_REFUSED_STREAM:
		return PW_GRPC_UNAVAILABLE;
	default:
		return PW_GRPC_INTERNAL;
	}
}

int rpc_status_parse(const char *value, size_t len)
{
	int code = 0;

	if (len == 0 || len > 3)
		return PW_GRPC_UNKNOWN;
	for (size_t i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9')
			return PW_GRPC_UNKNOWN;
		code = code * 10 + (value[i] - '0');
	}
	return code;
}
