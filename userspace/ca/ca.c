// SPDX-License-Identifier: Apache-2.0
#include "ca_private.h"
#include "spiffe.h"
#include "../base/log.h"
#include "../base/time.h"
#include "../base/uuid.h"
#include <event2/event.h>
#include <stdatomic.h>
#include <string.h>
#include <uthash.h>

#define CLUSTER_KEY  "cluster"
#define NS_PER_SEC   INT64_C(1000000000)
#define TIMER_MIN_MS 10
#define TIMER_MAX_MS (3600 * 1000) /* the wall clock may be set while we wait */
#define RETRY_MS     30000

/* A cached leaf. Names: "svc/<service>", "server", "gateway". */
struct leaf {
	char *name;
	char *uri;
	char *dns;
	struct pw_identity *identity;
	int64_t renew_at_ns; /* wall clock */
	UT_hash_handle hh;
};

struct pw_ca {
	struct pw_store *store;
	struct event *timer;
	struct pw_watch *watch;
	char *datacenter;
	char *cluster_id;
	char *trust_domain;
	int64_t leaf_ttl_ms;
	struct pw_ca_root root; /* without its key */
	X509 *root_cert;
	EVP_PKEY *root_key;
	bool root_changed;
	uint64_t next_serial;
	uint64_t generation;
	struct leaf *leaves;
	void (*on_change)(void *arg);
	void *on_change_arg;
};

static void leaf_free(struct leaf *l)
{
	free(l->name);
	free(l->uri);
	free(l->dns);
	pw_identity_unref(&l->identity);
	free(l);
}

/* --- cluster and root ----------------------------------------------------------------------- */

static int load_cluster(struct pw_ca *ca, struct pw_err *err)
{
	const struct pw_cluster *c = pw_store_get(ca->store, PW_T_CLUSTER, CLUSTER_KEY);
	int r;

	if (!c) {
		r = pw_ca_create_cluster(ca->store, ca->datacenter, err);
		if (r < 0)
			return pw_err_prefix(err, "cannot create the cluster's identity");
		c = pw_store_get(ca->store, PW_T_CLUSTER, CLUSTER_KEY);
	}
	if (!c || !pw_uuid_valid(c->id))
		return pw_err_set(
			err, PW_ERR_INTERNAL, EINVAL,
			"the data directory holds no valid cluster id: restore a snapshot, or "
			"start with an empty one");
	if (!pw_streq(c->datacenter, ca->datacenter))
		return pw_err_set(
			err, PW_ERR_BAD_REQUEST, EINVAL,
			"the data directory belongs to datacenter %s, the configuration says "
			"%s: peers know this cluster by that name; set datacenter = \"%s\", or "
			"start with an empty data directory",
			c->datacenter, ca->datacenter, c->datacenter);
	ca->cluster_id = pw_str_lower(c->id);
	ca->trust_domain = pw_xasprintf("%s.consul", ca->cluster_id);
	return 0;
}

static int load_root(struct pw_ca *ca, struct pw_err *err)
{
	const struct pw_ca_root *stored = pw_ca_stored_root(ca->store);
	pw_autox509 X509 *cert = NULL;
	pw_autopkey EVP_PKEY *key = NULL;
	uint64_t first;
	int64_t age_ms;
	int r;

	if (!stored || pw_str_empty(stored->cert_pem) || pw_str_empty(stored->key_pem))
		return pw_err_set(
			err, PW_ERR_INTERNAL, ENOENT,
			"the data directory holds no active CA root with its key: restore a "
			"snapshot, or start with an empty one");
	r = pw_cert_from_pem(stored->cert_pem, &cert, err);
	if (r == 0)
		r = pw_key_from_pem(stored->key_pem, &key, err);
	if (r == 0 && X509_check_private_key(cert, key) != 1)
		r = pw_openssl_err(err, "certificate and key do not belong together");
	if (r < 0)
		return pw_err_prefix(err, "CA root %s", stored->id);
	pw_schema_clear(&pw_ca_root_schema, &ca->root);
	pw_schema_copy(&pw_ca_root_schema, &ca->root, stored);
	pw_secret_freep(&ca->root.key_pem);
	pw_x509_freep(&ca->root_cert);
	pw_pkey_freep(&ca->root_key);
	ca->root_cert = TAKE_PTR(cert);
	ca->root_key = TAKE_PTR(key);
	/*
	 * Serials are small numbers that only grow. They start at the root's age in milliseconds:
	 * no leaf of an earlier run can have the same one, and no write is needed for each leaf.
	 */
	age_ms = (pw_now_real_ns() - ca->root.not_before_ns) / 1000000;
	first = (uint64_t)ca->root.serial + (uint64_t)pw_max(INT64_C(0), age_ms) + 1;
	ca->next_serial = pw_max(ca->next_serial, first);
	return 0;
}

