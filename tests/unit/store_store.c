// SPDX-License-Identifier: Apache-2.0
/* Proves I1 to I5 of store.h in memory. Look at userspace/store/{tx,table,watch}.c when one breaks.
 */
#include "userspace/store/store.h"
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

static struct pw_node *node(const char *peer, const char *name, const char *address)
{
	struct pw_node *n = pw_new0(struct pw_node);

	n->peer = pw_xstrdup(peer);
	n->name = pw_xstrdup(name);
	n->address = pw_xstrdup(address);
	return n;
}

static struct pw_tx *begin(void)
{
	struct pw_tx *tx = NULL;

	assert_int_equal(pw_tx_begin(store, &tx, NULL), 0);
	return tx;
}

static void put_node(const char *peer, const char *name, const char *address)
{
	struct pw_tx *tx = begin();

	assert_int_equal(pw_tx_put(tx, PW_T_NODE, node(peer, name, address), NULL), 0);
	assert_int_equal(pw_tx_commit(&tx, NULL), 0);
}

static const struct pw_node *get_node(const char *peer, const char *name)
{
	pw_autofree char *key = pw_key(false, peer, name, NULL);

	return pw_store_get(store, PW_T_NODE, key);
}

static void an_empty_store_has_index_1(void **state)
{
	assert_int_equal(pw_store_index(store), 1);
	assert_int_equal(pw_store_table_index(store, PW_T_NODE), 1);
	assert_int_equal(pw_store_count(store, PW_T_NODE), 0);
	assert_null(get_node("", "n1"));
}

static void a_transaction_sees_its_writes_and_abort_takes_them_back(void **state)
{
	struct pw_tx *tx;
	pw_autofree char *key = pw_key(false, "", "n1", NULL);

	put_node("", "n1", "1.1.1.1");
	tx = begin();
	assert_int_equal(pw_tx_put(tx, PW_T_NODE, node("", "n1", "2.2.2.2"), NULL), 0);
	assert_int_equal(pw_tx_put(tx, PW_T_NODE, node("", "n2", "2.2.2.3"), NULL), 0);
	assert_string_equal(get_node("", "n1")->address, "2.2.2.2");
	assert_int_equal(pw_tx_put(tx, PW_T_NODE, node("", "n1", "3.3.3.3"), NULL), 0);
	assert_int_equal(pw_tx_delete(tx, PW_T_NODE, key, NULL), 0);
	assert_null(get_node("", "n1"));
	assert_int_equal(pw_tx_delete(tx, PW_T_NODE, key, NULL), -ENOENT);
	assert_int_equal(pw_tx_put(tx, PW_T_NODE, node("", "n1", "4.4.4.4"), NULL), 0);
	pw_tx_abort(&tx);
	assert_null(tx);
	assert_string_equal(get_node("", "n1")->address, "1.1.1.1");
	assert_null(get_node("", "n2"));
	assert_int_equal(pw_store_index(store), 2);
	assert_int_equal(get_node("", "n1")->obj.modify_index, 2);
}

static void a_second_transaction_is_refused(void **state)
{
	struct pw_tx *tx = begin(), *second = NULL;
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(pw_tx_begin(store, &second, &err), -EBUSY);
	assert_true(err.text[0]);
	pw_tx_abort(&tx);
}

static void the_index_grows_by_one_a_changing_transaction(void **state)
{
	struct pw_tx *tx = begin();

	assert_int_equal(pw_tx_index(tx), 2);
	pw_tx_put(tx, PW_T_NODE, node("", "n1", "1"), NULL);
	pw_tx_put(tx, PW_T_NODE, node("", "n2", "1"), NULL);
	assert_int_equal(pw_tx_commit(&tx, NULL), 0);
	assert_int_equal(pw_store_index(store), 2);
	assert_int_equal(pw_store_table_index(store, PW_T_NODE), 2);
	assert_int_equal(pw_store_table_index(store, PW_T_SERVICE), 1);
	tx = begin();
	assert_int_equal(pw_tx_commit(&tx, NULL), 0);
	assert_int_equal(pw_store_index(store), 2);
}

static void an_equal_put_changes_nothing(void **state)
{
	struct pw_node *same = node("", "n1", "1");
	struct pw_tx *tx;

	put_node("", "n1", "1");
	tx = begin();
	same->locality = json_object(); /* {} and absent are the same */
	assert_int_equal(pw_tx_put(tx, PW_T_NODE, same, NULL), 0);
	assert_int_equal(pw_tx_commit(&tx, NULL), 0);
	assert_int_equal(pw_store_index(store), 2);
	assert_int_equal(get_node("", "n1")->obj.modify_index, 2);
	put_node("", "n1", "2");
	assert_int_equal(get_node("", "n1")->obj.create_index, 2);
	assert_int_equal(get_node("", "n1")->obj.modify_index, 3);
}

