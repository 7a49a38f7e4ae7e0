// SPDX-License-Identifier: Apache-2.0
/*
 * The agent's checks: one runner for each row with agent = true. The store is the truth: a runner
 * holds timers, counts and the attempt under way, never a copy of the status.
 */
#include "checks.h"

#include "../base/time.h"
#include "catalog.h"
#include "checks_private.h"

#include <assert.h>
#include <event2/event.h>
#include <string.h>

#define SYNC_DELAY_MS	   20	 /* many registrations in a row are followed once */
#define RETRY_MS	   100	 /* the store was busy or the disk refused */
#define OUTPUT_INTERVAL_MS 60000 /* how often a new output alone is written */
#define OUTPUT_MAX	   4096

/* --- writing a result ----------------------------------------------------------------------- */

static const struct pw_check *row_of(const struct runner *r)
{
	return pw_store_get(r->checks->store, PW_T_CHECK, r->key);
}

static char *cut(const char *output)
{
	size_t len = strnlen(pw_str_or_empty(output), OUTPUT_MAX);

	/* Not in the middle of a character. */
	while (len == OUTPUT_MAX && len > 0 && (output[len] & 0xc0) == 0x80)
		len--;
	return pw_xstrndup(pw_str_or_empty(output), len);
}

static int write_row(struct pw_store *s, const struct pw_check *old, const char *status,
		     const char *output, struct pw_err *err)
{
	struct pw_check *c = pw_schema_dup(&pw_check_schema, old);
	pw_autotx struct pw_tx *tx = NULL;
	int r;

	free(c->status);
	free(c->output);
	c->status = pw_xstrdup(status);
	c->output = cut(output);
	r = pw_tx_begin(s, &tx, err);
	if (r < 0) {
		pw_schema_free(&pw_check_schema, c);
		return r;
	}
	r = pw_tx_put(tx, PW_T_CHECK, c, err);
	return r < 0 ? r : pw_tx_commit(&tx, err);
}

/* Each write costs a sync of the disk and wakes every reader: an output that only differs in a time
 * can wait. */
static int report(struct runner *r, const char *status, const char *output)
{
	const struct pw_check *row = row_of(r);
	int64_t now = pw_now_mono_ms();
	int rc;

	if (!row)
		return 0;
	if (pw_streq(row->status, status) &&
	    (pw_streq(row->output, output) || now - r->output_written_ms < OUTPUT_INTERVAL_MS))
		return 0;
	rc = write_row(r->checks->store, row, status, output, /* err= */ NULL);
	if (rc == 0)
		r->output_written_ms = now;
	return rc;
}

/* --- timers --------------------------------------------------------------------------------- */

static void arm(struct event *timer, int64_t ms)
{
	const struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	event_add(timer, &tv);
}

/* A service that nobody revived in time leaves the catalog, with its checks. */
static void watch_critical(struct runner *r)
{
	const struct pw_check *row = row_of(r);

	if (!r->reap)
		return;
	if (!row || !pw_streq(row->status, "critical"))
		event_del(r->reap);
	else if (!event_pending(r->reap, EV_TIMEOUT, NULL))
		arm(r->reap, row->deregister_after_ms);
}

static void on_reap(evutil_socket_t fd, short what, void *arg)
{
	struct runner *r = arg;
	const struct pw_check *row = row_of(r);
	pw_autofree char *node = row ? pw_xstrdup(row->node) : NULL;
	pw_autofree char *service = row ? pw_xstrdup(row->service_id) : NULL;
	pw_autotx struct pw_tx *tx = NULL;
	int rc;

	if (!row || pw_str_empty(service) || !pw_streq(row->status, "critical"))
		return;
	rc = pw_tx_begin(r->checks->store, &tx, /* err= */ NULL);
	if (rc == 0)
		rc = pw_catalog_deregister(tx, /* peer= */ "", node, service, /* check_id= */ NULL,
					   /* err= */ NULL);
	if (rc == 0)
		rc = pw_tx_commit(&tx, /* err= */ NULL);
	if (rc < 0)
		arm(r->reap, RETRY_MS);
}

static void expire(struct runner *r)
{
	const struct pw_check *row = row_of(r);
	pw_autofree char *output = NULL;

	if (!row || pw_streq(row->status, "critical"))
		return; /* an update starts the time anew */
	output = pw_str_empty(row->output)
			 ? pw_xstrdup("TTL expired")
			 : pw_xasprintf("TTL expired (last output: %s)", row->output);
	if (report(r, "critical", output) < 0)
		arm(r->timer, RETRY_MS);
}

void runner_tcp_result(struct runner *r, bool ok, const char *output)
{
	const struct pw_check *row = row_of(r);
	int64_t needed;

	if (!row)
		return;
	r->successes = ok ? r->successes + 1 : 0;
	r->failures = ok ? 0 : r->failures + 1;
	needed = ok ? row->success_before_passing : row->failures_before_critical;
	if ((ok ? r->successes : r->failures) >= pw_max(needed, 1))
		(void)report(r, ok ? "passing" : "critical", output);
	/* What could not be written now is found again by the next attempt. */
	arm(r->timer, row->interval_ms);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct runner *r = arg;

	if (r->ttl_ms)
		expire(r);
	else
		runner_tcp_start(r);
}

/* --- following the store -------------------------------------------------------------------- */

static void runner_free(struct runner *r)
{
	HASH_DEL(r->checks->runners, r);
	runner_tcp_stop(r);
	if (r->timer)
		event_free(r->timer);
	if (r->reap)
		event_free(r->reap);
	free(r->tcp);
	free(r->key);
	free(r);
}

