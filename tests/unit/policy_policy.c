// SPDX-License-Identifier: Apache-2.0
/* Proves how intentions become verdicts. Look at userspace/policy/policy.c when one breaks. */
#include "userspace/catalog/config_entry.h"
#include "userspace/policy/policy.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct pw_store *store;

static int setup(void **state)
{
	const struct pw_store_options opt = { .tables = pw_tables, .n_tables = PW_T_MAX };

	return pw_store_open(&store, &opt, NULL);
}

static int teardown(void **state)
{
	pw_store_close(&store);
	return 0;
}

static void put_entry(struct pw_config_entry *e)
{
	struct pw_tx *tx = NULL;
	bool written;

	assert_int_equal(pw_tx_begin(store, &tx, NULL), 0);
	assert_int_equal(pw_config_entry_put(tx, e, NULL, &written, NULL), 0);
	assert_int_equal(pw_tx_commit(&tx, NULL), 0);
}

/* sources: the JSON list, with ' for ". */
static void intentions(const char *destination, const char *sources)
{
	pw_autofree char *text =
		pw_xasprintf("{'Kind':'service-intentions','Name':'%s','Sources':%s}", destination,
			     sources);
	pw_autojson json_t *v = NULL;
	struct pw_config_entry *e = NULL;
	struct pw_err err = PW_ERR_INIT;

	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	assert_int_equal(pw_json_parse(text, strlen(text), &v, &err), 0);
	if (pw_config_entry_decode(v, &e, &err) < 0)
		fail_msg("%s", err.text);
	put_entry(e);
}

static struct pw_policy *compile(bool local, bool peers)
{
	const struct pw_policy_defaults d = { .allow_local = local, .allow_peers = peers };

	return pw_policy_compile(store, &d);
}

static void verdict(const struct pw_policy *p, const char *peer, const char *source,
		    const char *destination, enum pw_action action, unsigned precedence)
{
	struct pw_verdict v = pw_policy_check(p, peer, source, destination);

	if (v.action != action || v.precedence != precedence)
		fail_msg("%s/%s -> %s: action %d by %u, expected %d by %u", peer, source,
			 destination, v.action, v.precedence, action, precedence);
}
#define ALLOWED(peer, source, destination, by) \
	verdict(p, peer, source, destination, PW_ACTION_ALLOW, by)
#define DENIED(peer, source, destination, by) \
	verdict(p, peer, source, destination, PW_ACTION_DENY, by)

static void without_rules_the_defaults_decide(void **state)
{
	pw_cleanup(pw_policy_unref) struct pw_policy *p = compile(true, false);
	pw_cleanup(pw_policy_unref) struct pw_policy *q = compile(false, true);

	ALLOWED("", "web", "billing", 0);
	DENIED("west", "web", "billing", 0);
	assert_false(pw_policy_any_allowed(p, "west", "billing"));
	assert_int_equal(pw_policy_check(q, "", "web", "billing").action, PW_ACTION_DENY);
	assert_int_equal(pw_policy_check(q, "west", "web", "billing").action, PW_ACTION_ALLOW);
	assert_true(pw_policy_any_allowed(q, "west", "billing"));
}

static void precedence_is_9_8_6_5(void **state)
{
	intentions("billing", "[{'Name':'web','Peer':'west','Action':'allow'},"
			      "{'Name':'*','Peer':'west','Action':'deny'}]");
	intentions("*", "[{'Name':'ops','Peer':'west','Action':'allow'},"
			"{'Name':'*','Peer':'west','Action':'deny'}]");
	pw_cleanup(pw_policy_unref) struct pw_policy *p = compile(true, true);

	ALLOWED("west", "web", "billing", 9);
	DENIED("west", "api", "billing", 8);
	DENIED("west", "ops", "billing", 8); /* 8 beats 6 */
	ALLOWED("west", "ops", "other", 6);
	DENIED("west", "web", "other", 5);
	ALLOWED("north", "web", "other", 0);
}

