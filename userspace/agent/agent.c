// SPDX-License-Identifier: Apache-2.0
#include "agent.h"
#include "../api/api.h"
#include "../base/fs.h"
#include "../base/log.h"
#include "../base/time.h"
#include "../base/uuid.h"
#include "apply.h"
#include "events.h"
#include "local_services.h"
#include "privileges.h"
#include <event2/event.h>
#include <event2/thread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Start: configuration → store → CA → kernel → first compilation → data path → peering → checks →
 * API. Whatever can refuse does so before anything is opened to strangers; the API comes last, so
 * who can reach it finds everything in place. Stop is the reverse, after the data path has drained.
 */
struct agent {
	struct pw_config *config;
	char *node_id;
	char *node_address;
	struct event_base *base;
	struct pw_store *store;
	struct pw_ca *ca;
	struct pw_kernel *kernel;
	struct pw_compiler compiler;
	struct pw_apply *apply;
	struct pw_dataplane *dataplane;
	struct pw_peering_mgr *peering;
	struct pw_checks *checks;
	struct pw_api *api;
	struct event *sigterm, *sigint, *sighup;
	bool stopping;
};

static void apply_soon(void *arg)
{
	struct agent *a = arg;

	if (a->apply)
		pw_apply_soon(a->apply);
}

static uint64_t generation(void *arg)
{
	return pw_apply_generation(((struct agent *)arg)->apply);
}

static struct pw_policy *policy(void *arg)
{
	return pw_apply_policy(((struct agent *)arg)->apply);
}

static void on_control(void *arg, int fd, const struct pw_addr *client)
{
	struct agent *a = arg;

	if (!a->peering || a->stopping) {
		close(fd);
		return;
	}
	pw_peering_accept(a->peering, fd, client);
}

static void on_drained(void *arg)
{
	struct agent *a = arg;

	event_base_loopexit(a->base, NULL);
}

/* First signal: listeners close, active connections end within the drain limit. Second: at once. */
static void on_stop(evutil_socket_t sig, short what, void *arg)
{
	struct agent *a = arg;

	if (a->stopping || !a->dataplane) {
		event_base_loopexit(a->base, NULL);
		return;
	}
	a->stopping = true;
	pw_log_info("agent.draining", "signal", strsignal((int)sig), "connections",
		    pw_log_u64(pw_dataplane_connections(a->dataplane)), NULL);
	pw_api_free(&a->api);
	pw_dataplane_drain(a->dataplane, on_drained, a);
}

static int open_loop(struct agent *a, struct pw_err *err)
{
	const struct {
		int sig;
		struct event **ret;
	} signals[] = { { SIGTERM, &a->sigterm }, { SIGINT, &a->sigint } };

	signal(SIGPIPE, SIG_IGN);
	evthread_use_pthreads();
	a->base = event_base_new();
	if (!a->base)
		return pw_err_set(err, PW_ERR_INTERNAL, ENOMEM, "no event loop");
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		*signals[i].ret = evsignal_new(a->base, signals[i].sig, on_stop, a);
		if (!*signals[i].ret || event_add(*signals[i].ret, NULL) < 0)
			return pw_err_set(err, PW_ERR_INTERNAL, ENOMEM, "no signal event");
	}
	return 0;
}

/* The node's id outlives restarts: peers and dashboards know it. */
static int load_node_id(struct agent *a, struct pw_err *err)
{
	pw_autofree char *path = pw_xasprintf("%s/node-id", a->config->data_dir);
	char fresh[PW_UUID_LEN];
	size_t len;

	if (access(path, F_OK) == 0) {
		int r = pw_fs_read(path, 256, &a->node_id, &len, err);

		if (r < 0)
			return r;
		a->node_id[strcspn(a->node_id, "\r\n")] = '\0';
		if (!pw_uuid_valid(a->node_id))
			return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
					  "%s: holds no uuid; remove it to get a new one", path);
		return 0;
	}
	pw_uuid_new(fresh);
	a->node_id = pw_xstrdup(fresh);
	return pw_fs_write_atomic(path, fresh, strlen(fresh), 0600, err);
}

