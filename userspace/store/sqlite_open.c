// SPDX-License-Identifier: Apache-2.0
/* Opening a database: lock, modes, what it is, migrations, settings. */
#include "sqlite_private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPLICATION_ID	0x70777731 /* "pww1", shown by file(1) */
#define BUSY_TIMEOUT_MS 1000	   /* somebody reading with sqlite3 holds it for moments only */

/*
 * Forward only: migrations[n] leads from version n to n + 1, inside the transaction that also
 * raises the version. A version that was released is never changed.
 */
static const char *const migrations[] = {
	"CREATE TABLE objects("
	" tbl TEXT NOT NULL,"
	" key TEXT NOT NULL,"
	" body TEXT NOT NULL,"
	" create_index INTEGER NOT NULL,"
	" modify_index INTEGER NOT NULL,"
	" PRIMARY KEY(tbl, key)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE meta(key TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL)"
	" STRICT, WITHOUT ROWID;",
};
#define SCHEMA_VERSION ((int)ARRAY_SIZE(migrations))

static const char *const statement_texts[] = {
	[ST_BEGIN] = "BEGIN IMMEDIATE",
	[ST_COMMIT] = "COMMIT",
	[ST_PUT] =
		"INSERT OR REPLACE INTO objects(tbl, key, body, create_index, modify_index) VALUES(?, ?, ?, ?, ?)",
	[ST_REMOVE] = "DELETE FROM objects WHERE tbl = ? AND key = ?",
	[ST_META] = "INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)",
};
static_assert(ARRAY_SIZE(statement_texts) == ST_MAX_, "each statement needs a text");

void sqlite_close(struct pw_backend *b)
{
	struct sqlite *q = (struct sqlite *)b;

	for (size_t i = 0; i < ST_MAX_; i++)
		sqlite3_finalize(q->statements[i]);
	sqlite3_close(q->db);
	pw_closep(&q->lock_fd);
	free(q->path);
	free(q);
}

static void closep(struct sqlite **q)
{
	if (*q)
		sqlite_close(&TAKE_PTR(*q)->backend);
}

