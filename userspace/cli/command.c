// SPDX-License-Identifier: Apache-2.0
#include "cli.h"
#include "cli_private.h"
#include <stdarg.h>
#include <string.h>

#define CLI_VERSION "0.1.0"

#define F_NAME(help) CLI_FLAG("name", CLI_STR, name, "NAME", help)
#define F_FORMAT     CLI_FLAG("format", CLI_STR, format, "FORMAT", "pretty (default) or json")
#define F_FILTER     CLI_FLAG("filter", CLI_STR, filter, "EXPR", "only what the expression selects")
#define F_KIND	     CLI_FLAG("kind", CLI_STR, kind, "KIND", "kind of the config entry")
#define F_META(help) CLI_FLAG("meta", CLI_MAP, meta, "KEY=VALUE", help)
#define F_CAS	     CLI_FLAG("cas", CLI_BOOL, cas, NULL, "only if -modify-index is still the entry's")
#define F_INDEX	     CLI_FLAG("modify-index", CLI_NUMBER, modify_index, "N", "index for -cas")
#define F_PEER	     CLI_FLAG("peer", CLI_STR, peer, "ALIAS", "what was imported from this peer")
#define F_NODE_META \
	CLI_FLAG("node-meta", CLI_MAP, node_meta, "KEY=VALUE", "only nodes with this metadata")

static const struct cli_flag token_flags[] = {
	F_NAME("our alias for the peer that will use the token"),
	CLI_FLAG("server-external-addresses", CLI_LIST, external_addresses, "HOST:PORT,...",
		 "addresses the peer dials, when they are not our own"),
	F_META("metadata of the peering; may be given again"),
	F_FORMAT,
};
static const struct cli_flag establish_flags[] = {
	F_NAME("our alias for the peer that made the token"),
	CLI_FLAG("peering-token", CLI_STR, peering_token, "TOKEN", "token from generate-token"),
	F_META("metadata of the peering; may be given again"),
	CLI_FLAG("retry", CLI_BOOL, retry, NULL,
		 "keep the peering and go on trying when the peer cannot be reached"),
};
static const struct cli_flag format_flags[] = { F_FORMAT };
static const struct cli_flag peering_flags[] = { F_NAME("our alias for the peer"), F_FORMAT };
static const struct cli_flag peering_name_flags[] = { F_NAME("our alias for the peer") };
static const struct cli_flag register_flags[] = {
	F_NAME("name of the service, instead of a file"),
	CLI_FLAG("id", CLI_STR, id, "ID", "id of the instance; default: its name"),
	CLI_FLAG("address", CLI_STR, address, "IP", "where it listens"),
	CLI_FLAG("port", CLI_NUMBER, port, "PORT", "port it listens at"),
	CLI_FLAG("tag", CLI_LIST, service_tags, "TAG", "tag; may be given again"),
	F_META("metadata; may be given again"),
};
static const struct cli_flag deregister_flags[] = {
	CLI_FLAG("id", CLI_STR, id, "ID", "id of the instance, instead of a file"),
};
static const struct cli_flag export_flags[] = {
	F_NAME("service to export"),
	CLI_FLAG("consumer-peers", CLI_LIST, consumer_peers, "ALIAS,...", "peers that may use it"),
	CLI_FLAG("consumer-partitions", CLI_LIST, consumer_partitions, "NAME,...",
		 "partitions that may use it"),
};
static const struct cli_flag exported_flags[] = { F_FORMAT, F_FILTER };
static const struct cli_flag config_write_flags[] = { F_CAS, F_INDEX };
static const struct cli_flag config_read_flags[] = { F_KIND, F_NAME("name of the config entry") };
static const struct cli_flag config_list_flags[] = { F_KIND, F_FILTER };
static const struct cli_flag config_delete_flags[] = {
	F_KIND,
	F_NAME("name of the config entry"),
	CLI_FLAG("filename", CLI_STR, filename, "FILE", "the entry that this file describes"),
	F_CAS,
	F_INDEX,
};
static const struct cli_flag intention_create_flags[] = {
	CLI_FLAG("allow", CLI_BOOL, allow, NULL, "let the source connect (default)"),
	CLI_FLAG("deny", CLI_BOOL, deny, NULL, "refuse the source"),
	CLI_FLAG("replace", CLI_BOOL, replace, NULL, "also when there is one already"),
	CLI_FLAG("file", CLI_BOOL, file, NULL, "the arguments are files with intentions"),
	F_META("metadata of the destination's intentions; may be given again"),
};
static const struct cli_flag intention_match_flags[] = {
	CLI_FLAG("destination", CLI_BOOL, destination, NULL, "by destination (default)"),
	CLI_FLAG("source", CLI_BOOL, source, NULL, "by source"),
};
static const struct cli_flag filter_flags[] = { F_FILTER };
static const struct cli_flag catalog_services_flags[] = {
	CLI_FLAG("node", CLI_STR, node, "NAME", "only services of this node"),
	F_NODE_META,
	CLI_FLAG("tags", CLI_BOOL, tags, NULL, "with their tags"),
	F_PEER,
};
static const struct cli_flag catalog_nodes_flags[] = {
	CLI_FLAG("service", CLI_STR, service, "NAME", "only nodes with this service"),
	F_NODE_META,
	CLI_FLAG("detailed", CLI_BOOL, detailed, NULL, "all addresses and metadata"),
	F_FILTER,
	F_PEER,
};