/* --- leaves ---------------------------------------------------------------------------------- */

static int issue(struct pw_ca *ca, const char *uri, const char *dns, struct pw_identity **ret,
		 struct pw_err *err)
{
	pw_cleanup(pw_identity_unref) struct pw_identity *i = NULL;
	pw_autopkey EVP_PKEY *key = NULL;
	pw_autox509 X509 *cert = NULL;
	int64_t now_sec = pw_now_real_ns() / NS_PER_SEC;
	struct pw_cert_request req = {
		.issuer = ca->root_cert,
		.issuer_key = ca->root_key,
		.uri = uri,
		.dns = dns,
		.serial = ca->next_serial,
		.not_before_sec = now_sec - PW_CA_BACKDATE_SEC,
		/* never longer than the root itself */
		.not_after_sec = pw_min(now_sec + (ca->leaf_ttl_ms + 999) / 1000,
					ca->root.not_after_ns / NS_PER_SEC),
	};
	int r;

	r = pw_key_new(&key, err);
	if (r < 0)
		return r;
	req.key = key;
	r = pw_cert_build(&req, &cert, err);
	if (r < 0)
		return r;
	r = pw_identity_new(&i, &cert, &key, uri, err);
	if (r < 0)
		return r;
	ca->next_serial++;
	i->generation = ++ca->generation;
	*ret = TAKE_PTR(i);
	return 0;
}

static int leaf_renew(struct pw_ca *ca, struct leaf *l, struct pw_err *err)
{
	struct pw_identity *fresh = NULL;
	int r = issue(ca, l->uri, l->dns, &fresh, err);

	if (r < 0)
		return pw_err_prefix(err, "cannot issue a certificate for %s", l->uri);
	pw_identity_unref(&l->identity);
	l->identity = fresh;
	l->renew_at_ns = pw_now_real_ns() + ca->leaf_ttl_ms * INT64_C(1000000) / 2;
	return 0;
}

/* Somebody besides the cache holds it: a routing, a connection, the peer stream. */
static bool leaf_in_use(struct leaf *l)
{
	return atomic_load_explicit(&l->identity->refs, memory_order_acquire) > 1;
}

static void leaf_drop(struct pw_ca *ca, struct leaf *l)
{
	HASH_DEL(ca->leaves, l);
	leaf_free(l);
}

static void schedule(struct pw_ca *ca)
{
	int64_t next_ms = TIMER_MAX_MS, now_ns = pw_now_real_ns();
	struct timeval delay;
	struct leaf *l, *tmp;

	if (!ca->timer)
		return;
	HASH_ITER(hh, ca->leaves, l, tmp)
	{
		next_ms = pw_min(next_ms, (l->renew_at_ns - now_ns) / 1000000);
	}
	next_ms = pw_max(next_ms, (int64_t)TIMER_MIN_MS);
	delay.tv_sec = next_ms / 1000;
	delay.tv_usec = next_ms % 1000 * 1000;
	evtimer_add(ca->timer, &delay);
}