static int open_store(struct agent *a, struct pw_err *err)
{
	pw_autofree char *path = pw_xasprintf("%s/peerway.db", a->config->data_dir);
	const struct pw_store_options opt = { .path = path,
					      .tables = pw_tables,
					      .n_tables = PW_T_MAX };
	struct pw_addr def;
	char text[PW_ADDR_TEXT];
	int r;

	r = pw_fs_mkdir_p(a->config->data_dir, 0700, err);
	/* One that was there before, made by a package or by hand, holds our keys from now on. */
	if (r == 0 && chmod(a->config->data_dir, 0700) < 0)
		r = pw_err_set(err, PW_ERR_INTERNAL, errno,
			       "%s: its mode cannot be set to 0700: %s", a->config->data_dir,
			       strerror(errno));
	if (r == 0)
		r = load_node_id(a, err);
	if (r == 0)
		r = pw_store_open(&a->store, &opt, err);
	if (r < 0)
		return r;
	/* Own services without an address of their own are reached at the node's. */
	if (pw_addr_default(&def) == 0 && !a->config->dev)
		a->node_address = pw_xstrdup(pw_addr_ip_text(&def, text));
	else
		a->node_address = pw_xstrdup(a->config->advertise_addr_wan);
	return 0;
}

static int open_ca(struct agent *a, struct pw_err *err)
{
	const struct pw_ca_options opt = { .base = a->base,
					   .store = a->store,
					   .datacenter = a->config->datacenter };
	int r = pw_ca_new(&a->ca, &opt, err);

	if (r == 0)
		pw_ca_on_change(a->ca, apply_soon, a);
	return r;
}

static int open_kernel(struct agent *a, struct pw_err *err)
{
	const struct pw_config *c = a->config;
	struct pw_kernel_options opt = {
		.base = a->base,
		.bpf_dir = c->bpf_dir,
		.interfaces = (const char *const *)c->gateway.interfaces.items,
		.xdp = c->xdp_mode,
		.guard = { .mode = c->guard_mode,
			   .gateway_port = (uint16_t)c->ports.gateway,
			   .syn_per_second =
				   (uint32_t)c->gateway.guard.new_connections_per_second },
		.credit_bytes = c->limits.buffer_bytes,
		.sockmap = pw_strv_has(&c->gateway.forwarders, "sockmap"),
	};
	static const char *const none[] = { NULL };
	int r;

	if (!opt.interfaces)
		opt.interfaces = none;
	r = pw_kernel_open(&a->kernel, &opt, err);
	if (r < 0)
		return r;
	for (int i = 0; i < PW_FEATURE_MAX_; i++) {
		const struct pw_feature_state *f = &pw_kernel_features(a->kernel)[i];

		pw_log_info(f->present ? "feature.present" : "feature.missing", "feature",
			    pw_feature_name((enum pw_feature)i), "reason", f->why, NULL);
	}
	pw_kernel_on_event(a->kernel, pw_agent_kernel_event, NULL);
	return 0;
}

static int open_compiler(struct agent *a, struct pw_err *err)
{
	const char *d = a->config->default_intention_policy;
	int r;

	a->compiler = (struct pw_compiler){
		.config = a->config,
		.store = a->store,
		.ca = a->ca,
		.ids = pw_ids_new(),
		/* Without the key, local sources are Consul's business (allowed while ACLs are
		   off), peers are denied. */
		.defaults = { .allow_local = pw_str_empty(d) || pw_streq(d, "allow"),
			      .allow_peers = pw_streq(d, "allow") },
	};
	r = pw_resolver_new(&a->compiler.resolver, a->base, apply_soon, a, err);
	if (r == 0)
		r = pw_apply_new(&a->apply, a->base, &a->compiler, a->kernel, err);
	return r;
}

static int open_dataplane(struct agent *a, struct pw_err *err)
{
	const struct pw_config *c = a->config;
	struct pw_dataplane_options opt = {
		.base = a->base,
		.kernel = a->kernel,
		.bind = c->gateway_bind,
		.workers = (unsigned)c->gateway.workers,
		.limits = c->limits,
		.ktls = c->gateway.ktls,
		.on_control = on_control,
		.on_event = pw_agent_dp_event,
		.arg = a,
	};
	int r;

	memcpy(opt.forwarders, c->forwarders, sizeof(opt.forwarders));
	r = pw_dataplane_new(&a->dataplane, &opt, err);
	if (r == 0)
		pw_apply_set_dataplane(a->apply, a->dataplane);
	return r;
}

static int open_peering(struct agent *a, struct pw_err *err)
{
	const struct pw_config *c = a->config;
	const struct pw_peering_options opt = {
		.base = a->base,
		.store = a->store,
		.ca = a->ca,
		.node_name = c->node_name,
		.advertise_host = c->advertise_addr_wan,
		.gateway_port = (uint16_t)c->ports.gateway,
		.enabled = c->peering.enabled,
		.allow_loopback = c->dev,
		.heartbeat_interval_ms = c->peering.heartbeat_interval_ms,
		.heartbeat_timeout_ms = c->peering.heartbeat_timeout_ms,
		.max_control_connections_per_source = c->limits.max_control_connections_per_source,
	};
	int r = pw_peering_mgr_new(&a->peering, &opt, err);

	if (r < 0)
		return r;
	a->compiler.peering = a->peering;
	pw_peering_on_addresses(a->peering, apply_soon, a);
	return 0;
}

