/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_PEERING_FAKE_H
#define TESTS_PEERING_FAKE_H
/* A stream without transport: what it sends is kept, what it receives is made here. */
#include "peering_world.h"
#include "../../userspace/peering/stream.h"
#include "../../userspace/rpc/pb.h"

typedef PW_PB(Peerstream, ReplicationMessage) Message;
typedef PW_PB(Peerstream, ReplicationMessage__Request) Request;
typedef PW_PB(Peerstream, ReplicationMessage__Response) Response;
#define PAYLOAD(x) PW_PB_ENUM(PEERSTREAM, REPLICATION_MESSAGE__PAYLOAD_##x)

struct fake {
	struct cluster *c;
	struct pw_link *link;
	Message *out[8192];
	size_t n_out;
	size_t budget; /* messages that still fit; SIZE_MAX: no limit */
	bool ended;
	int end_code;
	char end_text[512];
};

static inline int fake_send(void *arg, const uint8_t *data, size_t len)
{
	struct fake *f = arg;

	if (f->budget == 0)
		return -EAGAIN;
	if (f->budget != SIZE_MAX)
		f->budget--;
	assert_true(f->n_out < ARRAY_SIZE(f->out));
	assert_int_equal(pw_pb_decode(&PW_PB_DESC(peerstream, replication_message), data, len,
				      &f->out[f->n_out]),
			 0);
	f->n_out++;
	return 0;
}

static inline void fake_end(void *arg, int code, const char *text)
{
	struct fake *f = arg;

	f->ended = true;
	f->end_code = code;
	snprintf(f->end_text, sizeof(f->end_text), "%s", text ? text : "");
}

static const struct pw_stream_ops fake_ops = { fake_send, fake_end };

static inline void fake_forget(struct fake *f)
{
	for (size_t i = 0; i < f->n_out; i++)
		pw_pb_freep(&f->out[i]);
	f->n_out = 0;
}

/* Runs the loop until nothing is left to do. */
static inline void fake_run(void)
{
	for (int i = 0; i < 50; i++)
		event_base_loop(world_base, EVLOOP_NONBLOCK);
	SPIN(3);
}

/* An acceptor's stream with a peer of that name; remote_id: a dialer's. */
static inline struct fake *fake_new(struct cluster *c, const char *peer, const char *remote_id)
{
	struct fake *f = pw_new0(struct fake);
	pw_autofree char *token = cluster_token(c, peer);

	f->c = c;
	f->budget = SIZE_MAX;
	f->link = pw_link_by_id(c->peering, pw_peering_get(c->peering, peer)->id);
	assert_non_null(f->link);
	pw_stream_new(f->link, remote_id, &fake_ops, f);
	if (remote_id)
		pw_stream_open(f->link->stream, "secret");
	pw_stream_start(f->link->stream);
	fake_run();
	return f;
}

static inline void fake_free(struct fake *f)
{
	if (f->link->stream)
		pw_stream_end(f->link->stream, 0, NULL);
	fake_forget(f);
	free(f);
}

static inline void fake_receive(struct fake *f, const void *msg)
{
	size_t len;
	uint8_t *data = pw_pb_encode(msg, &len);

	assert_non_null(f->link->stream);
	pw_stream_receive(f->link->stream, data, len);
	free(data);
	fake_run();
}

static inline void fake_request(struct fake *f, const char *url, const char *nonce, int code)
{
	Message m = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE);
	Request q = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE__REQUEST);
	PW_PB(Status, Status) st = PW_PB_INIT(STATUS, STATUS);

	q.resource_url = (char *)url;
	q.response_nonce = (char *)nonce;
	st.code = code;
	st.message = (char *)"no";
	q.error = code ? &st : NULL;
	m.payload_case = PAYLOAD(REQUEST);
	m.request = &q;
	fake_receive(f, &m);
}

