// SPDX-License-Identifier: Apache-2.0
/* Proves registration, its texts and what is read back. Look at
 * userspace/catalog/{register,validate,registration,agent_*}.c. */
#include "userspace/base/time.h"
#include "userspace/catalog/registration.h"
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
	struct pw_cluster *c = pw_new0(struct pw_cluster);
	struct pw_tx *tx = NULL;

	err = (struct pw_err){ 0 };
	if (pw_store_open(&store, &opt, NULL) < 0)
		return -1;
	c->id = pw_xstrdup("e99a22d3-ce18-51df-6ae2-dab4e3736141");
	c->datacenter = pw_xstrdup("dc-east");
	pw_tx_begin(store, &tx, NULL);
	pw_tx_put(tx, PW_T_CLUSTER, c, NULL);
	return pw_tx_commit(&tx, NULL);
}

static int teardown(void **state)
{
	pw_store_close(&store);
	return 0;
}

/* Bodies are written with ' for ". */
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

static int put(struct pw_registration *r)
{
	pw_autotx struct pw_tx *tx = NULL;
	int rc;

	assert_int_equal(pw_tx_begin(store, &tx, NULL), 0);
	rc = pw_catalog_register(tx, r, &err);
	if (rc == 0)
		rc = pw_tx_commit(&tx, &err);
	pw_registration_clear(r);
	return rc;
}

static int reg(const char *body)
{
	pw_autojson json_t *v = json(body);
	struct pw_registration r = { 0 };
	int rc = pw_registration_decode(v, &r, &err);

	return rc < 0 ? rc : put(&r);
}

static int agent(const char *body)
{
	pw_autojson json_t *v = json(body);
	struct pw_registration r = { 0 };
	int rc = pw_agent_service_decode(v, "gw-1", &r, &err);

	return rc < 0 ? rc : put(&r);
}

static void must(int rc)
{
	if (rc < 0)
		fail_msg("%s", err.text);
}

static void refused(int rc, enum pw_err_class class, const char *text)
{
	assert_true(rc < 0);
	if (err.class != class || strcmp(err.text, text))
		fail_msg("class %d \"%s\", expected %d \"%s\"", err.class, err.text, class, text);
}

static void deregister(const char *node, const char *service, const char *check)
{
	struct pw_tx *tx = NULL;

	assert_int_equal(pw_tx_begin(store, &tx, NULL), 0);
	must(pw_catalog_deregister(tx, "", node, service, check, &err));
	must(pw_tx_commit(&tx, &err));
}

static void shows(json_t *v, const char *want)
{
	pw_autojson json_t *owned = v;
	pw_autofree char *got = pw_json_dump(v);
	pw_autojson json_t *parsed = json(want);
	pw_autofree char *expected = pw_json_dump(parsed);

	assert_string_equal(got, expected);
}

static const struct pw_check *check(const char *node, const char *id)
{
	pw_autofree char *key = pw_key(false, "", node, id, NULL);

	return pw_store_get(store, PW_T_CHECK, key);
}

#define BILLING_1                                                                               \
	"{'Node':'n1','Address':'10.44.0.11','Service':{'ID':'billing-1','Service':'billing',"  \
	"'Port':7000,'Tags':['v2'],'Meta':{'team':'pay'}},'Check':{'Node':'n1','CheckID':'c1'," \
	"'Name':'alive','Status':'passing','ServiceID':'billing-1'}}"

static void a_registration_reads_back_as_consul_shows_it(void **state)
{
	must(reg(BILLING_1));
	shows(pw_node_json(pw_catalog_node(store, "", "n1")),
	      "{'ID':'','Node':'n1','Address':'10.44.0.11','Datacenter':'dc-east',"
	      "'TaggedAddresses':null,'Meta':null,'CreateIndex':3,'ModifyIndex':3}");
	shows(pw_service_json(pw_catalog_service(store, "", "n1", "billing-1")),
	      "{'ID':'billing-1','Service':'billing','Tags':['v2'],'Address':'',"
	      "'Meta':{'team':'pay'},'Port':7000,'Weights':{'Passing':1,'Warning':1},"
	      "'EnableTagOverride':false,'Proxy':{'Mode':'','MeshGateway':{},'Expose':{}},"
	      "'Connect':{},'PeerName':'','CreateIndex':3,'ModifyIndex':3}");
	shows(pw_check_json(check("n1", "c1")),
	      "{'Node':'n1','CheckID':'c1','Name':'alive','Status':'passing','Notes':'',"
	      "'Output':'','ServiceID':'billing-1','ServiceName':'billing','ServiceTags':['v2'],"
	      "'Type':'','Interval':'','Timeout':'','ExposedPort':0,'Definition':{},"
	      "'CreateIndex':3,'ModifyIndex':3}");
}

