// SPDX-License-Identifier: Apache-2.0
#include "token.h"
#include "../base/addr.h"
#include "../base/hash.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

static json_t *strv_json(const struct pw_strv *v)
{
	json_t *a;

	if (v->n == 0)
		return json_null();
	a = json_array();
	for (size_t i = 0; i < v->n; i++)
		json_array_append_new(a, json_string(v->items[i]));
	return a;
}

static void set_str(json_t *o, const char *key, const char *value)
{
	json_object_set_new(o, key, json_string(pw_str_or_empty(value)));
}

/* Jansson keeps its own copy of the secret: overwrite it before it goes back to the heap. */
static void wipe_string(json_t *s)
{
	if (json_is_string(s))
		OPENSSL_cleanse((char *)json_string_value(s), json_string_length(s));
}

char *pw_token_encode(const struct pw_token *t)
{
	pw_autojson json_t *o = json_object();
	json_t *remote = json_object();
	char *text = NULL;
	char *encoded;

	json_object_set_new(o, "CA", strv_json(&t->ca));
	json_object_set_new(o, "ManualServerAddresses", strv_json(&t->manual_addresses));
	json_object_set_new(o, "ServerAddresses", strv_json(&t->server_addresses));
	set_str(o, "ServerName", t->server_name);
	set_str(o, "PeerID", t->peer_id);
	set_str(o, "EstablishmentSecret", t->secret);
	set_str(remote, "Partition", t->remote_partition);
	set_str(remote, "Datacenter", t->remote_datacenter);
	json_object_set_new(remote, "Locality",
			    t->remote_locality ? json_incref(t->remote_locality) : json_null());
	json_object_set_new(o, "Remote", remote);

	text = pw_json_dump(o);
	wipe_string(json_object_get(o, "EstablishmentSecret"));
	encoded = pw_base64_encode(text, strlen(text));
	pw_secret_freep(&text);
	return encoded;
}

static int bad_token(struct pw_err *err, const char *key, const char *want)
{
	return pw_err_set(err, PW_ERR_INTERNAL, EINVAL, "failed to decode token: %s must be %s",
			  key, want);
}

static int get_strv(const json_t *o, const char *key, size_t max, struct pw_strv *ret,
		    struct pw_err *err)
{
	const json_t *a = json_object_get(o, key);
	const json_t *item;
	size_t i;

	if (!a || json_is_null(a))
		return 0;
	if (!json_is_array(a))
		return bad_token(err, key, "a list of strings");
	if (json_array_size(a) > max)
		return pw_err_set(err, PW_ERR_INTERNAL, E2BIG,
				  "failed to decode token: %s has %zu entries (limit: %zu)", key,
				  json_array_size(a), max);
	json_array_foreach(a, i, item)
	{
		if (!json_is_string(item))
			return bad_token(err, key, "a list of strings");
		pw_strv_add(ret, json_string_value(item));
	}
	return 0;
}

static int get_str(const json_t *o, const char *key, char **ret, struct pw_err *err)
{
	const json_t *s = json_object_get(o, key);

	if (!s || json_is_null(s))
		return 0;
	if (!json_is_string(s))
		return bad_token(err, key, "a string");
	*ret = pw_xstrdup(json_string_value(s));
	return 0;
}

static int read_remote(const json_t *remote, struct pw_token *t, struct pw_err *err)
{
	json_t *locality = json_object_get(remote, "Locality");
	int r;

	if (!remote || json_is_null(remote))
		return 0;
	if (!json_is_object(remote))
		return bad_token(err, "Remote", "an object");
	r = get_str(remote, "Partition", &t->remote_partition, err);
	if (r < 0)
		return r;
	r = get_str(remote, "Datacenter", &t->remote_datacenter, err);
	if (r < 0)
		return r;
	if (json_is_object(locality))
		t->remote_locality = json_incref(locality);
	return 0;
}

static int read_fields(json_t *o, struct pw_token *t, struct pw_err *err)
{
	int r;

	if (!json_is_object(o))
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
				  "failed to decode token: it is not a JSON object");
	r = get_strv(o, "CA", PW_TOKEN_MAX_ROOTS, &t->ca, err);
	if (r == 0)
		r = get_strv(o, "ManualServerAddresses", PW_TOKEN_MAX_ADDRESSES,
			     &t->manual_addresses, err);
	if (r == 0)
		r = get_strv(o, "ServerAddresses", PW_TOKEN_MAX_ADDRESSES, &t->server_addresses,
			     err);
	if (r == 0)
		r = get_str(o, "ServerName", &t->server_name, err);
	if (r == 0)
		r = get_str(o, "PeerID", &t->peer_id, err);
	if (r == 0)
		r = get_str(o, "EstablishmentSecret", &t->secret, err);
	if (r == 0)
		r = read_remote(json_object_get(o, "Remote"), t, err);
	return r;
}

