// SPDX-License-Identifier: Apache-2.0
/* What is known of a peering now, over what is stored. */
#include "stream.h"
#include "../base/log.h"

#include <stdarg.h>
#include <stdio.h>

static enum pw_peering_state link_state(const struct pw_link *l, const struct pw_peering *p)
{
	/* a deletion is not hidden by how the stream fares */
	if (p->state == PW_PEERING_DELETING || p->state == PW_PEERING_TERMINATED)
		return p->state;
	if (l->stream && pw_stream_active(l->stream))
		return PW_PEERING_ACTIVE;
	if (pw_now_mono_ms() < l->calm_until_ms)
		return PW_PEERING_ACTIVE;
	if (l->failed)
		return PW_PEERING_FAILING;
	return p->state;
}

void pw_link_changed(struct pw_link *l)
{
	const struct pw_peering *p = pw_link_row(l);
	enum pw_peering_state now;

	if (!p || l->closing)
		return;
	now = link_state(l, p);
	if (now == l->shown)
		return;
	pw_log_info("peering.state", "peer", l->name, "state", pw_peering_state_name(now), "was",
		    pw_peering_state_name(l->shown), NULL);
	l->shown = now;
	pw_store_touch(l->mgr->store, PW_T_PEERING);
}

bool pw_link_may_log(struct pw_link *l)
{
	int64_t second = pw_now_mono_ms() / 1000;

	if (l->log_second != second) {
		if (l->log_left_out)
			pw_log_warn("log.limited", "peer", l->name, "left_out",
				    pw_log_u64(l->log_left_out), NULL);
		l->log_second = second;
		l->log_lines = l->log_left_out = 0;
	}
	if (l->log_lines++ < PW_LOG_LINES)
		return true;
	l->log_left_out++;
	return false;
}

bool pw_is_interruption(const struct pw_grpc_status *st)
{
	return st->code == PW_GRPC_OK || st->code == PW_GRPC_CANCELLED ||
	       st->code == PW_GRPC_UNAVAILABLE || st->code == PW_GRPC_FAILED_PRECONDITION;
}

static void on_calm_over(evutil_socket_t fd, short what, void *arg)
{
	pw_link_changed(arg);
}

void pw_link_calm(struct pw_link *l)
{
	struct timeval tv = { (PW_CALM_MS + 10) / 1000, (PW_CALM_MS + 10) % 1000 * 1000 };

	if (!l->calm_over)
		l->calm_over = evtimer_new(l->mgr->base, on_calm_over, l);
	if (!l->calm_over || evtimer_add(l->calm_over, &tv) < 0)
		return;
	l->calm_until_ms = pw_now_mono_ms() + PW_CALM_MS;
}

void pw_link_error(struct pw_link *l, bool remote, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	free(l->last_error);
	l->last_error = pw_xstrdup(text);
	l->last_error_ns = pw_now_real_ns();
	l->last_error_remote = remote;
}

void pw_peering_status(struct pw_peering_mgr *m, const struct pw_peering *p,
		       struct pw_peering_status *ret)
{
	struct pw_link *l = pw_link_by_id(m, pw_str_or_empty(p->id));

	*ret = (struct pw_peering_status){ .state = p->state };
	if (!l)
		return;
	ret->state = link_state(l, p);
	ret->tracked = l->tracked;
	ret->imported_set = l->imported.n > 0;
	ret->exported_set = l->exported.n > 0;
	pw_strv_copy(&ret->imported, &l->imported);
	pw_strv_copy(&ret->exported, &l->exported);
	ret->last_heartbeat_ns = l->last_heartbeat_ns;
	ret->last_receive_ns = l->last_receive_ns;
	ret->last_send_ns = l->last_send_ns;
	ret->last_error = pw_xstrdup(l->last_error);
	ret->last_error_ns = l->last_error_ns;
	ret->last_error_remote = l->last_error_remote;
}

