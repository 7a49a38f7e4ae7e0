/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_CATALOG_CHECKS_H
#define PW_CATALOG_CHECKS_H
/*
 * Runs the agent's own checks (rows with agent = true): TTL expiry and TCP connects. Follows the
 * store: new rows start, deleted ones stop. Writes a status only when it changed (output changes
 * alone at most once a minute). Control thread.
 */
#include "../store/store.h"
struct event_base;
struct pw_checks;
int pw_checks_new(struct pw_checks **ret, struct event_base *base, struct pw_store *s,
		  struct pw_err *err);
void pw_checks_free(struct pw_checks **c);
/* PUT /v1/agent/check/{pass,warn,fail}: also renews the TTL. -ENOENT: class NOT_FOUND, Consul's
 * text. */
int pw_checks_ttl_update(struct pw_checks *c, const char *node, const char *check_id,
			 const char *status, const char *output, struct pw_err *err);
#endif