static bool is_base64(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '+' || c == '/';
}

/* Names the first byte that is wrong, as people look for what a mail program did to their token. */
static int bad_base64(const char *s, struct pw_err *err)
{
	size_t i = 0;

	while (is_base64(s[i]))
		i++;
	return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
			  "failed to decode token: illegal base64 data at input byte %zu", i);
}

static int decode_json(const uint8_t *data, size_t len, struct pw_token *ret, struct pw_err *err)
{
	pw_autojson json_t *o = NULL;
	pw_autotoken struct pw_token t = { 0 };
	int r;

	r = pw_json_parse((const char *)data, len, &o, err);
	if (r < 0) {
		/* the text of the parser may quote the token: say only where */
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
				  "failed to decode token: it is not JSON");
	}
	r = read_fields(o, &t, err);
	wipe_string(json_object_get(o, "EstablishmentSecret"));
	if (r < 0)
		return r;
	*ret = t;
	t = (struct pw_token){ 0 };
	return 0;
}

int pw_token_decode(const char *text, struct pw_token *ret, struct pw_err *err)
{
	size_t len = strlen(text);
	char *plain = NULL;
	uint8_t *data = NULL;
	size_t data_len = 0;
	size_t n = 0;
	int r;

	if (len > PW_TOKEN_MAX_BYTES)
		return pw_err_set(err, PW_ERR_INTERNAL, EMSGSIZE,
				  "failed to decode token: it has %zu bytes (limit: %d)", len,
				  PW_TOKEN_MAX_BYTES);
	/* line ends come in when a token is pasted */
	plain = pw_xcalloc(1, len + 1);
	for (size_t i = 0; i < len; i++)
		if (text[i] != '\n' && text[i] != '\r')
			plain[n++] = text[i];
	r = pw_base64_decode(plain, n, &data, &data_len);
	if (r < 0)
		r = bad_base64(plain, err);
	else
		r = decode_json(data, data_len, ret, err);
	if (data)
		OPENSSL_cleanse(data, data_len);
	free(data);
	pw_secret_freep(&plain);
	return r;
}

bool pw_pem_valid(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, /*callback=*/NULL, /*arg=*/NULL) : NULL;
	bool valid = cert != NULL;

	X509_free(cert);
	BIO_free(bio);
	ERR_clear_error();
	return valid;
}

bool pw_server_address_valid(const char *hostport)
{
	pw_autofree char *host = NULL;
	uint16_t port;

	if (strlen(hostport) > 255 + 8 || pw_str_has_control(hostport) || strchr(hostport, ' '))
		return false;
	return pw_addr_split(hostport, &host, &port) == 0 && *host;
}

static int validate_addresses(const struct pw_strv *v, struct pw_err *err)
{
	for (size_t i = 0; i < v->n; i++)
		if (!pw_server_address_valid(v->items[i]))
			return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
					  "%s is not a valid peering server address", v->items[i]);
	return 0;
}

int pw_token_validate(const struct pw_token *t, const char *own_server_name, struct pw_err *err)
{
	int r;

	for (size_t i = 0; i < t->ca.n; i++)
		if (!pw_pem_valid(t->ca.items[i]))
			return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
					  "peering token invalid CA: no PEM-encoded data found");
	if (t->server_addresses.n == 0 && t->manual_addresses.n == 0)
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
				  "peering token server addresses value is empty");
	r = validate_addresses(&t->manual_addresses, err);
	if (r == 0)
		r = validate_addresses(&t->server_addresses, err);
	if (r < 0)
		return r;
	if (t->ca.n > 0 && pw_str_empty(t->server_name))
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
				  "peering token server name value is empty");
	if (pw_str_empty(t->peer_id))
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
				  "peering token peer ID value is empty");
	if (pw_str_has_control(t->peer_id) || pw_str_has_control(pw_str_or_empty(t->server_name)))
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
				  "peering token holds control characters");
	if (!pw_str_empty(own_server_name) && pw_streq(t->server_name, own_server_name))
		return pw_err_set(
			err, PW_ERR_INTERNAL, EINVAL,
			"cannot create a peering within the same cluster \"%s\". Refer to the `exported-services` documentation if you want to export between partitions without peering",
			own_server_name);
	return 0;
}

void pw_token_clear(struct pw_token *t)
{
	pw_strv_clear(&t->ca);
	pw_strv_clear(&t->manual_addresses);
	pw_strv_clear(&t->server_addresses);
	free(t->server_name);
	free(t->peer_id);
	pw_secret_freep(&t->secret);
	free(t->remote_partition);
	free(t->remote_datacenter);
	pw_json_decrefp(&t->remote_locality);
	*t = (struct pw_token){ 0 };
}
