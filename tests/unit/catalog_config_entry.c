// SPDX-License-Identifier: Apache-2.0
/* Proves texts and normal form of config entries, compare-and-set, and exports. Look at
 * userspace/catalog/config_*.c. */
#include "userspace/catalog/catalog.h"
#include "userspace/catalog/config_entry.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct pw_store *store;
static struct pw_err err;

static int setup(void **state)
{
	const struct pw_store_options opt = { .tables = pw_tables, .n_tables = PW_T_MAX };

	err = (struct pw_err){ 0 };
	return pw_store_open(&store, &opt, NULL);
}

static int teardown(void **state)
{
	pw_store_close(&store);
	return 0;
}

static json_t *json(const char *text)
{
	pw_autofree char *copy = pw_xstrdup(text);
	json_t *v = NULL;

	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	if (pw_json_parse(copy, strlen(copy), &v, &err) < 0)
		fail_msg("%s: %s", copy, err.text);
	return v;
}

static int decode(const char *text, struct pw_config_entry **ret)
{
	pw_autojson json_t *v = json(text);

	return pw_config_entry_decode(v, ret, &err);
}

static bool write_cas(const char *text, const uint64_t *cas)
{
	struct pw_config_entry *e = NULL;
	struct pw_tx *tx = NULL;
	bool written = false;

	if (decode(text, &e) < 0)
		fail_msg("%s: %s", text, err.text);
	assert_int_equal(pw_tx_begin(store, &tx, NULL), 0);
	assert_int_equal(pw_config_entry_put(tx, e, cas, &written, &err), 0);
	assert_int_equal(pw_tx_commit(&tx, &err), 0);
	return written;
}

static void write_entry(const char *text)
{
	assert_true(write_cas(text, NULL));
}

static bool delete_cas(const char *kind, const char *name, const uint64_t *cas)
{
	struct pw_tx *tx = NULL;
	bool deleted = false;

	assert_int_equal(pw_tx_begin(store, &tx, NULL), 0);
	assert_int_equal(pw_config_entry_delete(tx, kind, name, cas, &deleted, &err), 0);
	assert_int_equal(pw_tx_commit(&tx, &err), 0);
	return deleted;
}

static void refused(const char *text, enum pw_err_class class, const char *want)
{
	struct pw_config_entry *e = NULL;

	assert_true(decode(text, &e) < 0);
	assert_null(e);
	if (err.class != class || strcmp(err.text, want))
		fail_msg("%s: class %d \"%s\", expected \"%s\"", text, err.class, err.text, want);
}

static void shows(json_t *v, const char *want)
{
	pw_autojson json_t *owned = v;
	pw_autofree char *got = NULL;
	pw_autojson json_t *parsed = json(want);
	pw_autofree char *expected = pw_json_dump(parsed);

	json_object_del(owned, "Hash");
	got = pw_json_dump(owned);
	assert_string_equal(got, expected);
}

#define EXPORTS(services) "{'Kind':'exported-services','Name':'default','Services':[" services "]}"

static void forms_are_refused_with_400(void **state)
{
	refused("{}", PW_ERR_BAD_REQUEST,
		"Request decoding failed: Payload does not contain a kind/Kind key at the top level");
	refused("{'Kind':'nope','Name':'x'}", PW_ERR_BAD_REQUEST,
		"Request decoding failed: invalid config entry kind: nope");
	refused("{'Kind':'service-router','Name':'x'}", PW_ERR_BAD_REQUEST,
		"Request decoding failed: invalid config entry kind: service-router");
	refused(EXPORTS("{'Name':'billing','Wat':1,'Consumers':[{'Peer':'west'}]}"),
		PW_ERR_BAD_REQUEST, "Request decoding failed: json: unknown field \"Wat\"");
	assert_true(pw_config_kind_valid("service-router"));
	assert_false(pw_config_kind_valid("nope"));
}

static void bad_exports_are_refused_with_consuls_texts(void **state)
{
	refused("{'Kind':'exported-services'}", PW_ERR_INTERNAL,
		"exported-services Name must be \"default\"");
	refused("{'Kind':'exported-services','Name':'other','Services':[{'Name':'billing',"
		"'Consumers':[{'Peer':'west'}]}]}",
		PW_ERR_INTERNAL, "exported-services Name must be \"default\"");
	refused(EXPORTS("{'Name':'','Consumers':[{'Peer':'west'}]}"), PW_ERR_INTERNAL,
		"Services[0]: service name cannot be empty");
	refused(EXPORTS("{'Name':'billing'}"), PW_ERR_INTERNAL,
		"Services[0]: must have at least one consumer");
	refused(EXPORTS("{'Name':'billing','Consumers':[{'Peer':'*'}]}"), PW_ERR_INTERNAL,
		"Services[0].Consumers[0]: exporting to all peers (wildcard) is not supported");
	refused(EXPORTS("{'Name':'billing','Consumers':[{'Peer':'west','Partition':'p'}]}"),
		PW_ERR_INTERNAL,
		"Services[0].Consumers[0]: must define at most one of Peer, Partition, or SamenessGroup");
}

