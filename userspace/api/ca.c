// SPDX-License-Identifier: Apache-2.0
/* Roots and leaf certificates. */
#include "internal.h"
#include "../base/time.h"
#include <openssl/crypto.h>
#include <string.h>

static json_t *time_json(int64_t ns)
{
	pw_autofree char *text = pw_time_rfc3339(ns);

	return json_string(text);
}

static json_t *root_json(const struct pw_api *api, const struct pw_ca_root *root)
{
	const char *domain = pw_ca_trust_domain(api->opt.ca);
	size_t id_len = strcspn(domain, "."); /* "<cluster id>.consul" */
	json_t *v = json_pack("{s:s, s:s, s:I, s:s, s:s%, s:o, s:o, s:s, s:n, s:b, s:s, s:i}", "ID",
			      root->id, "Name", pw_str_or_empty(root->name), "SerialNumber",
			      (json_int_t)root->serial, "SigningKeyID",
			      pw_str_or_empty(root->signing_key_id), "ExternalTrustDomain", domain,
			      id_len, "NotBefore", time_json(root->not_before_ns), "NotAfter",
			      time_json(root->not_after_ns), "RootCert", root->cert_pem,
			      "IntermediateCerts", "Active", root->active, "PrivateKeyType", "ec",
			      "PrivateKeyBits", 256);

	pw_obj_json_indexes(&root->obj, v);
	return v;
}

static json_t *roots_json(const struct pw_api *api)
{
	pw_autoiter struct pw_iter it =
		pw_store_iter(api->opt.store, PW_T_CA_ROOT, /* prefix= */ NULL);
	const struct pw_ca_root *root, *active = pw_ca_active_root(api->opt.ca);
	json_t *list = json_array();

	while ((root = pw_iter_next(&it)))
		json_array_append_new(list, root_json(api, root));
	return json_pack("{s:s, s:s, s:o}", "ActiveRootID", active ? active->id : "", "TrustDomain",
			 pw_ca_trust_domain(api->opt.ca), "Roots", list);
}

int pw_h_ca_roots(struct pw_request *r, struct pw_err *err)
{
	pw_cleanup(pw_strv_clear) struct pw_strv pems = { 0 };
	pw_autofree char *text = NULL;

	if (!pw_request_flag(r, "pem"))
		return pw_reply_json(r, 200, roots_json(r->api));
	pw_ca_root_pems(r->api->opt.ca, &pems);
	text = pw_strv_join(&pems, "");
	return pw_reply_raw(r, 200, "application/pem-certificate-chain", text);
}

/* A PEM text as a JSON string: only its newlines need escaping. */
static void add_pem(char **at, const char *pem)
{
	for (; *pem; pem++) {
		if (*pem == '\n')
			*(*at)++ = '\\';
		*(*at)++ = *pem == '\n' ? 'n' : *pem;
	}
}

/* Written by hand, since Jansson would leave copies of the key behind. */
static char *leaf_text(const struct pw_identity *i, const char *service)
{
	pw_autojson json_t *rest =
		json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:I, s:I}", "SerialNumber", i->serial,
			  "CertPEM", i->cert_pem, "Service", service, "ServiceURI", i->uri,
			  "ValidAfter", time_json(i->not_before_ns), "ValidBefore",
			  time_json(i->not_after_ns), "CreateIndex", (json_int_t)i->generation,
			  "ModifyIndex", (json_int_t)i->generation);
	pw_autofree char *head = pw_json_dump(rest);
	size_t head_len = strlen(head);
	char *text = pw_xcalloc(head_len + 2 * strlen(i->key_pem) + 64, 1), *at = text;

	memcpy(text, head, head_len - 1); /* without its '}' */
	at = stpcpy(text + head_len - 1, ",\"PrivateKeyPEM\":\"");
	add_pem(&at, i->key_pem);
	stpcpy(at, "\"}");
	return text;
}

/* Blocks on the roots only: a renewal, due every 36 hours, is seen when the wait is over, minutes
 * later. */
int pw_h_ca_leaf(struct pw_request *r, struct pw_err *err)
{
	pw_cleanup(pw_identity_unref) struct pw_identity *identity = NULL;
	int rc;

	if (!*r->rest)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "Missing service name");
	rc = pw_ca_leaf(r->api->opt.ca, r->rest, &identity, err);
	if (rc < 0)
		return rc;
	return pw_reply_secret(r, leaf_text(identity, r->rest));
}