static void tagged_addresses_are_shown_as_a_map(void **state)
{
	must(reg(
		"{'Node':'n1','Address':'1.1.1.1','Service':{'Service':'a','TaggedAddresses':"
		"{'lan':{'Address':'10.0.0.1','Port':80},'wan':{'Address':'x.example','Port':443}}}}"));
	pw_autojson json_t *v = pw_service_json(pw_catalog_service(store, "", "n1", "a"));

	shows(json_incref(json_object_get(v, "TaggedAddresses")),
	      "{'lan':{'Address':'10.0.0.1','Port':80},'wan':{'Address':'x.example','Port':443}}");
}

static void bad_registrations_are_refused_with_consuls_texts(void **state)
{
	uint64_t index = pw_store_index(store);

	refused(reg("{'Address':'1.2.3.4'}"), PW_ERR_INTERNAL, "Must provide node");
	refused(reg("{'Node':'n9'}"), PW_ERR_INTERNAL,
		"Must provide address if SkipNodeUpdate is not set");
	refused(reg("{'Node':'n9','Address':'1.1.1.1','PeerName':'west'}"), PW_ERR_INTERNAL,
		"cannot register requests with PeerName in them");
	refused(reg("{'Node':'n8','Address':'1.1.1.1','Service':{'Service':'a','PeerName':'w'}}"),
		PW_ERR_INTERNAL, "cannot register requests with PeerName in them");
	refused(reg("{'Node':'n8','Address':'1.1.1.1','Wat':1}"), PW_ERR_BAD_REQUEST,
		"Request decode failed: json: unknown field \"Wat\"");
	refused(reg("{'Node':'n8','ID':'zz','Address':'1.1.1.1'}"), PW_ERR_INTERNAL,
		"Bad node ID: uuid string is wrong length");
	refused(reg("{'Node':'n8','Address':'1.1.1.1','Datacenter':'mars'}"), PW_ERR_INTERNAL,
		"No path to datacenter");
	refused(reg("{'Node':'n8','SkipNodeUpdate':true}"), PW_ERR_INTERNAL,
		"Missing node registration");
	refused(reg("{'Node':'n8','Address':'1.1.1.1','Check':{'CheckID':'c','ServiceID':'no'}}"),
		PW_ERR_INTERNAL, "Missing service registration");
	refused(reg("{'Node':'n8','Address':'1.1.1.1','Check':{'CheckID':'c','Node':'other'}}"),
		PW_ERR_INTERNAL, "check node \"other\" does not match node \"n8\"");
	refused(reg("{'Node':'n8','Address':'1.1.1.1','Service':{'ID':'x'}}"), PW_ERR_INTERNAL,
		"Must provide service name (Service.Service) when service ID is provided");
	assert_true(reg("{'Node':'n8','Address':'1.1.1.1','Service':{'Service':'a','Port':'80'}}") <
		    0);
	assert_int_equal(err.class, PW_ERR_BAD_REQUEST);
	assert_true(
		reg("{'Node':'n8','Address':'1.1.1.1','Check':{'CheckID':'c','Status':'odd'}}") <
		0);
	assert_true(reg("{'Node':'n\\u001f8','Address':'1.1.1.1'}") < 0);
	/* Our own fields are no business of a body. */
	assert_true(reg("{'Node':'n8','Address':'1.1.1.1','Check':{'CheckID':'c','Agent':true}}") <
		    0);
	assert_int_equal(pw_store_index(store), index);
}