#define INTENTIONS(name, sources) \
	"{'Kind':'service-intentions','Name':'" name "','Sources':[" sources "]}"

static void bad_intentions_are_refused_with_consuls_texts(void **state)
{
	static const struct {
		const char *body, *text;
	} cases[] = {
		{ "{'Kind':'service-intentions','Name':'billing'}",
		  "At least one source is required" },
		{ INTENTIONS("billing", ""), "At least one source is required" },
		{ INTENTIONS("billing", "{'Name':'web'}"),
		  "Sources[0].Action must be set to 'allow' or 'deny'" },
		{ INTENTIONS("billing", "{'Name':'web','Action':'maybe'}"),
		  "Sources[0].Action must be set to 'allow' or 'deny'" },
		{ INTENTIONS("billing", "{'Peer':'west','Action':'allow'}"),
		  "Sources[0].Name is required" },
		{ INTENTIONS("billing", "{'Name':'web','Peer':'*','Action':'allow'}"),
		  "Sources[0].Peer: cannot use wildcard '*' in peer" },
		{ INTENTIONS("billing", "{'Name':'w*','Peer':'west','Action':'allow'}"),
		  "Sources[0].Name: wildcard character '*' cannot be used with partial values" },
		{ INTENTIONS("billing", "{'Name':'web','Peer':'west','Action':'allow'},"
					"{'Name':'web','Peer':'west','Action':'deny'}"),
		  "Sources[1] defines peer(\"west\") \"web\" more than once" },
		{ INTENTIONS("billing",
			     "{'Name':'web','Action':'allow'},{'Name':'x','Action':'deny'},"
			     "{'Name':'web','Action':'deny'}"),
		  "Sources[2] defines \"web\" more than once" },
		{ INTENTIONS("billing",
			     "{'Name':'web','Peer':'west','Action':'allow','Permissions':"
			     "[{'Action':'allow','HTTP':{'PathPrefix':'/'}}]}"),
		  "Sources[0].Action must be omitted if Permissions are specified" },
		{ INTENTIONS("billing", "{'Name':'web','Peer':'west','Permissions':"
					"[{'Action':'allow','HTTP':{'PathPrefix':'/'}}]}"),
		  "service \"billing\" has protocol \"tcp\", which is incompatible with L7 intentions permissions" },
		{ INTENTIONS("bil*", "{'Name':'web','Action':'allow'}"),
		  "Name: wildcard character '*' cannot be used with partial values" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		refused(cases[i].body, PW_ERR_INTERNAL, cases[i].text);
}

static void exports_read_back_in_consuls_form(void **state)
{
	write_entry(
		"{'kind':'exported-services','name':'default','services':[{'name':'billing',"
		"'consumers':[{'peer':'west'}]},{'Name':'ghost','Consumers':[{'PeerName':'West'}]}],"
		"'meta':{'by':'ops'}}");
	shows(pw_config_entry_json(pw_config_entry_get(store, "exported-services", "default")),
	      "{'Kind':'exported-services','Name':'default','Services':[{'Name':'billing',"
	      "'Consumers':[{'Peer':'west'}]},{'Name':'ghost','Consumers':[{'Peer':'west'}]}],"
	      "'Meta':{'by':'ops'},'CreateIndex':2,'ModifyIndex':2}");
}

static void intentions_read_back_sorted_with_precedence_and_type(void **state)
{
	write_entry(
		"{'Kind':'service-intentions','Name':'billing','Sources':["
		"{'Name':'*','Peer':'west','Action':'deny'},{'Name':'web','Peer':'west','Action':'allow'},"
		"{'Name':'web','Action':'deny','Description':'d'},{'Name':'*','Action':'deny'}],"
		"'Meta':{'o':'x'}}");
	shows(pw_config_entry_json(pw_config_entry_get(store, "service-intentions", "billing")),
	      "{'Kind':'service-intentions','Name':'billing','Sources':["
	      "{'Name':'web','Action':'allow','Precedence':9,'Type':'consul','Peer':'west'},"
	      "{'Name':'web','Action':'deny','Precedence':9,'Type':'consul','Description':'d'},"
	      "{'Name':'*','Action':'deny','Precedence':8,'Type':'consul','Peer':'west'},"
	      "{'Name':'*','Action':'deny','Precedence':8,'Type':'consul'}],"
	      "'Meta':{'o':'x'},'CreateIndex':2,'ModifyIndex':2}");
	struct pw_service_intentions *e = pw_intentions_get(store, "billing");

	assert_int_equal(e->sources.n, 4);
	assert_string_equal(((struct pw_intention_source *)e->sources.items[0])->peer, "west");
	pw_schema_free(&pw_service_intentions_schema, e);
	assert_null(pw_intentions_get(store, "none"));
}

static void what_is_read_back_may_be_written_again(void **state)
{
	pw_autojson json_t *v = NULL;
	pw_autofree char *text = NULL;

	write_entry(INTENTIONS(
		"*", "{'Name':'*','Action':'deny'},{'Name':'spy','Peer':'west','Action':'deny'}"));
	v = pw_config_entry_json(pw_config_entry_get(store, "service-intentions", "*"));
	text = pw_json_dump(v);
	write_entry(text);
	assert_int_equal(pw_store_index(store), 2);
}

static void mesh_needs_no_name(void **state)
{
	write_entry("{'Kind':'mesh','Peering':{'PeerThroughMeshGateways':true}}");
	shows(pw_config_entry_json(pw_config_entry_get(store, "mesh", "mesh")),
	      "{'Kind':'mesh','TransparentProxy':{'MeshDestinationsOnly':false},"
	      "'Peering':{'PeerThroughMeshGateways':true},'CreateIndex':2,'ModifyIndex':2}");
}

static void cas_writes_and_deletes_only_what_was_seen(void **state)
{
	uint64_t none = 0, first = 2, stale = 1;
	const char *one = EXPORTS("{'Name':'a','Consumers':[{'Peer':'west'}]}");
	const char *two = EXPORTS("{'Name':'b','Consumers':[{'Peer':'west'}]}");

	assert_true(write_cas(one, &none));
	assert_false(write_cas(two, &none));
	assert_false(write_cas(two, &stale));
	assert_int_equal(pw_store_index(store), 2);
	assert_true(write_cas(two, &first));
	assert_false(delete_cas("exported-services", "default", &first));
	assert_true(delete_cas("exported-services", "default", NULL));
	assert_false(delete_cas("exported-services", "default", NULL));
}

/* --- exports -------------------------------------------------------------------------------- */

static void service(const char *name, const char *kind)
{
	struct pw_registration r = { 0 };
	struct pw_tx *tx = NULL;

	r.node.name = pw_xstrdup("n1");
	r.node.address = pw_xstrdup("1.1.1.1");
	r.service = pw_new0(struct pw_service);
	r.service->name = pw_xstrdup(name);
	r.service->kind = pw_xstrdup(kind);
	pw_tx_begin(store, &tx, NULL);
	assert_int_equal(pw_catalog_register(tx, &r, &err), 0);
	pw_tx_commit(&tx, NULL);
	pw_registration_clear(&r);
}

static void lists(const char *peer, const char *want)
{
	struct pw_exports *exports = pw_exports_new(store);
	pw_autofree char *text = pw_strv_join(pw_exports_of(exports, peer), ",");

	pw_exports_free(&exports);
	assert_string_equal(text, want);
}

static void peers(const char *name, const char *want)
{
	pw_cleanup(pw_strv_clear) struct pw_strv v = { 0 };
	pw_autofree char *text = NULL;

	pw_exports_peers_of(store, name, &v);
	text = pw_strv_join(&v, ",");
	assert_string_equal(text, want);
}

static void exact_names_are_exported_before_they_exist_and_wildcards_after(void **state)
{
	service("web", "");
	service("api", "");
	service("consul", "");
	service("odd-sidecar-proxy", "");
	service("gw", "mesh-gateway");
	lists("west", "");
	write_entry(EXPORTS("{'Name':'ghost','Consumers':[{'Peer':'west'},{'Peer':'north'}]},"
			    "{'Name':'*','Consumers':[{'Peer':'west'}]},"
			    "{'Name':'web','Consumers':[{'Peer':'south'},{'Peer':'west'}]},"
			    "{'Name':'consul','Consumers':[{'Peer':'west'}]}"));
	lists("west", "api,ghost,web");
	lists("north", "ghost");
	lists("south", "web");
	lists("unknown", "");
	peers("web", "south,west");
	peers("ghost", "north,west");
	peers("consul", "");
	peers("gw", "");
	peers("missing", "");
}

static void precedence_comes_from_the_wildcards(void **state)
{
	assert_int_equal(pw_intention_precedence("web", "db"), 9);
	assert_int_equal(pw_intention_precedence("*", "db"), 8);
	assert_int_equal(pw_intention_precedence("web", "*"), 6);
	assert_int_equal(pw_intention_precedence("*", "*"), 5);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(forms_are_refused_with_400),
		T(bad_exports_are_refused_with_consuls_texts),
		T(bad_intentions_are_refused_with_consuls_texts),
		T(exports_read_back_in_consuls_form),
		T(intentions_read_back_sorted_with_precedence_and_type),
		T(what_is_read_back_may_be_written_again),
		T(mesh_needs_no_name),
		T(cas_writes_and_deletes_only_what_was_seen),
		T(exact_names_are_exported_before_they_exist_and_wildcards_after),
		T(precedence_comes_from_the_wildcards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
