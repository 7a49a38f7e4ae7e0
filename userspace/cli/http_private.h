/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_CLI_HTTP_PRIVATE_H
#define PW_CLI_HTTP_PRIVATE_H
/*
 * A blocking HTTP/1.1 client for one request at a time, over TCP or a unix socket, and the parser
 * of its answers. I1 No answer is held beyond HTTP_MAX_BODY_BYTES, and no call outlives
 * HTTP_TIMEOUT_MS. I2 The parser takes the answer in pieces of any size and gives the same result
 * for all.
 */
#include "../base/err.h"
#include "../base/str.h"

#define HTTP_MAX_HEAD_BYTES (64 * 1024)
#define HTTP_MAX_BODY_BYTES (32 * 1024 * 1024)
#define HTTP_CONNECT_MS	    10000
/* An establish waits for the other cluster, so it is longer than anything the agent does. */
#define HTTP_TIMEOUT_MS 120000

struct http_endpoint {
	char *text; /* "http://127.0.0.1:8500", for errors */
	char *unix_path;
	char *host;
	uint16_t port;
};
/* "host:port", "http://host:port", "unix:///path". -EINVAL */
int http_endpoint_parse(const char *addr, struct http_endpoint *ret, struct pw_err *err);
void http_endpoint_clear(struct http_endpoint *e);

enum http_state {
	HTTP_HEAD,
	HTTP_BODY_LENGTH,
	HTTP_BODY_CLOSE, /* until the connection ends */
	HTTP_CHUNK_HEAD,
	HTTP_CHUNK_DATA,
	HTTP_CHUNK_END,
	HTTP_TRAILER,
	HTTP_DONE,
	HTTP_STATE_MAX_
};
struct http_parser {
	enum http_state state;
	int status;
	uint64_t left; /* of the body or the chunk */
	size_t trailer_bytes;
	struct pw_strbuf line; /* the line that is coming in, or the whole head */
	struct pw_strbuf body;
};
/* 1: the answer is complete, 0: more is needed, -EBADMSG, -EMSGSIZE. */
int http_parser_feed(struct http_parser *p, const char *data, size_t len);
int http_parser_eof(struct http_parser *p); /* 1 or -EBADMSG: cut off */
void http_parser_clear(struct http_parser *p);

/* token and body may be NULL. *ret_body is never NULL on success. */
int http_request(const struct http_endpoint *e, const char *token, const char *method,
		 const char *path, const char *body, int *ret_status, char **ret_body,
		 struct pw_err *err);
#endif