static void the_same_node_with_another_address_is_updated(void **state)
{
	must(reg("{'Node':'n1','Address':'1.1.1.1','ID':'e99a22d3-ce18-51df-6ae2-dab4e3736141'}"));
	must(reg("{'Node':'n1','Address':'1.1.1.2'}"));
	assert_string_equal(pw_catalog_node(store, "", "n1")->address, "1.1.1.2");
	assert_string_equal(pw_catalog_node(store, "", "n1")->id,
			    "e99a22d3-ce18-51df-6ae2-dab4e3736141");
	must(reg("{'Node':'n2','Address':'1.1.1.2','ID':'e99a22d3-ce18-51df-6ae2-dab4e3736141'}"));
	assert_null(pw_catalog_node(store, "", "n1")); /* renamed */
	must(reg("{'Node':'n2','Address':'9.9.9.9','SkipNodeUpdate':true}"));
	assert_string_equal(pw_catalog_node(store, "", "n2")->address, "1.1.1.2");
}

static void an_equal_registration_keeps_every_index(void **state)
{
	must(reg(BILLING_1));
	must(reg(BILLING_1));
	assert_int_equal(pw_store_index(store), 3);
}

static void deregistering_takes_what_belongs_to_it(void **state)
{
	must(reg(BILLING_1));
	must(reg("{'Node':'n1','SkipNodeUpdate':true,'Service':{'Service':'web'},"
		 "'Checks':[{'CheckID':'node'},{'CheckID':'w','ServiceID':'web'}]}"));
	deregister("n1", "billing-1", NULL);
	assert_null(pw_catalog_service(store, "", "n1", "billing-1"));
	assert_null(check("n1", "c1"));
	assert_non_null(check("n1", "w"));
	deregister("n1", NULL, "node");
	assert_null(check("n1", "node"));
	deregister("n1", "", "");
	assert_null(pw_catalog_node(store, "", "n1"));
	assert_int_equal(pw_store_count(store, PW_T_SERVICE), 0);
	assert_int_equal(pw_store_count(store, PW_T_CHECK), 0);
	deregister("none", NULL, NULL);
}

static void status_is_the_worst_of_instance_and_node(void **state)
{
	const struct pw_check **checks;
	const struct pw_service *svc;
	size_t n;

	must(reg("{'Node':'n1','Address':'1.1.1.1','Service':{'Service':'web'}}"));
	svc = pw_catalog_service(store, "", "n1", "web");
	assert_int_equal(pw_catalog_instance_status(store, svc), PW_STATUS_PASSING);
	must(reg(
		"{'Node':'n1','SkipNodeUpdate':true,'Checks':[{'CheckID':'b','ServiceID':'web',"
		"'Status':'warning'},{'CheckID':'c','Status':'passing'},{'CheckID':'a','ServiceID':'web',"
		"'Status':'passing'}]}"));
	svc = pw_catalog_service(store, "", "n1", "web");
	assert_int_equal(pw_catalog_instance_status(store, svc), PW_STATUS_WARNING);
	n = pw_catalog_instance_checks(store, svc, &checks);
	assert_int_equal(n, 3);
	assert_string_equal(checks[0]->id, "a");
	assert_string_equal(checks[1]->id, "b");
	assert_string_equal(checks[2]->id, "c");
	free(checks);
	must(reg("{'Node':'n1','SkipNodeUpdate':true,'Check':{'CheckID':'d'}}"));
	assert_int_equal(pw_catalog_instance_status(store, svc), PW_STATUS_CRITICAL);
	must(reg("{'Node':'n1','SkipNodeUpdate':true,'Check':{'CheckID':'_node_maintenance',"
		 "'Status':'critical'}}"));
	assert_int_equal(pw_catalog_instance_status(store, svc), PW_STATUS_MAINTENANCE);
}

static bool count(void *arg, const struct pw_service *svc)
{
	(*(unsigned *)arg)++;
	return true;
}

static unsigned connect_instances(const char *peer, const char *name)
{
	unsigned n = 0;

	pw_catalog_each_connect(store, peer, name, count, &n);
	return n;
}

static void proxies_and_native_instances_speak_mesh(void **state)
{
	must(reg("{'Node':'n1','Address':'1.1.1.1','Service':{'Service':'web'}}"));
	assert_false(pw_catalog_speaks_mesh(store, "web"));
	must(reg("{'Node':'n1','SkipNodeUpdate':true,'Service':{'Service':'web','ID':'web-2',"
		 "'Connect':{'Native':true}}}"));
	must(reg("{'Node':'n1','SkipNodeUpdate':true,'Service':{'Service':'px','Kind':"
		 "'connect-proxy','Port':1,'Proxy':{'DestinationServiceName':'web'}}}"));
	assert_true(pw_catalog_speaks_mesh(store, "web"));
	assert_int_equal(connect_instances("", "web"), 2);
	assert_int_equal(connect_instances("west", "web"), 0);
	refused(reg("{'Node':'n1','SkipNodeUpdate':true,'Service':{'Service':'py','Kind':'connect-proxy'}}"),
		PW_ERR_INTERNAL,
		"Proxy.DestinationServiceName must be non-empty for Connect proxy services");
}

