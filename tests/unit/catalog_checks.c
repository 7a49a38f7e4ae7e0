// SPDX-License-Identifier: Apache-2.0
/* Proves how the agent's checks run. Look at userspace/catalog/{checks,check_tcp}.c when one
 * breaks. */
#include "userspace/base/addr.h"
#include "userspace/base/time.h"
#include "userspace/catalog/checks.h"
#include "userspace/catalog/registration.h"
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static struct pw_store *store;
static struct event_base *base;
static struct pw_checks *checks;
static struct pw_err err;

static int setup(void **state)
{
	const struct pw_store_options opt = { .tables = pw_tables, .n_tables = PW_T_MAX };

	err = (struct pw_err){ 0 };
	base = event_base_new();
	if (pw_store_open(&store, &opt, NULL) < 0)
		return -1;
	return pw_checks_new(&checks, base, store, &err);
}

static int teardown(void **state)
{
	pw_checks_free(&checks);
	pw_store_close(&store);
	event_base_free(base);
	return 0;
}

static struct pw_check *make_check(const char *id)
{
	struct pw_check *c = pw_new0(struct pw_check);

	c->id = pw_xstrdup(id);
	c->service_id = pw_xstrdup("web");
	c->agent = true;
	return c;
}

/* Takes c; NULL: the service alone. */
static void put(struct pw_check *c)
{
	struct pw_registration r = { 0 };
	struct pw_tx *tx = NULL;

	r.node.name = pw_xstrdup("n1");
	r.node.address = pw_xstrdup("127.0.0.1");
	r.service = pw_new0(struct pw_service);
	r.service->name = pw_xstrdup("web");
	if (c)
		pw_list_add(&r.checks, c);
	assert_int_equal(pw_tx_begin(store, &tx, NULL), 0);
	if (pw_catalog_register(tx, &r, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(pw_tx_commit(&tx, &err), 0);
	pw_registration_clear(&r);
}

static const struct pw_check *row(const char *id)
{
	pw_autofree char *key = pw_key(false, "", "n1", id, NULL);

	return pw_store_get(store, PW_T_CHECK, key);
}

static const char *status(const char *id)
{
	const struct pw_check *c = row(id);

	return c ? c->status : "gone";
}

/* Turns the loop until the check has that status, or fails after 5 s. */
static void becomes(const char *id, const char *want)
{
	int64_t deadline = pw_now_mono_ms() + 5000;
	const struct timeval tick = { .tv_usec = 5000 };

	while (strcmp(status(id), want)) {
		if (pw_now_mono_ms() > deadline)
			fail_msg("%s stays %s, expected %s (%s)", id, status(id), want,
				 row(id) ? row(id)->output : "");
		event_base_loopexit(base, &tick);
		event_base_dispatch(base);
	}
}

static void turn(int ms)
{
	const struct timeval time = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	event_base_loopexit(base, &time);
	event_base_dispatch(base);
}

static int listener(uint16_t *port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pw_addr a;

	pw_addr_parse("127.0.0.1", *port, &a);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)), 0);
	assert_int_equal(bind(fd, &a.u.sa, a.len), 0);
	assert_int_equal(listen(fd, 8), 0);
	a.len = sizeof(a.u);
	assert_int_equal(getsockname(fd, &a.u.sa, &a.len), 0);
	*port = pw_addr_port(&a);
	return fd;
}

static void a_ttl_check_expires_and_is_renewed(void **state)
{
	struct pw_check *c = make_check("c");

	c->ttl_ms = 150;
	put(c);
	assert_string_equal(status("c"), "critical");
	assert_int_equal(pw_checks_ttl_update(checks, "n1", "c", "passing", "fine", &err), 0);
	assert_string_equal(status("c"), "passing");
	assert_string_equal(row("c")->output, "fine");
	turn(100);
	assert_int_equal(pw_checks_ttl_update(checks, "n1", "c", "passing", "fine", &err), 0);
	turn(100);
	assert_string_equal(status("c"), "passing"); /* 200 ms after the first */
	becomes("c", "critical");
	assert_non_null(strstr(row("c")->output, "TTL expired"));
	assert_non_null(strstr(row("c")->output, "fine"));
	assert_int_equal(pw_checks_ttl_update(checks, "n1", "c", "warning", "", &err), 0);
	assert_string_equal(status("c"), "warning");
}

static void renewing_without_a_change_writes_nothing(void **state)
{
	struct pw_check *c = make_check("c");
	uint64_t index;

	c->ttl_ms = 60000;
	put(c);
	assert_int_equal(pw_checks_ttl_update(checks, "n1", "c", "passing", "ok", &err), 0);
	index = pw_store_index(store);
	assert_int_equal(pw_checks_ttl_update(checks, "n1", "c", "passing", "ok", &err), 0);
	assert_int_equal(pw_store_index(store), index);
}

