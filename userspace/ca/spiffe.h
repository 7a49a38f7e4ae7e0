/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_CA_SPIFFE_H
#define PW_CA_SPIFFE_H
/* SPIFFE ids as Consul writes them. Parsing is strict: whole path, no %-escapes of unreserved
 * characters, no empty parts, case-sensitive path. */
#include "../base/err.h"
enum pw_spiffe_kind {
	PW_SPIFFE_SERVICE,
	PW_SPIFFE_GATEWAY,
	PW_SPIFFE_SERVER,
	PW_SPIFFE_SIGNING,
	PW_SPIFFE_KIND_MAX_
};
struct pw_spiffe {
	enum pw_spiffe_kind kind;
	char *trust_domain;
	char *partition;
	char *ns;
	char *datacenter;
	char *service;
};
int pw_spiffe_parse(const char *uri, struct pw_spiffe *ret); /* -EINVAL */
void pw_spiffe_clear(struct pw_spiffe *s);
char *pw_spiffe_service(const char *trust_domain, const char *dc,
			const char *service); /* spiffe://<td>/ns/default/dc/<dc>/svc/<service> */
char *pw_spiffe_gateway(const char *trust_domain,
			const char *dc); /* spiffe://<td>/gateway/mesh/dc/<dc> */
char *pw_spiffe_server(const char *trust_domain, const char *dc);
/* <service>.default.default.<peer>.external.<trust domain>; peer = our alias of the importer. Lower
 * case. */
char *pw_sni_exported(const char *service, const char *peer, const char *trust_domain);
char *pw_sni_server(const char *dc, const char *trust_domain); /* server.<dc>.peering.<td> */
#endif
