// SPDX-License-Identifier: Apache-2.0
/*
 * Rules sorted by precedence, and a hash over (peer, source, destination) with room to spare: a
 * verdict is at most four probes. Destinations are compared without case, as they are in an SNI;
 * sources too, but a source is let in only if it is written exactly as in the rule.
 */
#include "policy.h"

#include "../catalog/config_entry.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

struct pw_policy {
	atomic_uint refs;
	struct pw_policy_defaults defaults;
	struct pw_policy_rule *rules; /* highest precedence first */
	size_t n;
	size_t size;
	uint32_t *slots;   /* 1 + index of a rule, 0: empty */
	size_t n_slots;	   /* a power of two, at least twice n */
	uint32_t *by_pair; /* rules with a named source that allow, sorted by (peer, destination) */
	size_t n_pairs;
};

/* --- keys ----------------------------------------------------------------------------------- */

static unsigned char fold(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static uint64_t hash_part(uint64_t h, const char *s)
{
	for (; *s; s++)
		h = (h ^ fold((unsigned char)*s)) * 0x100000001b3ULL;
	return (h ^ 0x1f) * 0x100000001b3ULL; /* a separator: ("ab", "c") is not ("a", "bc") */
}

static uint64_t hash_key(const char *peer, const char *source, const char *destination)
{
	uint64_t h =
		hash_part(hash_part(hash_part(0xcbf29ce484222325ULL, peer), source), destination);

	return h ^ (h >> 32);
}

static int compare_folded(const char *a, const char *b)
{
	for (;; a++, b++) {
		int d = fold((unsigned char)*a) - fold((unsigned char)*b);

		if (d || !*a)
			return d;
	}
}

static bool is_key(const struct pw_policy_rule *r, const char *peer, const char *source,
		   const char *destination)
{
	return !compare_folded(r->peer, peer) && !compare_folded(r->source, source) &&
	       !compare_folded(r->destination, destination);
}

static const struct pw_policy_rule *find(const struct pw_policy *p, const char *peer,
					 const char *source, const char *destination)
{
	const struct pw_policy_rule *in_another_case = NULL;
	size_t mask = p->n_slots - 1;

	for (size_t i = hash_key(peer, source, destination) & mask; p->slots[i];
	     i = (i + 1) & mask) {
		const struct pw_policy_rule *r = &p->rules[p->slots[i] - 1];

		if (!is_key(r, peer, source, destination))
			continue;
		if (!strcmp(r->source, source))
			return r;
		in_another_case = r;
	}
	return in_another_case;
}

/* Fail closed: a rule for "Web" stops "web", but lets only "Web" in, for an identity is exact. */
static enum pw_action action_for(const struct pw_policy_rule *r, const char *source)
{
	if (strcmp(r->source, "*") != 0 && strcmp(r->source, source) != 0)
		return PW_ACTION_DENY;
	return r->action;
}

/* --- compiling ------------------------------------------------------------------------------ */

static void add_rule(struct pw_policy *p, const char *peer, const char *source,
		     const char *destination, const char *action)
{
	if (p->n == p->size) {
		p->size = p->size ? p->size * 2 : 64;
		p->rules = pw_xrealloc(p->rules, p->size * sizeof(*p->rules));
	}
	p->rules[p->n++] = (struct pw_policy_rule){
		.peer = pw_xstrdup(pw_str_or_empty(peer)),
		.source = pw_xstrdup(source),
		.destination = pw_xstrdup(destination),
		/* Whatever is not a plain allow denies: permissions speak of requests that we do
		   not see. */
		.action = pw_streq(action, "allow") ? PW_ACTION_ALLOW : PW_ACTION_DENY,
		.precedence = (uint32_t)pw_intention_precedence(source, destination),
	};
}

static void add_entry(struct pw_policy *p, const struct pw_config_entry *e)
{
	const json_t *source;
	size_t i;

	json_array_foreach(json_object_get(e->body, "Sources"), i, source)
	{
		const json_t *permissions = json_object_get(source, "Permissions");
		const char *name = pw_json_str(source, "Name");
		bool l7 = permissions && !json_is_null(permissions);

		if (!pw_str_empty(name) && !pw_str_empty(e->name))
			add_rule(p, pw_json_str(source, "Peer"), name, e->name,
				 l7 ? "deny" : pw_json_str(source, "Action"));
	}
}

static int compare_names(const struct pw_policy_rule *a, const struct pw_policy_rule *b)
{
	int d = compare_folded(a->peer, b->peer);

	if (!d)
		d = compare_folded(a->destination, b->destination);
	return d ? d : compare_folded(a->source, b->source);
}

/* Ties as Consul lists them. Among rules of one key a deny stands first, and the first one is
 * found. */
static int compare_rules(const void *va, const void *vb)
{
	const struct pw_policy_rule *a = va, *b = vb;
	int d = (int)b->precedence - (int)a->precedence;

	if (!d)
		d = compare_folded(a->peer, b->peer);
	if (!d)
		d = compare_folded(a->source, b->source);
	if (!d)
		d = compare_folded(a->destination, b->destination);
	return d ? d : (int)b->action - (int)a->action;
}
static_assert(PW_ACTION_DENY > PW_ACTION_ALLOW, "compare_rules sorts denies first");

static void build_hash(struct pw_policy *p)
{
	p->n_slots = 16;
	while (p->n_slots < 2 * p->n)
		p->n_slots *= 2;
	p->slots = pw_xcalloc(p->n_slots, sizeof(*p->slots));
	for (size_t rule = 0; rule < p->n; rule++) {
		const struct pw_policy_rule *r = &p->rules[rule];
		size_t i = hash_key(r->peer, r->source, r->destination) & (p->n_slots - 1);

		while (p->slots[i])
			i = (i + 1) & (p->n_slots - 1);
		p->slots[i] = (uint32_t)rule + 1;
	}
}

static int compare_pairs(const void *va, const void *vb, void *arg)
{
	const struct pw_policy *p = arg;

	return compare_names(&p->rules[*(const uint32_t *)va], &p->rules[*(const uint32_t *)vb]);
}

static void build_pairs(struct pw_policy *p)
{
	p->by_pair = pw_xcalloc(p->n ? p->n : 1, sizeof(*p->by_pair));
	for (size_t i = 0; i < p->n; i++)
		if (p->rules[i].action == PW_ACTION_ALLOW && !pw_streq(p->rules[i].source, "*"))
			p->by_pair[p->n_pairs++] = (uint32_t)i;
	if (p->n_pairs)
		qsort_r(p->by_pair, p->n_pairs, sizeof(*p->by_pair), compare_pairs, p);
}

struct pw_policy *pw_policy_compile(const struct pw_store *s, const struct pw_policy_defaults *d)
{
	pw_autofree char *prefix = pw_key(/* trailing= */ true, "service-intentions", NULL);
	pw_autoiter struct pw_iter it = pw_store_iter(s, PW_T_CONFIG, prefix);
	struct pw_policy *p = pw_new0(struct pw_policy);
	const struct pw_config_entry *e;

	atomic_init(&p->refs, 1);
	p->defaults = *d;
	while ((e = pw_iter_next(&it)))
		add_entry(p, e);
	if (p->n)
		qsort(p->rules, p->n, sizeof(*p->rules), compare_rules);
	build_hash(p);
	build_pairs(p);
	return p;
}

struct pw_policy *pw_policy_ref(struct pw_policy *p)
{
	if (p)
		atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void pw_policy_unref(struct pw_policy **p)
{
	struct pw_policy *policy = TAKE_PTR(*p);

	if (!policy || atomic_fetch_sub_explicit(&policy->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < policy->n; i++) {
		free((char *)policy->rules[i].peer);
		free((char *)policy->rules[i].source);
		free((char *)policy->rules[i].destination);
	}
	free(policy->rules);
	free(policy->slots);
	free(policy->by_pair);
	free(policy);
}

/* --- asking --------------------------------------------------------------------------------- */

static struct pw_verdict default_verdict(const struct pw_policy *p, const char *peer)
{
	bool allow = *peer ? p->defaults.allow_peers : p->defaults.allow_local;

	return (struct pw_verdict){ .action = allow ? PW_ACTION_ALLOW : PW_ACTION_DENY };
}

struct pw_verdict pw_policy_check(const struct pw_policy *p, const char *peer, const char *source,
				  const char *destination)
{
	const struct pw_policy_rule *r;

	/* "*" is no name: who calls itself that must not match the rules for everybody. */
	if (!peer || pw_str_empty(source) || pw_str_empty(destination) || pw_streq(source, "*") ||
	    pw_streq(destination, "*"))
		return (struct pw_verdict){ .action = PW_ACTION_DENY };
	r = find(p, peer, source, destination);
	if (!r)
		r = find(p, peer, "*", destination);
	if (!r)
		r = find(p, peer, source, "*");
	if (!r)
		r = find(p, peer, "*", "*");
	if (!r)
		return default_verdict(p, peer);
	return (struct pw_verdict){ .action = action_for(r, source), .precedence = r->precedence };
}

/* What a source gets that no rule names. */
static bool anybody_allowed(const struct pw_policy *p, const char *peer, const char *destination)
{
	const struct pw_policy_rule *r = find(p, peer, "*", destination);

	if (!r)
		r = find(p, peer, "*", "*");
	return (r ? r->action : default_verdict(p, peer).action) == PW_ACTION_ALLOW;
}

static size_t first_pair(const struct pw_policy *p, const struct pw_policy_rule *wanted)
{
	size_t low = 0, high = p->n_pairs;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare_names(&p->rules[p->by_pair[mid]], wanted) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Some rule for `rule_destination` that allows a named source, and is not overruled for
 * `destination`. */
static bool named_allowed(const struct pw_policy *p, const char *peer, const char *rule_destination,
			  const char *destination)
{
	const struct pw_policy_rule wanted = { .peer = peer,
					       .source = "",
					       .destination = rule_destination };

	for (size_t i = first_pair(p, &wanted); i < p->n_pairs; i++) {
		const struct pw_policy_rule *r = &p->rules[p->by_pair[i]];

		if (compare_folded(r->peer, peer) ||
		    compare_folded(r->destination, rule_destination))
			return false;
		if (pw_policy_check(p, peer, r->source, destination).action == PW_ACTION_ALLOW)
			return true;
	}
	return false;
}

bool pw_policy_any_allowed(const struct pw_policy *p, const char *peer, const char *destination)
{
	if (!peer || pw_str_empty(destination) || pw_streq(destination, "*"))
		return false;
	return anybody_allowed(p, peer, destination) ||
	       named_allowed(p, peer, destination, destination) ||
	       named_allowed(p, peer, "*", destination);
}

size_t pw_policy_rules(const struct pw_policy *p, const struct pw_policy_rule **ret)
{
	*ret = p->rules;
	return p->n;
}
