/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_CATALOG_CATALOG_H
#define PW_CATALOG_CATALOG_H
/*
 * Nodes, services and checks over the store. All writes happen inside the caller's transaction;
 * validation comes first, so a refused call wrote nothing. Control thread only.
 */
#include "../store/store.h"

/*
 * Body of PUT /v1/catalog/register, also used by the agent endpoints and by imports. NULL parts are
 * not touched.
 */
struct pw_registration {
	struct pw_node node;	    /* name and address are required unless skip_node_update */
	struct pw_service *service; /* node and peer are filled from node */
	struct pw_list checks;	    /* struct pw_check */
	bool skip_node_update;
	/* The agent's checks of the service that are not in `checks` go; implied by configured. */
	bool replace_checks;
};
void pw_registration_clear(struct pw_registration *r);
/*
 * Texts as Consul's (see tests/conformance), error classes as its HTTP statuses. Of an import (peer
 * set) only names are validated: -EINVAL.
 */
int pw_catalog_register(struct pw_tx *tx, const struct pw_registration *r, struct pw_err *err);
/* service_id and check_id NULL or "": the whole node. Removing what is not there succeeds. */
int pw_catalog_deregister(struct pw_tx *tx, const char *peer, const char *node,
			  const char *service_id, const char *check_id, struct pw_err *err);

const struct pw_node *pw_catalog_node(const struct pw_store *s, const char *peer, const char *node);
const struct pw_service *pw_catalog_service(const struct pw_store *s, const char *peer,
					    const char *node, const char *id);

enum pw_status {
	PW_STATUS_PASSING,
	PW_STATUS_WARNING,
	PW_STATUS_CRITICAL,
	PW_STATUS_MAINTENANCE,
	PW_STATUS_MAX_
};
const char *pw_status_name(enum pw_status s);
int pw_status_parse(const char *s, enum pw_status *ret); /* -EINVAL */
/* Worst of the instance's and its node's checks; without any: passing. */
enum pw_status pw_catalog_instance_status(const struct pw_store *s, const struct pw_service *svc);
/* The checks that count for an instance (its own and its node's), in key order. free(*ret). */
size_t pw_catalog_instance_checks(const struct pw_store *s, const struct pw_service *svc,
				  const struct pw_check ***ret);
/* Where another host reaches the instance: service address, else node address. NULL: not known. */
const char *pw_catalog_instance_address(const struct pw_store *s, const struct pw_service *svc);

/* Whether `name` has instances that speak mesh TLS themselves: native ones or connect-proxies. */
bool pw_catalog_speaks_mesh(const struct pw_store *s, const char *name);
/* Returns false to stop. */
typedef bool pw_service_fn(void *arg, const struct pw_service *svc);
/* All instances of `name`, and those that serve it for mesh callers: connect-proxies and native
 * ones. */
void pw_catalog_each(const struct pw_store *s, const char *peer, const char *name,
		     pw_service_fn *cb, void *arg);
void pw_catalog_each_connect(const struct pw_store *s, const char *peer, const char *name,
			     pw_service_fn *cb, void *arg);
/* Distinct local service names of kind "" (typical), sorted; without the control service. */
void pw_catalog_names(const struct pw_store *s, struct pw_strv *ret);
#endif