static void a_read_pointer_survives_its_replacement_until_the_next_transaction(void **state)
{
	const struct pw_node *old;

	put_node("", "n1", "1");
	put_node("", "other", "1");
	old = get_node("", "n1");
	struct pw_tx *tx = begin();

	pw_tx_put(tx, PW_T_NODE, node("", "n1", "2"), NULL);
	assert_int_equal(pw_tx_commit(&tx, NULL), 0);
	assert_string_equal(old->address, "1"); /* ASan speaks if not */
}

static void a_name_with_control_characters_is_refused(void **state)
{
	static const char *const names[] = { "a\x1f"
					     "b",
					     "a\nb", "a\x7f", "a\xff" };
	struct pw_err err = PW_ERR_INIT;
	struct pw_tx *tx = begin();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(pw_tx_put(tx, PW_T_NODE, node("", names[i], "1"), &err), -EINVAL);
	assert_int_equal(err.class, PW_ERR_BAD_REQUEST);
	pw_tx_abort(&tx);
	assert_int_equal(pw_store_count(store, PW_T_NODE), 0);
}

static void iteration_follows_the_key_order_and_the_prefix(void **state)
{
	static const char *const want[] = { "n1", "n10", "n2" };
	pw_autofree char *prefix = pw_key(true, "", NULL);
	size_t i = 0;
	const struct pw_node *n;

	put_node("", "n2", "1");
	put_node("west", "n0", "1");
	put_node("", "n10", "1");
	put_node("", "n1", "1");
	struct pw_iter it = pw_store_iter(store, PW_T_NODE, prefix);

	while ((n = pw_iter_next(&it)))
		assert_string_equal(n->name, want[i++]);
	assert_int_equal(i, 3);
	pw_iter_clear(&it);
	it = pw_store_iter(store, PW_T_NODE, NULL);
	for (i = 0; pw_iter_next(&it); i++)
		;
	assert_int_equal(i, 4);
	pw_iter_clear(&it);
}

static struct pw_service *proxy(const char *id, const char *destination)
{
	struct pw_service *s = pw_new0(struct pw_service);

	s->node = pw_xstrdup("n");
	s->id = pw_xstrdup(id);
	s->name = pw_xstrdup(id);
	s->kind = pw_xstrdup(destination ? "connect-proxy" : "");
	s->proxy.destination_service_name = pw_xstrdup(destination);
	return s;
}

static unsigned proxies_of(const char *name)
{
	pw_autofree char *prefix = pw_key(true, "", name, NULL);
	pw_autoiter struct pw_iter it = pw_store_iter_part(store, PW_T_SERVICE, prefix);
	unsigned n = 0;

	while (pw_iter_next(&it))
		n++;
	return n;
}

static void the_partial_order_follows_changes_and_their_undoing(void **state)
{
	struct pw_tx *tx = begin();

	pw_tx_put(tx, PW_T_SERVICE, proxy("p1", "web"), NULL);
	pw_tx_put(tx, PW_T_SERVICE, proxy("p2", "web"), NULL);
	pw_tx_put(tx, PW_T_SERVICE, proxy("web", NULL), NULL);
	assert_int_equal(pw_tx_commit(&tx, NULL), 0);
	assert_int_equal(proxies_of("web"), 2);
	tx = begin();
	pw_tx_put(tx, PW_T_SERVICE, proxy("p1", "api"), NULL);
	pw_tx_put(tx, PW_T_SERVICE, proxy("p2", NULL), NULL);
	pw_tx_put(tx, PW_T_SERVICE, proxy("web", "api"), NULL);
	assert_int_equal(proxies_of("web"), 0);
	assert_int_equal(proxies_of("api"), 2);
	pw_tx_abort(&tx);
	assert_int_equal(proxies_of("web"), 2);
	assert_int_equal(proxies_of("api"), 0);
}

/* --- apply hook and watches ----------------------------------------------------------------- */

struct hook {
	int stage_result;
	unsigned staged, published, aborted;
	uint32_t tables;
	bool saw_new;
};

static int stage(void *arg, uint32_t tables, struct pw_err *err)
{
	struct hook *h = arg;

	h->staged++;
	h->tables = tables;
	h->saw_new = get_node("", "n1") != NULL && pw_store_index(store) == 2;
	if (h->stage_result < 0)
		return pw_err_set(err, PW_ERR_LIMIT, h->stage_result, "the map is full");
	return 0;
}

static void publish(void *arg)
{
	((struct hook *)arg)->published++;
}

static void aborted(void *arg)
{
	((struct hook *)arg)->aborted++;
}

static const struct pw_apply_ops hook_ops = { stage, publish, aborted };

static void count_watch(void *arg, uint32_t tables, uint64_t index)
{
	(*(unsigned *)arg)++;
}

