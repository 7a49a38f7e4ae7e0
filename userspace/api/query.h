/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_API_QUERY_H
#define PW_API_QUERY_H
/*
 * The two encoded parts of a request target: path and query string. Both come from strangers.
 * I1 What was decoded is UTF-8 and holds no NUL byte: a C string that can stand in JSON. I2 At most
 * PW_QUERY_MAX parameters.
 */
#include "../base/str.h"

#define PW_QUERY_MAX 256

struct pw_query {
	struct pw_kv *items; /* in the order of the request; keys may come twice */
	size_t n;
};
/* -EINVAL: a broken %-escape, an encoded NUL or no UTF-8; -E2BIG: too many parameters. NULL is the
 * empty query. */
int pw_query_parse(const char *s, struct pw_query *ret);
void pw_query_clear(struct pw_query *q);
/* The first value; "" for a bare key; NULL when the key is absent. */
const char *pw_query_get(const struct pw_query *q, const char *key);
static inline bool pw_query_has(const struct pw_query *q, const char *key)
{
	return pw_query_get(q, key) != NULL;
}
/* All values of a key that may be repeated, in order. */
void pw_query_all(const struct pw_query *q, const char *key, struct pw_strv *ret);

/* plus: '+' stands for a blank (query strings only). -EINVAL as above. */
int pw_percent_decode(const char *s, size_t len, bool plus, char **ret);
#endif
