// SPDX-License-Identifier: Apache-2.0
#include "apply.h"
#include "../base/log.h"
#include <event2/event.h>
#include <string.h>

/* What the data path is made from; a change of anything else (secrets, lists of imports) compiles
 * nothing. */
#define RELEVANT                                                                                \
	(PW_BIT(PW_T_CLUSTER) | PW_BIT(PW_T_NODE) | PW_BIT(PW_T_SERVICE) | PW_BIT(PW_T_CHECK) | \
	 PW_BIT(PW_T_CONFIG) | PW_BIT(PW_T_PEERING) | PW_BIT(PW_T_TRUST_BUNDLE) |               \
	 PW_BIT(PW_T_CA_ROOT))

#define RETRY_S 5

struct pw_apply {
	struct pw_compiler *compiler;
	struct pw_kernel *kernel;
	struct pw_dataplane *dataplane;
	struct event *soon;
	struct pw_routing *staged;
	struct pw_policy *policy;
	struct pw_strv failed; /* listeners that could not be bound, so that each is said once */
	bool ready;	       /* the first compilation was asked for: pw_apply_now() */
};

static int stage(void *arg, uint32_t tables, struct pw_err *err)
{
	struct pw_apply *a = arg;
	struct pw_kernel_state state = { 0 };
	int r;

	pw_routing_unref(&a->staged);
	if (!a->ready || !(tables & RELEVANT))
		return 0;
	a->compiler->generation++;
	r = pw_compile(a->compiler, &a->staged, &state, err);
	if (r == 0 && a->kernel)
		r = pw_kernel_stage(a->kernel, &state, err);
	pw_kernel_state_clear(&state);
	if (r < 0)
		pw_routing_unref(&a->staged);
	return r;
}

static void say_failed(struct pw_apply *a, struct pw_strv *now)
{
	for (size_t i = 0; i < now->n; i++)
		if (!pw_strv_has(&a->failed, now->items[i]))
			pw_log_error("upstream.listen", "upstream", now->items[i], NULL);
	pw_strv_copy(&a->failed, now);
}

static void publish(void *arg)
{
	struct pw_apply *a = arg;
	pw_cleanup(pw_strv_clear) struct pw_strv failed = { 0 };

	if (!a->staged)
		return;
	pw_policy_unref(&a->policy);
	a->policy = pw_policy_ref(a->staged->policy);
	if (a->kernel)
		pw_kernel_publish(a->kernel);
	if (!a->dataplane) {
		pw_routing_unref(&a->staged);
		return;
	}
	pw_dataplane_publish(a->dataplane, TAKE_PTR(a->staged), &failed);
	say_failed(a, &failed);
}

static void abort_stage(void *arg)
{
	struct pw_apply *a = arg;

	if (a->staged && a->kernel)
		pw_kernel_abort(a->kernel);
	pw_routing_unref(&a->staged);
}

static const struct pw_apply_ops ops = { .stage = stage, .publish = publish, .abort = abort_stage };

int pw_apply_now(struct pw_apply *a, struct pw_err *err)
{
	int r;

	a->ready = true;
	r = stage(a, RELEVANT, err);
	if (r < 0)
		return r;
	publish(a);
	return 0;
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
	struct pw_apply *a = arg;
	struct timeval again = { .tv_sec = RETRY_S };
	struct pw_err err = PW_ERR_INIT;

	if (!a->ready || pw_apply_now(a, &err) == 0)
		return;
	/* Nobody asks again for a renewed leaf or a name's new address, and the old ones end. */
	pw_log_error("apply.failed", "error", err.text, "again_s", pw_log_i64(RETRY_S), NULL);
	event_add(a->soon, &again);
}

void pw_apply_soon(struct pw_apply *a)
{
	event_active(a->soon, EV_TIMEOUT, 0);
}

int pw_apply_new(struct pw_apply **ret, struct event_base *base, struct pw_compiler *compiler,
		 struct pw_kernel *kernel, struct pw_err *err)
{
	struct pw_apply *a = pw_new0(struct pw_apply);

	a->compiler = compiler;
	a->kernel = kernel;
	a->soon = event_new(base, -1, 0, on_soon, a);
	if (!a->soon) {
		pw_apply_free(&a);
		return pw_err_set(err, PW_ERR_INTERNAL, ENOMEM, "no event for the apply queue");
	}
	pw_store_set_apply(compiler->store, &ops, a);
	*ret = a;
	return 0;
}

void pw_apply_set_dataplane(struct pw_apply *a, struct pw_dataplane *d)
{
	a->dataplane = d;
}

void pw_apply_free(struct pw_apply **ap)
{
	struct pw_apply *a = ap ? *ap : NULL;

	if (!a)
		return;
	*ap = NULL;
	if (a->compiler->store)
		pw_store_set_apply(a->compiler->store, NULL, NULL);
	if (a->soon)
		event_free(a->soon);
	pw_routing_unref(&a->staged);
	pw_policy_unref(&a->policy);
	pw_strv_clear(&a->failed);
	free(a);
}

uint64_t pw_apply_generation(const struct pw_apply *a)
{
	return a->compiler->generation;
}

struct pw_policy *pw_apply_policy(const struct pw_apply *a)
{
	return a->policy;
}
