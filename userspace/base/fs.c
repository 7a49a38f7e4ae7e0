// SPDX-License-Identifier: Apache-2.0
#include "fs.h"
#include "str.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int failed(struct pw_err *err, const char *what, const char *path)
{
	int code = errno;

	return pw_err_set(err, PW_ERR_INTERNAL, code, "cannot %s %s: %s", what, path,
			  strerror(code));
}

static int mkdir_one(const char *path, unsigned mode, struct pw_err *err)
{
	struct stat st;

	if (mkdir(path, (mode_t)mode) == 0)
		return 0;
	if (errno == EEXIST && stat(path, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			return 0;
		errno = ENOTDIR;
	}
	return failed(err, "create directory", path);
}

int pw_fs_mkdir_p(const char *path, unsigned mode, struct pw_err *err)
{
	pw_autofree char *part = pw_xstrdup(path);
	int r;

	for (char *slash = strchr(part + (*part ? 1 : 0), '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		r = mkdir_one(part, mode, err);
		*slash = '/';
		if (r < 0)
			return r;
	}
	return mkdir_one(part, mode, err);
}

int pw_fs_read(const char *path, size_t max, char **ret, size_t *ret_len, struct pw_err *err)
{
	struct pw_strbuf b = { 0 };
	pw_autofree char *text = NULL;
	pw_autoclose int fd = -1;
	char chunk[16384];
	ssize_t n;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return failed(err, "open", path);
	pw_strbuf_add_n(&b, "", 0);
	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0)
			pw_strbuf_add_n(&b, chunk, (size_t)n);
		if (n < 0 || b.len > max)
			break;
	}
	text = b.text;
	if (n < 0)
		return failed(err, "read", path);
	if (b.len > max)
		return pw_err_set(err, PW_ERR_INTERNAL, EFBIG,
				  "%s is larger than the limit of %zu bytes", path, max);
	*ret = TAKE_PTR(text);
	if (ret_len)
		*ret_len = b.len;
	return 0;
}

static int write_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A rename is on disk only when its directory is. */
static int sync_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	pw_autofree char *dir = NULL;
	pw_autoclose int fd = -1;

	dir = slash ? pw_xstrndup(path, slash == path ? 1 : (size_t)(slash - path))
		    : pw_xstrdup(".");
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int pw_fs_write_atomic(const char *path, const void *data, size_t len, unsigned mode,
		       struct pw_err *err)
{
	pw_autofree char *temp = pw_xasprintf("%s.XXXXXX", path);
	pw_autoclose int fd = -1;
	int r;

	/* mkostemp creates with 0600, so a secret is never readable, not even for a moment. */
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return failed(err, "create a file beside", path);
	if (write_all(fd, data, len) < 0 || fchmod(fd, (mode_t)mode) < 0 || fsync(fd) < 0 ||
	    rename(temp, path) < 0) {
		r = failed(err, "write", path);
		unlink(temp);
		return r;
	}
	if (sync_directory(path) < 0)
		return failed(err, "sync the directory of", path);
	return 0;
}