static void updates_of_unknown_checks_are_refused_with_consuls_text(void **state)
{
	struct pw_check *c = make_check("tcp");

	c->tcp = pw_xstrdup("127.0.0.1:1");
	c->interval_ms = 60000;
	put(c);
	assert_int_equal(pw_checks_ttl_update(checks, "n1", "none", "passing", "", &err), -ENOENT);
	assert_int_equal(err.class, PW_ERR_NOT_FOUND);
	assert_string_equal(
		err.text,
		"Unknown check ID \"none\". Ensure that the check ID is passed, not the check name.");
	assert_int_equal(pw_checks_ttl_update(checks, "n1", "tcp", "passing", "", &err), -EINVAL);
}

static void a_tcp_check_follows_the_port(void **state)
{
	struct pw_check *c = make_check("c");
	uint16_t port = 0;
	int fd = listener(&port);

	c->tcp = pw_xasprintf("127.0.0.1:%u", port);
	c->interval_ms = 50;
	c->timeout_ms = 1000;
	put(c);
	becomes("c", "passing");
	close(fd);
	becomes("c", "critical");
	assert_non_null(strstr(row("c")->output, "refused"));
	fd = listener(&port);
	becomes("c", "passing");
	close(fd);
}

static void a_host_name_is_resolved(void **state)
{
	struct pw_check *c = make_check("c");
	uint16_t port = 0;
	int fd = listener(&port);

	c->tcp = pw_xasprintf("localhost:%u", port);
	c->interval_ms = 50;
	c->timeout_ms = 1000;
	put(c);
	becomes("c", "passing");
	close(fd);
}

static void failures_are_counted_before_critical(void **state)
{
	struct pw_check *c = make_check("c");
	int64_t start;

	c->tcp = pw_xstrdup("127.0.0.1:1");
	c->status = pw_xstrdup("passing");
	c->interval_ms = 100;
	c->timeout_ms = 1000;
	c->failures_before_critical = 3;
	put(c);
	start = pw_now_mono_ms();
	becomes("c", "critical");
	assert_true(pw_now_mono_ms() - start >= 200);
}

static void a_deleted_or_changed_check_stops(void **state)
{
	struct pw_check *c = make_check("c");
	struct pw_tx *tx = NULL;
	uint16_t port = 0;
	int fd = listener(&port);

	c->tcp = pw_xasprintf("127.0.0.1:%u", port);
	c->interval_ms = 30;
	c->timeout_ms = 1000;
	put(c);
	becomes("c", "passing");
	c = make_check("c");
	c->tcp = pw_xstrdup("127.0.0.1:1");
	c->interval_ms = 30;
	c->timeout_ms = 1000;
	put(c);
	becomes("c", "critical");
	pw_tx_begin(store, &tx, NULL);
	assert_int_equal(pw_catalog_deregister(tx, "", "n1", NULL, "c", &err), 0);
	assert_int_equal(pw_tx_commit(&tx, NULL), 0);
	turn(100);
	assert_null(row("c"));
	close(fd);
}

static void a_service_that_stays_critical_is_deregistered(void **state)
{
	struct pw_check *c = make_check("c");

	c->ttl_ms = 50;
	c->deregister_after_ms = 200;
	put(c);
	pw_checks_ttl_update(checks, "n1", "c", "passing", "", &err);
	becomes("c", "critical");
	becomes("c", "gone");
	assert_null(pw_catalog_service(store, "", "n1", "web"));
	assert_non_null(pw_catalog_node(store, "", "n1"));
}

static void an_output_alone_is_not_written_at_once(void **state)
{
	struct pw_check *c = make_check("c");
	uint64_t index;

	c->tcp = pw_xstrdup("127.0.0.1:1");
	c->interval_ms = 20;
	c->timeout_ms = 1000;
	put(c);
	for (int i = 0; i < 1000 && pw_str_empty(row("c")->output); i++)
		turn(5);
	assert_false(pw_str_empty(row("c")->output));
	index = pw_store_index(store);
	turn(200);
	assert_int_equal(pw_store_index(store), index);
}

static void rows_that_are_not_the_agents_are_left_alone(void **state)
{
	struct pw_check *c = make_check("c");

	c->agent = false;
	c->ttl_ms = 20;
	c->status = pw_xstrdup("passing");
	put(c);
	turn(150);
	assert_string_equal(status("c"), "passing");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_ttl_check_expires_and_is_renewed),
		T(renewing_without_a_change_writes_nothing),
		T(updates_of_unknown_checks_are_refused_with_consuls_text),
		T(a_tcp_check_follows_the_port),
		T(a_host_name_is_resolved),
		T(failures_are_counted_before_critical),
		T(a_deleted_or_changed_check_stops),
		T(a_service_that_stays_critical_is_deregistered),
		T(an_output_alone_is_not_written_at_once),
		T(rows_that_are_not_the_agents_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