static void a_refusing_stage_restores_memory_and_fires_no_watch(void **state)
{
	struct hook h = { .stage_result = -E2BIG };
	struct pw_err err = PW_ERR_INIT;
	unsigned fired = 0;
	struct pw_watch *w = pw_store_watch(store, UINT32_MAX, count_watch, &fired);
	struct pw_tx *tx = begin();

	pw_store_set_apply(store, &hook_ops, &h);
	pw_tx_put(tx, PW_T_NODE, node("", "n1", "1"), NULL);
	assert_int_equal(pw_tx_commit(&tx, &err), -E2BIG);
	assert_null(tx);
	assert_string_equal(err.text, "the map is full");
	assert_true(h.saw_new);
	assert_int_equal(h.tables, PW_BIT(PW_T_NODE));
	assert_int_equal(h.published + h.aborted + fired, 0);
	assert_null(get_node("", "n1"));
	assert_int_equal(pw_store_index(store), 1);
	assert_int_equal(pw_store_table_index(store, PW_T_NODE), 1);
	h.stage_result = 0;
	put_node("", "n1", "1");
	assert_int_equal(h.published, 1);
	assert_int_equal(fired, 1);
	pw_watch_free(&w);
}

static void a_watch_fires_for_its_tables_only(void **state)
{
	unsigned nodes = 0, services = 0;
	struct pw_watch *a = pw_store_watch(store, PW_BIT(PW_T_NODE), count_watch, &nodes);
	struct pw_watch *b = pw_store_watch(store, PW_BIT(PW_T_SERVICE), count_watch, &services);

	put_node("", "n1", "1");
	assert_int_equal(nodes, 1);
	assert_int_equal(services, 0);
	pw_store_touch(store, PW_T_SERVICE);
	assert_int_equal(services, 1);
	assert_int_equal(pw_store_table_index(store, PW_T_SERVICE), 3);
	assert_int_equal(pw_store_table_index(store, PW_T_NODE), 2);
	pw_watch_free(&a);
	put_node("", "n2", "1");
	assert_int_equal(nodes, 1);
	pw_watch_free(&b);
}

struct chain {
	struct pw_watch *self, *other, *added;
	unsigned calls, added_calls;
	int begin_result;
};

static void count_added(void *arg, uint32_t tables, uint64_t index)
{
	((struct chain *)arg)->added_calls++;
}

static void free_both(void *arg, uint32_t tables, uint64_t index)
{
	struct chain *c = arg;
	struct pw_tx *tx = NULL;

	c->calls++;
	c->begin_result = pw_tx_begin(store, &tx, NULL);
	pw_watch_free(&c->self);
	pw_watch_free(&c->other);
	if (!c->added)
		c->added = pw_store_watch(store, UINT32_MAX, count_added, c);
}

static void watches_may_be_freed_and_added_inside_a_callback(void **state)
{
	struct chain c = { 0 };

	c.self = pw_store_watch(store, UINT32_MAX, free_both, &c);
	c.other = pw_store_watch(store, UINT32_MAX, free_both, &c);
	put_node("", "n1", "1");
	assert_int_equal(c.calls, 1);
	assert_int_equal(c.begin_result, -EBUSY);
	assert_int_equal(c.added_calls, 0);
	put_node("", "n2", "1");
	assert_int_equal(c.calls, 1);
	assert_int_equal(c.added_calls, 1);
	pw_watch_free(&c.added);
}

static void a_watch_may_outlive_its_store(void **state)
{
	struct pw_watch *w = pw_store_watch(store, UINT32_MAX, count_watch, NULL);

	pw_store_close(&store);
	pw_watch_free(&w);
	assert_null(w);
}

static void thousands_of_rows_stay_in_order(void **state)
{
	struct pw_tx *tx = begin();
	pw_autoiter struct pw_iter it = { 0 };
	const struct pw_node *n;
	unsigned count = 0;

	for (unsigned i = 0; i < 5000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%05u", i * 7919 % 5000);
		pw_tx_put(tx, PW_T_NODE, node("", name, "1"), NULL);
	}
	assert_int_equal(pw_tx_commit(&tx, NULL), 0);
	it = pw_store_iter(store, PW_T_NODE, NULL);
	while ((n = pw_iter_next(&it)))
		assert_int_equal(strtoul(n->name + 1, NULL, 10), count++);
	assert_int_equal(count, 5000);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_empty_store_has_index_1),
		T(a_transaction_sees_its_writes_and_abort_takes_them_back),
		T(a_second_transaction_is_refused),
		T(the_index_grows_by_one_a_changing_transaction),
		T(an_equal_put_changes_nothing),
		T(a_read_pointer_survives_its_replacement_until_the_next_transaction),
		T(a_name_with_control_characters_is_refused),
		T(iteration_follows_the_key_order_and_the_prefix),
		T(the_partial_order_follows_changes_and_their_undoing),
		T(a_refusing_stage_restores_memory_and_fires_no_watch),
		T(a_watch_fires_for_its_tables_only),
		T(watches_may_be_freed_and_added_inside_a_callback),
		T(a_watch_may_outlive_its_store),
		T(thousands_of_rows_stay_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
