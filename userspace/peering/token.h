/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_PEERING_TOKEN_H
#define PW_PEERING_TOKEN_H
/*
 * The peering token: base64 of one JSON object, a bearer secret (consul-compatible, field order as
 * Consul writes it). A token comes from an operator, but through mail and chat: decode takes any
 * bytes.
 */
#include "../base/err.h"
#include "../base/json.h"
#include "../base/str.h"

#define PW_TOKEN_MAX_BYTES     (256 * 1024) /* of base64; a real one has about 2 KiB */
#define PW_TOKEN_MAX_ADDRESSES 64
#define PW_TOKEN_MAX_ROOTS     32

struct pw_token {
	struct pw_strv ca; /* PEM, one certificate each */
	struct pw_strv manual_addresses;
	struct pw_strv server_addresses;
	char *server_name;
	char *peer_id;
	char *secret; /* establishment secret: works once */
	char *remote_partition;
	char *remote_datacenter;
	json_t *remote_locality;
};

/* Base64 text; the caller wipes it with pw_secret_freep. */
char *pw_token_encode(const struct pw_token *t);
/* -EINVAL, class INTERNAL (Consul answers 500). *ret is untouched on failure. */
int pw_token_decode(const char *text, struct pw_token *ret, struct pw_err *err);
/* Whether we can dial with it. own_server_name: the name in our own tokens, to refuse a peering
 * with ourselves. */
int pw_token_validate(const struct pw_token *t, const char *own_server_name, struct pw_err *err);
void pw_token_clear(struct pw_token *t);
#define pw_autotoken pw_cleanup(pw_token_clear)

/* Names and Meta as Consul checks them, with its texts. */
int pw_peer_name_validate(const char *name, struct pw_err *err);
int pw_peer_meta_validate(const struct pw_map *meta, struct pw_err *err);
/* One pair of service metadata of a peer; text in *err. */
int pw_meta_pair_validate(const char *key, const char *value, struct pw_err *err);
/* "host:port", "1.2.3.4:443", "[2001:db8::1]:443" */
bool pw_server_address_valid(const char *hostport);
/* The text holds one certificate. */
bool pw_pem_valid(const char *pem);
#endif
