// SPDX-License-Identifier: Apache-2.0
#include "cli_private.h"
#include "../base/fs.h"
#include "../base/hcl.h"
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define TOKEN_FILE_MAX_BYTES 4096

static const char *either_env(const char *ours, const char *consuls)
{
	const char *v = getenv(ours);

	return pw_str_empty(v) ? getenv(consuls) : v;
}

/* An ACL token goes into a header, so nothing in it may end one. */
static int check_token(const char *token, struct pw_err *err)
{
	if (pw_str_has_control(token))
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "the token holds control characters");
	return 0;
}

static int read_token_file(const char *path, char **ret, struct pw_err *err)
{
	char *text = NULL;
	size_t len;
	int r;

	r = pw_fs_read(path, TOKEN_FILE_MAX_BYTES, &text, &len, err);
	if (r < 0)
		return r;
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r' || text[len - 1] == ' '))
		text[--len] = '\0';
	*ret = text;
	return 0;
}

/* Flag, file by flag, then the environment: ours before Consul's. */
static int find_token(const struct cli *c, char **ret, struct pw_err *err)
{
	const char *token = c->o.token, *file = c->o.token_file;

	if (pw_str_empty(token) && pw_str_empty(file)) {
		token = either_env("PEERWAY_HTTP_TOKEN", "CONSUL_HTTP_TOKEN");
		file = either_env("PEERWAY_HTTP_TOKEN_FILE", "CONSUL_HTTP_TOKEN_FILE");
	}
	if (pw_str_empty(token) && !pw_str_empty(file))
		return read_token_file(file, ret, err);
	*ret = pw_xstrdup(token);
	return 0;
}

