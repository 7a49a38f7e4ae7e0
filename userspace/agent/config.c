// SPDX-License-Identifier: Apache-2.0
#include "config_private.h"
#include "../base/fs.h"
#include "../base/hcl.h"
#include "../base/log.h"
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define CONFIG_MAX_BYTES (1024 * 1024)

static const char usage[] =
	"Usage: peerway agent [flags]\n\n"
	"  -config-file FILE     HCL or JSON; may be given several times\n"
	"  -config-dir DIR       every *.hcl and *.json in it, in order of their names\n"
	"  -dev                  one node, data in a temporary directory, API on loopback\n"
	"  -datacenter NAME      name of this cluster\n"
	"  -node NAME            name of this gateway\n"
	"  -data-dir DIR         database and keys\n"
	"  -bpf-dir DIR          where maps and programs are pinned\n"
	"  -client ADDRS         addresses of the HTTP API, separated by blanks\n"
	"  -advertise-wan ADDR   what peers dial\n"
	"  -http-port PORT       port of the HTTP API\n"
	"  -gateway-port PORT    the one public port\n"
	"  -log-level LEVEL      trace, debug, info, warn, error\n";

/* Flags that set a key: they are turned into a document of their own, merged last. */
static const struct flag {
	const char *name;
	const char *object; /* NULL: top level */
	const char *key;
	bool number;
} flags[] = {
	{ "datacenter", NULL, "datacenter", false },
	{ "node", NULL, "node_name", false },
	{ "data-dir", NULL, "data_dir", false },
	{ "bpf-dir", NULL, "bpf_dir", false },
	{ "client", NULL, "client_addr", false },
	{ "advertise-wan", NULL, "advertise_addr_wan", false },
	{ "http-port", "ports", "http", true },
	{ "gateway-port", "ports", "gateway", true },
	{ "log-level", NULL, "log_level", false },
};

static void config_defaults(struct pw_config *c)
{
	static const char *const forwarders[] = { "sockmap", "splice", "copy" };
	char host[256] = "peerway";

	gethostname(host, sizeof(host) - 1);
	c->datacenter = pw_xstrdup("dc1");
	c->node_name = pw_xstrdup(host);
	c->data_dir = pw_xstrdup("/var/lib/peerway");
	c->bpf_dir = pw_xstrdup("/sys/fs/bpf/peerway");
	c->client_addr = pw_xstrdup("127.0.0.1");
	c->log_level = pw_xstrdup("info");
	c->ports = (struct pw_config_ports){
		.http = 8500, .https = -1, .dns = -1, .gateway = 8443, .mesh = -1
	};
	c->peering = (struct pw_config_peering){ .enabled = true,
						 .heartbeat_interval_ms = 15000,
						 .heartbeat_timeout_ms = 120000 };
	c->store.backend = pw_xstrdup("sqlite");
	c->gateway.bind_addr = pw_xstrdup("0.0.0.0");
	c->gateway.xdp = pw_xstrdup("auto");
	c->gateway.ktls = pw_xstrdup("auto");
	c->gateway.passthrough = true;
	for (size_t i = 0; i < ARRAY_SIZE(forwarders); i++)
		pw_strv_add(&c->gateway.forwarders, forwarders[i]);
	c->gateway.guard.mode = pw_xstrdup("limit");
	c->gateway.guard.new_connections_per_second = 200;
	c->gateway.limits = (struct pw_config_limits){
		.handshake_timeout_ms = 10000,
		.connect_timeout_ms = 5000,
		.half_close_timeout_ms = 3600000,
		.idle_timeout_ms = 0,
		.unacked_timeout_ms = 60000,
		.drain_timeout_ms = 30000,
		.max_connections = 16000,
		.max_connections_per_source = 4000,
		.max_pending_handshakes = 1024,
		.max_control_connections_per_source = 16,
		.buffer_bytes = 1048576,
		.hello_bytes = 16384,
	};
}

/* Line of the first occurrence of a key's last part as a word, for messages; 0: not found. */
static unsigned key_line(const char *text, const char *key)
{
	const char *word = strrchr(key, '.') ? strrchr(key, '.') + 1 : key;
	size_t n = strlen(word);
	unsigned line = 1;

	if (!n)
		return 0;
	for (const char *p = text; *p; p++) {
		if (*p == '\n')
			line++;
		else if (!strncasecmp(p, word, n) && (p == text || strchr(" \t\n{,\"'", p[-1])) &&
			 strchr(" \t=:{\"", p[n]))
			return line;
	}
	return 0;
}

/* The schema names a key in quotes; its line is what an operator looks for. */
static int with_line(struct pw_err *err, const char *file, const char *text)
{
	const char *open = strchr(err->text, '"');
	const char *close = open ? strchr(open + 1, '"') : NULL;
	unsigned line = 0;

	if (close) {
		pw_autofree char *key = pw_xstrndup(open + 1, (size_t)(close - open - 1));
		line = key_line(text, key);
	}
	return line ? pw_err_prefix(err, "%s:%u", file, line) : pw_err_prefix(err, "%s", file);
}

static void services_to_array(json_t *doc)
{
	static const char *const names[] = { "service", "services" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		json_t *one = json_object_get(doc, names[i]);

		if (json_is_object(one)) {
			json_t *list = json_array();

			json_array_append(list, one);
			json_object_set_new(doc, names[i], list);
		}
		if (i == 1 && json_is_array(json_object_get(doc, "services"))) {
			json_t *all = json_object_get(doc, "service");

			if (!json_is_array(all)) {
				all = json_array();
				json_object_set_new(doc, "service", all);
			}
			json_array_extend(all, json_object_get(doc, "services"));
			json_object_del(doc, "services");
		}
	}
}

