// SPDX-License-Identifier: Apache-2.0
/* Proves what survives on the disk, what is refused, and the modes of the files. Look at
 * userspace/store/sqlite*.c. */
#include "userspace/base/fs.h"
#include "userspace/base/time.h"
#include "userspace/store/store.h"
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64], path[96];

static int setup(void **state)
{
	strcpy(dir, "/tmp/pw-store-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/peerway.db", dir);
	return 0;
}

static int teardown(void **state)
{
	pw_autofree char *command = pw_xasprintf("rm -rf %s", dir);

	return system(command);
}

static int open_store(struct pw_store **ret, struct pw_err *err)
{
	const struct pw_store_options opt = { .path = path,
					      .tables = pw_tables,
					      .n_tables = PW_T_MAX };

	return pw_store_open(ret, &opt, err);
}

static struct pw_store *must_open(void)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_store *s = NULL;

	if (open_store(&s, &err) < 0)
		fail_msg("%s", err.text);
	return s;
}

static struct pw_peering_secret *secret(const char *id, const char *value)
{
	struct pw_peering_secret *s = pw_new0(struct pw_peering_secret);

	s->id = pw_xstrdup(id);
	s->establishment = pw_xstrdup(value);
	return s;
}

static int put_secret(struct pw_store *s, const char *id, const char *value, struct pw_err *err)
{
	struct pw_tx *tx = NULL;
	int r = pw_tx_begin(s, &tx, err);

	if (r == 0)
		r = pw_tx_put(tx, PW_T_PEERING_SECRET, secret(id, value), err);
	if (r < 0) {
		pw_tx_abort(&tx);
		return r;
	}
	return pw_tx_commit(&tx, err);
}

static const char *get_secret(struct pw_store *s, const char *id)
{
	const struct pw_peering_secret *p = pw_store_get(s, PW_T_PEERING_SECRET, id);

	return p ? p->establishment : NULL;
}

static void sql(const char *text)
{
	sqlite3 *db = NULL;
	char *message = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s: %s", text, message);
	sqlite3_close(db);
}

static unsigned mode_of(const char *suffix)
{
	pw_autofree char *file = pw_xasprintf("%s%s", path, suffix);
	struct stat st;

	return stat(file, &st) == 0 ? st.st_mode & 0777 : 0;
}

static void rows_and_indexes_survive_a_restart(void **state)
{
	struct pw_store *s = must_open();
	struct pw_tx *tx = NULL;

	assert_int_equal(put_secret(s, "a", "one", NULL), 0);
	assert_int_equal(put_secret(s, "b", "two", NULL), 0);
	assert_int_equal(put_secret(s, "a", "three", NULL), 0);
	pw_tx_begin(s, &tx, NULL);
	assert_int_equal(pw_tx_delete(tx, PW_T_PEERING_SECRET, "b", NULL), 0);
	assert_int_equal(pw_tx_commit(&tx, NULL), 0);
	pw_store_close(&s);
	s = must_open();
	assert_string_equal(get_secret(s, "a"), "three");
	assert_null(get_secret(s, "b"));
	assert_int_equal(pw_store_index(s), 5);
	assert_int_equal(pw_store_table_index(s, PW_T_PEERING_SECRET), 5);
	assert_int_equal(pw_store_table_index(s, PW_T_NODE), 1);
	const struct pw_peering_secret *p = pw_store_get(s, PW_T_PEERING_SECRET, "a");
	assert_int_equal(p->obj.create_index, 2);
	assert_int_equal(p->obj.modify_index, 4);
	assert_int_equal(put_secret(s, "a", "three", NULL), 0);
	assert_int_equal(pw_store_index(s), 5); /* equal after a restart too */
	pw_store_close(&s);
}

static void database_wal_and_shm_are_0600_whatever_the_umask(void **state)
{
	mode_t old = umask(0);
	struct pw_store *s = must_open();

	assert_int_equal(put_secret(s, "a", "one", NULL), 0);
	umask(old);
	assert_int_equal(mode_of(""), 0600);
	assert_int_equal(mode_of("-wal"), 0600);
	assert_int_equal(mode_of("-shm"), 0600);
	assert_int_equal(mode_of(".lock"), 0600);
	pw_store_close(&s);
	assert_int_equal(chmod(path, 0644), 0);
	s = must_open();
	assert_int_equal(mode_of(""), 0600);
	pw_store_close(&s);
}

