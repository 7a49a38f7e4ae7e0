// SPDX-License-Identifier: Apache-2.0
/*
 * The pinned maps: made once as a whole (stage, then rename), found again later, and trusted only
 * after a check of kind, type, sizes, limits, flags and the ABI number in pw_meta.
 */
#include "../base/log.h"
#include "../base/str.h"
#include "kernel_private.h"
#include "maps.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STAGE_PREFIX "stage-"

static const char *const map_names[] = {
	[PW_MAP_GUARD] = "pw_guard",	 [PW_MAP_GUARD_DENY] = "pw_guard_deny",
	[PW_MAP_BUCKETS] = "pw_buckets", [PW_MAP_SERVICES] = "pw_services",
	[PW_MAP_POLICY] = "pw_policy",	 [PW_MAP_ROUTES] = "pw_routes",
	[PW_MAP_FLOWS] = "pw_flows",	 [PW_MAP_RELAYED] = "pw_relayed",
	[PW_MAP_SOCKS] = "pw_socks",	 [PW_MAP_STATS] = "pw_stats",
	[PW_MAP_EVENTS] = "pw_events",	 [PW_MAP_CONFIG] = "pw_config",
	[PW_MAP_META] = "pw_meta",
};
_Static_assert(ARRAY_SIZE(map_names) == PW_MAP_MAX_, "a name for each map");

const char *pw_map_name(enum pw_map_id id)
{
	return map_names[id];
}

static void maps_closep(struct maps_bpf **s)
{
	maps_bpf__destroy(*s);
	*s = NULL;
}

enum pw_pin_kind pw_pin_kind(int fd)
{
	char path[64], target[64] = { 0 };

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, target, sizeof(target) - 1) < 0)
		return PW_PIN_UNKNOWN;
	if (strstr(target, "bpf-map"))
		return PW_PIN_MAP;
	if (strstr(target, "bpf-prog"))
		return PW_PIN_PROGRAM;
	return strstr(target, "bpf_link") || strstr(target, "bpf-link") ? PW_PIN_LINK
									: PW_PIN_UNKNOWN;
}

static int refuse(const char *path, const char *why, struct pw_err *err)
{
	return pw_err_set(err, PW_ERR_INTERNAL, EEXIST,
			  "%s: %s; it is not used: stop what made it, then run `peerway uninstall`",
			  path, why);
}

int pw_pins_check(int fd, const struct bpf_map *want, const char *path, struct pw_err *err)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	char why[160];
	int r;

	if (pw_pin_kind(fd) != PW_PIN_MAP)
		return refuse(path, "a foreign pin, not a map", err);
	r = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (r < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, r, "%s: %s", path, strerror(-r));
	if (info.type == bpf_map__type(want) && info.key_size == bpf_map__key_size(want) &&
	    info.value_size == bpf_map__value_size(want) &&
	    info.max_entries == bpf_map__max_entries(want) &&
	    info.map_flags == bpf_map__map_flags(want))
		return 0;
	snprintf(why, sizeof(why),
		 "a foreign map (type %u, key %u, value %u, %u entries; ours: %u, %u, %u, %u)",
		 info.type, info.key_size, info.value_size, info.max_entries, bpf_map__type(want),
		 bpf_map__key_size(want), bpf_map__value_size(want), bpf_map__max_entries(want));
	return refuse(path, why, err);
}

