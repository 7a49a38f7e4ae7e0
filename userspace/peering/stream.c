// SPDX-License-Identifier: Apache-2.0
#include "stream.h"
#include "import_private.h"
#include "../base/log.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#define PUMP_BURST    64   /* resources sent before others of the loop have a turn */
#define CONTROL_MAX   4096 /* acknowledgements that wait because the peer does not read … */
#define CONTROL_BYTES (1024 * 1024)
/* Applying what one peer sends may take a fifth of the thread, no more, while it waits anyway. */
#define APPLY_SHARE    4
#define APPLY_WAIT_MS  1000
#define ENVELOPE_MAX   256 /* of a nonce and a URL, which we have to say back */
#define BATCH_MESSAGES 256
#define BATCH_COST     (64 * 1024 * 1024) /* decoded: many times what came */
#define TYPE_PREFIX    "type.googleapis.com/hashicorp.consul.internal."

typedef PW_PB(Peerstream, ReplicationMessage) Message;
typedef PW_PB(Peerstream, ReplicationMessage__Request) Request;
typedef PW_PB(Peerstream, ReplicationMessage__Response) Response;

struct frame {
	STAILQ_ENTRY(frame) next;
	size_t len;
	uint8_t data[];
};
STAILQ_HEAD(frame_list, frame);

struct pw_stream {
	struct pw_link *link;
	const struct pw_stream_ops *ops;
	void *arg;
	bool dialer;
	char *remote_id; /* dialer: the acceptor's id of the peering */

	int64_t last_heard_ms;
	bool heard;
	bool interrupted;
	struct event *heartbeat; /* sends ours */
	struct event *silence;	 /* fires when nothing came for too long */

	bool subscribed[PW_RESOURCE_TYPE_MAX_]; /* what the peer asked for */
	uint32_t nonce;
	struct pw_exporter *exporter;
	struct frame_list control; /* heartbeats, subscriptions, acknowledgements */
	size_t n_control, control_bytes;
	struct frame *held; /* a resource that did not fit */
	struct event *pump;

	struct pw_incoming_list incoming;
	int64_t apply_not_before_ms;
	size_t n_incoming, incoming_cost;
	struct event *apply;
};

static const char *const urls[] = {
	[PW_RESOURCE_SERVICE] = TYPE_PREFIX "peerstream.ExportedService",
	[PW_RESOURCE_LIST] = TYPE_PREFIX "peerstream.ExportedServiceList",
	[PW_RESOURCE_BUNDLE] = TYPE_PREFIX "peering.PeeringTrustBundle",
	[PW_RESOURCE_ADDRESSES] = TYPE_PREFIX "peering.PeeringServerAddresses",
};
static_assert(ARRAY_SIZE(urls) == PW_RESOURCE_TYPE_MAX_, "a URL for each type");

const char *pw_resource_url(enum pw_resource_type t)
{
	return urls[t];
}

int pw_resource_type_parse(const char *url, enum pw_resource_type *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(urls); i++)
		if (strcmp(urls[i], url) == 0) {
			*ret = (enum pw_resource_type)i;
			return 0;
		}
	return -ENOENT;
}

/* --- life ---------------------------------------------------------------------------------------
 */

static void on_heartbeat(evutil_socket_t fd, short what, void *arg);
static void on_silence(evutil_socket_t fd, short what, void *arg);
static void on_pump(evutil_socket_t fd, short what, void *arg);
static void on_apply(evutil_socket_t fd, short what, void *arg);

static void arm(struct event *ev, int64_t ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	evtimer_add(ev, &tv);
}

struct pw_stream *pw_stream_new(struct pw_link *l, const char *remote_id,
				const struct pw_stream_ops *ops, void *arg)
{
	struct pw_stream *s = pw_new0(struct pw_stream);

	assert(!l->stream);
	s->link = l;
	s->ops = ops;
	s->arg = arg;
	s->dialer = remote_id != NULL;
	s->remote_id = pw_xstrdup(remote_id);
	STAILQ_INIT(&s->control);
	STAILQ_INIT(&s->incoming);
	s->heartbeat = event_new(l->mgr->base, -1, EV_PERSIST, on_heartbeat, s);
	s->silence = evtimer_new(l->mgr->base, on_silence, s);
	s->pump = evtimer_new(l->mgr->base, on_pump, s);
	s->apply = evtimer_new(l->mgr->base, on_apply, s);
	assert(s->heartbeat && s->silence && s->pump && s->apply);
	s->exporter = pw_exporter_new(l);
	arm(s->heartbeat, l->mgr->heartbeat_interval_ms);
	arm(s->silence, l->mgr->heartbeat_timeout_ms);
	l->stream = s;
	l->tracked = true;
	return s;
}

