// SPDX-License-Identifier: Apache-2.0
#include "spiffe.h"
#include "../base/str.h"
#include <string.h>

#define SPIFFE_PREFIX	 "spiffe://"
#define SPIFFE_MAX	 2048
#define SPIFFE_MAX_PARTS 9

/* Characters that Go's URL printer leaves alone inside a path, so that our spelling equals
 * Consul's. */
static bool is_path_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-_.~$&+,:;=@", c) != NULL);
}

static void add_escaped(struct pw_strbuf *b, const char *s)
{
	for (; *s; s++) {
		if (is_path_char((unsigned char)*s))
			pw_strbuf_add_n(b, s, 1);
		else
			pw_strbuf_add(b, "%%%02X", (unsigned char)*s);
	}
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1; /* lower case: not how it is written, so not accepted */
}

/*
 * One part of the path. Only the spelling that add_escaped() makes is taken: an escape of something
 * that needs none, or of '/', could make two different texts mean the same identity.
 */
static int unescape(const char *s, size_t n, char **ret)
{
	pw_autofree char *out = pw_xcalloc(1, n + 1);
	size_t o = 0;

	if (n == 0)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '%') {
			int hi, lo;

			if (i + 2 >= n)
				return -EINVAL;
			hi = hex_value(s[i + 1]);
			lo = hex_value(s[i + 2]);
			if (hi < 0 || lo < 0)
				return -EINVAL;
			c = (unsigned char)(hi << 4 | lo);
			if (is_path_char(c) || c == '/' || c < 0x20 || c == 0x7f)
				return -EINVAL;
			i += 2;
		} else if (!is_path_char(c)) {
			return -EINVAL;
		}
		out[o++] = (char)c;
	}
	if (strcmp(out, ".") == 0 || strcmp(out, "..") == 0)
		return -EINVAL;
	*ret = TAKE_PTR(out);
	return 0;
}

/* Lower-case letters, digits, '-' and '.', no empty label. */
static bool is_trust_domain(const char *s, size_t n)
{
	if (n == 0 || n > 253 || s[0] == '.' || s[n - 1] == '.')
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '.' && s[i - 1] == '.')
			return false;
		if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9') || s[i] == '-' ||
		      s[i] == '.'))
			return false;
	}
	return true;
}

static bool part_is(const struct pw_strv *p, size_t i, const char *word)
{
	return i < p->n && strcmp(p->items[i], word) == 0;
}

/* p: the path's parts behind an optional /ap/<partition>. */
static int parse_parts(const struct pw_strv *p, size_t first, struct pw_spiffe *s)
{
	size_t n = p->n - first;
	char **v = p->items + first;

	if (n == 6 && part_is(p, first, "ns") && part_is(p, first + 2, "dc") &&
	    part_is(p, first + 4, "svc")) {
		s->kind = PW_SPIFFE_SERVICE;
		s->ns = pw_xstrdup(v[1]);
		s->datacenter = pw_xstrdup(v[3]);
		s->service = pw_xstrdup(v[5]);
		return 0;
	}
	if (n == 4 && part_is(p, first, "gateway") && part_is(p, first + 1, "mesh") &&
	    part_is(p, first + 2, "dc")) {
		s->kind = PW_SPIFFE_GATEWAY;
		s->datacenter = pw_xstrdup(v[3]);
		return 0;
	}
	if (n == 4 && first == 0 && part_is(p, 0, "agent") && part_is(p, 1, "server") &&
	    part_is(p, 2, "dc")) {
		s->kind = PW_SPIFFE_SERVER;
		s->datacenter = pw_xstrdup(v[3]);
		return 0;
	}
	return -EINVAL;
}

static int split_path(const char *path, struct pw_strv *parts)
{
	while (*path) {
		pw_autofree char *part = NULL;
		size_t n;
		int r;

		if (*path != '/' || parts->n == SPIFFE_MAX_PARTS)
			return -EINVAL;
		path++;
		n = strcspn(path, "/");
		r = unescape(path, n, &part);
		if (r < 0)
			return r;
		pw_strv_add(parts, part);
		path += n;
	}
	return 0;
}

static int parse_path(const char *path, struct pw_spiffe *s)
{
	pw_cleanup(pw_strv_clear) struct pw_strv parts = { 0 };
	size_t first = 0;
	int r;

	r = split_path(path, &parts);
	if (r < 0)
		return r;
	if (parts.n == 0) {
		s->kind = PW_SPIFFE_SIGNING;
		return 0;
	}
	if (part_is(&parts, 0, "ap") && parts.n > 2) {
		s->partition = pw_xstrdup(parts.items[1]);
		first = 2;
	} else {
		s->partition = pw_xstrdup("default");
	}
	return parse_parts(&parts, first, s);
}

int pw_spiffe_parse(const char *uri, struct pw_spiffe *ret)
{
	pw_cleanup(pw_spiffe_clear) struct pw_spiffe s = { 0 };
	const char *domain;
	size_t n;
	int r;

	if (!uri || !pw_str_starts(uri, SPIFFE_PREFIX) || strnlen(uri, SPIFFE_MAX + 1) > SPIFFE_MAX)
		return -EINVAL;
	domain = uri + strlen(SPIFFE_PREFIX);
	n = strcspn(domain, "/");
	if (!is_trust_domain(domain, n))
		return -EINVAL;
	s.trust_domain = pw_xstrndup(domain, n);
	r = parse_path(domain + n, &s);
	if (r < 0)
		return r;
	*ret = s;
	s = (struct pw_spiffe){ 0 };
	return 0;
}

void pw_spiffe_clear(struct pw_spiffe *s)
{
	free(s->trust_domain);
	free(s->partition);
	free(s->ns);
	free(s->datacenter);
	free(s->service);
	*s = (struct pw_spiffe){ 0 };
}

char *pw_spiffe_service(const char *trust_domain, const char *dc, const char *service)
{
	struct pw_strbuf b = { 0 };

	pw_strbuf_add(&b, SPIFFE_PREFIX "%s/ns/default/dc/", trust_domain);
	add_escaped(&b, dc);
	pw_strbuf_add(&b, "/svc/");
	add_escaped(&b, service);
	return b.text;
}

char *pw_spiffe_gateway(const char *trust_domain, const char *dc)
{
	struct pw_strbuf b = { 0 };

	pw_strbuf_add(&b, SPIFFE_PREFIX "%s/gateway/mesh/dc/", trust_domain);
	add_escaped(&b, dc);
	return b.text;
}

char *pw_spiffe_server(const char *trust_domain, const char *dc)
{
	struct pw_strbuf b = { 0 };

	pw_strbuf_add(&b, SPIFFE_PREFIX "%s/agent/server/dc/", trust_domain);
	add_escaped(&b, dc);
	return b.text;
}

char *pw_sni_exported(const char *service, const char *peer, const char *trust_domain)
{
	pw_autofree char *s =
		pw_xasprintf("%s.default.default.%s.external.%s", service, peer, trust_domain);

	return pw_str_lower(s);
}

char *pw_sni_server(const char *dc, const char *trust_domain)
{
	pw_autofree char *s = pw_xasprintf("server.%s.peering.%s", dc, trust_domain);

	return pw_str_lower(s);
}
