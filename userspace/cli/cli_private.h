/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_CLI_CLI_PRIVATE_H
#define PW_CLI_CLI_PRIVATE_H
#include "../base/err.h"
#include "../base/json.h"
#include "../base/str.h"
#include "http_private.h"
#include <stdio.h>

#define CLI_FILE_MAX_BYTES (3 * 1024 * 1024)

/* What flags fill in. One struct for all commands: a command's flags say which members it reads. */
struct cli_options {
	bool help;
	/* how to reach the agent */
	char *http_addr;
	char *token; /* secret */
	char *token_file;
	char *datacenter;
	char *partition;
	char *ns;
	bool stale;
	/* commands */
	char *name;
	char *format;
	char *peering_token; /* secret */
	char *id;
	char *kind;
	char *filename;
	char *filter;
	char *node;
	char *service;
	char *peer;
	char *address;
	struct pw_strv external_addresses;
	struct pw_strv consumer_peers;
	struct pw_strv consumer_partitions;
	struct pw_strv service_tags;
	struct pw_map meta;
	struct pw_map node_meta;
	uint64_t modify_index;
	uint64_t port;
	bool allow;
	bool deny;
	bool replace;
	bool file;
	bool source;
	bool destination;
	bool cas;
	bool retry;
	bool detailed;
	bool tags;
};

enum cli_flag_type {
	CLI_STR,    /* char * */
	CLI_BOOL,   /* bool: -x or -x=true */
	CLI_LIST,   /* struct pw_strv: a,b and repeated */
	CLI_MAP,    /* struct pw_map: k=v, repeated */
	CLI_NUMBER, /* uint64_t */
	CLI_FLAG_TYPE_MAX_
};
struct cli_flag {
	const char *name;
	enum cli_flag_type type;
	size_t offset; /* in struct cli_options */
	const char *arg;
	const char *help;
};
#define CLI_FLAG(fname, ftype, member, farg, fhelp)                                               \
	{                                                                                         \
		.name = (fname), .type = (ftype), .offset = offsetof(struct cli_options, member), \
		.arg = (farg), .help = (fhelp)                                                    \
	}

struct cli;
struct cli_command {
	const char *name; /* "peering read" */
	const char *args; /* what stands behind the options in the usage line */
	const char *summary;
	const struct cli_flag *flags;
	size_t n_flags;
	int (*run)(struct cli *c);
};
struct cli {
	FILE *out;
	FILE *err;
	FILE *in;
	struct cli_options o;
	struct pw_strv args; /* what is no flag */
};

/* --- flags.c ------------------------------------------------------------------------------- */
extern const struct cli_flag cli_client_flags[];
extern const size_t cli_n_client_flags;
/* Flags of cmd and the client's, one dash or two, anywhere on the line; "--" ends them, "-" is no
 * flag. -EINVAL. */
int cli_flags_parse(const struct cli_command *cmd, int argc, char **argv, struct cli *c,
		    struct pw_err *err);
void cli_flags_print(const struct cli_flag *flags, size_t n, FILE *to);
void cli_clear(struct cli *c);

/* --- command.c ----------------------------------------------------------------------------- */
int cli_run(struct cli *c, int argc, char **argv); /* argv without the program's name */
/* Prints one line to c->err; returns 1, most commands' exit code of failure. */
int cli_fail(struct cli *c, const char *fmt, ...) pw_printf(2, 3);

/* --- client.c ------------------------------------------------------------------------------ */
/*
 * One call of the API. path: below the agent's address, perhaps with a query; -datacenter,
 * -partition and the like are added. 200 gives the body in *ret (ret may be NULL); everything else
 * is an error whose text names the code and the agent's words. *ret_status (may be NULL): the HTTP
 * status, 0 when there was no answer.
 */
int cli_call(struct cli *c, const char *method, const char *path, const json_t *body, json_t **ret,
	     int *ret_status, struct pw_err *err);
char *cli_escape(const char *s);   /* for a path segment or a value of a query */
bool cli_format_ok(struct cli *c); /* pretty or json; prints the error */
bool cli_wants_json(const struct cli *c);
void cli_print_json(struct cli *c, const json_t *v); /* one line */
/* FILE or "-", HCL or JSON. */
int cli_read_document(struct cli *c, const char *path, json_t **ret, struct pw_err *err);
/* Member by name, without regard to case and underscores: for documents as users write them. */
json_t *cli_member(const json_t *o, const char *key);
int cli_put_cas(struct cli *c, const json_t *entry, bool cas, uint64_t index, bool *ret_done,
		struct pw_err *err);
/* The config entry and the index to write it back with; a missing one gives *ret NULL and index 0.
 */
int cli_config_get(struct cli *c, const char *kind, const char *name, json_t **ret,
		   uint64_t *ret_index, struct pw_err *err);

/* --- table.c ------------------------------------------------------------------------------- */
/* Rows of cells, aligned to the left, two blanks apart; the last cell is not padded. */
struct cli_table {
	size_t n_columns; /* 1..CLI_TABLE_MAX_COLUMNS */
	struct pw_strv cells;
};
#define CLI_TABLE_MAX_COLUMNS 16
void cli_table_row(struct cli_table *t, ...); /* n_columns times const char *, NULL is "" */
void cli_table_print(const struct cli_table *t, FILE *to);
void cli_table_clear(struct cli_table *t);
/* Text of others on a terminal: control characters become '?'. New string. */
char *cli_printable(const char *s);

/* --- the commands -------------------------------------------------------------------------- */
int cli_peering_generate_token(struct cli *c);
int cli_peering_establish(struct cli *c);
int cli_peering_list(struct cli *c);
int cli_peering_read(struct cli *c);
int cli_peering_delete(struct cli *c);
int cli_peering_exported_services(struct cli *c);
void cli_peering_print(const json_t *peering, FILE *to);
void cli_peering_print_list(const json_t *peerings, FILE *to);
int cli_services_register(struct cli *c);
int cli_services_deregister(struct cli *c);
int cli_services_export(struct cli *c);
int cli_services_exported(struct cli *c);
int cli_config_write(struct cli *c);
int cli_config_read(struct cli *c);
int cli_config_list(struct cli *c);
int cli_config_delete(struct cli *c);
int cli_intention_create(struct cli *c);
int cli_intention_check(struct cli *c);
int cli_intention_match(struct cli *c);
int cli_intention_get(struct cli *c);
int cli_intention_list(struct cli *c);
int cli_intention_delete(struct cli *c);
int cli_catalog_services(struct cli *c);
int cli_catalog_nodes(struct cli *c);
int cli_catalog_datacenters(struct cli *c);
int cli_status(struct cli *c);
void cli_status_print(const json_t *gateway, int64_t now_ns, FILE *to);
int cli_flows(struct cli *c);
void cli_flows_print(const json_t *flows, FILE *to);
int cli_version(struct cli *c);
#endif