/* An Open holds the stream's secret. */
static void frame_free(struct frame *f)
{
	OPENSSL_cleanse(f->data, f->len);
	free(f);
}

static void frame_list_clear(struct frame_list *list)
{
	while (!STAILQ_EMPTY(list)) {
		struct frame *f = STAILQ_FIRST(list);

		STAILQ_REMOVE_HEAD(list, next);
		frame_free(f);
	}
}

static void stream_free(struct pw_stream *s)
{
	s->link->stream = NULL;
	event_free(s->heartbeat);
	event_free(s->silence);
	event_free(s->pump);
	event_free(s->apply);
	pw_exporter_free(&s->exporter);
	frame_list_clear(&s->control);
	free(s->held);
	while (!STAILQ_EMPTY(&s->incoming)) {
		struct pw_incoming *in = STAILQ_FIRST(&s->incoming);

		STAILQ_REMOVE_HEAD(&s->incoming, next);
		pw_incoming_free(&in);
	}
	free(s->remote_id);
	free(s);
}

static void set_fault(struct pw_link *l, bool remote, bool interrupted, const char *text)
{
	l->failed = true;
	if (!interrupted)
		l->calm_until_ms = 0;
	pw_link_error(l, remote, "%s", text);
	if (pw_link_may_log(l))
		pw_log_warn("stream.ended", "peer", l->name, "error", text, "from",
			    remote ? "peer" : "us", NULL);
}

void pw_stream_lost(struct pw_stream *s, bool remote, const char *text)
{
	struct pw_link *l = s->link;
	bool interrupted = s->interrupted;

	stream_free(s);
	set_fault(l, remote, interrupted, text);
	pw_link_changed(l);
}

void pw_stream_end(struct pw_stream *s, int code, const char *text)
{
	struct pw_link *l = s->link;
	const struct pw_stream_ops *ops = s->ops;
	void *arg = s->arg;
	bool interrupted = s->interrupted;

	stream_free(s);
	ops->end(arg, code, text);
	if (text)
		set_fault(l, /*remote=*/false, interrupted, text);
	pw_link_changed(l);
}

void pw_stream_interrupted(struct pw_stream *s)
{
	s->interrupted = true;
	if (pw_stream_active(s))
		pw_link_calm(s->link);
}

bool pw_stream_active(const struct pw_stream *s)
{
	return s->heard && pw_now_mono_ms() - s->last_heard_ms < s->link->mgr->heartbeat_timeout_ms;
}

/* --- sending ------------------------------------------------------------------------------------
 */

static struct frame *frame_of(const void *msg)
{
	size_t len = protobuf_c_message_get_packed_size(msg);
	struct frame *f = pw_xcalloc(1, sizeof(*f) + len + 1);

	f->len = protobuf_c_message_pack(msg, f->data);
	return f;
}

static void queue_control(struct pw_stream *s, const Message *m)
{
	struct frame *f = frame_of(m);

	STAILQ_INSERT_TAIL(&s->control, f, next);
	s->n_control++;
	s->control_bytes += f->len;
	arm(s->pump, 0);
}

static void queue_request(struct pw_stream *s, enum pw_resource_type t)
{
	Message m = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE);
	Request q = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE__REQUEST);

	q.resource_url = (char *)urls[t];
	if (s->dialer)
		q.peer_id = s->remote_id;
	m.payload_case = PW_PB_ENUM(PEERSTREAM, REPLICATION_MESSAGE__PAYLOAD_REQUEST);
	m.request = &q;
	queue_control(s, &m);
}

