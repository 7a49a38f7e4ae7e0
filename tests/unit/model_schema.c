// SPDX-License-Identifier: Apache-2.0
/* Proves that every struct of the model survives the way to the store and back, and that secrets
 * stay inside. */
#include "userspace/model/model.h"
#include "userspace/model/reason.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static unsigned counter;

/* Fills each field with something of its own, so that a field that is lost or mixed up shows. */
static void fill(const struct pw_schema *s, void *obj)
{
	for (size_t i = 0; i < s->n_fields; i++) {
		const struct pw_field *f = &s->fields[i];
		void *at = (char *)obj + f->offset, *item;
		pw_autofree char *text = pw_xasprintf("%s-%u", f->name, ++counter);

		if (f->flags & PW_F_ALIAS)
			continue;
		switch (f->type) {
		case PW_F_STR:
			*(char **)at = TAKE_PTR(text);
			break;
		case PW_F_BOOL:
			*(bool *)at = true;
			break;
		case PW_F_STRV:
			pw_strv_add(at, text);
			pw_strv_add(at, "");
			break;
		case PW_F_MAP:
			pw_map_set(at, text, "value");
			break;
		case PW_F_JSON:
			*(json_t **)at = json_pack("{s:i}", text, (int)counter);
			break;
		case PW_F_OBJECT:
			fill(f->sub, at);
			break;
		case PW_F_POINTER:
			*(void **)at = pw_xcalloc(1, f->sub->size);
			fill(f->sub, *(void **)at);
			break;
		case PW_F_LIST:
			item = pw_xcalloc(1, f->sub->size);
			fill(f->sub, item);
			pw_list_add(at, item);
			break;
		default:
			*(int64_t *)at = 1000000000LL * ++counter;
			break;
		}
	}
}

static void round_trip(const struct pw_schema *s, const void *obj)
{
	pw_autojson json_t *v = pw_schema_encode(s, obj, PW_ENCODE_ALL);
	pw_autofree char *text = pw_json_dump(v);
	pw_autojson json_t *parsed = NULL;
	void *back = pw_xcalloc(1, s->size);
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(pw_json_parse(text, strlen(text), &parsed, &err), 0);
	if (pw_schema_decode(s, parsed, PW_DECODE_ALL, back, &err) < 0)
		fail_msg("%s: %s", s->name, err.text);
	if (!pw_schema_equal(s, obj, back))
		fail_msg("%s changed on its way: %s", s->name, text);
	pw_schema_free(s, back);
}

static void every_row_survives_the_way_to_the_store_and_back(void **state)
{
	for (size_t i = 0; i < PW_T_MAX; i++) {
		void *obj = pw_xcalloc(1, pw_tables[i].schema->size);

		fill(pw_tables[i].schema, obj);
		round_trip(pw_tables[i].schema, obj);
		pw_schema_free(pw_tables[i].schema, obj);
	}
}

static void config_structs_survive_too(void **state)
{
	const struct pw_schema *const schemas[] = { &pw_exported_services_schema,
						    &pw_service_intentions_schema,
						    &pw_upstream_schema };

	for (size_t i = 0; i < ARRAY_SIZE(schemas); i++) {
		void *obj = pw_xcalloc(1, schemas[i]->size);

		fill(schemas[i], obj);
		round_trip(schemas[i], obj);
		pw_schema_free(schemas[i], obj);
	}
}

static void every_byte_of_a_row_belongs_to_a_field_or_the_header(void **state)
{
	for (size_t t = 0; t < PW_T_MAX; t++) {
		const struct pw_schema *s = pw_tables[t].schema;
		size_t covered = sizeof(struct pw_obj);

		for (size_t i = 0; i < s->n_fields; i++) {
			const struct pw_field *f = &s->fields[i];

			if (f->type == PW_F_OBJECT)
				covered += f->sub->size;
			else if (f->type == PW_F_BOOL)
				covered += sizeof(bool);
			else if (f->type == PW_F_STRV || f->type == PW_F_MAP ||
				 f->type == PW_F_LIST)
				covered += sizeof(struct pw_strv);
			else
				covered += 8;
		}
		/* bools leave padding of less than 8 bytes in each place where they stand */
		if (covered > s->size || s->size - covered > 16)
			fail_msg("%s: %zu of %zu bytes are described", s->name, covered, s->size);
	}
}

static void secrets_are_never_shown(void **state)
{
	struct pw_peering_secret secret = {
		.id = "i", .establishment = "S1", .stream_active = "S2", .stream_pending = "S3"
	};
	struct pw_ca_root root = { .id = "r", .key_pem = "S4" };
	pw_autojson json_t *a = pw_schema_encode(&pw_peering_secret_schema, &secret, 0);
	pw_autojson json_t *b = pw_schema_encode(&pw_ca_root_schema, &root, 0);
	pw_autofree char *text_a = pw_json_dump(a);
	pw_autofree char *text_b = pw_json_dump(b);

	assert_string_equal(text_a, "{\"ID\":\"i\"}");
	assert_null(strstr(text_b, "S4"));
	assert_true(pw_tables[PW_T_PEERING_SECRET].secret);
	assert_true(pw_tables[PW_T_CA_ROOT].secret);
}

