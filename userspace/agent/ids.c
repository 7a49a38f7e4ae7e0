// SPDX-License-Identifier: Apache-2.0
#include "ids.h"
#include "../base/str.h"
#include "../model/model.h"
#include <string.h>
#include <uthash.h>

struct entry {
	char *key;
	uint32_t id;
	uint64_t round; /* of the last question */
	UT_hash_handle hh;
};

struct pw_ids {
	struct entry *by_key;
	uint32_t last;
	uint64_t round;
};

struct pw_ids *pw_ids_new(void)
{
	struct pw_ids *ids = pw_new0(struct pw_ids);

	ids->round = 1;
	return ids;
}

static void entry_free(struct pw_ids *ids, struct entry *e)
{
	HASH_DEL(ids->by_key, e);
	free(e->key);
	free(e);
}

void pw_ids_free(struct pw_ids **ids)
{
	struct entry *e, *tmp;

	if (!ids || !*ids)
		return;
	HASH_ITER(hh, (*ids)->by_key, e, tmp)
	entry_free(*ids, e);
	free(*ids);
	*ids = NULL;
}

uint32_t pw_ids_get(struct pw_ids *ids, const char *peer, const char *name)
{
	pw_autofree char *key = NULL;
	struct entry *e = NULL;

	if (pw_str_empty(peer) && pw_str_empty(name))
		return 0;
	key = pw_key(/* trailing= */ false, pw_str_or_empty(peer), pw_str_or_empty(name), NULL);
	HASH_FIND_STR(ids->by_key, key, e);
	if (!e) {
		e = pw_new0(struct entry);
		e->key = TAKE_PTR(key);
		e->id = ++ids->last;
		HASH_ADD_KEYPTR(hh, ids->by_key, e->key, strlen(e->key), e);
	}
	e->round = ids->round;
	return e->id;
}

void pw_ids_sweep(struct pw_ids *ids)
{
	struct entry *e, *tmp;

	HASH_ITER(hh, ids->by_key, e, tmp)
	if (e->round != ids->round)
		entry_free(ids, e);
	ids->round++;
}