static void queue_ack(struct pw_stream *s, const char *url, const char *nonce, int code,
		      const char *text)
{
	Message m = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE);
	Request q = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE__REQUEST);
	PW_PB(Status, Status) st = PW_PB_INIT(STATUS, STATUS);

	q.resource_url = (char *)url;
	q.response_nonce = (char *)nonce;
	if (code) {
		st.code = code;
		st.message = (char *)text;
		q.error = &st;
	}
	m.payload_case = PW_PB_ENUM(PEERSTREAM, REPLICATION_MESSAGE__PAYLOAD_REQUEST);
	m.request = &q;
	queue_control(s, &m);
}

int pw_stream_open(struct pw_stream *s, const char *secret)
{
	Message m = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE);
	PW_PB(Peerstream, ReplicationMessage__Open)
	open = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE__OPEN);
	PW_PB(Peering, RemoteInfo) remote = PW_PB_INIT(PEERING, REMOTE_INFO);

	remote.datacenter = (char *)pw_ca_datacenter(s->link->mgr->ca);
	open.peer_id = s->remote_id;
	open.stream_secret_id = (char *)secret;
	open.remote = &remote;
	m.payload_case = PW_PB_ENUM(PEERSTREAM, REPLICATION_MESSAGE__PAYLOAD_OPEN);
	m.open = &open;
	queue_control(s, &m);
	return 0;
}

static void heard(struct pw_stream *s)
{
	bool first = !s->heard;

	s->heard = true;
	s->last_heard_ms = pw_now_mono_ms();
	if (!first)
		return;
	s->link->failed = false;
	pw_link_changed(s->link);
}

void pw_stream_start(struct pw_stream *s)
{
	queue_request(s, PW_RESOURCE_SERVICE);
	queue_request(s, PW_RESOURCE_LIST);
	queue_request(s, PW_RESOURCE_BUNDLE);
	if (s->dialer)
		queue_request(s, PW_RESOURCE_ADDRESSES);
	else
		heard(s); /* the Open that brought us here was the first message of the peer */
}

static struct frame *response_frame(struct pw_stream *s, const struct pw_outgoing *o)
{
	Message m = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE);
	Response resp = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE__RESPONSE);
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	char nonce[16];

	snprintf(nonce, sizeof(nonce), "%08x", ++s->nonce);
	any.type_url = (char *)urls[o->type];
	any.value.data = o->data;
	any.value.len = o->len;
	resp.nonce = nonce;
	resp.resource_url = (char *)urls[o->type];
	resp.resource_id = o->id;
	resp.resource = &any;
	resp.operation = PW_PB_ENUM(PEERSTREAM, OPERATION__OPERATION_UPSERT);
	m.payload_case = PW_PB_ENUM(PEERSTREAM, REPLICATION_MESSAGE__PAYLOAD_RESPONSE);
	m.response = &resp;
	return frame_of(&m);
}

static int send_control(struct pw_stream *s)
{
	while (!STAILQ_EMPTY(&s->control)) {
		struct frame *f = STAILQ_FIRST(&s->control);
		int r = s->ops->send(s->arg, f->data, f->len);

		if (r < 0)
			return r;
		STAILQ_REMOVE_HEAD(&s->control, next);
		s->n_control--;
		s->control_bytes -= f->len;
		frame_free(f);
	}
	return 0;
}

/* A resource that no peer can receive: named, and skipped, so that the others go on. */
static bool too_large(struct pw_stream *s, const struct pw_outgoing *o)
{
	if (o->len + 1024 <= PW_MESSAGE_MAX_BYTES)
		return false;
	pw_link_error(s->link, /*remote=*/false,
		      "service \"%s\" is not sent: it takes %zu bytes, and a peer takes %d", o->id,
		      o->len, PW_MESSAGE_MAX_BYTES);
	if (pw_link_may_log(s->link))
		pw_log_warn("export.too_large", "peer", s->link->name, "service", o->id, "bytes",
			    pw_log_u64(o->len), NULL);
	return true;
}

static int send_resource(struct pw_stream *s)
{
	struct pw_outgoing o = { 0 };
	int r;

	if (!s->held) {
		if (!pw_exporter_next(s->exporter, s->subscribed, &o))
			return -ENOENT;
		if (!too_large(s, &o))
			s->held = response_frame(s, &o);
		pw_outgoing_clear(&o);
		if (!s->held)
			return 0;
	}
	r = s->ops->send(s->arg, s->held->data, s->held->len);
	if (r < 0)
		return r;
	free(s->held);
	s->held = NULL;
	s->link->last_send_ns = pw_now_real_ns();
	return 0;
}