/* Makes room for one more. Names come from the local API, so their number has a limit. */
static int leaf_reserve(struct pw_ca *ca, struct pw_err *err)
{
	struct leaf *l, *tmp;

	if (HASH_COUNT(ca->leaves) < PW_CA_MAX_LEAVES)
		return 0;
	HASH_ITER(hh, ca->leaves, l, tmp)
	{
		if (!leaf_in_use(l))
			leaf_drop(ca, l);
	}
	if (HASH_COUNT(ca->leaves) < PW_CA_MAX_LEAVES)
		return 0;
	return pw_err_set(err, PW_ERR_LIMIT, ENOSPC,
			  "%d certificates are in use: no more are issued", PW_CA_MAX_LEAVES);
}

/* Takes uri and dns. */
static int leaf_add(struct pw_ca *ca, const char *name, char *uri, char *dns, struct leaf **ret,
		    struct pw_err *err)
{
	struct leaf *l = pw_new0(struct leaf);
	int r;

	l->name = pw_xstrdup(name);
	l->uri = uri;
	l->dns = dns;
	r = leaf_reserve(ca, err);
	if (r == 0)
		r = leaf_renew(ca, l, err);
	if (r < 0) {
		leaf_free(l);
		return r;
	}
	HASH_ADD_KEYPTR(hh, ca->leaves, l->name, strlen(l->name), l);
	/* A timer that is set fires for an older leaf, so before this one is due. */
	if (ca->timer && !evtimer_pending(ca->timer, NULL))
		schedule(ca);
	*ret = l;
	return 0;
}

/* Takes uri and dns. */
static int leaf_get(struct pw_ca *ca, const char *name, char *uri, char *dns,
		    struct pw_identity **ret, struct pw_err *err)
{
	pw_autofree char *own_uri = uri;
	pw_autofree char *own_dns = dns;
	struct leaf *l = NULL;
	int r = 0;

	HASH_FIND_STR(ca->leaves, name, l);
	if (!l)
		r = leaf_add(ca, name, TAKE_PTR(own_uri), TAKE_PTR(own_dns), &l, err);
	else if (pw_now_real_ns() >= l->renew_at_ns)
		r = leaf_renew(ca, l, err);
	if (r < 0)
		return r;
	*ret = pw_identity_ref(l->identity);
	return 0;
}

int pw_ca_leaf(struct pw_ca *ca, const char *service, struct pw_identity **ret, struct pw_err *err)
{
	pw_autofree char *name = NULL;

	if (pw_str_empty(service) || strlen(service) > 255 || pw_str_has_control(service))
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "a certificate needs a service name of at most 255 characters");
	name = pw_xasprintf("svc/%s", service);
	return leaf_get(ca, name, pw_spiffe_service(ca->trust_domain, ca->datacenter, service),
			/* dns= */ NULL, ret, err);
}

int pw_ca_server_leaf(struct pw_ca *ca, struct pw_identity **ret, struct pw_err *err)
{
	return leaf_get(ca, "server", pw_spiffe_server(ca->trust_domain, ca->datacenter),
			pw_sni_server(ca->datacenter, ca->trust_domain), ret, err);
}

/* Renews what is in use and due, forgets what nobody holds. True: something was renewed. */
static bool renew_due(struct pw_ca *ca, bool all)
{
	int64_t now_ns = pw_now_real_ns();
	struct leaf *l, *tmp;
	bool renewed = false;

	HASH_ITER(hh, ca->leaves, l, tmp)
	{
		struct pw_err err = PW_ERR_INIT;

		if (!all && now_ns < l->renew_at_ns)
			continue;
		if (!leaf_in_use(l)) {
			leaf_drop(ca, l);
			continue;
		}
		if (leaf_renew(ca, l, &err) < 0) {
			pw_log_error("ca.renew_failed", "identity", l->uri, "error", err.text,
				     NULL);
			l->renew_at_ns = now_ns + RETRY_MS * INT64_C(1000000);
			continue;
		}
		renewed = true;
	}
	return renewed;
}

