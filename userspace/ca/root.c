// SPDX-License-Identifier: Apache-2.0
#include "ca_private.h"
#include "../base/hash.h"
#include "../base/time.h"
#include "../base/uuid.h"

#define NS_PER_SEC INT64_C(1000000000)

static void root_freep(struct pw_ca_root **root)
{
	pw_schema_free(&pw_ca_root_schema, TAKE_PTR(*root));
}

static char *new_root_name(const char *cluster_id)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	uint8_t random[8];
	char id[9] = "";

	pw_random(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		id[i] = digits[random[i] % 36];
	return pw_xasprintf("pri-%s.consul.ca.%.8s.consul", id, cluster_id);
}

static int describe_root(struct pw_ca_root *root, X509 *cert, EVP_PKEY *key, struct pw_err *err)
{
	uint8_t key_id[32];
	int r;

	r = pw_cert_fingerprint(cert, &root->id, err);
	if (r == 0)
		r = pw_key_id(key, key_id, err);
	if (r == 0)
		r = pw_cert_to_pem(cert, &root->cert_pem, err);
	if (r == 0)
		r = pw_key_to_pem(key, &root->key_pem, err);
	if (r < 0)
		return r;
	root->signing_key_id = pw_hex(key_id, sizeof(key_id), ":");
	return 0;
}

static int make_root(const char *cluster_id, struct pw_ca_root **ret, struct pw_err *err)
{
	pw_cleanup(root_freep) struct pw_ca_root *root = pw_new0(struct pw_ca_root);
	pw_autofree char *cn = new_root_name(cluster_id);
	pw_autofree char *uri = pw_xasprintf("spiffe://%s.consul", cluster_id);
	pw_autopkey EVP_PKEY *key = NULL;
	pw_autox509 X509 *cert = NULL;
	int64_t now_sec = pw_now_real_ns() / NS_PER_SEC;
	struct pw_cert_request req = {
		.cn = cn,
		.uri = uri,
		.serial = 1,
		.not_before_sec = now_sec - PW_CA_BACKDATE_SEC,
		.not_after_sec = now_sec + (int64_t)PW_CA_ROOT_DAYS * 86400,
	};
	int r;

	r = pw_key_new(&key, err);
	if (r < 0)
		return r;
	req.key = key;
	r = pw_cert_build(&req, &cert, err);
	if (r < 0)
		return r;
	r = describe_root(root, cert, key, err);
	if (r < 0)
		return r;
	root->name = pw_xstrdup("Consul CA Primary Cert");
	root->serial = (int64_t)req.serial;
	root->not_before_ns = req.not_before_sec * NS_PER_SEC;
	root->not_after_ns = req.not_after_sec * NS_PER_SEC;
	root->active = true;
	*ret = TAKE_PTR(root);
	return 0;
}

const struct pw_ca_root *pw_ca_stored_root(const struct pw_store *s)
{
	pw_autoiter struct pw_iter it = pw_store_iter(s, PW_T_CA_ROOT, NULL);
	const struct pw_ca_root *root;

	while ((root = pw_iter_next(&it)))
		if (root->active)
			return root;
	return NULL;
}

int pw_ca_create_cluster(struct pw_store *s, const char *datacenter, struct pw_err *err)
{
	pw_autotx struct pw_tx *tx = NULL;
	pw_cleanup(root_freep) struct pw_ca_root *root = NULL;
	struct pw_cluster *cluster;
	char id[PW_UUID_LEN];
	int r;

	pw_uuid_new(id);
	r = make_root(id, &root, err);
	if (r < 0)
		return r;
	r = pw_tx_begin(s, &tx, err);
	if (r < 0)
		return r;
	cluster = pw_new0(struct pw_cluster);
	cluster->id = pw_xstrdup(id);
	cluster->datacenter = pw_xstrdup(datacenter);
	r = pw_tx_put(tx, PW_T_CLUSTER, cluster, err);
	if (r < 0)
		return r;
	r = pw_tx_put(tx, PW_T_CA_ROOT, TAKE_PTR(root), err);
	if (r < 0)
		return r;
	return pw_tx_commit(&tx, err);
}
