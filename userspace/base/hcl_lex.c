// SPDX-License-Identifier: Apache-2.0
#include "hcl_private.h"
#include "hash.h"
#include "str.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const token_names[] = {
	[HCL_END] = "the end of the file",
	[HCL_NEWLINE] = "the end of the line",
	[HCL_WORD] = "a word",
	[HCL_STRING] = "a string",
	[HCL_INTEGER] = "a number",
	[HCL_REAL] = "a number",
	[HCL_EQUAL] = "'='",
	[HCL_COLON] = "':'",
	[HCL_COMMA] = "','",
	[HCL_LBRACE] = "'{'",
	[HCL_RBRACE] = "'}'",
	[HCL_LBRACKET] = "'['",
	[HCL_RBRACKET] = "']'",
};
_Static_assert(ARRAY_SIZE(token_names) == HCL_TOKEN_TYPE_MAX_, "a name for each token");

const char *hcl_token_name(enum hcl_token_type type)
{
	return token_names[type];
}

void hcl_token_clear(struct hcl_token *t)
{
	free(t->text);
	*t = (struct hcl_token){ 0 };
}

int hcl_lex_fail(struct hcl_lexer *l, unsigned line, unsigned column, const char *fmt, ...)
{
	char what[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	return pw_err_set(l->err, PW_ERR_BAD_REQUEST, EINVAL, "%s:%u:%u: %s", l->file, line, column,
			  what);
}

static int fail_here(struct hcl_lexer *l, const char *what)
{
	return hcl_lex_fail(l, l->line, l->column, "%s", what);
}

/* The byte n ahead; 0 at the end. A NUL in the text is no token, so the two need no telling apart
 * here. */
static char peek(const struct hcl_lexer *l, size_t n)
{
	return (size_t)(l->end - l->at) > n ? l->at[n] : '\0';
}

static void skip(struct hcl_lexer *l, size_t n)
{
	for (; n > 0 && l->at < l->end; n--) {
		if (*l->at++ == '\n') {
			l->line++;
			l->column = 1;
		} else {
			l->column++;
		}
	}
}

static bool at_end(const struct hcl_lexer *l)
{
	return l->at >= l->end;
}

static int skip_block_comment(struct hcl_lexer *l)
{
	unsigned line = l->line, column = l->column;

	skip(l, 2);
	while (!at_end(l)) {
		if (peek(l, 0) == '*' && peek(l, 1) == '/') {
			skip(l, 2);
			return 0;
		}
		skip(l, 1);
	}
	return hcl_lex_fail(l, line, column, "comment has no end, close it with */");
}

/* White space but newlines, and comments. */
static int skip_blank(struct hcl_lexer *l)
{
	int r;

	for (;;) {
		char c = peek(l, 0), next = peek(l, 1);

		if (c == ' ' || c == '\t' || c == '\r') {
			skip(l, 1);
		} else if (c == '#' || (c == '/' && next == '/')) {
			while (!at_end(l) && *l->at != '\n')
				skip(l, 1);
		} else if (c == '/' && next == '*') {
			r = skip_block_comment(l);
			if (r < 0)
				return r;
		} else {
			return 0;
		}
	}
}

static void add_utf8(struct pw_strbuf *b, uint32_t c)
{
	char out[4];
	size_t n;

	if (c < 0x80) {
		out[0] = (char)c;
		n = 1;
	} else if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		n = 2;
	} else if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		n = 3;
	} else {
		out[0] = (char)(0xf0 | c >> 18);
		out[1] = (char)(0x80 | (c >> 12 & 0x3f));
		out[2] = (char)(0x80 | (c >> 6 & 0x3f));
		out[3] = (char)(0x80 | (c & 0x3f));
		n = 4;
	}
	pw_strbuf_add_n(b, out, n);
}

/* \u0041, \U0001F600, \x41: the lexer stands on the first digit. */
static int lex_code_point(struct hcl_lexer *l, size_t digits, struct pw_strbuf *b)
{
	uint32_t c = 0;

	for (size_t i = 0; i < digits; i++) {
		int d = pw_hex_digit(peek(l, 0));

		if (d < 0)
			return fail_here(l, "expected a hexadecimal digit in an escape");
		c = c << 4 | (uint32_t)d;
		skip(l, 1);
	}
	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return fail_here(l, "escape is no character");
	add_utf8(b, c);
	return 0;
}

