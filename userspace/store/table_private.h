/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_STORE_TABLE_PRIVATE_H
#define PW_STORE_TABLE_PRIVATE_H
/*
 * One table in memory: up to three sorted arrays over the same objects. A lookup is a binary
 * search; an insert moves pointers, which for tens of thousands of rows costs less than the disk
 * write that follows.
 *
 * I1 Objects in a table do not change. I2 Keys are unique in each order: each order's key contains
 * the primary one's parts.
 */
#include "../model/model.h"

enum order_kind { ORDER_KEY, ORDER_ALT, ORDER_PART, ORDER_MAX_ };

struct entry {
	const char
		*key; /* the object's own in ORDER_KEY and ORDER_ALT, the entry's in ORDER_PART */
	struct pw_obj *obj;
};
struct order {
	struct entry *items;
	size_t n;
	size_t size;
};
struct table {
	const struct pw_table_def *def;
	struct order orders[ORDER_MAX_];
	unsigned separators; /* in each of its keys */
};

void table_init(struct table *t, const struct pw_table_def *def);
void table_clear(struct table *t);			/* frees the objects */
void table_append(struct table *t, struct pw_obj *obj); /* loading: unsorted until table_sort */
void table_sort(struct table *t);
struct pw_obj *table_find(const struct table *t, const char *key);
size_t table_lower_bound(const struct table *t, enum order_kind kind, const char *key);
/* One of them may be NULL: insert or remove. */
void table_swap(struct table *t, struct pw_obj *from, struct pw_obj *to);

/* row.c: objects and their stored text */
void row_prepare(const struct pw_table_def *def, struct pw_obj *obj); /* normal form, keys */
void row_free(const struct pw_table_def *def, struct pw_obj *obj);
char *row_encode(const struct pw_table_def *def, const struct pw_obj *obj);
void row_text_free(const struct pw_table_def *def, char **text);
int row_decode(const struct pw_table_def *def, const char *text, size_t len, struct pw_obj **ret,
	       struct pw_err *err);
#endif
