/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_API_INTENTION_ROWS_H
#define PW_API_INTENTION_ROWS_H
/* service-intentions entries as the flat intentions of Consul's older interface. */
#include "internal.h"

/* One end of an intention, as query parameters name it. */
struct pw_intention_end {
	char *peer; /* NULL: ours */
	char *name;
};
/* "name", "ns/name", "partition/ns/name", "peer:NAME/name", "peer:NAME/ns/name"; what names the
 * parameter in errors. */
int pw_intention_end_parse(const char *what, const char *text, struct pw_intention_end *ret,
			   struct pw_err *err);
void pw_intention_end_clear(struct pw_intention_end *e);

enum pw_intention_by {
	PW_BY_ANY,
	PW_BY_SOURCE,	   /* name or "*" */
	PW_BY_DESTINATION, /* name or "*" */
	PW_BY_EXACT,	   /* destination is name */
};
/* Highest precedence first. New reference. */
json_t *pw_intention_rows(const struct pw_store *s, enum pw_intention_by by, const char *name);
#endif
