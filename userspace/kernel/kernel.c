// SPDX-License-Identifier: Apache-2.0
#include "kernel.h"
#include "../base/log.h"
#include "../base/time.h"
#include "guard.skel.h"
#include "kernel_private.h"
#include "sock.skel.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <string.h>
#include <unistd.h>

#define SYN_PER_SECOND_DEFAULT 200
#define CREDIT_BYTES_DEFAULT   (1024 * 1024)

static char **copy_names(const char *const *names)
{
	size_t n = 0;
	char **copy;

	while (names && names[n])
		n++;
	copy = pw_xcalloc(n + 1, sizeof(*copy));
	for (size_t i = 0; i < n; i++)
		copy[i] = pw_xstrdup(names[i]);
	return copy;
}

static struct pw_kernel *kernel_new(const struct pw_kernel_options *opt)
{
	struct pw_kernel *k = pw_new0(struct pw_kernel);

	k->base = opt->base;
	k->bpf_dir = pw_xstrdup(opt->bpf_dir);
	k->dir = pw_xasprintf("%s/v%d", opt->bpf_dir, PW_ABI_VERSION);
	k->interfaces = copy_names(opt->interfaces);
	k->xdp = opt->xdp;
	for (int i = 0; i < PW_MAP_MAX_; i++)
		k->maps[i] = -1;
	for (int i = 0; i < PW_FEATURE_MAX_; i++)
		pw_feature_set(k, i, /* present= */ false, "not tried: no BPF");
	return k;
}

void pw_kernel_close(struct pw_kernel **kernel)
{
	struct pw_kernel *k = TAKE_PTR(*kernel);

	if (!k)
		return;
	pw_events_close(k);
	pw_state_close(k);
	guard_bpf__destroy(k->guard);
	sock_bpf__destroy(k->sock);
	for (int i = 0; i < PW_MAP_MAX_; i++)
		pw_closep(&k->maps[i]);
	for (char **name = k->interfaces; *name; name++)
		free(*name);
	free(k->interfaces);
	free(k->attachments);
	free(k->bpf_dir);
	free(k->dir);
	free(k);
}

int pw_meta_write(struct pw_kernel *k, uint64_t generation)
{
	struct pw_meta_value meta = {
		.abi = PW_ABI_VERSION,
		.agent_pid = (uint32_t)getpid(),
		.generation = generation,
		.started_ns = (uint64_t)pw_now_real_ns(),
	};
	struct pw_meta_value old = { 0 };
	uint32_t zero = 0;

	/* The start is the agent's, not the last publish's. */
	if (bpf_map_lookup_elem(k->maps[PW_MAP_META], &zero, &old) == 0 &&
	    old.agent_pid == meta.agent_pid)
		meta.started_ns = old.started_ns;
	return bpf_map_update_elem(k->maps[PW_MAP_META], &zero, &meta, BPF_ANY);
}

/* A restart keeps the generation that its maps still hold. */
static int meta_claim(struct pw_kernel *k)
{
	struct pw_meta_value meta = { 0 };
	uint32_t zero = 0;

	bpf_map_lookup_elem(k->maps[PW_MAP_META], &zero, &meta);
	return pw_meta_write(k, meta.generation);
}

static int config_write(struct pw_kernel *k, const struct pw_guard_options *g,
			uint64_t credit_bytes, struct pw_err *err)
{
	struct pw_config_value config = { 0 };
	uint32_t zero = 0;
	int r;

	bpf_map_lookup_elem(k->maps[PW_MAP_CONFIG], &zero, &config);
	config.guard_mode = g->mode;
	config.syn_per_second = g->syn_per_second ? g->syn_per_second : SYN_PER_SECOND_DEFAULT;
	config.gateway_port_be = htons(g->gateway_port);
	if (credit_bytes)
		config.credit_bytes = credit_bytes;
	r = bpf_map_update_elem(k->maps[PW_MAP_CONFIG], &zero, &config, BPF_ANY);
	return r < 0 ? pw_err_set(err, PW_ERR_INTERNAL, r, "write map pw_config: %s", strerror(-r))
		     : 0;
}

int pw_kernel_guard_set(struct pw_kernel *k, const struct pw_guard_options *g, struct pw_err *err)
{
	int r;

	if (!g->gateway_port && g->mode != PW_GUARD_OFF)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL,
				  "guard: a gateway port is needed");
	k->guard_options = *g;
	if (!pw_kernel_has_maps(k))
		return g->mode == PW_GUARD_OFF
			       ? 0
			       : pw_err_set(err, PW_ERR_UNAVAILABLE, EOPNOTSUPP, "guard: %s",
					    k->features[PW_FEATURE_BPF].why);
	r = config_write(k, g, /* credit_bytes= */ 0, err);
	if (r < 0)
		return r;
	if (g->mode != PW_GUARD_OFF)
		return pw_attach_all(k, err);
	pw_detach_all(k);
	return 0;
}

/* Everything behind the maps: a failure in here costs a feature, not the start. */
static int open_programs(struct pw_kernel *k, const struct pw_kernel_options *opt,
			 struct pw_err *err)
{
	struct pw_err guard_err = PW_ERR_INIT, sweep_err = PW_ERR_INIT;
	uint64_t credit = opt->credit_bytes ? opt->credit_bytes : CREDIT_BYTES_DEFAULT;
	int r;

	pw_feature_set(k, PW_FEATURE_BPF, true, "maps pinned below %.100s", k->dir);
	r = meta_claim(k);
	if (r < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, r, "write map pw_meta: %s", strerror(-r));
	/* The agent before us guarded what its configuration named; ours may name less. */
	if (pw_links_remove(k->dir, k->interfaces, &sweep_err) < 0)
		pw_log_warn("kernel.guard", "error", sweep_err.text, NULL);
	r = pw_stats_init(k->maps[PW_MAP_STATS]);
	if (r < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, r, "write map pw_stats: %s", strerror(-r));
	r = config_write(k, &opt->guard, credit, err);
	if (r < 0)
		return r;
	r = pw_state_open(k, err);
	if (r < 0)
		return r;
	pw_load_guard(k);
	pw_load_sock(k, opt->sockmap);
	r = pw_events_open(k, err);
	if (r < 0)
		return r;
	if (pw_kernel_guard_set(k, &opt->guard, &guard_err) < 0)
		pw_log_error("kernel.guard", "error", guard_err.text, NULL);
	return 0;
}

static void kernel_closep(struct pw_kernel **k)
{
	pw_kernel_close(k);
}

int pw_kernel_open(struct pw_kernel **ret, const struct pw_kernel_options *opt, struct pw_err *err)
{
	pw_cleanup(kernel_closep) struct pw_kernel *k = NULL;
	pw_autoclose int lock = -1;
	int r;

	pw_kernel_log_setup();
	r = pw_bpffs_ensure(opt->bpf_dir, err);
	if (r < 0)
		return r;
	r = pw_bpffs_lock(opt->bpf_dir, &lock, err);
	if (r < 0)
		return r;
	k = kernel_new(opt);
	r = pw_pins_open(k, err);
	if (r == 0 && pw_kernel_has_maps(k))
		r = open_programs(k, opt, err);
	if (r < 0)
		return r;
	pw_probe(k);
	*ret = TAKE_PTR(k);
	return 0;
}

const struct pw_feature_state *pw_kernel_features(const struct pw_kernel *k)
{
	return k->features;
}

bool pw_kernel_sockmap_ready(const struct pw_kernel *k)
{
	return k->features[PW_FEATURE_SOCKMAP].present;
}
