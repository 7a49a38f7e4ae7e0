// SPDX-License-Identifier: Apache-2.0
/* What a peering may be called and carry as Meta: Consul's rules and texts. */
#include "token.h"

#include <string.h>

#define NAME_MAX_LEN	   63
#define META_MAX_PAIRS	   64
#define META_MAX_KEY_LEN   128
#define META_MAX_VALUE_LEN 512

static bool name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool name_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > NAME_MAX_LEN || !name_char(name[0]) || !name_char(name[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!name_char(name[i]) && name[i] != '-')
			return false;
	return true;
}

int pw_peer_name_validate(const char *name, struct pw_err *err)
{
	if (name_valid(name))
		return 0;
	return pw_err_set(
		err, PW_ERR_INTERNAL, EINVAL,
		"%s is not a valid peer name: a valid peering name must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
		name);
}

static bool meta_key_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

static const char *meta_pair_fault(const char *key, const char *value)
{
	if (!*key)
		return "Key cannot be blank";
	for (const char *c = key; *c; c++)
		if (!meta_key_char(*c))
			return "Key contains invalid characters";
	if (strlen(key) > META_MAX_KEY_LEN)
		return "Key is too long (limit: 128 characters)";
	if (pw_str_starts(key, "consul-"))
		return "Key prefix 'consul-' is reserved for internal use";
	if (strlen(value) > META_MAX_VALUE_LEN)
		return "Value is too long (limit: 512 characters)";
	return NULL;
}

int pw_meta_pair_validate(const char *key, const char *value, struct pw_err *err)
{
	const char *fault = meta_pair_fault(key, value);

	if (!fault)
		return 0;
	return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
			  "Couldn't load metadata pair ('%s', '%s'): %s", key, value, fault);
}

int pw_peer_meta_validate(const struct pw_map *meta, struct pw_err *err)
{
	if (meta->n > META_MAX_PAIRS)
		return pw_err_set(
			err, PW_ERR_INTERNAL, E2BIG,
			"meta tags failed validation: Node metadata cannot contain more than 64 key/value pairs");
	for (size_t i = 0; i < meta->n; i++) {
		int r = pw_meta_pair_validate(meta->items[i].key, meta->items[i].value, err);

		if (r < 0) {
			pw_err_prefix(err, "meta tags failed validation");
			return r;
		}
	}
	return 0;
}