/* The lexer stands behind the backslash. */
static int lex_escape(struct hcl_lexer *l, struct pw_strbuf *b)
{
	static const char from[] = "abfnrtv\\\"", to[] = "\a\b\f\n\r\t\v\\\"";
	char c = peek(l, 0);
	const char *at = c ? strchr(from, c) : NULL;

	if (at) {
		pw_strbuf_add_n(b, &to[at - from], 1);
		skip(l, 1);
		return 0;
	}
	if (c != 'x' && c != 'u' && c != 'U')
		return fail_here(l, "unknown escape, write \\\\ for a backslash");
	skip(l, 1);
	return lex_code_point(l, c == 'x' ? 2 : c == 'u' ? 4 : 8, b);
}

static int lex_string(struct hcl_lexer *l, struct hcl_token *t)
{
	pw_cleanup(pw_strbuf_clear) struct pw_strbuf b = { 0 };
	int r;

	pw_strbuf_add_n(&b, "", 0);
	skip(l, 1);
	while (!at_end(l) && *l->at != '"' && *l->at != '\n') {
		if (*l->at == '\0')
			return fail_here(l, "a zero byte has no place in a string");
		if (*l->at != '\\') {
			pw_strbuf_add_n(&b, l->at, 1);
			skip(l, 1);
			continue;
		}
		skip(l, 1);
		r = lex_escape(l, &b);
		if (r < 0)
			return r;
	}
	if (peek(l, 0) != '"')
		return hcl_lex_fail(l, t->line, t->column,
				    "string has no end on its line, close it with \"");
	skip(l, 1);
	t->type = HCL_STRING;
	t->text = TAKE_PTR(b.text);
	return 0;
}

static bool is_word_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int lex_word(struct hcl_lexer *l, struct hcl_token *t)
{
	size_t n = 0;

	while (is_word_start(peek(l, n)) || is_digit(peek(l, n)) || peek(l, n) == '-' ||
	       peek(l, n) == '.')
		n++;
	t->type = HCL_WORD;
	t->text = pw_xstrndup(l->at, n);
	skip(l, n);
	return 0;
}

static int lex_number(struct hcl_lexer *l, struct hcl_token *t)
{
	char text[64], *end = NULL;
	size_t n = 0;
	int base = 10;

	while (n < sizeof(text) - 1 &&
	       (peek(l, n) == '+' || peek(l, n) == '-' || peek(l, n) == '.' ||
		is_digit(peek(l, n)) || is_word_start(peek(l, n)))) {
		text[n] = peek(l, n);
		n++;
	}
	text[n] = '\0';
	if (strncmp(text + (text[0] == '-'), "0x", 2) == 0)
		base = 16;
	errno = 0;
	t->type = HCL_INTEGER;
	t->integer = strtoll(text, &end, base);
	if (*end && base == 10) {
		errno = 0;
		t->type = HCL_REAL;
		t->real = strtod(text, &end);
	}
	if (end == text || *end)
		return fail_here(l, "this is no number, put text in quotes");
	if (errno == ERANGE || (t->type == HCL_REAL && !isfinite(t->real)))
		return fail_here(l, "number is too large");
	skip(l, n);
	return 0;
}

static int lex_punctuation(struct hcl_lexer *l, struct hcl_token *t)
{
	static const struct {
		char c;
		enum hcl_token_type type;
	} marks[] = {
		{ '\n', HCL_NEWLINE }, { '=', HCL_EQUAL },    { ':', HCL_COLON },
		{ ',', HCL_COMMA },    { '{', HCL_LBRACE },   { '}', HCL_RBRACE },
		{ '[', HCL_LBRACKET }, { ']', HCL_RBRACKET },
	};

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		if (*l->at != marks[i].c)
			continue;
		t->type = marks[i].type;
		skip(l, 1);
		return 0;
	}
	return fail_here(l, "unexpected character");
}

int hcl_lex_next(struct hcl_lexer *l, struct hcl_token *ret)
{
	char c;
	int r;

	r = skip_blank(l);
	if (r < 0)
		return r;
	ret->line = l->line;
	ret->column = l->column;
	if (at_end(l)) {
		ret->type = HCL_END;
		return 0;
	}
	c = *l->at;
	if (c == '"')
		return lex_string(l, ret);
	if (c == '<' && peek(l, 1) == '<')
		return hcl_lex_heredoc(l, ret);
	if (is_digit(c) || c == '-' || c == '+')
		return lex_number(l, ret);
	if (is_word_start(c))
		return lex_word(l, ret);
	return lex_punctuation(l, ret);
}