int pw_pins_reuse(struct bpf_object *obj, const int maps[PW_MAP_MAX_])
{
	int r;

	for (int i = 0; i < PW_MAP_MAX_; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, map_names[i]);

		if (!map || maps[i] < 0)
			continue;
		r = bpf_map__reuse_fd(map, maps[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* -ENOENT: no such pin. */
static int open_one(const char *dir, enum pw_map_id id, const struct bpf_map *want, int *ret_fd,
		    struct pw_err *err)
{
	pw_autofree char *path = pw_xasprintf("%s/maps/%s", dir, map_names[id]);
	pw_autoclose int fd = bpf_obj_get(path);
	int r;

	if (fd == -ENOENT)
		return -ENOENT;
	if (fd < 0) /* a plain file, a directory, or no permission */
		return refuse(path, strerror(-fd), err);
	r = pw_pins_check(fd, want, path, err);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int check_abi(struct pw_kernel *k, struct pw_err *err)
{
	struct pw_meta_value meta = { 0 };
	char why[96];
	uint32_t zero = 0;
	int r = bpf_map_lookup_elem(k->maps[PW_MAP_META], &zero, &meta);

	if (r == 0 && meta.abi == PW_ABI_VERSION)
		return 0;
	snprintf(why, sizeof(why), "its pw_meta says ABI %u where %u was expected", meta.abi,
		 PW_ABI_VERSION);
	return refuse(k->dir, why, err);
}

static int make_dirs(const char *dir, struct pw_err *err)
{
	static const char *const below[] = { "", "/maps", "/progs", "/links" };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(below) && r == 0; i++) {
		pw_autofree char *path = pw_xasprintf("%s%s", dir, below[i]);

		r = pw_bpffs_mkdir(path, err);
	}
	return r;
}

/* Pins under dir what has no pin yet. */
static int pin_maps(struct pw_kernel *k, struct maps_bpf *skel, const bool missing[PW_MAP_MAX_],
		    const char *dir, struct pw_err *err)
{
	for (int i = 0; i < PW_MAP_MAX_; i++) {
		pw_autofree char *path = pw_xasprintf("%s/maps/%s", dir, map_names[i]);
		struct bpf_map *map = bpf_object__find_map_by_name(skel->obj, map_names[i]);
		int r = 0;

		if (!missing[i])
			continue;
		k->maps[i] = fcntl(bpf_map__fd(map), F_DUPFD_CLOEXEC, 3);
		if (k->maps[i] < 0)
			r = -errno;
		if (r == 0)
			r = bpf_obj_pin(k->maps[i], path);
		if (r < 0)
			return pw_err_set(err, PW_ERR_INTERNAL, r, "pin %s: %s", path,
					  strerror(-r));
	}
	return 0;
}

static void close_maps(struct pw_kernel *k)
{
	for (int i = 0; i < PW_MAP_MAX_; i++)
		pw_closep(&k->maps[i]);
}

/* -EOPNOTSUPP: the kernel makes no maps for us; told in the features, not an error. */
static int load_maps(struct pw_kernel *k, struct maps_bpf *skel)
{
	int r = maps_bpf__load(skel);

	if (r == 0)
		return 0;
	pw_feature_set(k, PW_FEATURE_BPF, false, "the kernel makes no maps for us: %s",
		       strerror(-r));
	return -EOPNOTSUPP;
}

/* Nobody ever sees half a set: it gets its name when it is complete. */
static int create(struct pw_kernel *k, struct maps_bpf *skel, struct pw_err *err)
{
	pw_autofree char *stage = pw_xasprintf("%s/%s%d", k->bpf_dir, STAGE_PREFIX, (int)getpid());
	bool all[PW_MAP_MAX_];
	int r = load_maps(k, skel);

	if (r < 0)
		return r;
	memset(all, true, sizeof(all));
	r = make_dirs(stage, err);
	if (r == 0)
		r = pin_maps(k, skel, all, stage, err);
	if (r == 0)
		r = pw_meta_write(k, /* generation= */ 0);
	if (r == 0 && rename(stage, k->dir) < 0)
		r = pw_err_set(err, PW_ERR_INTERNAL, errno, "rename %s to %s: %s", stage, k->dir,
			       strerror(errno));
	if (r < 0)
		pw_bpffs_remove_tree(stage, /* err= */ NULL);
	return r;
}

static void report_junk(const struct pw_kernel *k)
{
	pw_autofree char *path = pw_xasprintf("%s/maps", k->dir);
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		bool ours = e->d_name[0] == '.';

		for (int i = 0; i < PW_MAP_MAX_ && !ours; i++)
			ours = !strcmp(e->d_name, map_names[i]);
		if (!ours)
			pw_log_warn("kernel.foreign_pin", "path", path, "name", e->d_name, "note",
				    "not used", NULL);
	}
	if (d)
		closedir(d);
}

static int reopen(struct pw_kernel *k, struct maps_bpf *skel, struct pw_err *err)
{
	bool missing[PW_MAP_MAX_] = { 0 }, any = false;
	int r;

	r = make_dirs(k->dir, err);
	if (r < 0)
		return r;
	for (int i = 0; i < PW_MAP_MAX_; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(skel->obj, map_names[i]);

		r = open_one(k->dir, i, map, &k->maps[i], err);
		if (r < 0 && r != -ENOENT)
			return r;
		missing[i] = r == -ENOENT;
		any |= missing[i];
	}
	if (missing[PW_MAP_META])
		return refuse(k->dir, "it has no maps/pw_meta", err);
	r = check_abi(k, err);
	if (r < 0)
		return r;
	report_junk(k);
	if (!any)
		return 0;
	/* Somebody removed single pins: make these anew, keep the others. */
	r = pw_pins_reuse(skel->obj, k->maps);
	if (r == 0)
		r = load_maps(k, skel);
	return r < 0 ? r : pin_maps(k, skel, missing, k->dir, err);
}

/* What a start left that was killed between stage and rename. Nobody else can be at it: we hold the
 * lock. */
static void sweep_stages(const struct pw_kernel *k)
{
	DIR *d = opendir(k->bpf_dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		pw_autofree char *path = NULL;

		if (!pw_str_starts(e->d_name, STAGE_PREFIX))
			continue;
		path = pw_xasprintf("%s/%s", k->bpf_dir, e->d_name);
		pw_bpffs_remove_tree(path, /* err= */ NULL);
	}
	if (d)
		closedir(d);
}

int pw_pins_open(struct pw_kernel *k, struct pw_err *err)
{
	pw_cleanup(maps_closep) struct maps_bpf *skel = maps_bpf__open();
	struct stat st;
	int r;

	if (!skel)
		return pw_err_set(err, PW_ERR_INTERNAL, errno, "open the maps' object: %s",
				  strerror(errno));
	sweep_stages(k);
	if (lstat(k->dir, &st) == 0)
		r = reopen(k, skel, err);
	else
		r = create(k, skel, err);
	if (r < 0)
		close_maps(k);
	return r == -EOPNOTSUPP ? 0 : r;
}

uint32_t pw_pins_program_id(const char *dir, const char *name)
{
	pw_autofree char *path = pw_xasprintf("%s/progs/%s", dir, name);
	pw_autoclose int fd = bpf_obj_get(path);
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	if (fd < 0 || pw_pin_kind(fd) != PW_PIN_PROGRAM ||
	    bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return 0;
	return info.id;
}

int pw_pins_put_program(struct pw_kernel *k, const char *name, int prog_fd, struct pw_err *err)
{
	pw_autofree char *path = pw_xasprintf("%s/progs/%s", k->dir, name);
	pw_autofree char *fresh = pw_xasprintf("%s/progs/new_%s", k->dir, name);
	int r;

	unlink(fresh);
	r = bpf_obj_pin(prog_fd, fresh);
	if (r == 0 && rename(fresh, path) < 0) {
		r = -errno;
		unlink(fresh);
	}
	return r < 0 ? pw_err_set(err, PW_ERR_INTERNAL, r, "pin %s: %s", path, strerror(-r)) : 0;
}