static void a_wildcard_of_a_peer_covers_that_peer_only(void **state)
{
	intentions("billing", "[{'Name':'*','Peer':'west','Action':'allow'}]");
	intentions("db", "[{'Name':'*','Action':'deny'}]");
	pw_cleanup(pw_policy_unref) struct pw_policy *p = compile(true, true);
	pw_cleanup(pw_policy_unref) struct pw_policy *closed = compile(false, false);

	ALLOWED("west", "web", "billing", 8);
	DENIED("", "web", "db", 8);
	ALLOWED("west", "web", "db", 0); /* a local wildcard says nothing of peers */
	verdict(closed, "north", "web", "billing", PW_ACTION_DENY, 0);
	verdict(closed, "", "web", "billing", PW_ACTION_DENY, 0);
}

static void equal_names_of_local_and_peer_never_mix(void **state)
{
	intentions("billing", "[{'Name':'web','Action':'allow'},"
			      "{'Name':'web','Peer':'west','Action':'deny'},"
			      "{'Name':'api','Peer':'west','Action':'allow'}]");
	pw_cleanup(pw_policy_unref) struct pw_policy *p = compile(false, false);

	ALLOWED("", "web", "billing", 9);
	DENIED("west", "web", "billing", 9);
	DENIED("north", "web", "billing", 0);
	ALLOWED("west", "api", "billing", 9);
	DENIED("", "api", "billing", 0);
	DENIED("", "westapi", "billing", 0);
}

static void a_name_in_another_case_is_denied(void **state)
{
	intentions("Billing", "[{'Name':'Web','Peer':'West','Action':'deny'}]");
	pw_cleanup(pw_policy_unref) struct pw_policy *p = compile(true, true);

	DENIED("west", "web", "billing", 9);
	DENIED("west", "WEB", "BILLING", 9);
}

static void missing_names_and_a_source_called_star_are_denied(void **state)
{
	intentions("*", "[{'Name':'*','Peer':'west','Action':'allow'}]");
	pw_cleanup(pw_policy_unref) struct pw_policy *p = compile(true, true);

	DENIED("west", NULL, "billing", 0);
	DENIED("west", "", "billing", 0);
	DENIED("west", "web", NULL, 0);
	DENIED(NULL, "web", "billing", 0);
	DENIED("west", "*", "billing", 0);
	DENIED("west", "web", "*", 0);
	ALLOWED("west", "web", "billing", 5);
}

/* Such rows cannot be written through us, but a snapshot or an older version may hold them. */
static void stored_permissions_deny(void **state)
{
	struct pw_config_entry *e = pw_new0(struct pw_config_entry);

	e->kind = pw_xstrdup("service-intentions");
	e->name = pw_xstrdup("billing");
	e->body = json_pack("{s:[{s:s, s:s, s:[{s:s}]}, {s:s, s:s}]}", "Sources", "Name", "web",
			    "Action", "allow", "Permissions", "Action", "allow", "Name", "api",
			    "Action", "");
	assert_non_null(e->body);
	put_entry(e);
	pw_cleanup(pw_policy_unref) struct pw_policy *p = compile(true, true);

	DENIED("", "web", "billing", 9);
	DENIED("", "api", "billing", 9);
}

static void any_allowed_sees_named_and_wildcard_sources(void **state)
{
	intentions("billing", "[{'Name':'web','Peer':'west','Action':'allow'}]");
	intentions("db", "[{'Name':'web','Peer':'west','Action':'deny'}]");
	intentions("mail", "[{'Name':'*','Peer':'west','Action':'allow'}]");
	pw_cleanup(pw_policy_unref) struct pw_policy *p = compile(false, false);

	assert_true(pw_policy_any_allowed(p, "west", "billing"));
	assert_false(pw_policy_any_allowed(p, "north", "billing"));
	assert_false(pw_policy_any_allowed(p, "", "billing"));
	assert_false(pw_policy_any_allowed(p, "west", "db"));
	assert_true(pw_policy_any_allowed(p, "west", "mail"));
	assert_false(pw_policy_any_allowed(p, "west", NULL));
}