/* Later documents win key by key; service blocks add up. */
static void merge(json_t *into, json_t *from)
{
	const char *key;
	json_t *value;

	json_object_foreach(from, key, value)
	{
		json_t *old = json_object_get(into, key);

		if (json_is_object(old) && json_is_object(value))
			merge(old, value);
		else if (json_is_array(old) && json_is_array(value) && !strcmp(key, "service"))
			json_array_extend(old, value);
		else
			json_object_set_new(into, key, json_deep_copy(value));
	}
}

static int load_file(json_t *all, const char *path, struct pw_err *err)
{
	pw_autofree char *text = NULL;
	pw_autojson json_t *doc = NULL;
	struct pw_config probe = { 0 };
	size_t len;
	int r;

	r = pw_fs_read(path, CONFIG_MAX_BYTES, &text, &len, err);
	if (r < 0)
		return r;
	r = pw_hcl_parse(text, len, path, &doc, err);
	if (r < 0)
		return r;
	if (!json_is_object(doc))
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "%s: must be an object", path);
	services_to_array(doc);
	/* Decoded alone first, so that an error names this file. */
	r = pw_schema_decode(&pw_config_schema, doc, 0, &probe, err);
	pw_schema_clear(&pw_config_schema, &probe);
	if (r < 0)
		return with_line(err, path, text);
	merge(all, doc);
	return 0;
}

static int config_name_filter(const struct dirent *d)
{
	return pw_str_ends(d->d_name, ".hcl") || pw_str_ends(d->d_name, ".json");
}

static int load_dir(json_t *all, const char *dir, struct pw_err *err)
{
	struct dirent **list = NULL;
	int n = scandir(dir, &list, config_name_filter, alphasort);
	int r = 0;

	if (n < 0)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, errno, "%s: %s", dir, strerror(errno));
	for (int i = 0; i < n; i++) {
		pw_autofree char *path = pw_xasprintf("%s/%s", dir, list[i]->d_name);

		if (r == 0)
			r = load_file(all, path, err);
		free(list[i]);
	}
	free(list);
	return r;
}

static int set_flag(json_t *doc, const struct flag *f, const char *value, struct pw_err *err)
{
	json_t *object = doc;
	json_t *v;
	uint64_t number;

	if (f->object) {
		object = json_object_get(doc, f->object);
		if (!object) {
			object = json_object();
			json_object_set_new(doc, f->object, object);
		}
	}
	if (!f->number) {
		v = json_string(value);
	} else {
		if (pw_str_to_u64(value, 65535, &number) < 0)
			return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
					  "-%s %s: must be a port from 0 to 65535", f->name, value);
		v = json_integer((json_int_t)number);
	}
	if (!v)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "-%s: not valid UTF-8", f->name);
	json_object_set_new(object, f->key, v);
	return 0;
}

static int parse_flag(int argc, char **argv, int *i, json_t *files, json_t *over, bool *dev,
		      struct pw_err *err)
{
	const char *name = argv[*i];
	pw_autofree char *word = NULL;
	const char *value;

	if (name[0] != '-')
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "%s: the agent takes flags only, see -h", name);
	name += name[1] == '-' ? 2 : 1;
	if (!strcmp(name, "h") || !strcmp(name, "help")) {
		fputs(usage, stdout);
		return -ECANCELED;
	}
	if (!strcmp(name, "dev")) {
		*dev = true;
		return 0;
	}
	value = strchr(name, '=');
	word = value ? pw_xstrndup(name, (size_t)(value - name)) : pw_xstrdup(name);
	if (value)
		value++;
	else if (*i + 1 < argc)
		value = argv[++*i];
	else
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "-%s needs a value", word);
	if (!strcmp(word, "config-file"))
		return load_file(files, value, err);
	if (!strcmp(word, "config-dir"))
		return load_dir(files, value, err);
	for (size_t k = 0; k < ARRAY_SIZE(flags); k++)
		if (!strcmp(word, flags[k].name))
			return set_flag(over, &flags[k], value, err);
	return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "unknown flag -%s, see -h", word);
}

/* -dev: whatever the files and flags leave open goes to a fresh temporary directory and loopback.
 */
static int apply_dev(struct pw_config *c, const json_t *all, struct pw_err *err)
{
	char dir[] = "/tmp/peerway-dev-XXXXXX";

	c->dev = true;
	if (!json_object_get(all, "data_dir")) {
		if (!mkdtemp(dir))
			return pw_err_set(err, PW_ERR_INTERNAL, errno,
					  "-dev: no temporary directory: %s", strerror(errno));
		free(c->data_dir);
		c->data_dir = pw_xstrdup(dir);
	}
	if (!json_object_get(all, "advertise_addr_wan"))
		c->advertise_addr_wan = pw_xstrdup("127.0.0.1");
	return 0;
}

int pw_config_load(int argc, char **argv, struct pw_config **ret, struct pw_err *err)
{
	pw_cleanup(pw_config_free) struct pw_config *c = pw_new0(struct pw_config);
	pw_autojson json_t *all = json_object();
	pw_autojson json_t *over = json_object();
	bool dev = false;
	int r = 0;

	for (int i = 0; i < argc && r == 0; i++)
		r = parse_flag(argc, argv, &i, all, over, &dev, err);
	if (r < 0)
		return r;
	merge(all, over);
	config_defaults(c);
	r = pw_schema_decode(&pw_config_schema, all, 0, c, err);
	if (r < 0)
		return r;
	if (dev) {
		r = apply_dev(c, all, err);
		if (r < 0)
			return r;
	}
	r = pw_config_check(c, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(c);
	return 0;
}

void pw_config_free(struct pw_config **c)
{
	if (!c || !*c)
		return;
	pw_schema_free(&pw_config_schema, *c);
	*c = NULL;
}