static void on_pump(evutil_socket_t fd, short what, void *arg)
{
	struct pw_stream *s = arg;
	int r = send_control(s);

	for (unsigned i = 0; r == 0 && i < PUMP_BURST; i++)
		r = send_resource(s);
	if (r == 0)
		arm(s->pump, 0);
	/* -EAGAIN: pw_stream_writable() follows; anything else: the transport is going, and will
	 * say so */
}

void pw_stream_writable(struct pw_stream *s)
{
	arm(s->pump, 0);
}

static void on_heartbeat(evutil_socket_t fd, short what, void *arg)
{
	struct pw_stream *s = arg;
	Message m = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE);
	PW_PB(Peerstream, ReplicationMessage__Heartbeat)
	beat = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE__HEARTBEAT);

	m.payload_case = PW_PB_ENUM(PEERSTREAM, REPLICATION_MESSAGE__PAYLOAD_HEARTBEAT);
	m.heartbeat = &beat;
	/* while a peer does not read, heartbeats must not pile up */
	if (s->n_control < CONTROL_MAX)
		queue_control(s, &m);
}

static void on_silence(evutil_socket_t fd, short what, void *arg)
{
	struct pw_stream *s = arg;
	int64_t left = s->last_heard_ms + s->link->mgr->heartbeat_timeout_ms - pw_now_mono_ms();

	if (left > 0) {
		arm(s->silence, left);
		return;
	}
	pw_stream_end(s, PW_GRPC_UNKNOWN, "heartbeat timeout");
}

void pw_stream_refresh(struct pw_stream *s, uint32_t tables)
{
	pw_exporter_refresh(s->exporter);
	arm(s->pump, 0);
}

void pw_stream_terminate(struct pw_stream *s)
{
	Message m = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE);
	PW_PB(Peerstream, ReplicationMessage__Terminated)
	t = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE__TERMINATED);
	struct frame *f;

	m.payload_case = PW_PB_ENUM(PEERSTREAM, REPLICATION_MESSAGE__PAYLOAD_TERMINATED);
	m.terminated = &t;
	f = frame_of(&m);
	/* a peer that does not read learns it from its next Open */
	if (s->ops->send(s->arg, f->data, f->len) == -EAGAIN)
		pw_log_info("stream.terminated_unsent", "peer", s->link->name, NULL);
	free(f);
	pw_stream_end(s, PW_GRPC_OK, /*text=*/NULL);
}

/* --- receiving ----------------------------------------------------------------------------------
 */

static void end_bad(struct pw_stream *s, const char *fmt, const char *arg)
{
	pw_autofree char *text = pw_xasprintf("%s%.256s", fmt, arg);

	pw_stream_end(s, PW_GRPC_INVALID_ARGUMENT, text);
}

static void note_nack(struct pw_stream *s, const Request *q)
{
	const char *text = q->error->message;

	pw_link_error(s->link, /*remote=*/true, "the peer refused a resource: %s", text);
	if (pw_link_may_log(s->link))
		pw_log_warn("stream.nack", "peer", s->link->name, "url", q->resource_url, "code",
			    pw_log_i64(q->error->code), "error", text, NULL);
}

static void receive_request(struct pw_stream *s, const Request *q)
{
	enum pw_resource_type t;

	if (pw_resource_type_parse(q->resource_url, &t) < 0) {
		end_bad(s, "subscription request to unknown resource URL: ", q->resource_url);
		return;
	}
	if (s->dialer && *q->peer_id && strcmp(q->peer_id, s->remote_id) != 0) {
		end_bad(s, "subscription request for another peering: ", q->peer_id);
		return;
	}
	/* the list comes with the services unasked, so it may be acknowledged unasked */
	if (s->subscribed[t] ||
	    (t == PW_RESOURCE_LIST && s->subscribed[PW_RESOURCE_SERVICE] && *q->response_nonce)) {
		if (q->error)
			note_nack(s, q);
		return;
	}
	if (*q->response_nonce) {
		end_bad(s,
			"initial subscription requests for a resource type must not contain a nonce",
			"");
		return;
	}
	if (q->error) {
		end_bad(s,
			"initial subscription request for a resource type must not contain an error",
			"");
		return;
	}
	s->subscribed[t] = true;
	pw_exporter_refresh(s->exporter);
	arm(s->pump, 0);
}