static void names_are_local_typical_and_distinct(void **state)
{
	pw_cleanup(pw_strv_clear) struct pw_strv names = { 0 };
	pw_autofree char *text = NULL;

	must(reg("{'Node':'n1','Address':'1.1.1.1','Service':{'Service':'web','ID':'w1'}}"));
	must(reg("{'Node':'n1','Address':'1.1.1.1','Service':{'Service':'web','ID':'w2'}}"));
	must(reg("{'Node':'n1','Address':'1.1.1.1','Service':{'Service':'api'}}"));
	must(reg("{'Node':'n1','Address':'1.1.1.1','Service':{'Service':'consul'}}"));
	must(reg(
		"{'Node':'n1','Address':'1.1.1.1','Service':{'Service':'gw','Kind':'mesh-gateway'}}"));
	pw_catalog_names(store, &names);
	text = pw_strv_join(&names, ",");
	assert_string_equal(text, "api,web");
}

/* --- imports -------------------------------------------------------------------------------- */

static struct pw_registration imported(const char *node, const char *id, const char *check_id)
{
	struct pw_registration r = { 0 };
	struct pw_check *c = pw_new0(struct pw_check);

	r.node.peer = pw_xstrdup("west");
	r.node.name = pw_xstrdup(node);
	r.node.datacenter = pw_xstrdup("dc-west");
	r.node.id = pw_xstrdup("whatever the exporter says");
	r.service = pw_new0(struct pw_service);
	r.service->id = pw_xstrdup(id);
	r.service->name = pw_xstrdup("billing");
	c->id = pw_xstrdup(check_id);
	c->status = pw_xstrdup("maintenance");
	c->service_id = pw_xstrdup(id);
	pw_list_add(&r.checks, c);
	return r;
}

static void imports_keep_their_datacenter_and_live_apart(void **state)
{
	struct pw_registration r = imported("n1", "billing-1", "billing-1:overall-check");

	must(reg(BILLING_1));
	must(put(&r));
	assert_string_equal(pw_catalog_node(store, "west", "n1")->datacenter, "dc-west");
	assert_string_equal(pw_catalog_node(store, "", "n1")->datacenter, "dc-east");
	assert_int_equal(pw_store_count(store, PW_T_SERVICE), 2);
	assert_int_equal(pw_catalog_instance_status(store, pw_catalog_service(store, "west", "n1",
									      "billing-1")),
			 PW_STATUS_MAINTENANCE);
	assert_null(pw_catalog_instance_address(store, pw_catalog_service(store, "west", "n1",
									  "billing-1")));
	deregister("n1", NULL, NULL);
	assert_non_null(pw_catalog_node(store, "west", "n1"));
}

static void imports_without_names_are_refused(void **state)
{
	struct pw_registration a = imported("", "i", "c"), b = imported("n", "", "c"),
			       c = imported("n", "i", ""), d = imported("n\x1f", "i", "c"),
			       e = imported("n\xff", "i", "c");

	assert_int_equal(put(&a), -EINVAL);
	assert_int_equal(put(&b), -EINVAL);
	assert_int_equal(put(&c), -EINVAL);
	assert_int_equal(put(&d), -EINVAL);
	assert_int_equal(put(&e), -EINVAL);
	assert_int_equal(pw_store_count(store, PW_T_NODE), 0);
}

/* --- agent ---------------------------------------------------------------------------------- */

static void own_node(void)
{
	must(reg("{'Node':'gw-1','Address':'10.0.0.1'}"));
}