static void on_timer(evutil_socket_t fd, short events, void *arg)
{
	struct pw_ca *ca = arg;
	bool root_changed = ca->root_changed;
	bool renewed;

	ca->root_changed = false;
	if (root_changed) {
		struct pw_err err = PW_ERR_INIT;

		if (load_root(ca, &err) < 0)
			pw_log_error("ca.root_unusable", "error", err.text, NULL);
	}
	renewed = renew_due(ca, /* all= */ root_changed);
	schedule(ca);
	if ((renewed || root_changed) && ca->on_change)
		ca->on_change(ca->on_change_arg);
}

/* Inside a commit: only notes it, the loop does the work. */
static void on_roots_written(void *arg, uint32_t tables, uint64_t index)
{
	struct pw_ca *ca = arg;

	ca->root_changed = true;
	event_active(ca->timer, EV_TIMEOUT, 0);
}

/* --- life ------------------------------------------------------------------------------------- */

int pw_ca_new(struct pw_ca **ret, const struct pw_ca_options *opt, struct pw_err *err)
{
	pw_cleanup(pw_ca_free) struct pw_ca *ca = NULL;
	int r;

	if (pw_str_empty(opt->datacenter))
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "datacenter is empty");
	ca = pw_new0(struct pw_ca);
	ca->store = opt->store;
	ca->datacenter = pw_str_lower(opt->datacenter);
	ca->leaf_ttl_ms = opt->leaf_ttl_ms > 0 ? opt->leaf_ttl_ms : PW_CA_LEAF_TTL_MS;
	r = load_cluster(ca, err);
	if (r < 0)
		return r;
	r = load_root(ca, err);
	if (r < 0)
		return r;
	if (opt->base) {
		ca->timer = evtimer_new(opt->base, on_timer, ca);
		if (!ca->timer)
			return pw_err_set(err, PW_ERR_INTERNAL, ENOMEM, "cannot make a timer");
		ca->watch = pw_store_watch(ca->store, PW_BIT(PW_T_CA_ROOT), on_roots_written, ca);
	}
	*ret = TAKE_PTR(ca);
	return 0;
}

void pw_ca_free(struct pw_ca **ret)
{
	struct pw_ca *ca = TAKE_PTR(*ret);
	struct leaf *l, *tmp;

	if (!ca)
		return;
	pw_watch_free(&ca->watch);
	if (ca->timer)
		event_free(ca->timer);
	HASH_ITER(hh, ca->leaves, l, tmp)
	{
		leaf_drop(ca, l);
	}
	pw_schema_clear(&pw_ca_root_schema, &ca->root);
	pw_x509_freep(&ca->root_cert);
	pw_pkey_freep(&ca->root_key);
	free(ca->datacenter);
	free(ca->cluster_id);
	free(ca->trust_domain);
	free(ca);
}

const char *pw_ca_trust_domain(const struct pw_ca *ca)
{
	return ca->trust_domain;
}

const char *pw_ca_datacenter(const struct pw_ca *ca)
{
	return ca->datacenter;
}

const struct pw_ca_root *pw_ca_active_root(const struct pw_ca *ca)
{
	return &ca->root;
}

void pw_ca_root_pems(const struct pw_ca *ca, struct pw_strv *ret)
{
	pw_autoiter struct pw_iter it = pw_store_iter(ca->store, PW_T_CA_ROOT, NULL);
	const struct pw_ca_root *root;

	pw_strv_clear(ret);
	pw_strv_add(ret, ca->root.cert_pem);
	while ((root = pw_iter_next(&it)))
		if (!pw_streq(root->id, ca->root.id))
			pw_strv_add(ret, root->cert_pem);
}

void pw_ca_on_change(struct pw_ca *ca, void (*fn)(void *arg), void *arg)
{
	ca->on_change = fn;
	ca->on_change_arg = arg;
}
