// SPDX-License-Identifier: Apache-2.0
#include "hcl.h"
#include "hcl_private.h"
#include <string.h>

#define HCL_MAX_BYTES (1024 * 1024)
#define HCL_MAX_DEPTH 32

struct parser {
	struct hcl_lexer lex;
	struct hcl_token now; /* the token not yet taken */
	unsigned depth;
};

static int parse_value(struct parser *p, json_t **ret);
static int parse_body(struct parser *p, enum hcl_token_type end, json_t **ret);

static int advance(struct parser *p)
{
	hcl_token_clear(&p->now);
	return hcl_lex_next(&p->lex, &p->now);
}

static int fail_here(struct parser *p, const char *what)
{
	return hcl_lex_fail(&p->lex, p->now.line, p->now.column, "%s, found %s", what,
			    hcl_token_name(p->now.type));
}

static int enter(struct parser *p)
{
	if (++p->depth > HCL_MAX_DEPTH)
		return hcl_lex_fail(&p->lex, p->now.line, p->now.column,
				    "nested deeper than %d levels, flatten it", HCL_MAX_DEPTH);
	return 0;
}

static bool valid_utf8(const char *s)
{
	pw_autojson json_t *v = json_string(s);

	return v != NULL;
}

static int skip_newlines(struct parser *p)
{
	int r;

	while (p->now.type == HCL_NEWLINE) {
		r = advance(p);
		if (r < 0)
			return r;
	}
	return 0;
}

/* now is behind '[' */
static int parse_list_items(struct parser *p, json_t *list)
{
	int r;

	for (;;) {
		json_t *item = NULL;

		r = skip_newlines(p);
		if (r < 0)
			return r;
		if (p->now.type == HCL_RBRACKET)
			return 0;
		r = parse_value(p, &item);
		if (r < 0)
			return r;
		json_array_append_new(list, item);
		r = skip_newlines(p);
		if (r < 0)
			return r;
		if (p->now.type == HCL_RBRACKET)
			return 0;
		if (p->now.type != HCL_COMMA)
			return fail_here(p, "expected ',' or ']' in a list");
		r = advance(p);
		if (r < 0)
			return r;
	}
}

static int parse_list(struct parser *p, json_t **ret)
{
	pw_autojson json_t *list = json_array();
	int r;

	r = enter(p);
	if (r == 0)
		r = advance(p);
	if (r == 0)
		r = parse_list_items(p, list);
	if (r == 0)
		r = advance(p);
	if (r < 0)
		return r;
	p->depth--;
	*ret = TAKE_PTR(list);
	return 0;
}

/* now is '{' */
static int parse_block(struct parser *p, json_t **ret)
{
	pw_autojson json_t *body = NULL;
	int r;

	r = enter(p);
	if (r == 0)
		r = advance(p);
	if (r == 0)
		r = parse_body(p, HCL_RBRACE, &body);
	if (r == 0)
		r = advance(p);
	if (r < 0)
		return r;
	p->depth--;
	*ret = TAKE_PTR(body);
	return 0;
}

static int parse_word(struct parser *p, json_t **ret)
{
	json_t *v = NULL;

	if (strcmp(p->now.text, "true") == 0)
		v = json_true();
	else if (strcmp(p->now.text, "false") == 0)
		v = json_false();
	else if (strcmp(p->now.text, "null") == 0)
		v = json_null();
	else
		return hcl_lex_fail(&p->lex, p->now.line, p->now.column,
				    "\"%.64s\" is no value, put text in quotes", p->now.text);
	*ret = v;
	return advance(p);
}

static int parse_value(struct parser *p, json_t **ret)
{
	switch (p->now.type) {
	case HCL_STRING:
		*ret = json_string(p->now.text);
		if (!*ret)
			return fail_here(p, "text is not valid UTF-8");
		break;
	case HCL_INTEGER:
		*ret = json_integer(p->now.integer);
		break;
	case HCL_REAL:
		*ret = json_real(p->now.real);
		break;
	case HCL_WORD:
		return parse_word(p, ret);
	case HCL_LBRACKET:
		return parse_list(p, ret);
	case HCL_LBRACE:
		return parse_block(p, ret);
	default:
		return fail_here(p, "expected a value");
	}
	if (advance(p) == 0)
		return 0;
	pw_json_decrefp(ret);
	return -EINVAL;
}

/* A block under a key that is there already: the first becomes the head of a list. */
static int add_block(struct parser *p, json_t *body, json_t *blocks, const char *key, json_t *block)
{
	json_t *old = json_object_get(body, key), *list;
	bool was_block = json_is_true(json_object_get(blocks, key));

	if (old && !was_block) {
		json_decref(block);
		return hcl_lex_fail(&p->lex, p->now.line, p->now.column,
				    "\"%.64s\" was set before, give it once", key);
	}
	json_object_set_new(blocks, key, json_true());
	if (!old)
		return json_object_set_new(body, key, block);
	if (json_is_array(old))
		return json_array_append_new(old, block);
	list = json_array();
	json_array_append(list, old);
	json_array_append_new(list, block);
	return json_object_set_new(body, key, list);
}

