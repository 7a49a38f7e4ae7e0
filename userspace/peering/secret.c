// SPDX-License-Identifier: Apache-2.0
/* Secrets of peerings: rows apart from the peerings, so that no list or read can show them. */
#include "peering_private.h"
#include "../base/uuid.h"

#include <openssl/crypto.h>
#include <string.h>

const struct pw_peering_secret *pw_secret_get(const struct pw_store *s, const char *id)
{
	return pw_store_get(s, PW_T_PEERING_SECRET, id);
}

/* A copy to be changed; new when there is none. */
static struct pw_peering_secret *edit(struct pw_tx *tx, const char *id)
{
	const struct pw_peering_secret *old = pw_secret_get(pw_tx_store(tx), id);
	struct pw_peering_secret *s;

	if (old)
		return pw_schema_dup(&pw_peering_secret_schema, old);
	s = pw_new0(struct pw_peering_secret);
	s->id = pw_xstrdup(id);
	return s;
}

static void replace(char **secret, const char *value)
{
	pw_secret_freep(secret);
	*secret = pw_xstrdup(value);
}

int pw_secret_put_establishment(struct pw_tx *tx, const char *id, char ret[PW_UUID_LEN],
				struct pw_err *err)
{
	struct pw_peering_secret *s = edit(tx, id);

	pw_uuid_new(ret);
	replace(&s->establishment, ret);
	return pw_tx_put(tx, PW_T_PEERING_SECRET, s, err);
}

int pw_secret_put_active(struct pw_tx *tx, const char *id, const char *secret, struct pw_err *err)
{
	struct pw_peering_secret *s = edit(tx, id);

	replace(&s->stream_active, secret);
	pw_secret_freep(&s->establishment);
	pw_secret_freep(&s->stream_pending);
	return pw_tx_put(tx, PW_T_PEERING_SECRET, s, err);
}

int pw_secret_put_token(struct pw_tx *tx, const char *id, const char *secret, struct pw_err *err)
{
	struct pw_peering_secret *s = edit(tx, id);

	replace(&s->establishment, secret);
	return pw_tx_put(tx, PW_T_PEERING_SECRET, s, err);
}

int pw_secret_delete(struct pw_tx *tx, const char *id, struct pw_err *err)
{
	int r = pw_tx_delete(tx, PW_T_PEERING_SECRET, id, err);

	return r == -ENOENT ? 0 : r;
}

static bool matches(const char *stored, const char *given)
{
	return !pw_str_empty(stored) && !pw_str_empty(given) && pw_str_equal_secret(stored, given);
}

enum pw_secret_match pw_secret_match(const struct pw_peering_secret *s, const char *secret)
{
	if (matches(s->stream_active, secret))
		return PW_SECRET_ACTIVE;
	if (matches(s->stream_pending, secret))
		return PW_SECRET_PENDING;
	return PW_SECRET_NONE;
}

int pw_secret_exchange(struct pw_peering_mgr *m, const char *id, const char *secret,
		       char ret[PW_UUID_LEN], struct pw_err *err)
{
	const struct pw_peering *p = pw_peering_by_id(m, id);
	const struct pw_peering_secret *old = pw_secret_get(m->store, id);
	pw_autotx struct pw_tx *tx = NULL;
	struct pw_peering_secret *s;
	int r;

	/* one answer for all reasons: a stranger learns nothing about which peerings there are */
	if (!p || p->state == PW_PEERING_DELETING || !pw_str_empty(p->peer_id) || !old ||
	    !matches(old->establishment, secret))
		return pw_err_set(err, PW_ERR_DENIED, EACCES,
				  "invalid peering establishment secret");
	r = pw_tx_begin(m->store, &tx, err);
	if (r < 0)
		return r;
	s = edit(tx, id);
	pw_uuid_new(ret);
	pw_secret_freep(&s->establishment);
	replace(&s->stream_pending, ret);
	r = pw_tx_put(tx, PW_T_PEERING_SECRET, s, err);
	if (r == 0)
		r = pw_tx_commit(&tx, err);
	if (r < 0)
		OPENSSL_cleanse(ret, PW_UUID_LEN);
	return r;
}

int pw_secret_promote(struct pw_tx *tx, const char *id, struct pw_err *err)
{
	struct pw_peering_secret *s = edit(tx, id);

	pw_secret_freep(&s->stream_active);
	s->stream_active = TAKE_PTR(s->stream_pending);
	return pw_tx_put(tx, PW_T_PEERING_SECRET, s, err);
}