void pw_peering_status_clear(struct pw_peering_status *s)
{
	pw_strv_clear(&s->imported);
	pw_strv_clear(&s->exported);
	free(s->last_error);
	*s = (struct pw_peering_status){ 0 };
}

/* --- JSON ---------------------------------------------------------------------------------------
 */

static json_t *strv_json(const struct pw_strv *v)
{
	json_t *a = json_array();

	for (size_t i = 0; i < v->n; i++)
		json_array_append_new(a, json_string(v->items[i]));
	return a;
}

static json_t *time_json(int64_t real_ns)
{
	pw_autofree char *text = NULL;

	if (real_ns == 0)
		return json_null();
	text = pw_time_rfc3339(real_ns);
	return json_string(text);
}

static void set_str(json_t *o, const char *key, const char *value)
{
	json_object_set_new(o, key, json_string(pw_str_or_empty(value)));
}

static json_t *stream_status_json(const struct pw_peering_status *s)
{
	json_t *o = json_object();

	json_object_set_new(o, "ImportedServices",
			    s->imported_set ? strv_json(&s->imported) : json_null());
	json_object_set_new(o, "ExportedServices",
			    s->exported_set ? strv_json(&s->exported) : json_null());
	json_object_set_new(o, "LastHeartbeat", time_json(s->last_heartbeat_ns));
	json_object_set_new(o, "LastReceive", time_json(s->last_receive_ns));
	json_object_set_new(o, "LastSend", time_json(s->last_send_ns));
	if (s->last_error) {
		/* ours: why it is FAILING, which Consul only logs */
		set_str(o, "LastError", s->last_error);
		json_object_set_new(o, "LastErrorTime", time_json(s->last_error_ns));
		json_object_set_new(o, "LastErrorRemote", json_boolean(s->last_error_remote));
	}
	return o;
}

static json_t *remote_json(const struct pw_peering *p)
{
	json_t *o = json_object();

	set_str(o, "Partition", p->remote_partition);
	set_str(o, "Datacenter", p->remote_datacenter);
	if (json_is_object(p->remote_locality))
		json_object_set(o, "Locality", p->remote_locality);
	return o;
}

static json_t *meta_json(const struct pw_map *meta)
{
	json_t *o = json_object();

	for (size_t i = 0; i < meta->n; i++)
		set_str(o, meta->items[i].key, meta->items[i].value);
	return o;
}

static void add_peer_json(json_t *o, const struct pw_peering *p)
{
	const struct pw_strv *pems = p->peer_ca_pems.n ? &p->peer_ca_pems : &p->token_ca_pems;

	if (!pw_str_empty(p->peer_id))
		set_str(o, "PeerID", p->peer_id);
	if (pems->n)
		json_object_set_new(o, "PeerCAPems", strv_json(pems));
	if (!pw_str_empty(p->peer_server_name))
		set_str(o, "PeerServerName", p->peer_server_name);
	if (p->peer_server_addresses.n)
		json_object_set_new(o, "PeerServerAddresses", strv_json(&p->peer_server_addresses));
}

json_t *pw_peering_json(struct pw_peering_mgr *m, const struct pw_peering *p)
{
	struct pw_peering_status s;
	json_t *o = json_object();

	pw_peering_status(m, p, &s);
	set_str(o, "ID", p->id);
	set_str(o, "Name", p->name);
	if (p->deleted_at_ns)
		json_object_set_new(o, "DeletedAt", time_json(p->deleted_at_ns));
	if (p->meta.n)
		json_object_set_new(o, "Meta", meta_json(&p->meta));
	set_str(o, "State", pw_peering_state_name(s.state));
	add_peer_json(o, p);
	json_object_set_new(o, "StreamStatus", stream_status_json(&s));
	json_object_set_new(o, "CreateIndex", json_integer((json_int_t)p->obj.create_index));
	json_object_set_new(o, "ModifyIndex", json_integer((json_int_t)p->obj.modify_index));
	json_object_set_new(o, "Remote", remote_json(p));
	pw_peering_status_clear(&s);
	return o;
}