static bool is_key(const struct hcl_token *t)
{
	return t->type == HCL_WORD || t->type == HCL_STRING;
}

/* now is behind the key: labels and a block. Each label is one object more around the block. */
static int parse_labelled_block(struct parser *p, json_t **ret)
{
	pw_autojson json_t *inner = NULL;
	pw_autofree char *label = NULL;
	json_t *outer;
	int r;

	if (p->now.type == HCL_LBRACE)
		return parse_block(p, ret);
	if (!valid_utf8(p->now.text))
		return fail_here(p, "label is not valid UTF-8");
	label = TAKE_PTR(p->now.text);
	r = enter(p);
	if (r == 0)
		r = advance(p);
	if (r == 0 && !is_key(&p->now) && p->now.type != HCL_LBRACE)
		r = fail_here(p, "expected '{' behind a label");
	if (r == 0)
		r = parse_labelled_block(p, &inner);
	if (r < 0)
		return r;
	p->depth--;
	outer = json_object();
	json_object_set_new(outer, label, TAKE_PTR(inner));
	*ret = outer;
	return 0;
}

static int parse_assignment(struct parser *p, json_t *body, const char *key)
{
	json_t *v = NULL;
	int r;

	if (json_object_get(body, key))
		return hcl_lex_fail(&p->lex, p->now.line, p->now.column,
				    "\"%.64s\" was set before, give it once", key);
	r = advance(p);
	if (r < 0)
		return r;
	r = parse_value(p, &v);
	if (r < 0) {
		json_decref(v);
		return r;
	}
	return json_object_set_new(body, key, v);
}

static int parse_item(struct parser *p, json_t *body, json_t *blocks)
{
	pw_autofree char *key = NULL;
	json_t *block = NULL;
	int r;

	if (!is_key(&p->now))
		return fail_here(p, "expected a key");
	if (!valid_utf8(p->now.text))
		return fail_here(p, "key is not valid UTF-8");
	key = TAKE_PTR(p->now.text);
	r = advance(p);
	if (r < 0)
		return r;
	/* JSON's colon is HCL's too, inside objects. */
	if (p->now.type == HCL_EQUAL || p->now.type == HCL_COLON)
		return parse_assignment(p, body, key);
	if (p->now.type != HCL_LBRACE && !is_key(&p->now))
		return fail_here(p, "expected '=' or '{' behind a key");
	r = parse_labelled_block(p, &block);
	if (r < 0)
		return r;
	return add_block(p, body, blocks, key, block);
}

static int parse_body(struct parser *p, enum hcl_token_type end, json_t **ret)
{
	pw_autojson json_t *body = json_object(), *blocks = json_object();
	int r;

	for (;;) {
		r = skip_newlines(p);
		if (r < 0)
			return r;
		if (p->now.type == end)
			break;
		r = parse_item(p, body, blocks);
		if (r < 0)
			return r;
		if (p->now.type == end)
			break;
		/* Blanks are enough between items: people write small blocks on one line. */
		if (is_key(&p->now))
			continue;
		if (p->now.type != HCL_NEWLINE && p->now.type != HCL_COMMA)
			return fail_here(p, end == HCL_END ? "expected a new line"
							   : "expected ',', a new line or '}'");
		r = advance(p);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(body);
	return 0;
}

static bool looks_like_json(const char *text, size_t len)
{
	size_t i = 0;

	while (i < len && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r'))
		i++;
	return i < len && text[i] == '{';
}

int pw_hcl_parse(const char *text, size_t len, const char *file, json_t **ret, struct pw_err *err)
{
	struct parser p = { .lex = { .at = text,
				     .end = text + len,
				     .file = file,
				     .line = 1,
				     .column = 1,
				     .err = err } };
	json_t *body = NULL;
	int r;

	if (len > HCL_MAX_BYTES)
		return pw_err_set(err, PW_ERR_BAD_REQUEST, EFBIG,
				  "%s: larger than the limit of %d bytes, split it", file,
				  HCL_MAX_BYTES);
	if (looks_like_json(text, len)) {
		r = pw_json_parse(text, len, ret, err);
		if (r < 0)
			pw_err_prefix(err, "%s", file);
		return r;
	}
	r = advance(&p);
	if (r == 0)
		r = parse_body(&p, HCL_END, &body);
	hcl_token_clear(&p.now);
	if (r < 0)
		return r;
	*ret = body;
	return 0;
}
