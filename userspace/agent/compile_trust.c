// SPDX-License-Identifier: Apache-2.0
/* The bundles of peers, parsed once: every compilation needs each, and few of them change one. */
#include "compile_private.h"
#include "../base/log.h"
#include <string.h>
#include <uthash.h>

struct pw_trust_cache {
	char *peer;
	uint64_t create_index, modify_index; /* of the bundle */
	struct pw_trust *trust;		     /* NULL: it is of no use */
	UT_hash_handle hh;
};

static void forget(struct pw_compiler *c, struct pw_trust_cache *t)
{
	HASH_DEL(c->trusts, t);
	pw_trust_unref(&t->trust);
	free(t->peer);
	free(t);
}

static struct pw_trust_cache *parse(struct pw_compiler *c, const struct pw_trust_bundle *b)
{
	struct pw_trust_cache *t = pw_new0(struct pw_trust_cache);
	struct pw_err err = PW_ERR_INIT;

	t->peer = pw_xstrdup(b->peer);
	t->create_index = b->obj.create_index;
	t->modify_index = b->obj.modify_index;
	if (pw_trust_new(&t->trust, b->trust_domain, &b->root_pems, &err) < 0)
		pw_log_warn("compile.trust", "peer", b->peer, "error", err.text, NULL);
	HASH_ADD_KEYPTR(hh, c->trusts, t->peer, strlen(t->peer), t);
	return t;
}

struct pw_trust *pw_compile_trust(struct pw_compiler *c, const char *peer)
{
	const struct pw_trust_bundle *b = pw_store_get(c->store, PW_T_TRUST_BUNDLE, peer);
	struct pw_trust_cache *t;

	HASH_FIND_STR(c->trusts, peer, t);
	if (t && (!b || t->create_index != b->obj.create_index ||
		  t->modify_index != b->obj.modify_index)) {
		forget(c, t);
		t = NULL;
	}
	if (!b)
		return NULL;
	if (!t)
		t = parse(c, b);
	return t->trust ? pw_trust_ref(t->trust) : NULL;
}

void pw_compiler_clear(struct pw_compiler *c)
{
	struct pw_trust_cache *t, *tmp;

	HASH_ITER(hh, c->trusts, t, tmp)
	forget(c, t);
	pw_own_addrs_clear(&c->own);
}
