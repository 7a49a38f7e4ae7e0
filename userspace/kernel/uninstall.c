// SPDX-License-Identifier: Apache-2.0
/* Takes everything away: links (and with them the programs on interfaces), tc filters, qdiscs we
 * made, pins. */
#include "../base/log.h"
#include "../base/str.h"
#include "kernel_private.h"

#include <bpf/libbpf.h>
#include <dirent.h>
#include <linux/if_link.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
	*d = NULL;
}

/* A name below links: "xdp_eth0" or "tc_eth0:100" (see pw_bpffs_interface_path). */
static int remove_link(const char *dir, const char *name, char *const *keep, struct pw_err *err)
{
	uint32_t id = pw_pins_program_id(dir, "pw_guard_tc");
	const char *under = strchr(name, '_');
	pw_autofree char *ifname = under ? pw_xstrdup(under + 1) : NULL;

	if (!ifname)
		return 0;
	for (char *p = ifname; *p; p++)
		if (*p == ':')
			*p = '.';
	for (; keep && *keep; keep++)
		if (!strcmp(*keep, ifname))
			return 0;
	if (pw_str_starts(name, "tc_"))
		return pw_detach_tc(dir, ifname, id, /* other_id= */ 0, err);
	if (pw_str_starts(name, "xdp_"))
		pw_detach_xdp(
			dir, ifname); /* what fails here goes with its pin, or is no link of ours */
	return 0;
}

/* The names are collected first: a directory that changes is not read on. */
int pw_links_remove(const char *dir, char *const *keep, struct pw_err *err)
{
	pw_autofree char *path = pw_xasprintf("%s/links", dir);
	pw_cleanup(closedirp) DIR *d = opendir(path);
	struct pw_strv names = { 0 };
	struct dirent *e;
	int r = 0;

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			pw_strv_add(&names, e->d_name);
	for (size_t i = 0; i < names.n && r == 0; i++)
		r = remove_link(dir, names.items[i], keep, err);
	pw_strv_clear(&names);
	return r;
}

/* v1, v2 … and what a killed start left. Other names below bpf_dir are not ours. */
static bool is_ours(const char *name)
{
	return pw_str_starts(name, "stage-") ||
	       (name[0] == 'v' && name[1] && strspn(name + 1, "0123456789") == strlen(name + 1));
}

static int remove_versions(const char *bpf_dir, struct pw_err *err)
{
	pw_cleanup(closedirp) DIR *d = opendir(bpf_dir);
	struct pw_strv names = { 0 };
	struct dirent *e;
	int r = 0;

	while (d && (e = readdir(d)))
		if (is_ours(e->d_name))
			pw_strv_add(&names, e->d_name);
	for (size_t i = 0; i < names.n && r == 0; i++) {
		pw_autofree char *dir = pw_xasprintf("%s/%s", bpf_dir, names.items[i]);

		r = pw_links_remove(dir, /* keep= */ NULL, err);
		if (r == 0)
			r = pw_bpffs_remove_tree(dir, err);
	}
	pw_strv_clear(&names);
	return r;
}

static void report_foreign(const char *ifname)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, now);
	int ifindex = (int)if_nametoindex(ifname);

	if (ifindex && bpf_xdp_query(ifindex, 0, &now) == 0 && now.attach_mode != XDP_ATTACHED_NONE)
		pw_log_warn("kernel.foreign_xdp", "interface", ifname, "program",
			    pw_log_u64(now.prog_id), "note", "not ours, left alone", NULL);
}

int pw_kernel_uninstall(const char *bpf_dir, const char *const *interfaces, struct pw_err *err)
{
	pw_autoclose int lock = -1;
	int r = 0;

	pw_kernel_log_setup();
	if (pw_bpffs_is(bpf_dir)) {
		r = pw_bpffs_lock(bpf_dir, &lock, err);
		if (r == 0)
			r = remove_versions(bpf_dir, err);
		/* Stays when it is a mount point or holds somebody else's pins. */
		if (r == 0 && rmdir(bpf_dir) < 0 && errno != EBUSY && errno != ENOTEMPTY &&
		    errno != ENOENT)
			r = pw_err_set(err, PW_ERR_INTERNAL, errno, "remove %s: %s", bpf_dir,
				       strerror(errno));
	}
	for (; r == 0 && interfaces && *interfaces; interfaces++)
		report_foreign(*interfaces);
	return r;
}
