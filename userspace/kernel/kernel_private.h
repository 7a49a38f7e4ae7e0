/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_KERNEL_KERNEL_PRIVATE_H
#define PW_KERNEL_KERNEL_PRIVATE_H
/* Shared by the files of this folder only. */
#include "kernel.h"
#include "table.h"

#include <net/if.h>

enum pw_map_id {
	PW_MAP_GUARD,
	PW_MAP_GUARD_DENY,
	PW_MAP_BUCKETS,
	PW_MAP_SERVICES,
	PW_MAP_POLICY,
	PW_MAP_ROUTES,
	PW_MAP_FLOWS,
	PW_MAP_RELAYED,
	PW_MAP_SOCKS,
	PW_MAP_STATS,
	PW_MAP_EVENTS,
	PW_MAP_CONFIG,
	PW_MAP_META,
	PW_MAP_MAX_
};

struct bpf_map;
struct bpf_object;
struct guard_bpf;
struct sock_bpf;
struct ring_buffer;
struct event;

/* Tables that the agent stages, in the order in which additions are written: targets before
 * references. */
enum pw_table_id {
	PW_TABLE_SERVICES,
	PW_TABLE_ROUTES,
	PW_TABLE_POLICY,
	PW_TABLE_GUARD,
	PW_TABLE_MAX_
};

struct pw_kernel {
	struct event_base *base; /* not ours; NULL: no events */
	char *bpf_dir;
	char *dir;	       /* bpf_dir/v<ABI> */
	int maps[PW_MAP_MAX_]; /* I1 all valid, or all -1 when the kernel has no BPF for us; never
				  changed after open */
	struct guard_bpf *guard;
	struct sock_bpf *sock;
	struct pw_feature_state features[PW_FEATURE_MAX_];
	char **interfaces; /* NULL-terminated, never NULL */
	enum pw_xdp_mode xdp;
	struct pw_guard_options guard_options;
	struct pw_guard_attachment *attachments; /* as attach_all left them */
	size_t n_attachments;
	uint32_t old_tc_id; /* program of the agent before us: its tc filter may be replaced */
	struct pw_table tables[PW_TABLE_MAX_];
	struct pw_stage *stage; /* between stage and publish or abort */
	struct ring_buffer *ring;
	struct event *ring_event;
	int ring_left; /* events that this round may still take */
	void (*on_event)(void *arg, const struct pw_event *e);
	void *on_event_arg;
};

static inline bool pw_kernel_has_maps(const struct pw_kernel *k)
{
	return k->maps[0] >= 0;
}

/* log.c: libbpf's lines through our logger, one level lower; the end of the verifier's log when a
 * load fails. */
void pw_kernel_log_setup(void);

/* bpffs.c */
int pw_bpffs_ensure(const char *bpf_dir,
		    struct pw_err *err); /* mounts if needed, creates bpf_dir */
bool pw_bpffs_is(const char *path);
int pw_bpffs_lock(const char *bpf_dir, int *ret_fd,
		  struct pw_err *err);				/* exclusive until closed */
int pw_bpffs_mkdir(const char *path, struct pw_err *err);	/* 0 also if it exists */
int pw_bpffs_remove_tree(const char *path, struct pw_err *err); /* 0 also if it does not exist */
/* The name of a pin for an interface: bpffs has no dots, interfaces have no colons. */
char *pw_bpffs_interface_path(const char *dir, const char *kind, const char *ifname);

/* pins.c */
const char *pw_map_name(enum pw_map_id id);
int pw_pins_open(struct pw_kernel *k,
		 struct pw_err *err); /* fills k->maps; 0 with I1's -1 when maps cannot be made */
int pw_pins_check(int fd, const struct bpf_map *want, const char *path, struct pw_err *err);
int pw_pins_reuse(struct bpf_object *obj, const int maps[PW_MAP_MAX_]);
int pw_pins_put_program(struct pw_kernel *k, const char *name, int prog_fd,
			struct pw_err *err);			/* replaces */
uint32_t pw_pins_program_id(const char *dir, const char *name); /* 0: none */
enum pw_pin_kind { PW_PIN_UNKNOWN, PW_PIN_MAP, PW_PIN_PROGRAM, PW_PIN_LINK };
enum pw_pin_kind pw_pin_kind(int fd);

/* load.c */
void pw_load_guard(struct pw_kernel *k); /* what fails is told in the features */
void pw_load_sock(struct pw_kernel *k, bool allowed);

/* probe.c */
void pw_probe(struct pw_kernel *k);
int pw_probe_sockmap(char why[160]); /* on maps of its own */
void pw_feature_set(struct pw_kernel *k, enum pw_feature f, bool present, const char *fmt, ...)
	pw_printf(4, 5);

/* uninstall.c: detaches the guard from every interface that has a link below dir but those of keep
 * (NULL-terminated, may be NULL). */
int pw_links_remove(const char *dir, char *const *keep, struct pw_err *err);

/* netlink.c */
struct pw_link {
	int ifindex;
	bool ethernet;	 /* packets start with an Ethernet header */
	char kind[32];	 /* "veth", "tun"; "": hardware */
	char driver[32]; /* "" if it does not say */
};
int pw_netlink_link(const char *ifname, struct pw_link *ret); /* -ENODEV */
int pw_netlink_filters(int ifindex, size_t *ret_n);	      /* tc filters at ingress and egress */

/* attach.c, attach_xdp.c, attach_tc.c */
int pw_attach_all(struct pw_kernel *k, struct pw_err *err);
void pw_detach_all(struct pw_kernel *k);
int pw_attach_xdp(struct pw_kernel *k, const char *ifname, int ifindex, bool generic,
		  struct pw_err *err);
int pw_detach_xdp(const char *dir, const char *ifname); /* -ENOENT: there was none */
int pw_attach_tc(struct pw_kernel *k, const char *ifname, int ifindex, struct pw_err *err);
int pw_detach_tc(const char *dir, const char *ifname, uint32_t id, uint32_t other_id,
		 struct pw_err *err);

/* map_stats.c */
int pw_stats_init(int fd);

/* events.c */
int pw_events_open(struct pw_kernel *k, struct pw_err *err);
void pw_events_close(struct pw_kernel *k);

/* state.c */
int pw_state_open(struct pw_kernel *k, struct pw_err *err);
void pw_state_close(struct pw_kernel *k);
int pw_meta_write(struct pw_kernel *k, uint64_t generation);
#endif