static void an_agent_check_starts_critical_and_keeps_what_it_found(void **state)
{
	const struct pw_check *c;

	own_node();
	must(agent("{'Name':'web','Port':8080,'Check':{'TTL':'600s'}}"));
	c = check("gw-1", "service:web");
	assert_non_null(c);
	assert_string_equal(c->name, "Service 'web' check");
	assert_string_equal(c->status, "critical");
	assert_string_equal(c->type, "ttl");
	assert_int_equal(c->ttl_ms, 600000);
	assert_true(c->agent);
	assert_true(pw_catalog_service(store, "", "gw-1", "web")->agent);
	must(reg("{'Node':'gw-1','SkipNodeUpdate':true}"));
	must(agent(
		"{'Name':'web','Port':8081,'Tags':['new'],'Check':{'TTL':'600s','Status':'passing'}}"));
	must(agent("{'Name':'web','Port':8082,'Tags':['newer'],'Check':{'TTL':'600s'}}"));
	c = check("gw-1", "service:web");
	assert_string_equal(c->status, "passing");
	assert_string_equal(c->service_tags.items[0], "newer");
}

static void several_checks_are_numbered(void **state)
{
	own_node();
	must(agent(
		"{'name':'web','id':'web-1','check':[{'ttl':'1m'},{'tcp':'127.0.0.1:80',"
		"'interval':'10s','timeout':'2s'}],'checks':[{'TTL':'2m','CheckID':'mine','HTTP':''}]}"));
	assert_string_equal(check("gw-1", "service:web-1:1")->type, "ttl");
	assert_string_equal(check("gw-1", "service:web-1:2")->interval, "10s");
	assert_string_equal(check("gw-1", "service:web-1:2")->timeout, "2s");
	assert_non_null(check("gw-1", "mine"));
}

static void a_configured_service_loses_checks_that_left_the_configuration(void **state)
{
	own_node();
	must(agent("{'Name':'web','Checks':[{'TTL':'1m'},{'TTL':'2m'}]}"));
	must(agent("{'Name':'web','Check':{'TTL':'1m'}}"));
	assert_non_null(check("gw-1", "service:web:2")); /* as Consul does */
	pw_autojson json_t *v = json("{'Name':'web','Check':{'TTL':'1m'}}");
	struct pw_registration r = { 0 };

	must(pw_agent_service_decode(v, "gw-1", &r, &err));
	r.service->configured = true;
	must(put(&r));
	assert_null(check("gw-1", "service:web:2"));
	assert_non_null(check("gw-1", "service:web"));
}

static void bad_agent_services_are_refused(void **state)
{
	static const char *const bad[] = {
		"{'Name':'x','Check':{'HTTP':'http://x/','Interval':'10s'}}",
		"{'Name':'x','Check':{'GRPC':'x:1'}}",
		"{'Name':'x','Check':{'Args':['rm']}}",
		"{'Name':'x','Check':{'TTL':'bad'}}",
		"{'Name':'x','Check':{}}",
		"{'Name':'x','Check':{'TCP':'h:1'}}",
		"{'Name':'x','Check':{'TCP':'h','Interval':'1s'}}",
		"{'Name':'x','Check':{'TCP':'h:1','Interval':'1s','TTL':'1s'}}",
		"{'Name':'x','Checks':[{'TTL':'1s','CheckID':'a'},{'TTL':'1s','CheckID':'a'}]}",
		"{'Name':'x','Port':70000}",
		"{'Name':'x','Kind':'odd'}",
		"{'Name':'x','Wat':1}",
		"{'Name':'x','Connect':{'PeerMeta':{}}}",
		"{'Name':'x','Upstreams':[{'DestinationName':'b'}]}",
		"{'Name':'x','Upstreams':[{'DestinationName':'b','LocalBindPort':1,'LocalBindAddress':'h'}]}",
		"{'Name':'x','Upstreams':[{'DestinationName':'b','LocalBindPort':1},"
		"{'DestinationName':'c','LocalBindPort':1}]}",
	};

	own_node();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (agent(bad[i]) == 0)
			fail_msg("%s was accepted", bad[i]);
		if (err.class != PW_ERR_BAD_REQUEST)
			fail_msg("%s: class %d: %s", bad[i], err.class, err.text);
	}
	refused(agent("{}"), PW_ERR_BAD_REQUEST, "Missing service name");
	refused(agent("{'Name':'x','Check':{'GRPC':'x:1'}}"), PW_ERR_BAD_REQUEST,
		"Invalid check: GRPC is not supported: use TTL or TCP");
	refused(agent("{'Name':'py','Kind':'connect-proxy','Port':1,'Proxy':{'DestinationServiceName':"
		      "'web','Upstreams':[{'DestinationName':'b','DestinationPeer':'west',"
		      "'Datacenter':'x','LocalBindPort':9000}]}}"),
		PW_ERR_BAD_REQUEST,
		"Validation failed: upstream cannot specify both destination peer and datacenter");
}