static void every_answered_commit_survives_sigkill(void **state)
{
	for (unsigned round = 1; round <= 5; round++) {
		int pipefd[2], status;
		unsigned answered = 0, got;
		struct pw_store *s;
		pid_t pid;

		assert_int_equal(pipe(pipefd), 0);
		pid = fork();
		if (pid == 0) {
			s = must_open();
			for (unsigned i = 1;; i++) {
				char id[16];

				snprintf(id, sizeof(id), "%u-%u", round, i);
				if (put_secret(s, id, "x", NULL) < 0 ||
				    write(pipefd[1], &i, sizeof(i)) != sizeof(i))
					_exit(1);
			}
		}
		close(pipefd[1]);
		while (answered < 20 && read(pipefd[0], &got, sizeof(got)) == sizeof(got))
			answered = got;
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		while (read(pipefd[0], &got, sizeof(got)) == sizeof(got))
			answered = got;
		close(pipefd[0]);
		assert_true(answered >= 20);
		s = must_open();
		for (unsigned i = 1; i <= answered; i++) {
			char id[16];

			snprintf(id, sizeof(id), "%u-%u", round, i);
			assert_non_null(get_secret(s, id));
		}
		assert_int_equal(pw_store_index(s), 1 + pw_store_count(s, PW_T_PEERING_SECRET));
		pw_store_close(&s);
	}
}

static int stage_ok(void *arg, uint32_t tables, struct pw_err *err)
{
	return 0;
}

static void count(void *arg)
{
	(*(unsigned *)arg)++;
}

