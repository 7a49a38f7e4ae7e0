/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_STORE_SQLITE_PRIVATE_H
#define PW_STORE_SQLITE_PRIVATE_H
#include <sqlite3.h>

#include "backend.h"

enum statement { ST_BEGIN, ST_COMMIT, ST_PUT, ST_REMOVE, ST_META, ST_MAX_ };

struct sqlite {
	struct pw_backend backend;
	sqlite3 *db;
	char *path;
	int lock_fd; /* the lock file: one agent per database */
	sqlite3_stmt *statements[ST_MAX_];
};

extern const struct pw_backend_ops sqlite_ops;
int sqlite_err(sqlite3 *db, const char *path, const char *what, struct pw_err *err);
void sqlite_close(struct pw_backend *b);
static inline void sqlite_finalizep(sqlite3_stmt **st)
{
	sqlite3_finalize(*st);
	*st = NULL;
}
#endif