static void keys_tell_local_and_peer_apart(void **state)
{
	pw_autofree char *local = pw_key(false, "", "n", "s", NULL);
	pw_autofree char *null = pw_key(false, NULL, "n", "s", NULL);
	pw_autofree char *prefix = pw_key(true, "west", "n", NULL);

	assert_string_equal(local, "\x1fn\x1fs");
	assert_string_equal(null, local);
	assert_string_equal(prefix, "west\x1fn\x1f");
}

static void only_proxies_and_agent_checks_are_in_the_partial_orders(void **state)
{
	struct pw_service plain = { .name = "web" };
	struct pw_service proxy = { .kind = "connect-proxy",
				    .node = "n",
				    .id = "p",
				    .proxy.destination_service_name = "web" };
	struct pw_check foreign = { .id = "c" }, own = { .id = "c", .node = "n", .agent = true };
	pw_autofree char *proxy_key = pw_tables[PW_T_SERVICE].part_key(&proxy);
	pw_autofree char *own_key = pw_tables[PW_T_CHECK].part_key(&own);

	assert_null(pw_tables[PW_T_SERVICE].part_key(&plain));
	assert_string_equal(proxy_key, "\x1fweb\x1fn\x1fp");
	assert_null(pw_tables[PW_T_CHECK].part_key(&foreign));
	assert_string_equal(own_key, "\x1fn\x1f"
				     "c");
}

static void names_of_states_and_reasons_are_total(void **state)
{
	assert_string_equal(pw_peering_state_name(PW_PEERING_ACTIVE), "ACTIVE");
	assert_string_equal(pw_peering_state_name((enum pw_peering_state)99), "UNDEFINED");
	assert_string_equal(pw_reason_name(PW_REASON_UNKNOWN_CA), "unknown_ca");
	assert_string_equal(pw_reason_name((enum pw_reason)999), "none");
	pw_reason_count(PW_REASON_DENIED);
	pw_reason_count((enum pw_reason)999);
	assert_int_equal(pw_reason_total(PW_REASON_DENIED), 1);
	assert_int_equal(pw_reason_total((enum pw_reason)999), 0);
}

/* A peer's proxy, as the health endpoints show it. */
static void a_synthetic_proxy_shows_peer_meta(void **state)
{
	struct pw_service *s = pw_new0(struct pw_service);
	pw_autojson json_t *v = NULL;
	pw_autofree char *text = NULL;

	s->peer = pw_xstrdup("west");
	s->kind = pw_xstrdup("connect-proxy");
	s->name = pw_xstrdup("billing-sidecar-proxy");
	s->proxy.destination_service_name = pw_xstrdup("billing");
	s->connect.peer_meta = pw_new0(struct pw_peer_meta);
	pw_strv_add(&s->connect.peer_meta->sni, "billing.default.default.east.external.x.consul");
	s->connect.peer_meta->protocol = pw_xstrdup("tcp");
	s->agent = true;
	v = pw_service_json(s);
	text = pw_json_dump(v);
	assert_string_equal(
		text,
		"{\"Kind\":\"connect-proxy\",\"ID\":\"\",\"Service\":\"billing-sidecar-proxy\",\"Tags\":[],\"Address\":\"\",\"Meta\":null,\"Port\":0,"
		"\"Weights\":{\"Passing\":0,\"Warning\":0},\"EnableTagOverride\":false,"
		"\"Proxy\":{\"DestinationServiceName\":\"billing\",\"Mode\":\"\",\"MeshGateway\":{},\"Expose\":{}},"
		"\"Connect\":{\"PeerMeta\":{\"SNI\":[\"billing.default.default.east.external.x.consul\"],\"Protocol\":\"tcp\"}},"
		"\"PeerName\":\"west\",\"CreateIndex\":0,\"ModifyIndex\":0}");
	pw_schema_free(&pw_service_schema, s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_survives_the_way_to_the_store_and_back),
		cmocka_unit_test(config_structs_survive_too),
		cmocka_unit_test(every_byte_of_a_row_belongs_to_a_field_or_the_header),
		cmocka_unit_test(secrets_are_never_shown),
		cmocka_unit_test(keys_tell_local_and_peer_apart),
		cmocka_unit_test(only_proxies_and_agent_checks_are_in_the_partial_orders),
		cmocka_unit_test(names_of_states_and_reasons_are_total),
		cmocka_unit_test(a_synthetic_proxy_shows_peer_meta),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
