// SPDX-License-Identifier: Apache-2.0
/* Which hook serves which interface, and why. */
#include "../base/str.h"
#include "kernel_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum hook { HOOK_NATIVE, HOOK_GENERIC, HOOK_TC };
static const char *const hook_names[] = {
	[HOOK_NATIVE] = "native", [HOOK_GENERIC] = "generic", [HOOK_TC] = "tc"
};

/* Hardware as guests see it: XDP works there, at the price of receive offloads. */
static const char *const virtual_drivers[] = { "virtio_net", "vif",  "xen_netfront", "hv_netvsc",
					       "vmxnet3",    "veth", "tun" };

void pw_feature_set(struct pw_kernel *k, enum pw_feature f, bool present, const char *fmt, ...)
{
	va_list args;

	k->features[f].present = present;
	va_start(args, fmt);
	vsnprintf(k->features[f].why, sizeof(k->features[f].why), fmt, args);
	va_end(args);
}

/* Why XDP would cost segmentation offload here, or NULL. */
static const char *virtual_reason(const struct pw_link *link)
{
	if (link->kind[0])
		return link->kind;
	for (size_t i = 0; i < ARRAY_SIZE(virtual_drivers); i++)
		if (!strcmp(link->driver, virtual_drivers[i]))
			return virtual_drivers[i];
	return link->driver[0] ? NULL : "no driver";
}

static int attach_hook(struct pw_kernel *k, const char *ifname, const struct pw_link *link,
		       enum hook hook, struct pw_err *err)
{
	int r;

	if (hook == HOOK_TC)
		r = pw_attach_tc(k, ifname, link->ifindex, err);
	else
		r = pw_attach_xdp(k, ifname, link->ifindex, hook == HOOK_GENERIC, err);
	if (r < 0)
		return r;
	/* Never two guards on one interface: each would take its token. */
	if (hook == HOOK_TC)
		pw_detach_xdp(k->dir, ifname);
	else
		pw_detach_tc(k->dir, ifname, k->old_tc_id,
			     pw_pins_program_id(k->dir, "pw_guard_tc"), /* err= */ NULL);
	return 0;
}

/* auto: native where it is free, tc elsewhere and where native is refused. note says what and why.
 */
static int attach_auto(struct pw_kernel *k, const char *ifname, const struct pw_link *link,
		       enum hook *ret_hook, struct pw_strbuf *note, struct pw_err *err)
{
	const char *virtual = virtual_reason(link);
	struct pw_err native = PW_ERR_INIT;
	int r;

	if (!virtual && attach_hook(k, ifname, link, HOOK_NATIVE, &native) == 0) {
		*ret_hook = HOOK_NATIVE;
		pw_strbuf_add(note, "%s native", ifname);
		return 0;
	}
	r = attach_hook(k, ifname, link, HOOK_TC, err);
	if (r < 0)
		return r;
	*ret_hook = HOOK_TC;
	if (virtual)
		pw_strbuf_add(note, "%s tc (%s: XDP would cost segmentation offload)", ifname,
			      virtual);
	else
		pw_strbuf_add(note, "%s tc (%s)", ifname, native.text);
	return 0;
}

static int attach_one(struct pw_kernel *k, const char *ifname, enum hook *ret_hook,
		      struct pw_strbuf *note, struct pw_err *err)
{
	static const enum hook asked[] = { [PW_XDP_NATIVE] = HOOK_NATIVE,
					   [PW_XDP_GENERIC] = HOOK_GENERIC,
					   [PW_XDP_TC] = HOOK_TC };
	struct pw_link link;
	int r;

