/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_DATAPLANE_SOURCES_H
#define PW_DATAPLANE_SOURCES_H
/* How many connections each source (IPv4 /32, IPv6 /64) has. Any thread. I1 Only sources with
 * connections are kept. */
#include "../base/addr.h"

struct pw_sources;
struct pw_sources *pw_sources_new(uint32_t limit);
void pw_sources_free(struct pw_sources **s);
bool pw_sources_add(struct pw_sources *s,
		    const struct pw_addr *a); /* false: the limit is reached, nothing added */
void pw_sources_remove(struct pw_sources *s, const struct pw_addr *a);
#endif
