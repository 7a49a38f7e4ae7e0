// SPDX-License-Identifier: Apache-2.0
#include "arena.h"

#include <stdalign.h>

#define BLOCK_BYTES (16 * 1024)

struct pw_arena_block {
	struct pw_arena_block *next;
	size_t size;
	alignas(max_align_t) char data[];
};

void *pw_arena_alloc(struct pw_arena *a, size_t n, size_t size)
{
	size_t align = alignof(max_align_t);
	size_t len;
	void *p;

	if (__builtin_mul_overflow(n, size, &len) || len > SIZE_MAX / 2)
		abort();
	len = (len + align - 1) / align * align;
	if (!a->blocks || a->blocks->size - a->used < len) {
		size_t block_len = pw_max(len, (size_t)BLOCK_BYTES);
		struct pw_arena_block *b = pw_xcalloc(1, sizeof(*b) + block_len);

		b->size = block_len;
		b->next = a->blocks;
		a->blocks = b;
		a->used = 0;
	}
	p = a->blocks->data + a->used;
	a->used += len;
	return p;
}

void pw_arena_clear(struct pw_arena *a)
{
	while (a->blocks) {
		struct pw_arena_block *b = a->blocks;

		a->blocks = b->next;
		free(b);
	}
	a->used = 0;
}
