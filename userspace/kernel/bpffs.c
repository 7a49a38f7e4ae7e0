// SPDX-License-Identifier: Apache-2.0
/* The file system of pins: find or mount it, make and remove directories in it. */
#include "../base/str.h"
#include "kernel_private.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define TREE_DEPTH_MAX 8

bool pw_bpffs_is(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == BPF_FS_MAGIC;
}

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
	*d = NULL;
}

static bool is_empty(const char *path)
{
	pw_cleanup(closedirp) DIR *d = opendir(path);
	struct dirent *e;

	if (!d)
		return false;
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			return false;
	return true;
}

/* Where a bpffs is, for the error's advice; fields of /proc/self/mountinfo: "… root mountpoint … -
 * fstype …". */
static void find_mounted(char *ret, size_t size)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	pw_autofree char *line = NULL;
	size_t room = 0;

	ret[0] = '\0';
	while (f && !ret[0] && getline(&line, &room, f) > 0) {
		pw_autofree char *point = NULL;
		const char *type = strstr(line, " - ");

		if (type && pw_str_starts(type, " - bpf ") &&
		    sscanf(line, "%*s %*s %*s %*s %ms", &point) == 1)
			snprintf(ret, size, "%s", point);
	}
	if (f)
		fclose(f);
}

static int mount_at(const char *parent, const char *bpf_dir, struct pw_err *err)
{
	char found[256];
	struct stat st;

	if (mkdir(parent, 0700) < 0 && errno != EEXIST)
		return pw_err_set(err, PW_ERR_INTERNAL, errno, "bpf_dir %s: cannot create %s: %s",
				  bpf_dir, parent, strerror(errno));
	if (stat(parent, &st) < 0 || !S_ISDIR(st.st_mode))
		return pw_err_set(err, PW_ERR_INTERNAL, ENOTDIR,
				  "bpf_dir %s: %s is not a directory", bpf_dir, parent);
	find_mounted(found, sizeof(found));
	if (!is_empty(parent)) /* a mount would hide what is there */
		return pw_err_set(
			err, PW_ERR_INTERNAL, ENOTEMPTY,
			"bpf_dir %s: %s is no bpffs and not empty; set bpf_dir to a directory below %s",
			bpf_dir, parent, found[0] ? found : "a mounted bpffs");
	if (mount("bpf", parent, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
		return pw_err_set(
			err, PW_ERR_INTERNAL, errno,
			"bpf_dir %s: cannot mount a bpffs at %s: %s; run as root or set bpf_dir below %s",
			bpf_dir, parent, strerror(errno), found[0] ? found : "a mounted bpffs");
	return 0;
}

int pw_bpffs_mkdir(const char *path, struct pw_err *err)
{
	struct stat st;

	if (mkdir(path, 0700) == 0)
		return 0;
	if (errno != EEXIST)
		return pw_err_set(err, PW_ERR_INTERNAL, errno, "cannot create %s: %s", path,
				  strerror(errno));
	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return pw_err_set(err, PW_ERR_INTERNAL, ENOTDIR,
				  "%s is in the way: not a directory and not ours; remove it",
				  path);
	return 0;
}

int pw_bpffs_ensure(const char *bpf_dir, struct pw_err *err)
{
	pw_autofree char *parent = pw_xstrdup(bpf_dir);
	char *slash = strrchr(parent, '/');
	int r;

	if (bpf_dir[0] != '/' || slash == parent || !slash[1])
		return pw_err_set(
			err, PW_ERR_BAD_REQUEST, EINVAL,
			"bpf_dir %s: must be an absolute path below a bpffs, as /sys/fs/bpf/peerway",
			bpf_dir);
	if (strchr(slash + 1, '.'))
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "bpf_dir %s: a bpffs has no names with dots", bpf_dir);
	*slash = '\0';
	if (!pw_bpffs_is(bpf_dir) && !pw_bpffs_is(parent)) {
		r = mount_at(parent, bpf_dir, err);
		if (r < 0)
			return r;
	}
	return pw_bpffs_mkdir(bpf_dir, err);
}

int pw_bpffs_lock(const char *bpf_dir, int *ret_fd, struct pw_err *err)
{
	pw_autoclose int fd = open(bpf_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, errno, "open %s: %s", bpf_dir,
				  strerror(errno));
	/* Held for milliseconds by another start or uninstall, so it may be waited for. */
	do
		r = flock(fd, LOCK_EX);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, errno, "lock %s: %s", bpf_dir,
				  strerror(errno));
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int remove_at(const char *path, int depth)
{
	pw_cleanup(closedirp) DIR *d = opendir(path);
	struct dirent *e;
	int r;

	if (!d)
		return errno == ENOENT ? 0 : errno == ENOTDIR && unlink(path) == 0 ? 0 : -errno;
	if (depth > TREE_DEPTH_MAX)
		return -ELOOP;
	while ((e = readdir(d))) {
		pw_autofree char *child = NULL;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		child = pw_xasprintf("%s/%s", path, e->d_name);
		if (e->d_type == DT_DIR)
			r = remove_at(child, depth + 1);
		else
			r = unlink(child) < 0 && errno != ENOENT ? -errno : 0;
		if (r < 0)
			return r;
	}
	return rmdir(path) < 0 && errno != ENOENT ? -errno : 0;
}

int pw_bpffs_remove_tree(const char *path, struct pw_err *err)
{
	int r = remove_at(path, 0);

	return r < 0 ? pw_err_set(err, PW_ERR_INTERNAL, r, "remove %s: %s", path, strerror(-r)) : 0;
}

char *pw_bpffs_interface_path(const char *dir, const char *kind, const char *ifname)
{
	char *path = pw_xasprintf("%s/links/%s_%s", dir, kind, ifname);

	for (char *p = path + strlen(path) - strlen(ifname); *p; p++)
		if (*p == '.')
			*p = ':';
	return path;
}
