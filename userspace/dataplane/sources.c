// SPDX-License-Identifier: Apache-2.0
#include "sources.h"
#include <pthread.h>
#include <string.h>
#include <uthash.h>

struct source {
	uint8_t key[16];
	uint32_t n;
	UT_hash_handle hh;
};
struct pw_sources {
	pthread_mutex_t lock;
	uint32_t limit;
	struct source *table;
};

static void make_key(const struct pw_addr *a, uint8_t ret[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	pw_addr_to16(a, ret);
	/* Whoever has one IPv6 address usually has the /64. */
	if (memcmp(ret, mapped, sizeof(mapped)) != 0)
		memset(ret + 8, 0, 8);
}

struct pw_sources *pw_sources_new(uint32_t limit)
{
	struct pw_sources *s = pw_new0(struct pw_sources);

	pthread_mutex_init(&s->lock, NULL);
	s->limit = limit;
	return s;
}

void pw_sources_free(struct pw_sources **ps)
{
	struct pw_sources *s = TAKE_PTR(*ps);
	struct source *e, *next;

	if (!s)
		return;
	HASH_ITER(hh, s->table, e, next)
	{
		HASH_DEL(s->table, e);
		free(e);
	}
	pthread_mutex_destroy(&s->lock);
	free(s);
}

bool pw_sources_add(struct pw_sources *s, const struct pw_addr *a)
{
	struct source *e;
	uint8_t key[16];
	bool ok;

	make_key(a, key);
	pthread_mutex_lock(&s->lock);
	HASH_FIND(hh, s->table, key, sizeof(key), e);
	ok = !e || !s->limit || e->n < s->limit;
	if (ok && !e) {
		e = pw_new0(struct source);
		memcpy(e->key, key, sizeof(key));
		HASH_ADD(hh, s->table, key, sizeof(e->key), e);
	}
	if (ok)
		e->n++;
	pthread_mutex_unlock(&s->lock);
	return ok;
}

void pw_sources_remove(struct pw_sources *s, const struct pw_addr *a)
{
	struct source *e;
	uint8_t key[16];

	make_key(a, key);
	pthread_mutex_lock(&s->lock);
	HASH_FIND(hh, s->table, key, sizeof(key), e);
	if (e && --e->n == 0) {
		HASH_DEL(s->table, e);
		free(e);
	}
	pthread_mutex_unlock(&s->lock);
}
