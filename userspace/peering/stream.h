/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_PEERING_STREAM_H
#define PW_PEERING_STREAM_H
/*
 * One peer stream, either role, without its transport: bytes of ReplicationMessages go in and out.
 * (Rules: wire format of Consul's peer stream.)
 *
 * Life: new (becomes the link's stream, subscribes) → receive… → end | lost. Control thread.
 * S1 A resource goes out only after the other side subscribed to its type, and only if it differs
 * from what went out before. S2 Heartbeats and acknowledgements go before resources: however much
 * there is to send, the peer hears from us in time. S3 What comes in is applied from the loop, as
 * one transaction for all that came meanwhile, and acknowledged one by one. S4 Whatever a peer
 * sends ends in an ACK, a NACK or the end of this stream. Nothing it sends touches another peer's
 * data.
 */
#include "peering_private.h"

enum pw_resource_type {
	PW_RESOURCE_SERVICE,
	PW_RESOURCE_LIST,
	PW_RESOURCE_BUNDLE,
	PW_RESOURCE_ADDRESSES,
	PW_RESOURCE_TYPE_MAX_
};
const char *pw_resource_url(enum pw_resource_type t);
int pw_resource_type_parse(const char *url, enum pw_resource_type *ret); /* -ENOENT */

struct pw_stream_ops {
	/* All of it or -EAGAIN: the queue is full. */
	int (*send)(void *arg, const uint8_t *data, size_t len);
	/* Our side ends, behind what was sent: code 0 cleanly, else with that gRPC status. The
	 * stream is gone when this returns to it. */
	void (*end)(void *arg, int code, const char *text);
};

/* The link must have no stream yet. remote_id: the acceptor's id of the peering, for the dialer;
 * NULL for the acceptor. */
struct pw_stream *pw_stream_new(struct pw_link *l, const char *remote_id,
				const struct pw_stream_ops *ops, void *arg);
/* secret: sent in Open; dialer only, before anything else. */
int pw_stream_open(struct pw_stream *s, const char *secret);
void pw_stream_start(struct pw_stream *s);
/* May free the stream; then ops->end was called. */
void pw_stream_receive(struct pw_stream *s, const uint8_t *data, size_t len);
/* The peer ended its direction, or the transport is gone: frees the stream, calls no ops. remote:
 * the text came from the peer. */
void pw_stream_lost(struct pw_stream *s, bool remote, const char *text);
/* The end that is told next was given no reason: another stream may follow at once, so it is no
 * alarm yet. Without this, what ends a stream is a fault. */
void pw_stream_interrupted(struct pw_stream *s);
/* Frees the stream, tells the transport. text NULL: no fault. */
void pw_stream_end(struct pw_stream *s, int code, const char *text);
/* The peering was deleted here: says so and ends. */
void pw_stream_terminate(struct pw_stream *s);
/* After ops->send answered -EAGAIN: there is room again. */
void pw_stream_writable(struct pw_stream *s);
/* The store changed. */
void pw_stream_refresh(struct pw_stream *s, uint32_t tables);
bool pw_stream_active(const struct pw_stream *s); /* the peer was heard in time */

/* --- export.c
 * --------------------------------------------------------------------------------------------------------------------
 */
struct pw_exporter;
struct pw_outgoing {
	enum pw_resource_type type;
	char *id;
	uint8_t *data;
	size_t len;
}; /* data: of the Any */
void pw_outgoing_clear(struct pw_outgoing *o);
struct pw_exporter *pw_exporter_new(struct pw_link *l);
void pw_exporter_free(struct pw_exporter **e);
/* Finds out what may have changed; cheap: compares indexes, encodes nothing. */
void pw_exporter_refresh(struct pw_exporter *e);
/* The next resource to send, encoded. false: nothing left. What was returned counts as sent. */
bool pw_exporter_next(struct pw_exporter *e, const bool subscribed[PW_RESOURCE_TYPE_MAX_],
		      struct pw_outgoing *ret);

/* --- import.c
 * --------------------------------------------------------------------------------------------------------------------
 */
/* One received resource, its shape already checked; verdict: 0 or the gRPC code of a NACK. */
struct pw_incoming {
	STAILQ_ENTRY(pw_incoming) next;
	enum pw_resource_type type;
	char *nonce;
	char *id;
	void *message; /* decoded protobuf */
	size_t cost;   /* bytes that it takes, roughly */
	int code;
	char *text;
};
STAILQ_HEAD(pw_incoming_list, pw_incoming);
void pw_incoming_free(struct pw_incoming **in);
/* Applies all in one transaction; if that fails, each in its own. Sets code and text of those that
 * were refused. */
void pw_import_apply(struct pw_link *l, struct pw_incoming_list *list);

/* --- instance.c: catalog rows as protobuf
 * --------------------------------------------------------------------------------------- */
/* Encoded ExportedService of our instances of `name`. */
uint8_t *pw_instances_encode(const struct pw_link *l, const char *name, size_t *ret_len);
/* The gateway, offered as a proxy of `name`; ret_empty: there is no instance to be proxied. */
uint8_t *pw_proxy_encode(const struct pw_link *l, const char *name, size_t *ret_len,
			 bool *ret_empty);
uint64_t pw_instances_signature(const struct pw_store *s,
				const char *name); /* changes whenever the encoding may */
bool pw_is_proxy_name(const char *name);	   /* ends in -sidecar-proxy */
char *pw_proxy_name(const char *name);
#endif