static inline void fake_subscribe_all(struct fake *f)
{
	for (int t = 0; t < PW_RESOURCE_TYPE_MAX_; t++)
		fake_request(f, pw_resource_url(t), "", 0);
}

/* A resource with its envelope as it should be. */
static inline void fake_response_unanswered(struct fake *f, const char *nonce,
					    enum pw_resource_type t, const char *id,
					    const void *resource)
{
	Message m = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE);
	Response r = PW_PB_INIT(PEERSTREAM, REPLICATION_MESSAGE__RESPONSE);
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;

	any.type_url = (char *)pw_resource_url(t);
	any.value.data = pw_pb_encode(resource, &any.value.len);
	r.nonce = (char *)nonce;
	r.resource_url = any.type_url;
	r.resource_id = (char *)id;
	r.resource = &any;
	r.operation = 1;
	m.payload_case = PAYLOAD(RESPONSE);
	m.response = &r;
	fake_receive(f, &m);
	free(any.value.data);
}

/* What takes long to apply lets the next wait: so does who looks for the answer. */
static inline void fake_response(struct fake *f, const char *nonce, enum pw_resource_type t,
				 const char *id, const void *resource)
{
	size_t before = f->n_out;

	fake_response_unanswered(f, nonce, t, id, resource);
	if (f->budget == SIZE_MAX)
		(void)WAIT(3000, f->ended || f->n_out > before);
}

/* The last message is the answer to that nonce: its code, 0 for an ACK. */
static inline int fake_verdict(struct fake *f, const char *nonce)
{
	const Message *m;

	assert_true(f->n_out > 0);
	m = f->out[f->n_out - 1];
	assert_int_equal(m->payload_case, PAYLOAD(REQUEST));
	assert_string_equal(m->request->response_nonce, nonce);
	return m->request->error ? m->request->error->code : 0;
}

/* The latest response for that id; NULL: none was sent. */
static inline const Response *fake_sent(struct fake *f, enum pw_resource_type t, const char *id)
{
	for (size_t i = f->n_out; i > 0; i--) {
		const Message *m = f->out[i - 1];

		if (m->payload_case == PAYLOAD(RESPONSE) &&
		    strcmp(m->response->resource_url, pw_resource_url(t)) == 0 &&
		    strcmp(m->response->resource_id, id) == 0)
			return m->response;
	}
	return NULL;
}

static inline size_t fake_count(struct fake *f, int payload)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_out; i++)
		n += (int)f->out[i]->payload_case == payload;
	return n;
}

/* --- instances to be imported
 * ---------------------------------------------------------------------- */
struct sample {
	PW_PB(Peerstream, ExportedService) es;
	PW_PB(Service, CheckServiceNode) instance, *instances[1];
	PW_PB(Service, Node) node;
	PW_PB(Service, NodeService) service;
	PW_PB(Service, HealthCheck) check, *checks[1];
};

static inline void sample_init(struct sample *s, const char *node, const char *id, const char *name)
{
	PW_PB_FN(peerstream, exported_service__init)(&s->es);
	PW_PB_FN(service, check_service_node__init)(&s->instance);
	PW_PB_FN(service, node__init)(&s->node);
	PW_PB_FN(service, node_service__init)(&s->service);
	PW_PB_FN(service, health_check__init)(&s->check);
	s->node.node = (char *)node;
	s->node.address = (char *)"10.9.0.1";
	s->service.id = (char *)id;
	s->service.service = (char *)name;
	s->service.port = 8080;
	s->check.node = (char *)node;
	s->check.check_id = (char *)"overall";
	s->check.status = (char *)"passing";
	s->instance.node = &s->node;
	s->instance.service = &s->service;
	s->instance.n_checks = 1;
	s->instance.checks = s->checks;
	s->checks[0] = &s->check;
	s->es.n_nodes = 1;
	s->es.nodes = s->instances;
	s->instances[0] = &s->instance;
}
#endif
