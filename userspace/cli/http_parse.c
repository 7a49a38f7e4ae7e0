// SPDX-License-Identifier: Apache-2.0
#include "http_private.h"
#include <string.h>
#include <strings.h>

/* Longest line that introduces a chunk: a size and extensions nobody sends. */
#define CHUNK_LINE_MAX_BYTES 256

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The value of a header in one line of the head, or NULL. */
static char *header_value(const char *line, size_t len, const char *name)
{
	size_t name_len = strlen(name);

	if (len <= name_len || line[name_len] != ':' || strncasecmp(line, name, name_len) != 0)
		return NULL;
	line += name_len + 1;
	len -= name_len + 1;
	while (len && is_blank(*line)) {
		line++;
		len--;
	}
	while (len && is_blank(line[len - 1]))
		len--;
	return pw_xstrndup(line, len);
}

static int parse_status_line(struct http_parser *p, const char *line, size_t len)
{
	int status = 0;

	/* "HTTP/1.1 200 OK"; the words behind are optional. */
	if (len < 12 || strncmp(line, "HTTP/1.", 7) != 0 || line[8] != ' ')
		return -EBADMSG;
	for (size_t i = 9; i < 12; i++) {
		if (line[i] < '0' || line[i] > '9')
			return -EBADMSG;
		status = status * 10 + (line[i] - '0');
	}
	if (status < 100 || (len > 12 && line[12] != ' '))
		return -EBADMSG;
	p->status = status;
	return 0;
}

struct framing {
	bool chunked;
	bool has_length;
	uint64_t length;
};

static int parse_header(struct framing *f, const char *line, size_t len)
{
	pw_autofree char *encoding = header_value(line, len, "Transfer-Encoding");
	pw_autofree char *length = header_value(line, len, "Content-Length");

	if (encoding) {
		if (strcasecmp(encoding, "chunked") != 0)
			return -EBADMSG;
		f->chunked = true;
	}
	if (length) {
		uint64_t v;

		if (pw_str_to_u64(length, INT64_MAX, &v) < 0 || (f->has_length && v != f->length))
			return -EBADMSG;
		f->has_length = true;
		f->length = v;
	}
	return 0;
}

static int choose_framing(struct http_parser *p, const struct framing *f)
{
	if (p->status < 200) {
		/* 100 Continue and the like: the answer is yet to come. */
		p->state = HTTP_HEAD;
		return 0;
	}
	if (p->status == 204 || p->status == 304) {
		p->state = HTTP_DONE;
	} else if (f->chunked) {
		p->state = HTTP_CHUNK_HEAD;
	} else if (f->has_length) {
		if (f->length > HTTP_MAX_BODY_BYTES)
			return -EMSGSIZE;
		p->left = f->length;
		p->state = f->length ? HTTP_BODY_LENGTH : HTTP_DONE;
	} else {
		p->state = HTTP_BODY_CLOSE;
	}
	return 0;
}

/* p->line holds the whole head, with its blank line. */
static int parse_head(struct http_parser *p)
{
	const char *at = p->line.text, *end = at + p->line.len;
	struct framing f = { 0 };
	bool first = true;
	int r;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)(newline - at);

		if (len && at[len - 1] == '\r')
			len--;
		r = first ? parse_status_line(p, at, len) : parse_header(&f, at, len);
		if (r < 0)
			return r;
		first = false;
		at = newline + 1;
	}
	pw_strbuf_clear(&p->line);
	return choose_framing(p, &f);
}

static bool head_complete(const struct pw_strbuf *b)
{
	return pw_str_ends(b->text, "\n\r\n") || pw_str_ends(b->text, "\n\n");
}

static int feed_head(struct http_parser *p, char c)
{
	if (c == '\0')
		return -EBADMSG;
	if (p->line.len >= HTTP_MAX_HEAD_BYTES)
		return -EMSGSIZE;
	pw_strbuf_add_n(&p->line, &c, 1);
	/* Only a newline can end it, and looking at each byte of a long head is not needed. */
	return c == '\n' && head_complete(&p->line) ? parse_head(p) : 0;
}

static int parse_chunk_size(struct http_parser *p)
{
	const char *at = p->line.text;
	uint64_t size = 0;
	size_t digits = 0;

	for (; strchr("0123456789abcdefABCDEF", *at) && *at; at++, digits++) {
		int d = *at <= '9' ? *at - '0' : (*at | 0x20) - 'a' + 10;

		if (digits >= 15)
			return -EBADMSG;
		size = size << 4 | (uint64_t)d;
	}
	if (digits == 0 || (*at && *at != ';' && !is_blank(*at)))
		return -EBADMSG;
	if (size > HTTP_MAX_BODY_BYTES - p->body.len)
		return -EMSGSIZE;
	p->left = size;
	p->state = size ? HTTP_CHUNK_DATA : HTTP_TRAILER;
	return 0;
}

/* Lines around chunks: sizes, the end of a chunk, trailers. */
static int feed_line(struct http_parser *p, char c)
{
	int r = 0;

	if (c == '\0' || p->line.len >= CHUNK_LINE_MAX_BYTES ||
	    ++p->trailer_bytes > HTTP_MAX_BODY_BYTES)
		return -EBADMSG;
	if (c != '\n') {
		pw_strbuf_add_n(&p->line, &c, 1);
		return 0;
	}
	if (p->line.len && p->line.text[p->line.len - 1] == '\r')
		p->line.text[--p->line.len] = '\0';
	pw_strbuf_add_n(&p->line, "", 0);
	if (p->state == HTTP_CHUNK_HEAD)
		r = parse_chunk_size(p);
	else if (p->state == HTTP_CHUNK_END && p->line.len)
		r = -EBADMSG;
	else if (p->state == HTTP_CHUNK_END)
		p->state = HTTP_CHUNK_HEAD;
	else if (p->line.len == 0)
		p->state = HTTP_DONE;
	pw_strbuf_clear(&p->line);
	return r;
}

static size_t feed_body(struct http_parser *p, const char *data, size_t len)
{
	size_t n = p->state == HTTP_BODY_CLOSE ? len : pw_min(len, (size_t)p->left);

	pw_strbuf_add_n(&p->body, data, n);
	if (p->state == HTTP_BODY_CLOSE)
		return n;
	p->left -= n;
	if (p->left == 0)
		p->state = p->state == HTTP_CHUNK_DATA ? HTTP_CHUNK_END : HTTP_DONE;
	return n;
}

int http_parser_feed(struct http_parser *p, const char *data, size_t len)
{
	int r;

	while (len > 0 && p->state != HTTP_DONE) {
		size_t n = 1;

		r = 0;
		switch (p->state) {
		case HTTP_HEAD:
			r = feed_head(p, *data);
			break;
		case HTTP_BODY_CLOSE:
			if (len > HTTP_MAX_BODY_BYTES - p->body.len)
				return -EMSGSIZE;
			n = feed_body(p, data, len);
			break;
		case HTTP_BODY_LENGTH:
		case HTTP_CHUNK_DATA:
			n = feed_body(p, data, len);
			break;
		default:
			r = feed_line(p, *data);
			break;
		}
		if (r < 0)
			return r;
		data += n;
		len -= n;
	}
	return p->state == HTTP_DONE;
}

int http_parser_eof(struct http_parser *p)
{
	if (p->state == HTTP_BODY_CLOSE)
		p->state = HTTP_DONE;
	return p->state == HTTP_DONE ? 1 : -EBADMSG;
}

void http_parser_clear(struct http_parser *p)
{
	pw_strbuf_clear(&p->line);
	pw_strbuf_clear(&p->body);
	*p = (struct http_parser){ 0 };
}