	r = pw_netlink_link(ifname, &link);
	if (r < 0)
		return pw_err_set(err, PW_ERR_UNAVAILABLE, r, "interface %s: %s", ifname,
				  strerror(-r));
	if (!link.ethernet)
		return pw_err_set(err, PW_ERR_UNAVAILABLE, EOPNOTSUPP,
				  "interface %s carries no Ethernet headers, which the guard needs",
				  ifname);
	if (k->xdp == PW_XDP_AUTO)
		return attach_auto(k, ifname, &link, ret_hook, note, err);
	*ret_hook = asked[k->xdp];
	r = attach_hook(k, ifname, &link, *ret_hook, err);
	if (r == 0)
		pw_strbuf_add(note, "%s %s (configured)", ifname, hook_names[*ret_hook]);
	return r;
}

static void attachment_add(struct pw_kernel *k, const char *ifname, const char *hook,
			   const char *why)
{
	struct pw_guard_attachment *a;

	k->attachments =
		pw_xrealloc(k->attachments, (k->n_attachments + 1) * sizeof(*k->attachments));
	a = &k->attachments[k->n_attachments++];
	pw_str_fill(a->name, sizeof(a->name), ifname);
	a->hook = hook;
	snprintf(a->why, sizeof(a->why), "%.150s", why);
}

size_t pw_kernel_guard_attachments(const struct pw_kernel *k,
				   const struct pw_guard_attachment **ret)
{
	*ret = k->attachments;
	return k->n_attachments;
}

enum pw_guard_mode pw_kernel_guard_mode(const struct pw_kernel *k)
{
	return k->guard_options.mode;
}

const char *pw_guard_mode_name(enum pw_guard_mode m)
{
	static const char *const names[] = {
		[PW_GUARD_OFF] = "off", [PW_GUARD_LIMIT] = "limit", [PW_GUARD_ENFORCE] = "enforce"
	};

	return (size_t)m < ARRAY_SIZE(names) ? names[m] : "unknown";
}

int pw_attach_all(struct pw_kernel *k, struct pw_err *err)
{
	bool native = false, tc = false;
	struct pw_strbuf all = { 0 };
	int first = 0;

	k->n_attachments = 0;
	if (!k->interfaces[0])
		return 0;
	if (!k->guard)
		return pw_err_set(err, PW_ERR_UNAVAILABLE, EOPNOTSUPP, "guard: %s",
				  k->features[PW_FEATURE_TC].why);
	for (char **name = k->interfaces; *name; name++) {
		struct pw_err one = PW_ERR_INIT;
		pw_cleanup(pw_strbuf_clear) struct pw_strbuf note = { 0 };
		enum hook hook = HOOK_TC;
		int r;

		r = attach_one(k, *name, &hook, &note, &one);
		native |= r == 0 && hook == HOOK_NATIVE;
		tc |= r == 0 && hook == HOOK_TC;
		if (r < 0)
			pw_strbuf_add(&note, "%s UNGUARDED: %s", *name, one.text);
		attachment_add(k, *name, r < 0 ? "none" : hook_names[hook],
			       r < 0 ? one.text : note.text + strlen(*name) + 1);
		pw_strbuf_add(&all, "%s%s", all.len ? "; " : "", note.text);
		/* The others are guarded all the same; the first failure is what the caller hears.
		 */
		if (r < 0 && first == 0)
			first = pw_err_set(err, one.class, r, "guard: %s", one.text);
	}
	pw_feature_set(k, PW_FEATURE_XDP_NATIVE, native, "%.150s", all.text);
	pw_feature_set(k, PW_FEATURE_TC, true, "%s",
		       tc ? "in use" : "the program loads; no interface needs it");
	pw_strbuf_clear(&all);
	return first;
}

void pw_detach_all(struct pw_kernel *k)
{
	uint32_t id = pw_pins_program_id(k->dir, "pw_guard_tc");

	k->n_attachments = 0;
	for (char **name = k->interfaces; *name; name++) {
		pw_detach_xdp(k->dir, *name);
		pw_detach_tc(k->dir, *name, id, k->old_tc_id, /* err= */ NULL);
	}
	if (k->guard) {
		pw_feature_set(k, PW_FEATURE_XDP_NATIVE, false, "the guard is off");
		pw_feature_set(k, PW_FEATURE_TC, true, "the program loads; the guard is off");
	}
}