char *cli_escape(const char *s)
{
	struct pw_strbuf b = { 0 };

	pw_strbuf_add_n(&b, "", 0);
	for (s = pw_str_or_empty(s); *s; s++) {
		unsigned char u = (unsigned char)*s;
		bool plain = (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') ||
			     (u >= '0' && u <= '9') || strchr("-_.~", *s);

		if (plain)
			pw_strbuf_add_n(&b, s, 1);
		else
			pw_strbuf_add(&b, "%%%02X", u);
	}
	return TAKE_PTR(b.text);
}

static void add_query(struct pw_strbuf *path, const char *key, const char *value)
{
	pw_autofree char *escaped = NULL;

	if (pw_str_empty(value))
		return;
	escaped = cli_escape(value);
	pw_strbuf_add(path, "%c%s=%s", strchr(path->text, '?') ? '&' : '?', key, escaped);
}

static char *full_path(const struct cli *c, const char *path)
{
	struct pw_strbuf b = { 0 };

	pw_strbuf_add(&b, "%s", path);
	add_query(&b, "dc", c->o.datacenter);
	add_query(&b, "partition", c->o.partition);
	add_query(&b, "ns", c->o.ns);
	if (c->o.stale)
		pw_strbuf_add(&b, "%cstale", strchr(b.text, '?') ? '&' : '?');
	return TAKE_PTR(b.text);
}

static int refused(int status, char *body, struct pw_err *err)
{
	enum pw_err_class class = status == 404 ? PW_ERR_NOT_FOUND : PW_ERR_INTERNAL;
	size_t len = strlen(body);
	pw_autofree char *safe = NULL;

	while (len > 0 && (body[len - 1] == '\n' || body[len - 1] == '\r'))
		body[--len] = '\0';
	safe = cli_printable(body);
	return pw_err_set(err, class, status == 404 ? ENOENT : EREMOTEIO,
			  "Unexpected response code: %d (%s)", status, safe);
}

static int call(struct cli *c, const char *method, const char *path, const char *body,
		int *ret_status, char **ret_body, struct pw_err *err)
{
	const char *addr = c->o.http_addr;
	pw_cleanup(http_endpoint_clear) struct http_endpoint e = { 0 };
	pw_cleanup(pw_secret_freep) char *token = NULL;
	int r;

	if (pw_str_empty(addr))
		addr = either_env("PEERWAY_HTTP_ADDR", "CONSUL_HTTP_ADDR");
	r = http_endpoint_parse(pw_str_empty(addr) ? "127.0.0.1:8500" : addr, &e, err);
	if (r == 0)
		r = find_token(c, &token, err);
	if (r == 0)
		r = check_token(token, err);
	if (r < 0)
		return r;
	r = http_request(&e, token, method, path, body, ret_status, ret_body, err);
	if (r < 0)
		pw_err_prefix(err, "%s \"%s%s\"", method, e.text, path);
	return r;
}

int cli_call(struct cli *c, const char *method, const char *path, const json_t *body, json_t **ret,
	     int *ret_status, struct pw_err *err)
{
	/* Bodies carry peering tokens, in both directions. */
	pw_cleanup(pw_secret_freep) char *request = body ? pw_json_dump(body) : NULL;
	pw_cleanup(pw_secret_freep) char *answer = NULL;
	pw_autofree char *full = full_path(c, path);
	int status = 0, r;

	r = call(c, method, full, request, &status, &answer, err);
	if (ret_status)
		*ret_status = status;
	if (r < 0)
		return r;
	if (status != 200)
		return refused(status, answer, err);
	if (!ret)
		return 0;
	r = pw_json_parse(answer, strlen(answer), ret, err);
	if (r < 0)
		pw_err_prefix(err, "the answer to %s %s is no JSON", method, path);
	return r;
}

bool cli_wants_json(const struct cli *c)
{
	return pw_streq(c->o.format, "json");
}

bool cli_format_ok(struct cli *c)
{
	if (pw_str_empty(c->o.format) || cli_wants_json(c) || pw_streq(c->o.format, "pretty"))
		return true;
	cli_fail(c, "Invalid format, valid formats are {json|pretty}");
	return false;
}

void cli_print_json(struct cli *c, const json_t *v)
{
	pw_cleanup(pw_secret_freep) char *text = pw_json_dump(v);

	fprintf(c->out, "%s\n", text);
}

static int read_stdin(struct cli *c, char **ret, size_t *ret_len, struct pw_err *err)
{
	pw_cleanup(pw_strbuf_clear) struct pw_strbuf b = { 0 };
	char chunk[16384];
	size_t n;

	pw_strbuf_add_n(&b, "", 0);
	while ((n = fread(chunk, 1, sizeof(chunk), c->in)) > 0) {
		pw_strbuf_add_n(&b, chunk, n);
		if (b.len > CLI_FILE_MAX_BYTES)
			return pw_err_set(err, PW_ERR_BAD_REQUEST, EFBIG,
					  "standard input is larger than the limit of %d bytes",
					  CLI_FILE_MAX_BYTES);
	}
	if (ferror(c->in))
		return pw_err_set(err, PW_ERR_INTERNAL, EIO, "cannot read standard input");
	*ret_len = b.len;
	*ret = TAKE_PTR(b.text);
	return 0;
}

int cli_read_document(struct cli *c, const char *path, json_t **ret, struct pw_err *err)
{
	bool from_stdin = strcmp(path, "-") == 0;
	pw_autofree char *text = NULL;
	size_t len;
	int r;

	r = from_stdin ? read_stdin(c, &text, &len, err)
		       : pw_fs_read(path, CLI_FILE_MAX_BYTES, &text, &len, err);
	if (r < 0) {
		pw_err_prefix(err, "Failed to load data: Failed to read file");
		return r;
	}
	r = pw_hcl_parse(text, len, from_stdin ? "stdin" : path, ret, err);
	return r < 0 ? r : 0;
}

static bool same_key(const char *a, const char *b)
{
	for (;; a++, b++) {
		a += strspn(a, "_");
		b += strspn(b, "_");
		if (!*a || !*b || strncasecmp(a, b, 1) != 0)
			return !*a && !*b;
	}
}

json_t *cli_member(const json_t *o, const char *key)
{
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)o, name, v) if (same_key(name, key)) return v;
	return NULL;
}

int cli_put_cas(struct cli *c, const json_t *entry, bool cas, uint64_t index, bool *ret_done,
		struct pw_err *err)
{
	pw_autofree char *path =
		cas ? pw_xasprintf("/v1/config?cas=%" PRIu64, index) : pw_xstrdup("/v1/config");
	pw_autojson json_t *answer = NULL;
	int r;

	r = cli_call(c, "PUT", path, entry, &answer, NULL, err);
	if (r < 0)
		return r;
	*ret_done = json_is_true(answer);
	return 0;
}

int cli_config_get(struct cli *c, const char *kind, const char *name, json_t **ret,
		   uint64_t *ret_index, struct pw_err *err)
{
	pw_autofree char *escaped = cli_escape(name);
	pw_autofree char *path = pw_xasprintf("/v1/config/%s/%s", kind, escaped);
	int status, r;

	*ret_index = 0;
	r = cli_call(c, "GET", path, NULL, ret, &status, err);
	if (r < 0 && status == 404)
		return 0;
	if (r < 0)
		return r;
	*ret_index = (uint64_t)pw_json_int(*ret, "ModifyIndex", 0);
	/* What the agent adds when it is read is not what is written. */
	json_object_del(*ret, "CreateIndex");
	json_object_del(*ret, "ModifyIndex");
	json_object_del(*ret, "Hash");
	return 0;
}
