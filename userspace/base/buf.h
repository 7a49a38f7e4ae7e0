/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_BASE_BUF_H
#define PW_BASE_BUF_H
/* A byte buffer with a read position and a limit: I1 off <= len <= limit (limit 0: none). Zeroed is
 * valid. */
#include "util.h"

struct pw_buf {
	uint8_t *data;
	size_t off;
	size_t len;
	size_t size;
	size_t limit;
};
/* -EMSGSIZE: over the limit, nothing added */
int pw_buf_add(struct pw_buf *b, const void *data, size_t len);
/* room behind len; NULL: over the limit; then add to b->len */
uint8_t *pw_buf_reserve(struct pw_buf *b, size_t len);
static inline size_t pw_buf_used(const struct pw_buf *b)
{
	return b->len - b->off;
}
static inline uint8_t *pw_buf_head(const struct pw_buf *b)
{
	return b->data + b->off;
}
void pw_buf_consume(struct pw_buf *b, size_t len);
void pw_buf_clear(struct pw_buf *b);
#endif
