// SPDX-License-Identifier: Apache-2.0
#include "buf.h"
#include <string.h>

#define BUF_MIN 512

/* The limit is on what is held unread: bytes already consumed do not count. */
static bool fits(const struct pw_buf *b, size_t len)
{
	size_t total;

	if (__builtin_add_overflow(pw_buf_used(b), len, &total))
		return false;
	return b->limit == 0 || total <= b->limit;
}

static void drop_consumed(struct pw_buf *b)
{
	if (b->off == 0)
		return;
	memmove(b->data, b->data + b->off, pw_buf_used(b));
	b->len -= b->off;
	b->off = 0;
}

uint8_t *pw_buf_reserve(struct pw_buf *b, size_t len)
{
	size_t want;

	if (!fits(b, len))
		return NULL;
	if (b->data && len <= b->size - b->len && (b->limit == 0 || b->len + len <= b->limit))
		return b->data + b->len;
	drop_consumed(b);
	want = b->len + len;
	if (!b->data || want > b->size) {
		b->size = pw_max(want, pw_max(b->size * 2, (size_t)BUF_MIN));
		b->data = pw_xrealloc(b->data, b->size);
	}
	return b->data + b->len;
}

int pw_buf_add(struct pw_buf *b, const void *data, size_t len)
{
	uint8_t *room = pw_buf_reserve(b, len);

	if (!room)
		return -EMSGSIZE;
	if (len)
		memcpy(room, data, len);
	b->len += len;
	return 0;
}

void pw_buf_consume(struct pw_buf *b, size_t len)
{
	b->off += pw_min(len, pw_buf_used(b));
	if (b->off == b->len)
		b->off = b->len = 0;
}

void pw_buf_clear(struct pw_buf *b)
{
	size_t limit = b->limit;

	free(b->data);
	*b = (struct pw_buf){ .limit = limit };
}
