/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_BASE_FS_H
#define PW_BASE_FS_H
#include "err.h"
int pw_fs_mkdir_p(const char *path, unsigned mode, struct pw_err *err);
/* Reads at most max bytes; a larger file is refused. NUL-terminated behind len. */
int pw_fs_read(const char *path, size_t max, char **ret, size_t *ret_len, struct pw_err *err);
/* temp, fsync, rename */
int pw_fs_write_atomic(const char *path, const void *data, size_t len, unsigned mode,
		       struct pw_err *err);
#endif