static const ProtobufCMessageDescriptor *resource_desc(enum pw_resource_type t)
{
	switch (t) {
	case PW_RESOURCE_LIST:
		return &PW_PB_DESC(peerstream, exported_service_list);
	case PW_RESOURCE_BUNDLE:
		return &PW_PB_DESC(peering, peering_trust_bundle);
	default:
		return &PW_PB_DESC(peering, peering_server_addresses);
	}
}

static void refuse(struct pw_incoming *in, int code, const char *fmt, ...) pw_printf(3, 4);
static void refuse(struct pw_incoming *in, int code, const char *fmt, ...)
{
	va_list ap;
	char text[768];

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	in->code = code;
	in->text = pw_xstrdup(text);
}

static void decode_resource(struct pw_incoming *in, const Response *resp)
{
	const char *url = resp->resource_url;
	int r;

	if (strcmp(resp->resource->type_url, url) != 0) {
		refuse(in, PW_GRPC_INTERNAL,
		       "upsert error, ResourceURL: \"%s\", ResourceID: \"%s\": mismatched resourceURL \"%s\" and Any typeUrl \"%s\"",
		       url, in->id, url, resp->resource->type_url);
		return;
	}
	if (in->type == PW_RESOURCE_SERVICE)
		r = pw_import_decode_service(resp->resource->value.data, resp->resource->value.len,
					     (pw_pb_exported_service **)&in->message, &in->cost);
	else
		r = pw_pb_decode_any(resource_desc(in->type), resp->resource, &in->message);
	if (r < 0)
		refuse(in, PW_GRPC_INTERNAL,
		       "upsert error, ResourceURL: \"%s\", ResourceID: \"%s\": failed to unmarshal resource: %s",
		       url, in->id,
		       r == -E2BIG ? "it is nested too deep or too large"
				   : "cannot parse invalid wire-format data");
}

/* What is wrong with the envelope, as a NACK of code 3; the stream goes on. */
static void check_response(struct pw_stream *s, struct pw_incoming *in, const Response *resp)
{
	const char *url = resp->resource_url;

	if (!*resp->nonce)
		refuse(in, PW_GRPC_INVALID_ARGUMENT, "received response without a nonce");
	else if (pw_resource_type_parse(url, &in->type) < 0)
		refuse(in, PW_GRPC_INVALID_ARGUMENT,
		       "received response for unknown resource type \"%s\"", url);
	else if (resp->operation == 0)
		refuse(in, PW_GRPC_INVALID_ARGUMENT,
		       "unsupported operation: \"OPERATION_UNSPECIFIED\"");
	else if (resp->operation != PW_PB_ENUM(PEERSTREAM, OPERATION__OPERATION_UPSERT))
		refuse(in, PW_GRPC_INVALID_ARGUMENT, "unsupported operation: %d",
		       (int)resp->operation);
	else if (!resp->resource)
		refuse(in, PW_GRPC_INVALID_ARGUMENT, "received upsert response with no content");
	else if (in->type == PW_RESOURCE_ADDRESSES && !s->dialer)
		refuse(in, PW_GRPC_INTERNAL,
		       "upsert error, ResourceURL: \"%s\", ResourceID: \"%s\": Cannot switch peering dialing mode from false to true",
		       url, in->id);
	else
		decode_resource(in, resp);
}

static void receive_response(struct pw_stream *s, const Response *resp, size_t len)
{
	struct pw_incoming *in;

	if (strlen(resp->nonce) > ENVELOPE_MAX || strlen(resp->resource_url) > ENVELOPE_MAX) {
		end_bad(s, "received response with too long a nonce or resource URL", "");
		return;
	}
	in = pw_new0(struct pw_incoming);
	in->nonce = pw_xstrdup(resp->nonce);
	in->id = pw_xstrdup(resp->resource_id);
	check_response(s, in, resp);
	if (in->code) {
		/* refused before anything is looked at: answer now, in the URL it came with */
		if (pw_link_may_log(s->link))
			pw_log_warn("stream.refused", "peer", s->link->name, "resource", in->id,
				    "error", in->text, NULL);
		pw_link_error(s->link, /*remote=*/false, "%s", in->text);
		queue_ack(s, resp->resource_url, in->nonce, in->code, in->text);
		pw_incoming_free(&in);
		return;
	}
	STAILQ_INSERT_TAIL(&s->incoming, in, next);
	s->n_incoming++;
	s->incoming_cost += pw_max(in->cost, PW_PB_EXPANSION * len);
	if (s->n_incoming >= BATCH_MESSAGES || s->incoming_cost >= BATCH_COST)
		on_apply(-1, 0, s);
	else if (!evtimer_pending(s->apply, /*tv=*/NULL))
		arm(s->apply, pw_max(s->apply_not_before_ms - pw_now_mono_ms(), 0));
}