static void upstreams_of_a_service_are_kept_and_hidden(void **state)
{
	const struct pw_service *svc;

	own_node();
	must(agent(
		"{'name':'web','upstreams':[{'destination_name':'billing','destination_peer':'west',"
		"'local_bind_address':'10.1.1.1','local_bind_port':9000}]}"));
	svc = pw_catalog_service(store, "", "gw-1", "web");
	assert_int_equal(svc->upstreams.n, 1);
	assert_string_equal(((struct pw_upstream *)svc->upstreams.items[0])->destination_peer,
			    "west");
	pw_autojson json_t *v = pw_service_json(svc);
	assert_null(json_object_get(v, "Upstreams"));
}

static void a_sidecar_comes_and_goes_with_its_service(void **state)
{
	const struct pw_service *px;

	own_node();
	must(agent("{'Name':'web','ID':'web-1','Port':80,'Connect':{'SidecarService':{}}}"));
	px = pw_catalog_service(store, "", "gw-1", "web-1-sidecar-proxy");
	assert_non_null(px);
	assert_string_equal(px->kind, "connect-proxy");
	assert_string_equal(px->name, "web-sidecar-proxy");
	assert_string_equal(px->proxy.destination_service_name, "web");
	assert_int_equal(px->proxy.local_service_port, 80);
	assert_int_equal(px->port, PW_SIDECAR_PORT_MIN);
	assert_string_equal(check("gw-1", "service:web-1-sidecar-proxy")->tcp, "127.0.0.1:21000");
	must(agent("{'Name':'api','Port':81,'Connect':{'SidecarService':{}}}"));
	assert_int_equal(pw_catalog_service(store, "", "gw-1", "api-sidecar-proxy")->port, 21001);
	must(agent(
		"{'Name':'web','ID':'web-1','Port':80,'Connect':{'SidecarService':{'port':99}}}"));
	px = pw_catalog_service(store, "", "gw-1", "web-1-sidecar-proxy");
	assert_int_equal(px->port, 99);
	assert_true(pw_catalog_speaks_mesh(store, "web"));
	deregister("gw-1", "web-1", NULL);
	assert_null(pw_catalog_service(store, "", "gw-1", "web-1-sidecar-proxy"));
	assert_null(check("gw-1", "service:web-1-sidecar-proxy"));
	must(agent("{'Name':'api','Port':81}"));
	assert_null(pw_catalog_service(store, "", "gw-1", "api-sidecar-proxy"));
}

static void thirty_thousand_registrations_take_seconds(void **state)
{
	int64_t start = pw_now_mono_ms();

	for (unsigned i = 0; i < 30000; i++) {
		pw_autofree char *body = pw_xasprintf(
			"{'Node':'n%u','Address':'10.0.0.1','Service':{'Service':'s%u','ID':'s%u','Port':80},"
			"'Check':{'CheckID':'c%u','Status':'passing','ServiceID':'s%u'}}",
			i % 500, i % 3000, i, i, i);

		must(reg(body));
	}
	start = pw_now_mono_ms() - start;
	print_message("30000 registrations: %d ms\n", (int)start);
	assert_true(start < 60000);
	assert_int_equal(pw_store_count(store, PW_T_CHECK), 30000);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_registration_reads_back_as_consul_shows_it),
		T(tagged_addresses_are_shown_as_a_map),
		T(bad_registrations_are_refused_with_consuls_texts),
		T(the_same_node_with_another_address_is_updated),
		T(an_equal_registration_keeps_every_index),
		T(deregistering_takes_what_belongs_to_it),
		T(status_is_the_worst_of_instance_and_node),
		T(proxies_and_native_instances_speak_mesh),
		T(names_are_local_typical_and_distinct),
		T(imports_keep_their_datacenter_and_live_apart),
		T(imports_without_names_are_refused),
		T(an_agent_check_starts_critical_and_keeps_what_it_found),
		T(several_checks_are_numbered),
		T(a_configured_service_loses_checks_that_left_the_configuration),
		T(bad_agent_services_are_refused),
		T(upstreams_of_a_service_are_kept_and_hidden),
		T(a_sidecar_comes_and_goes_with_its_service),
		T(thirty_thousand_registrations_take_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
