// SPDX-License-Identifier: Apache-2.0
/* Every answer leaves through send_reply(). */
#include "internal.h"
#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define JSON_TYPE "application/json"
#define TEXT_TYPE "text/plain; charset=utf-8"

static const char *reason_of(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 413:
		return "Request Entity Too Large";
	case 429:
		return "Too Many Requests";
	case 503:
		return "Service Unavailable";
	default:
		return "Internal Server Error";
	}
}

int pw_status_of(enum pw_err_class class)
{
	switch (class) {
	case PW_ERR_BAD_REQUEST:
		return 400;
	case PW_ERR_DENIED:
		return 403;
	case PW_ERR_NOT_FOUND:
		return 404;
	case PW_ERR_LIMIT:
		return 429;
	case PW_ERR_UNAVAILABLE:
		return 503;
	case PW_ERR_INTERNAL:
	case PW_ERR_CLASS_MAX_:
		break;
	}
	return 500;
}

void pw_reply_header(struct pw_request *r, const char *name, const char *value)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(r->http);

	evhttp_remove_header(headers, name);
	evhttp_add_header(headers, name, value);
}

/* The length is that of the answer to GET. */
static void drop_body(struct pw_request *r)
{
	struct evbuffer *out = evhttp_request_get_output_buffer(r->http);
	size_t len = evbuffer_get_length(out);
	char text[24];

	snprintf(text, sizeof(text), "%zu", len);
	pw_reply_header(r, "Content-Length", text);
	evbuffer_drain(out, len);
}

static int send_reply(struct pw_request *r, int status, const char *type)
{
	struct evhttp_request *http = r->http;

	pw_reply_header(r, "Content-Type", type);
	pw_reply_header(r, "X-Consul-Default-ACL-Policy", "allow");
	pw_reply_header(r, "Vary", "Accept-Encoding");
	if (r->method == PW_HEAD)
		drop_body(r);
	pw_request_free(r);
	evhttp_send_reply(http, status, reason_of(status), NULL);
	return 0;
}

int pw_reply_raw(struct pw_request *r, int status, const char *type, const char *body)
{
	evbuffer_add(evhttp_request_get_output_buffer(r->http), body, strlen(body));
	return send_reply(r, status, type);
}

int pw_reply_json(struct pw_request *r, int status, json_t *body)
{
	pw_autofree char *text = r->pretty ? pw_json_pretty(body) : pw_json_dump(body);
	struct evbuffer *out = evhttp_request_get_output_buffer(r->http);

	json_decref(body);
	evbuffer_add(out, text, strlen(text));
	if (r->pretty)
		evbuffer_add(out, "\n", 1);
	return send_reply(r, status, JSON_TYPE);
}

int pw_reply_rows(struct pw_request *r, json_t *rows, struct pw_err *err)
{
	int rc = r->filter ? pw_filter_apply(r->filter, rows, err) : 0;

	if (rc < 0) {
		json_decref(rows);
		return rc;
	}
	return pw_reply_json(r, 200, rows);
}

int pw_reply_true(struct pw_request *r)
{
	return pw_reply_json(r, 200, json_true());
}

int pw_reply_empty(struct pw_request *r, int status)
{
	return send_reply(r, status, JSON_TYPE);
}

int pw_reply_text(struct pw_request *r, int status, const char *fmt, ...)
{
	struct evbuffer *out = evhttp_request_get_output_buffer(r->http);
	va_list ap;

	va_start(ap, fmt);
	evbuffer_add_vprintf(out, fmt, ap);
	va_end(ap);
	return send_reply(r, status, TEXT_TYPE);
}

int pw_reply_err(struct pw_request *r, const struct pw_err *err)
{
	return pw_reply_raw(r, pw_status_of(err->class), TEXT_TYPE, err->text);
}

static void wipe(const void *data, size_t len, void *arg)
{
	OPENSSL_cleanse(arg, len);
	free(arg);
}

/* The text is handed over by reference, so that it is never copied on its way to the socket. */
int pw_reply_secret(struct pw_request *r, char *json)
{
	struct evbuffer *out = evhttp_request_get_output_buffer(r->http);
	size_t len = strlen(json);

	if (evbuffer_add_reference(out, json, len, wipe, json) < 0) {
		wipe(json, len, json);
		return pw_reply_text(r, 500, "no memory");
	}
	return send_reply(r, 200, JSON_TYPE);
}
