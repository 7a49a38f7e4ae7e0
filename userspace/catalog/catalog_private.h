/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_CATALOG_PRIVATE_H
#define PW_CATALOG_PRIVATE_H
#include "catalog.h"

#define CATALOG_MAX_NAME 512 /* bytes of any name or id; more is refused */
#define CATALOG_MAX_META 64

/* -EINVAL naming `what`: empty, too long, control characters, not UTF-8. */
int catalog_check_name(const char *what, const char *name, struct pw_err *err);
/* What Consul's agents and catalog say of a service; for local ones. Class INTERNAL, as its catalog
 * answers. */
int catalog_check_service(const struct pw_service *svc, struct pw_err *err);
int catalog_check_upstream(const struct pw_upstream *u, struct pw_err *err);
/* sidecar.c: the proxy that svc asks for, a registration of its own; NULL: none. */
int catalog_sidecar_make(const struct pw_store *s, const struct pw_service *svc, const char *node,
			 struct pw_registration **ret, struct pw_err *err);
char *catalog_sidecar_id(const char *service_id);
#endif
