// SPDX-License-Identifier: Apache-2.0
/*
 * The embedded backend: one SQLite file, write-ahead log, every commit synced. Transactions and
 * reading; opening and migrations stand in sqlite_open.c.
 */
#include "sqlite_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The one place where SQLite's codes become ours. */
int sqlite_err(sqlite3 *db, const char *path, const char *what, struct pw_err *err)
{
	int code = db ? sqlite3_extended_errcode(db) : SQLITE_NOMEM;

	switch (code & 0xff) {
	case SQLITE_FULL:
		return pw_err_set(err, PW_ERR_INTERNAL, ENOSPC,
				  "%s: %s failed: the disk is full: make room and try again", path,
				  what);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return pw_err_set(
			err, PW_ERR_INTERNAL, EBUSY,
			"%s: %s failed: another program holds the database: close it and try again",
			path, what);
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
		return pw_err_set(
			err, PW_ERR_INTERNAL, EACCES,
			"%s: %s failed: %s: check owner and mode of the file and its directory",
			path, what, sqlite3_errmsg(db));
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return pw_err_set(
			err, PW_ERR_INTERNAL, EBADMSG,
			"%s: the database is damaged (%s): stop the agent, move the file and its -wal and -shm away, and put a snapshot in their place",
			path, sqlite3_errmsg(db));
	default:
		return pw_err_set(err, PW_ERR_INTERNAL, EIO, "%s: %s failed: %s", path, what,
				  db ? sqlite3_errmsg(db) : "out of memory");
	}
}

static int step(struct sqlite *q, enum statement which, const char *what, struct pw_err *err)
{
	sqlite3_stmt *st = q->statements[which];
	int code = sqlite3_step(st), r = 0;

	if (code != SQLITE_DONE)
		r = sqlite_err(q->db, q->path, what, err);
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return r;
}

static void bind_text(sqlite3_stmt *st, int at, const char *text, size_t len)
{
	sqlite3_bind_text64(st, at, text, len, SQLITE_STATIC, SQLITE_UTF8);
}

static int begin(struct pw_backend *b, struct pw_err *err)
{
	return step((struct sqlite *)b, ST_BEGIN, "starting a write", err);
}

static int put(struct pw_backend *b, const struct pw_backend_row *row, struct pw_err *err)
{
	struct sqlite *q = (struct sqlite *)b;
	sqlite3_stmt *st = q->statements[ST_PUT];

	bind_text(st, 1, row->table, strlen(row->table));
	bind_text(st, 2, row->key, strlen(row->key));
	bind_text(st, 3, row->body, row->body_len);
	sqlite3_bind_int64(st, 4, (sqlite3_int64)row->create_index);
	sqlite3_bind_int64(st, 5, (sqlite3_int64)row->modify_index);
	return step(q, ST_PUT, "writing", err);
}

static int remove_row(struct pw_backend *b, const char *table, const char *key, struct pw_err *err)
{
	struct sqlite *q = (struct sqlite *)b;
	sqlite3_stmt *st = q->statements[ST_REMOVE];

	bind_text(st, 1, table, strlen(table));
	bind_text(st, 2, key, strlen(key));
	return step(q, ST_REMOVE, "deleting", err);
}

static int set_meta(struct pw_backend *b, const char *name, uint64_t value, struct pw_err *err)
{
	struct sqlite *q = (struct sqlite *)b;
	sqlite3_stmt *st = q->statements[ST_META];

	bind_text(st, 1, name, strlen(name));
	sqlite3_bind_int64(st, 2, (sqlite3_int64)value);
	return step(q, ST_META, "writing", err);
}

static int commit(struct pw_backend *b, struct pw_err *err)
{
	return step((struct sqlite *)b, ST_COMMIT, "the write", err);
}

static void rollback(struct pw_backend *b)
{
	struct sqlite *q = (struct sqlite *)b;

	/* Some errors end the transaction by themselves. */
	if (!sqlite3_get_autocommit(q->db))
		sqlite3_exec(q->db, "ROLLBACK", NULL, NULL, NULL);
}

/* --- reading -------------------------------------------------------------------------------- */

