// SPDX-License-Identifier: Apache-2.0
#include "internal.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#define KEEP_BYTES (64 * 1024)

static int refuse(struct rpc_refusal *ret, int code, const char *text)
{
	ret->code = code;
	snprintf(ret->text, sizeof(ret->text), "%s", text);
	return -EPROTO;
}

static int check_head(struct rpc_frame *f, size_t max, struct rpc_refusal *ret)
{
	char text[sizeof(ret->text)];

	f->want = (size_t)f->head[1] << 24 | (size_t)f->head[2] << 16 | (size_t)f->head[3] << 8 |
		  f->head[4];
	if (f->head[0] == 1)
		return refuse(ret, PW_GRPC_INTERNAL,
			      "grpc: compressed flag set with identity or empty encoding");
	if (f->head[0] > 1) {
		snprintf(text, sizeof(text), "grpc: received unexpected payload format %u",
			 f->head[0]);
		return refuse(ret, PW_GRPC_INTERNAL, text);
	}
	if (f->want > max) {
		snprintf(text, sizeof(text), "grpc: received message larger than max (%zu vs. %zu)",
			 f->want, max);
		return refuse(ret, PW_GRPC_RESOURCE_EXHAUSTED, text);
	}
	return 0;
}

/* Starts the next message; a large buffer is not kept for small ones. */
static void rewind_frame(struct rpc_frame *f)
{
	f->head_len = 0;
	if (f->body.size > KEEP_BYTES)
		rpc_buf_wipe(&f->body);
	f->body.off = f->body.len = 0;
}

int rpc_frame_feed(struct rpc_frame *f, const uint8_t **data, size_t *len, size_t max,
		   struct rpc_refusal *ret_refusal)
{
	size_t n;
	int r;

	if (f->head_len == sizeof(f->head) && pw_buf_used(&f->body) == f->want)
		rewind_frame(f);
	if (f->head_len < sizeof(f->head)) {
		n = pw_min(*len, sizeof(f->head) - f->head_len);
		if (n > 0)
			memcpy(f->head + f->head_len, *data, n);
		f->head_len += n;
		*data += n;
		*len -= n;
		if (f->head_len < sizeof(f->head))
			return 0;
		r = check_head(f, max, ret_refusal);
		if (r < 0)
			return r;
	}
	/* The buffer grows with what came, not with what was announced. */
	n = pw_min(*len, f->want - pw_buf_used(&f->body));
	if (n > 0 && pw_buf_add(&f->body, *data, n) < 0)
		return refuse(ret_refusal, PW_GRPC_RESOURCE_EXHAUSTED, "grpc: out of memory");
	*data += n;
	*len -= n;
	return pw_buf_used(&f->body) == f->want;
}

bool rpc_frame_partial(const struct rpc_frame *f)
{
	return f->head_len > 0 &&
	       (f->head_len < sizeof(f->head) || pw_buf_used(&f->body) < f->want);
}

void rpc_buf_wipe(struct pw_buf *b)
{
	if (b->data)
		OPENSSL_cleanse(b->data, b->size);
	pw_buf_clear(b);
}

void rpc_frame_clear(struct rpc_frame *f)
{
	rpc_buf_wipe(&f->body);
	memset(f, 0, sizeof(*f));
}

void rpc_frame_head(uint8_t ret[5], size_t len)
{
	ret[0] = 0;
	for (int i = 1; i < 5; i++)
		ret[i] = (uint8_t)(len >> (8 * (4 - i)));
}