/* First attempts are spread over the interval: a start with many checks must not dial them all at
 * once. */
static int64_t first_delay(const struct runner *r)
{
	if (r->ttl_ms)
		return r->ttl_ms;
	return (int64_t)(HASH_CNT(hh, r->checks->runners) * 37 % 1000);
}

static void runner_new(struct pw_checks *c, const struct pw_check *row)
{
	struct runner *r = pw_new0(struct runner);

	r->checks = c;
	r->key = pw_xstrdup(row->obj.key);
	r->tcp = pw_xstrdup(pw_str_or_empty(row->tcp));
	r->ttl_ms = row->ttl_ms;
	r->interval_ms = row->interval_ms;
	r->timeout_ms = row->timeout_ms;
	r->deregister_after_ms = row->deregister_after_ms;
	r->output_written_ms = pw_now_mono_ms() - OUTPUT_INTERVAL_MS;
	r->timer = event_new(c->base, -1, 0, on_timer, r);
	if (row->deregister_after_ms)
		r->reap = event_new(c->base, -1, 0, on_reap, r);
	HASH_ADD_KEYPTR(hh, c->runners, r->key, strlen(r->key), r);
	arm(r->timer, first_delay(r));
}

static bool same_check(const struct runner *r, const struct pw_check *row)
{
	return r->ttl_ms == row->ttl_ms && r->interval_ms == row->interval_ms &&
	       r->timeout_ms == row->timeout_ms &&
	       r->deregister_after_ms == row->deregister_after_ms && pw_streq(r->tcp, row->tcp);
}

static struct runner *runner_find(const struct pw_checks *c, const char *key)
{
	struct runner *r;

	HASH_FIND_STR(c->runners, key, r);
	return r;
}

static void sync_runners(struct pw_checks *c)
{
	pw_autoiter struct pw_iter it =
		pw_store_iter_part(c->store, PW_T_CHECK, /* prefix= */ NULL);
	struct runner *r, *next;
	const struct pw_check *row;

	c->round++;
	while ((row = pw_iter_next(&it))) {
		r = runner_find(c, row->obj.key);
		if (r && !same_check(r, row)) {
			runner_free(r);
			r = NULL;
		}
		if (!r && (row->ttl_ms || (!pw_str_empty(row->tcp) && row->interval_ms))) {
			runner_new(c, row);
			r = runner_find(c, row->obj.key);
		}
		if (r) {
			r->round = c->round;
			watch_critical(r);
		}
	}
	HASH_ITER(hh, c->runners, r, next)
	if (r->round != c->round)
		runner_free(r);
}

static void on_sync(evutil_socket_t fd, short what, void *arg)
{
	sync_runners(arg);
}

static void on_change(void *arg, uint32_t tables, uint64_t index)
{
	struct pw_checks *c = arg;

	if (!event_pending(c->sync, EV_TIMEOUT, NULL))
		arm(c->sync, SYNC_DELAY_MS);
}

/* --- public --------------------------------------------------------------------------------- */

int pw_checks_new(struct pw_checks **ret, struct event_base *base, struct pw_store *s,
		  struct pw_err *err)
{
	struct pw_checks *c = pw_new0(struct pw_checks);

	c->base = base;
	c->store = s;
	c->sync = event_new(base, -1, 0, on_sync, c);
	if (!c->sync) {
		free(c);
		return pw_err_set(err, PW_ERR_INTERNAL, ENOMEM, "the checks' timer cannot be made");
	}
	c->watch = pw_store_watch(s, PW_BIT(PW_T_CHECK), on_change, c);
	sync_runners(c);
	*ret = c;
	return 0;
}

void pw_checks_free(struct pw_checks **c)
{
	struct pw_checks *checks = TAKE_PTR(*c);
	struct runner *r, *next;

	if (!checks)
		return;
	pw_watch_free(&checks->watch);
	HASH_ITER(hh, checks->runners, r, next)
	runner_free(r);
	event_free(checks->sync);
	checks_resolver_free(checks);
	free(checks);
}

int pw_checks_ttl_update(struct pw_checks *c, const char *node, const char *check_id,
			 const char *status, const char *output, struct pw_err *err)
{
	pw_autofree char *key = pw_key(/* trailing= */ false, /* peer= */ "", pw_str_or_empty(node),
				       pw_str_or_empty(check_id), NULL);
	const struct pw_check *row = pw_store_get(c->store, PW_T_CHECK, key);
	pw_autofree char *text = cut(output);
	enum pw_status parsed;
	struct runner *r;
	int rc = 0;

	if (!row || !row->agent)
		return pw_err_set(
			err, PW_ERR_NOT_FOUND, ENOENT,
			"Unknown check ID \"%.256s\". Ensure that the check ID is passed, not the check name.",
			pw_str_or_empty(check_id));
	if (!row->ttl_ms)
		return pw_err_set(err, PW_ERR_INTERNAL, EINVAL,
				  "CheckID \"%.256s\" does not have associated TTL", check_id);
	if (pw_status_parse(status, &parsed) < 0 || parsed == PW_STATUS_MAINTENANCE)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EINVAL, "Invalid check status: '%.64s'",
				  pw_str_or_empty(status));
	if (!pw_streq(row->status, status) || !pw_streq(row->output, text))
		rc = write_row(c->store, row, status, text, err);
	if (rc < 0)
		return rc;
	r = runner_find(c, key);
	if (!r)
		sync_runners(c); /* registered a moment ago */
	else
		arm(r->timer, r->ttl_ms);
	return 0;
}