static int open_api(struct agent *a, struct pw_err *err)
{
	const struct pw_config *c = a->config;
	pw_cleanup(pw_strv_clear) struct pw_strv addresses = { 0 };
	struct pw_api_options opt = {
		.base = a->base,
		.store = a->store,
		.ca = a->ca,
		.peering = a->peering,
		.checks = a->checks,
		.dataplane = a->dataplane,
		.kernel = a->kernel,
		.datacenter = c->datacenter,
		.node_name = c->node_name,
		.node_id = a->node_id,
		.advertise_lan = a->node_address,
		.limits = &c->limits,
		.policy_defaults = a->compiler.defaults,
		.http_port = (uint16_t)c->ports.http,
		.generation = generation,
		.policy = policy,
		.arg = a,
	};

	pw_strv_split(&addresses, c->client_addr, " \t");
	/* pw_api_new wants a NULL behind the last. */
	addresses.items = pw_xrealloc(addresses.items, (addresses.n + 1) * sizeof(char *));
	addresses.items[addresses.n] = NULL;
	opt.addresses = (const char *const *)addresses.items;
	return pw_api_new(&a->api, &opt, err);
}

static int agent_open(struct agent *a, struct pw_err *err)
{
	int r;

	r = open_loop(a, err);
	if (r == 0)
		r = open_store(a, err);
	if (r == 0)
		r = open_ca(a, err);
	if (r == 0)
		r = open_kernel(a, err);
	if (r == 0)
		r = open_compiler(a, err);
	if (r == 0)
		r = pw_local_services_sync(a->store, a->config, a->node_id, a->node_address, err);
	if (r == 0)
		r = pw_privileges_drop(err);
	if (r == 0)
		r = open_dataplane(a, err);
	if (r == 0)
		r = open_peering(a, err);
	if (r == 0)
		r = pw_apply_now(a->apply, err);
	if (r == 0)
		r = pw_checks_new(&a->checks, a->base, a->store, err);
	if (r == 0)
		r = open_api(a, err);
	return r;
}

static void agent_close(struct agent *a)
{
	struct event *const signals[] = { a->sigterm, a->sigint };

	pw_api_free(&a->api);
	pw_checks_free(&a->checks);
	a->compiler.peering = NULL;
	pw_peering_mgr_free(&a->peering);
	if (a->apply)
		pw_apply_set_dataplane(a->apply, NULL);
	pw_dataplane_free(&a->dataplane);
	pw_apply_free(&a->apply);
	pw_compiler_clear(&a->compiler);
	pw_resolver_free(&a->compiler.resolver);
	pw_ids_free(&a->compiler.ids);
	pw_kernel_close(&a->kernel);
	pw_ca_free(&a->ca);
	pw_store_close(&a->store);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (signals[i])
			event_free(signals[i]);
	if (a->base)
		event_base_free(a->base);
	libevent_global_shutdown();
	free(a->node_id);
	free(a->node_address);
	pw_config_free(&a->config);
}

int pw_agent_main(int argc, char **argv)
{
	struct agent a = { 0 };
	struct pw_err err = PW_ERR_INIT;
	enum pw_log_level level;
	int64_t started_ms = pw_now_mono_ms();
	int r;

	umask(077);
	r = pw_config_load(argc - 1, argv + 1, &a.config, &err);
	if (r == -ECANCELED)
		return 0;
	if (r == 0 && pw_log_level_parse(a.config->log_level, &level) == 0)
		pw_log_set_level(level);
	pw_privileges_raise_files();
	if (r == 0)
		r = agent_open(&a, &err);
	if (r < 0) {
		fprintf(stderr, "peerway agent: %s\n", err.text);
		agent_close(&a);
		return 1;
	}
	pw_log_info("agent.ready", "datacenter", a.config->datacenter, "node", a.config->node_name,
		    "trust_domain", pw_ca_trust_domain(a.ca), "after_ms",
		    pw_log_i64(pw_now_mono_ms() - started_ms), NULL);
	event_base_dispatch(a.base);
	pw_log_info("agent.stopped", NULL);
	agent_close(&a);
	return 0;
}