static void any_allowed_respects_what_overrules_a_wildcard_destination(void **state)
{
	intentions("*", "[{'Name':'ops','Peer':'west','Action':'allow'}]");
	intentions("db", "[{'Name':'*','Peer':'west','Action':'deny'}]");
	intentions("mail", "[{'Name':'ops','Peer':'west','Action':'deny'}]");
	pw_cleanup(pw_policy_unref) struct pw_policy *p = compile(false, false);

	assert_true(pw_policy_any_allowed(p, "west", "billing"));
	assert_false(pw_policy_any_allowed(p, "west", "db"));
	assert_false(pw_policy_any_allowed(p, "west", "mail"));
}

static void rules_are_listed_by_precedence_local_first(void **state)
{
	static const char *const want[] = { "9  web billing", "9 west web billing", "8  * billing",
					    "6 west spy *", "5  * *" };
	const struct pw_policy_rule *rules;
	char line[128];

	intentions("*",
		   "[{'Name':'*','Action':'deny'},{'Name':'spy','Peer':'west','Action':'deny'}]");
	intentions("billing",
		   "[{'Name':'*','Action':'deny'},{'Name':'web','Peer':'west','Action':'allow'},"
		   "{'Name':'web','Action':'deny'}]");
	pw_cleanup(pw_policy_unref) struct pw_policy *p = compile(true, true);

	assert_int_equal(pw_policy_rules(p, &rules), ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		snprintf(line, sizeof(line), "%u %s %s %s", rules[i].precedence, rules[i].peer,
			 rules[i].source, rules[i].destination);
		assert_string_equal(line, want[i]);
	}
}

static void a_reference_outlives_the_store_and_its_maker(void **state)
{
	intentions("billing", "[{'Name':'web','Peer':'west','Action':'allow'}]");
	pw_cleanup(pw_policy_unref) struct pw_policy *p = compile(false, false);
	struct pw_policy *second = pw_policy_ref(p);

	pw_policy_unref(&second);
	pw_store_close(&store);
	ALLOWED("west", "web", "billing", 9);
}

static void thousands_of_rules_are_all_found(void **state)
{
	struct pw_strbuf b = { 0 };

	for (unsigned i = 0; i < 3000; i++)
		pw_strbuf_add(&b, "%s{'Name':'s%u','Peer':'p%u','Action':'allow'}", i ? "," : "[",
			      i, i % 7);
	pw_strbuf_add(&b, "]");
	intentions("billing", b.text);
	pw_strbuf_clear(&b);
	pw_cleanup(pw_policy_unref) struct pw_policy *p = compile(false, false);

	for (unsigned i = 0; i < 3000; i++) {
		char source[16], peer[16], other[16];

		snprintf(source, sizeof(source), "s%u", i);
		snprintf(peer, sizeof(peer), "p%u", i % 7);
		snprintf(other, sizeof(other), "p%u", (i + 1) % 7);
		ALLOWED(peer, source, "billing", 9);
		DENIED(other, source, "billing", 0);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(without_rules_the_defaults_decide),
		T(precedence_is_9_8_6_5),
		T(a_wildcard_of_a_peer_covers_that_peer_only),
		T(equal_names_of_local_and_peer_never_mix),
		T(a_name_in_another_case_is_denied),
		T(missing_names_and_a_source_called_star_are_denied),
		T(stored_permissions_deny),
		T(any_allowed_sees_named_and_wildcard_sources),
		T(any_allowed_respects_what_overrules_a_wildcard_destination),
		T(rules_are_listed_by_precedence_local_first),
		T(a_reference_outlives_the_store_and_its_maker),
		T(thousands_of_rules_are_all_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
