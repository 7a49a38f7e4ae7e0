/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_CATALOG_REGISTRATION_H
#define PW_CATALOG_REGISTRATION_H
/*
 * Registrations as users write them: JSON bodies and `service {}` blocks. Both functions decode and
 * check the form; pw_catalog_register checks the content. *ret is a cleared or untouched struct on
 * failure, and is freed with pw_registration_clear. Errors say "Request decode failed: …" (class
 * BAD_REQUEST) where Consul does.
 */
#include "catalog.h"

#define PW_SIDECAR_PORT_MIN 21000
#define PW_SIDECAR_PORT_MAX 21255

/* Body of PUT /v1/catalog/register. */
int pw_registration_decode(const json_t *body, struct pw_registration *ret, struct pw_err *err);
/*
 * Body of PUT /v1/agent/service/register, or a `service {}` block. The service and its checks carry
 * agent = true and belong to `node`, which must be registered. A connect.sidecar_service becomes a
 * proxy of its own in pw_catalog_register and goes with its service. Kinds of checks that are not
 * built are refused by name.
 */
int pw_agent_service_decode(const json_t *body, const char *node, struct pw_registration *ret,
			    struct pw_err *err);
#endif
