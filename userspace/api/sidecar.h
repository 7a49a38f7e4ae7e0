/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_API_SIDECAR_H
#define PW_API_SIDECAR_H
/* connect { sidecar_service {} } in a service registration is short for a second one: a connect-proxy in front of it. */
#include "../catalog/registration.h"

#define PW_SIDECAR_SUFFIX     "-sidecar-proxy"
#define PW_SIDECAR_FIRST_PORT 21000
#define PW_SIDECAR_LAST_PORT  21255

/* The registration of svc's sidecar with Consul's defaults. svc->connect.sidecar_service must be set. Free with pw_registration_clear. */
int pw_sidecar_registration(const struct pw_store *s, const char *node, const struct pw_service *svc,
			    struct pw_registration *ret, struct pw_err *err);
#endif
