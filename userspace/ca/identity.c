// SPDX-License-Identifier: Apache-2.0
#include "ca_private.h"
#include <stdatomic.h>

int pw_identity_new(struct pw_identity **ret, X509 **cert, EVP_PKEY **key, const char *uri,
		    struct pw_err *err)
{
	pw_cleanup(pw_identity_unref) struct pw_identity *i = pw_new0(struct pw_identity);
	int r;

	i->refs = 1;
	r = pw_cert_to_pem(*cert, &i->cert_pem, err);
	if (r < 0)
		return r;
	r = pw_key_to_pem(*key, &i->key_pem, err);
	if (r < 0)
		return r;
	r = pw_asn1_time_to_ns(X509_get0_notBefore(*cert), &i->not_before_ns);
	if (r == 0)
		r = pw_asn1_time_to_ns(X509_get0_notAfter(*cert), &i->not_after_ns);
	if (r < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, r, "cannot read a certificate's validity");
	i->serial = pw_cert_serial_text(*cert);
	i->uri = pw_xstrdup(uri);
	i->cert = TAKE_PTR(*cert);
	i->key = TAKE_PTR(*key);
	*ret = TAKE_PTR(i);
	return 0;
}

struct pw_identity *pw_identity_ref(struct pw_identity *i)
{
	if (i)
		atomic_fetch_add_explicit(&i->refs, 1, memory_order_relaxed);
	return i;
}

void pw_identity_unref(struct pw_identity **identity)
{
	struct pw_identity *i = TAKE_PTR(*identity);

	if (!i || atomic_fetch_sub_explicit(&i->refs, 1, memory_order_acq_rel) > 1)
		return;
	free(i->uri);
	free(i->cert_pem);
	pw_secret_freep(&i->key_pem);
	free(i->serial);
	X509_free(i->cert);
	EVP_PKEY_free(i->key); /* wipes the private number */
	free(i);
}