static void a_disk_that_refuses_restores_memory_and_aborts_the_stage(void **state)
{
	const struct pw_apply_ops ops = { .stage = stage_ok, .abort = count };
	struct rlimit limit = { .rlim_cur = 64 * 1024, .rlim_max = RLIM_INFINITY }, old;
	pw_autofree char *big = pw_xcalloc(1, 200001);
	struct pw_err err = PW_ERR_INIT;
	struct pw_store *s = must_open();
	unsigned aborts = 0;

	memset(big, 'x', 200000);
	assert_int_equal(put_secret(s, "a", "one", NULL), 0);
	pw_store_set_apply(s, &ops, &aborts);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	limit.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_true(put_secret(s, "a", big, &err) < 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(aborts, 1);
	assert_string_equal(get_secret(s, "a"), "one");
	assert_int_equal(pw_store_index(s), 2);
	assert_int_equal(put_secret(s, "a", "two", &err), 0);
	pw_store_close(&s);
	s = must_open();
	assert_string_equal(get_secret(s, "a"), "two");
	assert_int_equal(pw_store_index(s), 3);
	pw_store_close(&s);
}

static int stage_refuses(void *arg, uint32_t tables, struct pw_err *err)
{
	return pw_err_set(err, PW_ERR_LIMIT, ENOSPC, "pw_policy is full");
}

static void what_the_stage_refused_is_not_on_the_disk(void **state)
{
	const struct pw_apply_ops ops = { .stage = stage_refuses };
	struct pw_store *s = must_open();

	assert_int_equal(put_secret(s, "a", "one", NULL), 0);
	pw_store_set_apply(s, &ops, NULL);
	assert_int_equal(put_secret(s, "a", "two", NULL), -ENOSPC);
	pw_store_close(&s);
	s = must_open();
	assert_string_equal(get_secret(s, "a"), "one");
	pw_store_close(&s);
}

static void refused(const char *part)
{
	struct pw_err err = PW_ERR_INIT;
	struct pw_store *s = NULL;

	assert_true(open_store(&s, &err) < 0);
	assert_null(s);
	if (!strstr(err.text, part) || !strstr(err.text, path))
		fail_msg("\"%s\" lacks \"%s\" or the path", err.text, part);
}

static void a_newer_database_is_refused_and_left_alone(void **state)
{
	struct pw_store *s = must_open();

	put_secret(s, "a", "one", NULL);
	pw_store_close(&s);
	sql("PRAGMA user_version = 99");
	refused("newer peerway");
	sql("PRAGMA user_version = 1");
	s = must_open();
	assert_string_equal(get_secret(s, "a"), "one");
	pw_store_close(&s);
}

static void a_foreign_database_is_refused(void **state)
{
	sql("CREATE TABLE shopping(item TEXT)");
	refused("another program");
}

static void garbage_is_refused_with_advice(void **state)
{
	char junk[8192];

	memset(junk, 'z', sizeof(junk));
	assert_int_equal(pw_fs_write_atomic(path, junk, sizeof(junk), 0600, NULL), 0);
	refused("snapshot");
}

static void damaged_pages_are_refused_with_advice(void **state)
{
	struct pw_store *s = must_open();
	char junk[4096];
	FILE *f;

	for (unsigned i = 0; i < 300; i++) {
		char id[16];

		snprintf(id, sizeof(id), "s%u", i);
		put_secret(s, id, "0123456789012345678901234567890123456789", NULL);
	}
	pw_store_close(&s);
	memset(junk, 0xa5, sizeof(junk));
	f = fopen(path, "r+");
	assert_int_equal(fseek(f, 4 * 4096, SEEK_SET), 0);
	assert_int_equal(fwrite(junk, 1, sizeof(junk), f), sizeof(junk));
	fclose(f);
	refused("damaged");
}

static void a_row_that_does_not_decode_is_refused_by_name(void **state)
{
	struct pw_store *s = must_open();

	put_secret(s, "some-id", "one", NULL);
	pw_store_close(&s);
	sql("UPDATE objects SET body = '{\"ID\": 7}'");
	refused("some-id");
	refused("peering_secret");
	sql("UPDATE objects SET body = '{\"ID\": \"other\"}'");
	refused("key does not fit");
	sql("UPDATE objects SET tbl = 'dreams'");
	refused("dreams");
}

static void a_second_agent_is_refused_by_pid(void **state)
{
	struct pw_store *s = must_open();
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct pw_err err = PW_ERR_INIT;
		struct pw_store *second = NULL;
		pw_autofree char *want = pw_xasprintf("process %d", (int)getppid());

		_exit(open_store(&second, &err) == -EBUSY && strstr(err.text, want) ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	pw_store_close(&s);
}

static void a_backup_is_whole_and_0600(void **state)
{
	struct pw_store *s = must_open();
	pw_autofree char *copy = pw_xasprintf("%s/copy.db", dir);
	struct stat st;

	put_secret(s, "a", "one", NULL);
	assert_int_equal(pw_store_backup(s, copy, NULL), 0);
	put_secret(s, "a", "two", NULL);
	assert_int_equal(pw_store_backup(s, "/nonexistent/x", NULL), -ENOENT);
	pw_store_close(&s);
	assert_int_equal(stat(copy, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(rename(copy, path), 0);
	s = must_open();
	assert_string_equal(get_secret(s, "a"), "one");
	pw_store_close(&s);
}

static struct pw_service *full_service(unsigned i)
{
	struct pw_service *s = pw_new0(struct pw_service);

	s->node = pw_xasprintf("node-%u", i % 100);
	s->id = pw_xasprintf("svc-%u", i);
	s->name = pw_xasprintf("svc-%u", i % 1000);
	s->weights = (struct pw_weights){ 1, 1 };
	pw_map_set(&s->meta, "k", "v");
	pw_strv_add(&s->tags, "v1");
	return s;
}

static void thirty_thousand_services_load_fast(void **state)
{
	struct pw_store *s = must_open();
	struct pw_tx *tx = NULL;
	int64_t start, written, loaded;

	pw_tx_begin(s, &tx, NULL);
	start = pw_now_mono_ms();
	for (unsigned i = 0; i < 30000; i++)
		pw_tx_put(tx, PW_T_SERVICE, full_service(i), NULL);
	assert_int_equal(pw_tx_commit(&tx, NULL), 0);
	written = pw_now_mono_ms();
	pw_store_close(&s);
	s = must_open();
	loaded = pw_now_mono_ms();
	print_message("30000 services: %d ms to write, %d ms to reopen\n", (int)(written - start),
		      (int)(loaded - written));
	assert_int_equal(pw_store_count(s, PW_T_SERVICE), 30000);
	assert_true(loaded - written < 30000); /* quadratic would take minutes under ASan */
	pw_store_close(&s);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(rows_and_indexes_survive_a_restart),
		T(database_wal_and_shm_are_0600_whatever_the_umask),
		T(every_answered_commit_survives_sigkill),
		T(a_disk_that_refuses_restores_memory_and_aborts_the_stage),
		T(what_the_stage_refused_is_not_on_the_disk),
		T(a_newer_database_is_refused_and_left_alone),
		T(a_foreign_database_is_refused),
		T(garbage_is_refused_with_advice),
		T(damaged_pages_are_refused_with_advice),
		T(a_row_that_does_not_decode_is_refused_by_name),
		T(a_second_agent_is_refused_by_pid),
		T(a_backup_is_whole_and_0600),
		T(thirty_thousand_services_load_fast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