#define COMMAND(cname, cargs, csummary, cflags, crun)                                       \
	{                                                                                   \
		.name = (cname), .args = (cargs), .summary = (csummary), .flags = (cflags), \
		.n_flags = ARRAY_SIZE(cflags), .run = (crun)                                \
	}
#define PLAIN_COMMAND(cname, cargs, csummary, crun)                                    \
	{                                                                              \
		.name = (cname), .args = (cargs), .summary = (csummary), .run = (crun) \
	}

static const struct cli_command commands[] = {
	COMMAND("peering generate-token", "", "Make a token that lets another cluster peer with us",
		token_flags, cli_peering_generate_token),
	COMMAND("peering establish", "", "Peer with the cluster that made a token", establish_flags,
		cli_peering_establish),
	COMMAND("peering list", "", "List the peerings", format_flags, cli_peering_list),
	COMMAND("peering read", "", "Show one peering", peering_flags, cli_peering_read),
	COMMAND("peering delete", "", "End a peering", peering_name_flags, cli_peering_delete),
	COMMAND("peering exported-services", "", "List what a peer may use of ours", peering_flags,
		cli_peering_exported_services),
	COMMAND("services register", "[FILE...]", "Register services with the agent",
		register_flags, cli_services_register),
	COMMAND("services deregister", "[FILE...]", "Take services from the agent",
		deregister_flags, cli_services_deregister),
	COMMAND("services export", "", "Let peers use a service", export_flags,
		cli_services_export),
	COMMAND("services exported-services", "", "List what is exported, and to whom",
		exported_flags, cli_services_exported),
	COMMAND("config write", "FILE|-", "Write a config entry (HCL or JSON)", config_write_flags,
		cli_config_write),
	COMMAND("config read", "", "Show a config entry", config_read_flags, cli_config_read),
	COMMAND("config list", "", "List the config entries of a kind", config_list_flags,
		cli_config_list),
	COMMAND("config delete", "", "Delete a config entry", config_delete_flags,
		cli_config_delete),
	COMMAND("intention create", "SRC DST",
		"Allow or deny a connection (SRC: NAME or peer:ALIAS/NAME)", intention_create_flags,
		cli_intention_create),
	PLAIN_COMMAND("intention check", "SRC DST",
		      "Ask whether a connection is allowed (exit 0) or denied (exit 1)",
		      cli_intention_check),
	COMMAND("intention match", "NAME", "List the intentions that apply to a service",
		intention_match_flags, cli_intention_match),
	PLAIN_COMMAND("intention get", "SRC DST", "Show one intention", cli_intention_get),
	COMMAND("intention list", "", "List all intentions", filter_flags, cli_intention_list),
	PLAIN_COMMAND("intention delete", "SRC DST", "Delete an intention", cli_intention_delete),
	COMMAND("catalog services", "", "List the services", catalog_services_flags,
		cli_catalog_services),
	COMMAND("catalog nodes", "", "List the nodes", catalog_nodes_flags, cli_catalog_nodes),
	PLAIN_COMMAND("catalog datacenters", "", "List the datacenters", cli_catalog_datacenters),
	COMMAND("status", "", "Show the gateway's state on one screen", format_flags, cli_status),
	COMMAND("flows", "", "List the connections that cross the gateway", format_flags,
		cli_flows),
	PLAIN_COMMAND("version", "", "Print the version", cli_version),
};

