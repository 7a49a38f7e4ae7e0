/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_STORE_BACKEND_H
#define PW_STORE_BACKEND_H
/*
 * What makes the store durable. A backend keeps rows (table, key, body, indexes) and named numbers;
 * it knows neither structs nor orders. One transaction at a time; between begin and commit nothing
 * it was given may be visible to others.
 *
 * Life: a backend's own open → load once → (begin → put/remove/set_meta … → commit | rollback)* →
 * close. I1 commit returns 0 only when the rows survive a power failure; after an error none of
 * them was written.
 */
#include "../base/err.h"

struct pw_backend_row {
	const char *table;
	const char *key;
	const char *body;
	size_t body_len;
	uint64_t create_index;
	uint64_t modify_index;
};
/* Receives what a backend holds. An error ends the load and is passed on. */
struct pw_backend_sink {
	int (*row)(void *arg, const struct pw_backend_row *row, struct pw_err *err);
	void (*meta)(void *arg, const char *name, uint64_t value);
	void *arg;
};

struct pw_backend;
struct pw_backend_ops {
	int (*load)(struct pw_backend *b, const struct pw_backend_sink *sink, struct pw_err *err);
	int (*begin)(struct pw_backend *b, struct pw_err *err);
	int (*put)(struct pw_backend *b, const struct pw_backend_row *row, struct pw_err *err);
	int (*remove)(struct pw_backend *b, const char *table, const char *key, struct pw_err *err);
	int (*set_meta)(struct pw_backend *b, const char *name, uint64_t value, struct pw_err *err);
	int (*commit)(struct pw_backend *b, struct pw_err *err);
	void (*rollback)(struct pw_backend *b);
	int (*backup)(struct pw_backend *b, const char *path, struct pw_err *err);
	void (*close)(struct pw_backend *b);
};
/* First member of each backend's own struct. */
struct pw_backend {
	const struct pw_backend_ops *ops;
};

int pw_sqlite_open(struct pw_backend **ret, const char *path, struct pw_err *err);
#endif