static int exec(struct sqlite *q, const char *sql, const char *what, struct pw_err *err)
{
	if (sqlite3_exec(q->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return sqlite_err(q->db, q->path, what, err);
	return 0;
}

/*
 * The agent's memory is the truth while it runs: a second agent on the same file would overwrite
 * what it does not see. The lock is a POSIX record lock, which the kernel drops when the process
 * dies and children do not inherit.
 */
static int take_lock(struct sqlite *q, struct pw_err *err)
{
	pw_autofree char *path = pw_xasprintf("%s.lock", q->path);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	q->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (q->lock_fd < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, errno, "%s cannot be opened: %s", path,
				  strerror(errno));
	if (fcntl(q->lock_fd, F_SETLK, &lock) == 0)
		return 0;
	if (errno != EAGAIN && errno != EACCES)
		return pw_err_set(err, PW_ERR_INTERNAL, errno, "%s cannot be locked: %s", path,
				  strerror(errno));
	if (fcntl(q->lock_fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		lock.l_pid = 0;
	return pw_err_set(
		err, PW_ERR_INTERNAL, EBUSY,
		"%s is in use by process %d: stop that agent first, or choose another data_dir",
		q->path, (int)lock.l_pid);
}

/* Secrets are inside: the file must never be readable by others, not even for the moment before a
 * chmod. */
static int secure_file(const char *path, int create, struct pw_err *err)
{
	pw_autoclose int fd = open(path, O_RDWR | create | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;

	if (fd < 0 && errno == ENOENT && !create)
		return 0;
	if (fd < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, errno, "%s cannot be opened: %s", path,
				  strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL, "%s is not a regular file", path);
	if ((st.st_mode & 0777) != 0600 && fchmod(fd, 0600) < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, errno, "%s: its mode cannot be set: %s",
				  path, strerror(errno));
	return 0;
}

static int secure_files(struct sqlite *q, struct pw_err *err)
{
	pw_autofree char *wal = pw_xasprintf("%s-wal", q->path);
	pw_autofree char *shm = pw_xasprintf("%s-shm", q->path);
	int r = secure_file(q->path, O_CREAT, err);

	if (r == 0)
		r = secure_file(wal, /* create= */ 0, err);
	if (r == 0)
		r = secure_file(shm, /* create= */ 0, err);
	return r;
}

static int read_number(struct sqlite *q, const char *sql, int *ret, struct pw_err *err)
{
	pw_cleanup(sqlite_finalizep) sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(q->db, sql, -1, &st, NULL) != SQLITE_OK ||
	    sqlite3_step(st) != SQLITE_ROW)
		return sqlite_err(q->db, q->path, "reading", err);
	*ret = sqlite3_column_int(st, 0);
	return 0;
}

/* Pages can be damaged where no start would look: a row that is lost without a word is worse than
 * no start. */
static int check_pages(struct sqlite *q, struct pw_err *err)
{
	pw_cleanup(sqlite_finalizep) sqlite3_stmt *st = NULL;
	const char *text;

	if (sqlite3_prepare_v2(q->db, "PRAGMA quick_check(1)", -1, &st, NULL) != SQLITE_OK ||
	    sqlite3_step(st) != SQLITE_ROW)
		return sqlite_err(q->db, q->path, "checking", err);
	text = (const char *)sqlite3_column_text(st, 0);
	if (text && !strcmp(text, "ok"))
		return 0;
	return pw_err_set(
		err, PW_ERR_INTERNAL, EBADMSG,
		"%s: the database is damaged (%s): stop the agent, move the file and its -wal and -shm away, and put a snapshot in their place",
		q->path, text ? text : "unreadable");
}

/* Before anything is written to it. ret_version 0: empty. */
static int identify(struct sqlite *q, int *ret_version, struct pw_err *err)
{
	int id, objects, version, r;

	r = read_number(q, "PRAGMA user_version", &version, err);
	if (r == 0)
		r = read_number(q, "PRAGMA application_id", &id, err);
	if (r == 0)
		r = read_number(q, "SELECT count(*) FROM sqlite_schema", &objects, err);
	if (r < 0)
		return r;
	if (id != APPLICATION_ID && (id || version || objects))
		return pw_err_set(
			err, PW_ERR_INTERNAL, EINVAL,
			"%s is a database of another program: choose another data_dir, or move it away",
			q->path);
	if (version > SCHEMA_VERSION)
		return pw_err_set(
			err, PW_ERR_INTERNAL, EPROTONOSUPPORT,
			"%s was written by a newer peerway (format %d, this version knows up to %d): install that version, or restore a snapshot of this one",
			q->path, version, SCHEMA_VERSION);
	if (version < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL, "%s has the impossible format %d",
				  q->path, version);
	*ret_version = version;
	return 0;
}

static int migrate(struct sqlite *q, int version, struct pw_err *err)
{
	for (; version < SCHEMA_VERSION; version++) {
		pw_autofree char *sql = pw_xasprintf(
			"BEGIN IMMEDIATE; %s PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
			migrations[version], APPLICATION_ID, version + 1);
		int r = exec(q, sql, "bringing the database to this version's format", err);

		if (r < 0) {
			if (!sqlite3_get_autocommit(q->db))
				sqlite3_exec(q->db, "ROLLBACK", NULL, NULL, NULL);
			return r;
		}
	}
	return 0;
}

static int prepare(struct sqlite *q, struct pw_err *err)
{
	for (size_t i = 0; i < ST_MAX_; i++)
		if (sqlite3_prepare_v3(q->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
				       &q->statements[i], NULL) != SQLITE_OK)
			return sqlite_err(q->db, q->path, "preparing", err);
	return 0;
}

int pw_sqlite_open(struct pw_backend **ret, const char *path, struct pw_err *err)
{
	pw_cleanup(closep) struct sqlite *q = pw_new0(struct sqlite);
	int version = 0, r;

	q->backend.ops = &sqlite_ops;
	q->path = pw_xstrdup(path);
	q->lock_fd = -1;
	r = take_lock(q, err);
	if (r == 0)
		r = secure_files(q, err);
	if (r < 0)
		return r;
	if (sqlite3_open_v2(path, &q->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
			    /* vfs= */ NULL) != SQLITE_OK)
		return sqlite_err(q->db, path, "opening", err);
	sqlite3_busy_timeout(q->db, BUSY_TIMEOUT_MS);
	r = identify(q, &version, err);
	if (r == 0)
		r = check_pages(q, err);
	if (r == 0)
		r = exec(
			q,
			"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;"
			"PRAGMA trusted_schema = OFF",
			"setting up", err);
	if (r == 0)
		r = migrate(q, version, err);
	if (r == 0)
		r = prepare(q, err);
	if (r < 0)
		return r;
	*ret = &TAKE_PTR(q)->backend;
	return 0;
}
