/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_CATALOG_CONFIG_PRIVATE_H
#define PW_CATALOG_CONFIG_PRIVATE_H
#include "config_entry.h"

/*
 * One kind: decodes and validates body (without indexes), gives the normalised body and the entry's
 * name. Errors of form are of class BAD_REQUEST without prefix; errors of content of class
 * INTERNAL.
 */
typedef int config_decode_fn(const json_t *body, json_t **ret_body, char **ret_name,
			     struct pw_err *err);
int config_decode_exports(const json_t *body, json_t **ret_body, char **ret_name,
			  struct pw_err *err);
int config_decode_intentions(const json_t *body, json_t **ret_body, char **ret_name,
			     struct pw_err *err);
int config_decode_mesh(const json_t *body, json_t **ret_body, char **ret_name, struct pw_err *err);

int config_refuse(struct pw_err *err, const char *fmt, ...)
	pw_printf(2, 3); /* 500: what Consul answers */
int config_check_meta(const struct pw_map *meta, struct pw_err *err);
bool config_is_default(const char *tenancy);
#endif