static int load_objects(struct sqlite *q, const struct pw_backend_sink *sink, struct pw_err *err)
{
	pw_cleanup(sqlite_finalizep) sqlite3_stmt *st = NULL;
	int code, r;

	if (sqlite3_prepare_v2(
		    q->db,
		    "SELECT tbl, key, body, create_index, modify_index FROM objects ORDER BY tbl, key",
		    -1, &st, NULL) != SQLITE_OK)
		return sqlite_err(q->db, q->path, "reading", err);
	while ((code = sqlite3_step(st)) == SQLITE_ROW) {
		const struct pw_backend_row row = {
			.table = (const char *)sqlite3_column_text(st, 0),
			.key = (const char *)sqlite3_column_text(st, 1),
			.body = (const char *)sqlite3_column_text(st, 2),
			.body_len = (size_t)sqlite3_column_bytes(st, 2),
			.create_index = (uint64_t)sqlite3_column_int64(st, 3),
			.modify_index = (uint64_t)sqlite3_column_int64(st, 4),
		};

		if (!row.table || !row.key || !row.body)
			return sqlite_err(/* db= */ NULL, q->path, "reading", err);
		r = sink->row(sink->arg, &row, err);
		if (r < 0)
			return r;
	}
	return code == SQLITE_DONE ? 0 : sqlite_err(q->db, q->path, "reading", err);
}

static int load_meta(struct sqlite *q, const struct pw_backend_sink *sink, struct pw_err *err)
{
	pw_cleanup(sqlite_finalizep) sqlite3_stmt *st = NULL;
	int code;

	if (sqlite3_prepare_v2(q->db, "SELECT key, value FROM meta", -1, &st, NULL) != SQLITE_OK)
		return sqlite_err(q->db, q->path, "reading", err);
	while ((code = sqlite3_step(st)) == SQLITE_ROW)
		sink->meta(sink->arg, (const char *)sqlite3_column_text(st, 0),
			   (uint64_t)sqlite3_column_int64(st, 1));
	return code == SQLITE_DONE ? 0 : sqlite_err(q->db, q->path, "reading", err);
}

static int load(struct pw_backend *b, const struct pw_backend_sink *sink, struct pw_err *err)
{
	struct sqlite *q = (struct sqlite *)b;
	int r = load_objects(q, sink, err);

	return r < 0 ? r : load_meta(q, sink, err);
}

/* --- copy ----------------------------------------------------------------------------------- */

/* SQLite would create the file with the process's umask; it holds secrets, so it is made here
 * first, empty. */
static int vacuum_into(struct sqlite *q, const char *temp, struct pw_err *err)
{
	pw_cleanup(sqlite_finalizep) sqlite3_stmt *st = NULL;
	pw_autoclose int fd = -1;

	fd = open(temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, errno, "%s cannot be created: %s", temp,
				  strerror(errno));
	if (sqlite3_prepare_v2(q->db, "VACUUM INTO ?", -1, &st, NULL) != SQLITE_OK)
		return sqlite_err(q->db, q->path, "copying", err);
	bind_text(st, 1, temp, strlen(temp));
	if (sqlite3_step(st) != SQLITE_DONE)
		return sqlite_err(q->db, temp, "copying the database", err);
	if (fsync(fd) < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, errno, "%s cannot be written: %s", temp,
				  strerror(errno));
	return 0;
}

static int backup(struct pw_backend *b, const char *path, struct pw_err *err)
{
	pw_autofree char *temp = pw_xasprintf("%s.tmp", path);
	int r;

	unlink(temp);
	r = vacuum_into((struct sqlite *)b, temp, err);
	if (r == 0 && rename(temp, path) < 0)
		r = pw_err_set(err, PW_ERR_INTERNAL, errno, "%s cannot be put in place: %s", path,
			       strerror(errno));
	if (r < 0)
		unlink(temp);
	return r;
}

const struct pw_backend_ops sqlite_ops = {
	.load = load,
	.begin = begin,
	.put = put,
	.remove = remove_row,
	.set_meta = set_meta,
	.commit = commit,
	.rollback = rollback,
	.backup = backup,
	.close = sqlite_close,
};
