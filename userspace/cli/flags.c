// SPDX-License-Identifier: Apache-2.0
#include "cli_private.h"
#include <string.h>
#include <strings.h>

const struct cli_flag cli_client_flags[] = {
	CLI_FLAG(
		"http-addr", CLI_STR, http_addr, "ADDR",
		"host:port, http://host:port or unix:///path of the agent [PEERWAY_HTTP_ADDR, CONSUL_HTTP_ADDR, 127.0.0.1:8500]"),
	CLI_FLAG("token", CLI_STR, token, "TOKEN",
		 "ACL token [PEERWAY_HTTP_TOKEN, CONSUL_HTTP_TOKEN]"),
	CLI_FLAG("token-file", CLI_STR, token_file, "FILE",
		 "file with the ACL token [PEERWAY_HTTP_TOKEN_FILE, CONSUL_HTTP_TOKEN_FILE]"),
	CLI_FLAG("datacenter", CLI_STR, datacenter, "NAME", "datacenter to ask"),
	CLI_FLAG("partition", CLI_STR, partition, "NAME", "only \"default\" exists"),
	CLI_FLAG("namespace", CLI_STR, ns, "NAME", "only \"default\" exists"),
	CLI_FLAG("stale", CLI_BOOL, stale, NULL, "accepted, has no effect with one server"),
	CLI_FLAG("help", CLI_BOOL, help, NULL, "this text"),
	CLI_FLAG("h", CLI_BOOL, help, NULL, "this text"),
};
const size_t cli_n_client_flags = ARRAY_SIZE(cli_client_flags);

static const struct cli_flag *find_in(const struct cli_flag *flags, size_t n, const char *name,
				      size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(flags[i].name) == len && memcmp(flags[i].name, name, len) == 0)
			return &flags[i];
	return NULL;
}

static int parse_bool(const char *s, bool *ret)
{
	if (!strcasecmp(s, "true") || !strcmp(s, "1") || !strcasecmp(s, "t"))
		*ret = true;
	else if (!strcasecmp(s, "false") || !strcmp(s, "0") || !strcasecmp(s, "f"))
		*ret = false;
	else
		return -EINVAL;
	return 0;
}

static int set_map(struct pw_map *map, const char *value)
{
	const char *equal = strchr(value, '=');
	pw_autofree char *key = NULL;

	if (!equal || equal == value)
		return -EINVAL;
	key = pw_xstrndup(value, (size_t)(equal - value));
	pw_map_set(map, key, equal + 1);
	return 0;
}

static int set_flag(const struct cli_flag *f, const char *value, struct cli_options *o,
		    struct pw_err *err)
{
	void *at = (char *)o + f->offset;
	int r = 0;

	switch (f->type) {
	case CLI_STR:
		pw_secret_freep(at);
		*(char **)at = pw_xstrdup(value);
		return 0;
	case CLI_BOOL:
		r = parse_bool(value ? value : "true", at);
		break;
	case CLI_LIST:
		pw_strv_split(at, value, ",");
		return 0;
	case CLI_MAP:
		r = set_map(at, value);
		break;
	case CLI_NUMBER:
		r = pw_str_to_u64(value, UINT64_MAX, at);
		break;
	case CLI_FLAG_TYPE_MAX_:
		break;
	}
	if (r < 0)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, r,
				  "invalid value \"%s\" for flag -%s: %s", value, f->name,
				  f->type == CLI_MAP	? "write key=value"
				  : f->type == CLI_BOOL ? "write true or false"
							: "write a number");
	return 0;
}

/* One argument that starts with a dash; takes the next one as its value where it needs one. */
static int parse_flag(const struct cli_command *cmd, int argc, char **argv, int *i, struct cli *c,
		      struct pw_err *err)
{
	const char *name = argv[*i] + (argv[*i][1] == '-' ? 2 : 1), *equal = strchr(name, '=');
	size_t len = equal ? (size_t)(equal - name) : strlen(name);
	const struct cli_flag *f = find_in(cmd->flags, cmd->n_flags, name, len);
	const char *value = equal ? equal + 1 : NULL;

	if (!f)
		f = find_in(cli_client_flags, cli_n_client_flags, name, len);
	if (!f)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "unknown flag: -%.*s", (int)len,
				  name);
	if (!value && f->type != CLI_BOOL) {
		if (*i + 1 >= argc)
			return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
					  "flag needs a value: -%s", f->name);
		value = argv[++*i];
	}
	return set_flag(f, value, &c->o, err);
}

int cli_flags_parse(const struct cli_command *cmd, int argc, char **argv, struct cli *c,
		    struct pw_err *err)
{
	bool ended = false;
	int r;

	for (int i = 0; i < argc; i++) {
		if (ended || argv[i][0] != '-' || !argv[i][1]) {
			pw_strv_add(&c->args, argv[i]);
		} else if (strcmp(argv[i], "--") == 0) {
			ended = true;
		} else {
			r = parse_flag(cmd, argc, argv, &i, c, err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

void cli_flags_print(const struct cli_flag *flags, size_t n, FILE *to)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(flags[i].name, "h") == 0)
			continue;
		fprintf(to, "  -%s%s%s\n      %s\n", flags[i].name, flags[i].arg ? " " : "",
			pw_str_or_empty(flags[i].arg), flags[i].help);
	}
}

void cli_clear(struct cli *c)
{
	struct cli_options *o = &c->o;
	char **strings[] = { &o->http_addr,	&o->token, &o->token_file, &o->datacenter,
			     &o->partition,	&o->ns,	   &o->name,	   &o->format,
			     &o->peering_token, &o->id,	   &o->kind,	   &o->filename,
			     &o->filter,	&o->node,  &o->service,	   &o->peer,
			     &o->address };

	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		pw_secret_freep(strings[i]);
	pw_strv_clear(&o->external_addresses);
	pw_strv_clear(&o->consumer_peers);
	pw_strv_clear(&o->consumer_partitions);
	pw_strv_clear(&o->service_tags);
	pw_map_clear(&o->meta);
	pw_map_clear(&o->node_meta);
	pw_strv_clear(&c->args);
	c->o = (struct cli_options){ 0 };
}