int cli_fail(struct cli *c, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(c->err, fmt, args);
	va_end(args);
	fputc('\n', c->err);
	return 1;
}

int cli_version(struct cli *c)
{
	fprintf(c->out, "peerway v%s\n", CLI_VERSION);
	return 0;
}

/* Commands that begin with group; all for "". */
static size_t print_commands(const char *group, FILE *to)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!pw_str_starts(commands[i].name, group))
			continue;
		if (n++ == 0)
			fprintf(to, "Usage: peerway %s<command> [options] [args]\n\nCommands:\n",
				group);
		fprintf(to, "    %-28s%s\n", commands[i].name, commands[i].summary);
	}
	return n;
}

static void print_usage(FILE *to)
{
	print_commands("", to);
	fprintf(to, "    %-28sRun the gateway and its control plane\n", "agent");
	fprintf(to, "    %-28sTake everything out of the kernel that the agent left there\n",
		"uninstall");
	fprintf(to, "\nMore with -h behind a command.\n");
}

static void print_command_help(const struct cli_command *cmd, FILE *to)
{
	fprintf(to, "Usage: peerway %s [options]%s%s\n\n%s.\n", cmd->name, *cmd->args ? " " : "",
		cmd->args, cmd->summary);
	if (cmd->n_flags)
		fprintf(to, "\nOptions\n");
	cli_flags_print(cmd->flags, cmd->n_flags, to);
	fprintf(to, "\nHow the agent is reached\n");
	cli_flags_print(cli_client_flags, cli_n_client_flags, to);
}

static bool is_help(const char *s)
{
	return strcmp(s, "-h") == 0 || strcmp(s, "-help") == 0 || strcmp(s, "--help") == 0 ||
	       strcmp(s, "help") == 0;
}

/* One or two words name a command; *ret_words says how many. */
static const struct cli_command *find_command(int argc, char **argv, int *ret_words)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const char *name = commands[i].name, *blank = strchr(name, ' ');
		size_t first = blank ? (size_t)(blank - name) : strlen(name);

		if (strlen(argv[0]) != first || memcmp(argv[0], name, first) != 0)
			continue;
		if (blank && (argc < 2 || strcmp(argv[1], blank + 1) != 0))
			continue;
		*ret_words = blank ? 2 : 1;
		return &commands[i];
	}
	return NULL;
}

static int no_such_command(struct cli *c, int argc, char **argv)
{
	pw_autofree char *group = pw_xasprintf("%s ", argv[0]);
	bool help = argc > 1 && is_help(argv[1]);

	if (print_commands(group, help ? c->out : c->err))
		return help ? 0 : 1;
	cli_fail(c, "Unknown command: %s\n", argv[0]);
	print_usage(c->err);
	return 1;
}

int cli_run(struct cli *c, int argc, char **argv)
{
	const struct cli_command *cmd;
	struct pw_err err = PW_ERR_INIT;
	int words;

	if (argc < 1 || is_help(argv[0])) {
		print_usage(argc < 1 ? c->err : c->out);
		return argc < 1 ? 1 : 0;
	}
	if (strcmp(argv[0], "-version") == 0 || strcmp(argv[0], "--version") == 0)
		return cli_version(c);
	cmd = find_command(argc, argv, &words);
	if (!cmd)
		return no_such_command(c, argc, argv);
	if (cli_flags_parse(cmd, argc - words, argv + words, c, &err) < 0)
		return cli_fail(c, "%s\nRun \"peerway %s -h\" for its options.", err.text,
				cmd->name);
	if (c->o.help) {
		print_command_help(cmd, c->out);
		return 0;
	}
	return cmd->run(c);
}

int pw_cli_main(int argc, char **argv)
{
	pw_cleanup(cli_clear) struct cli c = { .out = stdout, .err = stderr, .in = stdin };
	int code = cli_run(&c, argc - 1, argv + 1);

	/* A table that went into a full disk or a closed pipe is no success. */
	if (fflush(stdout) != 0 && code == 0)
		return cli_fail(&c, "cannot write to standard output: %s", strerror(errno));
	return code;
}
