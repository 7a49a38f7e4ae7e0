// SPDX-License-Identifier: Apache-2.0
#include "hello.h"
#include <string.h>

#define RECORD_HEADER	 5
#define RECORD_MAX	 16384
#define RECORD_HANDSHAKE 22
#define HANDSHAKE_HEADER 4
#define CLIENT_HELLO	 1
#define RANDOM_LEN	 32
#define SESSION_ID_MAX	 32
#define EXT_SERVER_NAME	 0
#define NAME_HOST	 0

/* What is still to be read; bad stays set once a read went over the end. */
struct reader {
	const uint8_t *p;
	size_t left;
	bool bad;
};

static const uint8_t *take(struct reader *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->bad || n > r->left) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	r->left -= n;
	return p;
}

static size_t take_uint(struct reader *r, size_t bytes)
{
	const uint8_t *p = take(r, bytes);
	size_t v = 0;

	for (size_t i = 0; p && i < bytes; i++)
		v = v << 8 | p[i];
	return v;
}

/* A vector with a length of len_bytes in front; becomes a reader of its own. */
static struct reader take_vector(struct reader *r, size_t len_bytes)
{
	size_t n = take_uint(r, len_bytes);
	const uint8_t *p = take(r, n);

	return (struct reader){ .p = p, .left = p ? n : 0, .bad = !p };
}

static enum pw_hello_result refuse(struct pw_hello *ret, enum pw_reason reason)
{
	ret->reason = reason;
	return PW_HELLO_REFUSE;
}

static enum pw_hello_result more(struct pw_hello *ret, size_t need, size_t limit)
{
	if (need > limit)
		return refuse(ret, PW_REASON_HELLO_TOO_BIG);
	ret->need_bytes = need;
	return PW_HELLO_MORE;
}

static bool copy_name(struct reader *name, char ret[PW_SNI_LEN])
{
	size_t n = name->left;

	if (n == 0 || n >= PW_SNI_LEN)
		return false;
	for (size_t i = 0; i < n; i++) {
		uint8_t c = name->p[i];

		/* Visible ASCII only: nothing that could forge a log line or end a string early. */
		if (c <= ' ' || c >= 0x7f)
			return false;
		ret[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
	}
	ret[n] = '\0';
	return true;
}

static bool parse_server_name(struct reader ext, char ret[PW_SNI_LEN])
{
	struct reader list = take_vector(&ext, 2);

	if (list.bad || ext.left || !list.left)
		return false;
	while (list.left) {
		size_t type = take_uint(&list, 1);
		struct reader name = take_vector(&list, 2);

		if (name.bad)
			return false;
		if (type != NAME_HOST)
			continue;
		/* A doubled name could be read as one name here and as the other behind us. */
		if (ret[0] || !copy_name(&name, ret))
			return false;
	}
	return true;
}

static enum pw_hello_result parse_extensions(struct reader exts, struct pw_hello *ret)
{
	bool seen = false;

	while (exts.left) {
		size_t type = take_uint(&exts, 2);
		struct reader ext = take_vector(&exts, 2);

		if (ext.bad)
			return refuse(ret, PW_REASON_MALFORMED);
		if (type != EXT_SERVER_NAME)
			continue;
		if (seen || !parse_server_name(ext, ret->sni))
			return refuse(ret, PW_REASON_MALFORMED);
		seen = true;
	}
	return ret->sni[0] ? PW_HELLO_OK : refuse(ret, PW_REASON_NO_SNI);
}

static enum pw_hello_result parse_body(struct reader r, struct pw_hello *ret)
{
	struct reader session, ciphers, compressions, exts;

	take(&r, 2); /* legacy_version: the handshake judges versions */
	take(&r, RANDOM_LEN);
	session = take_vector(&r, 1);
	ciphers = take_vector(&r, 2);
	compressions = take_vector(&r, 1);
	if (r.bad || session.left > SESSION_ID_MAX || ciphers.left < 2 || ciphers.left % 2 ||
	    !compressions.left)
		return refuse(ret, PW_REASON_MALFORMED);
	if (!r.left)
		return refuse(ret, PW_REASON_NO_SNI);
	exts = take_vector(&r, 2);
	if (exts.bad || r.left)
		return refuse(ret, PW_REASON_MALFORMED);
	return parse_extensions(exts, ret);
}

/* Refuses as soon as the first bytes cannot be a handshake record, so that a plain-text client is
 * not left waiting for its time-out. */
static bool looks_like_tls(const uint8_t *data, size_t len)
{
	return (len < 1 || data[0] == RECORD_HANDSHAKE) && (len < 2 || data[1] == 3) &&
	       (len < 3 || data[2] <= 4);
}

/* Message length, header included; 0: not known yet. */
static size_t message_len(const uint8_t *message, size_t len)
{
	if (len < HANDSHAKE_HEADER)
		return 0;
	return HANDSHAKE_HEADER +
	       ((size_t)message[1] << 16 | (size_t)message[2] << 8 | (size_t)message[3]);
}

enum pw_hello_result pw_hello_parse(uint8_t *data, size_t len, size_t limit, struct pw_hello *ret)
{
	size_t pos = 0, joined = 0, want, wire;

	*ret = (struct pw_hello){ 0 };
	for (;;) {
		size_t record, part;

		if (!looks_like_tls(data + pos, len - pos))
			return refuse(ret, pos ? PW_REASON_MALFORMED : PW_REASON_NOT_TLS);
		if (len - pos < RECORD_HEADER)
			return more(ret, pos + RECORD_HEADER, limit);
		record = (size_t)data[pos + 3] << 8 | data[pos + 4];
		if (record == 0 || record > RECORD_MAX)
			return refuse(ret, pos ? PW_REASON_MALFORMED : PW_REASON_NOT_TLS);
		pos += RECORD_HEADER;
		part = pw_min(record, len - pos);
		memmove(data + joined, data + pos, part);
		joined += part;
		if (joined && data[0] != CLIENT_HELLO)
			return refuse(ret, PW_REASON_NOT_TLS);
		want = message_len(data, joined);
		if (want && joined >= want)
			break;
		wire = want ? pos + part + (want - joined) : pos + part + 1;
		if (wire > limit)
			return refuse(ret, PW_REASON_HELLO_TOO_BIG);
		if (part < record) /* the rest of this record, as far as the message goes */
			return more(ret,
				    pos + (want ? pw_min(record, part + want - joined) : part + 1),
				    limit);
		pos += part;
	}
	if (want > limit)
		return refuse(ret, PW_REASON_HELLO_TOO_BIG);
	return parse_body((struct reader){ .p = data + HANDSHAKE_HEADER,
					   .left = want - HANDSHAKE_HEADER },
			  ret);
}