static void acknowledge(struct pw_stream *s, struct pw_incoming *in)
{
	queue_ack(s, urls[in->type], in->nonce, in->code, in->text);
	if (in->code) {
		pw_link_error(s->link, /*remote=*/false, "%s", in->text);
		if (pw_link_may_log(s->link))
			pw_log_warn("import.refused", "peer", s->link->name, "resource", in->id,
				    "error", in->text, NULL);
		return;
	}
	s->link->last_receive_ns = pw_now_real_ns();
}

static void on_apply(evutil_socket_t fd, short what, void *arg)
{
	struct pw_stream *s = arg;
	int64_t start_ms = pw_now_mono_ms(), end_ms;

	pw_import_apply(s->link, &s->incoming);
	end_ms = pw_now_mono_ms();
	s->apply_not_before_ms =
		end_ms + pw_min(APPLY_SHARE * (end_ms - start_ms), (int64_t)APPLY_WAIT_MS);
	while (!STAILQ_EMPTY(&s->incoming)) {
		struct pw_incoming *in = STAILQ_FIRST(&s->incoming);

		STAILQ_REMOVE_HEAD(&s->incoming, next);
		acknowledge(s, in);
		pw_incoming_free(&in);
	}
	s->n_incoming = 0;
	s->incoming_cost = 0;
	event_del(s->apply);
}

static void receive_terminated(struct pw_stream *s)
{
	struct pw_link *l = s->link;
	struct pw_err err = PW_ERR_INIT;

	if (pw_link_terminated(l, &err) < 0) {
		/* not stored, so not over: the peer says it again to who comes again */
		pw_log_error("peering.terminate_failed", "peer", l->name, "error", err.text, NULL);
		pw_stream_end(s, PW_GRPC_INTERNAL, "the end of the peering could not be stored");
		return;
	}
	pw_log_info("peering.terminated", "peer", l->name, "id", l->id, NULL);
	pw_strv_clear(&l->imported);
	pw_strv_clear(&l->exported);
	pw_stream_end(s, PW_GRPC_OK, /*text=*/NULL);
}

void pw_stream_receive(struct pw_stream *s, const uint8_t *data, size_t len)
{
	pw_autopb Message *m = NULL;
	int r = pw_pb_decode(&PW_PB_DESC(peerstream, replication_message), data, len, &m);

	if (r < 0) {
		pw_stream_end(s, PW_GRPC_INTERNAL,
			      "grpc: failed to unmarshal the received message");
		return;
	}
	if (s->n_control > CONTROL_MAX || s->control_bytes > CONTROL_BYTES) {
		pw_stream_end(s, PW_GRPC_RESOURCE_EXHAUSTED,
			      "the peer sends, and does not read what it is answered");
		return;
	}
	heard(s);
	switch ((int)m->payload_case) {
	case PW_PB_ENUM(PEERSTREAM, REPLICATION_MESSAGE__PAYLOAD_REQUEST):
		receive_request(s, m->request);
		break;
	case PW_PB_ENUM(PEERSTREAM, REPLICATION_MESSAGE__PAYLOAD_RESPONSE):
		receive_response(s, m->response, len);
		break;
	case PW_PB_ENUM(PEERSTREAM, REPLICATION_MESSAGE__PAYLOAD_TERMINATED):
		receive_terminated(s);
		break;
	case PW_PB_ENUM(PEERSTREAM, REPLICATION_MESSAGE__PAYLOAD_HEARTBEAT):
		s->link->last_heartbeat_ns = pw_now_real_ns();
		s->link->last_receive_ns = s->link->last_heartbeat_ns;
		break;
	default:
		break; /* empty, unknown, a second Open: ignored, as Consul does */
	}
}
