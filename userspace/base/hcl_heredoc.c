// SPDX-License-Identifier: Apache-2.0
#include "hcl_private.h"
#include "str.h"
#include <string.h>

#define MARK_MAX_BYTES 64

struct heredoc {
	char mark[MARK_MAX_BYTES + 1];
	bool indented; /* <<- : the common indent of all lines is taken away */
};

static size_t line_length(const char *at, const char *end)
{
	const char *newline = memchr(at, '\n', (size_t)(end - at));

	return newline ? (size_t)(newline - at) : (size_t)(end - at);
}

static size_t indent_of(const char *line, size_t len)
{
	size_t n = 0;

	while (n < len && (line[n] == ' ' || line[n] == '\t'))
		n++;
	return n;
}

static bool is_mark(const struct heredoc *h, const char *line, size_t len)
{
	size_t indent = indent_of(line, len);

	if (len > 0 && line[len - 1] == '\r')
		len--;
	return len >= indent && len - indent == strlen(h->mark) &&
	       memcmp(line + indent, h->mark, len - indent) == 0;
}

/* Takes "<<EOT\n" or "<<-EOT\n". */
static int take_head(struct hcl_lexer *l, struct heredoc *h)
{
	size_t n = 0, len;

	l->at += 2;
	if (l->at < l->end && *l->at == '-') {
		h->indented = true;
		l->at++;
	}
	len = line_length(l->at, l->end);
	n = len > 0 && l->at[len - 1] == '\r' ? len - 1 : len;
	if (n == 0 || n > MARK_MAX_BYTES || l->at + len == l->end || memchr(l->at, ' ', n) ||
	    memchr(l->at, '\0', n))
		return hcl_lex_fail(l, l->line, l->column,
				    "heredoc needs a mark alone on its line, for example <<EOT");
	memcpy(h->mark, l->at, n);
	l->at += len + 1;
	l->line++;
	l->column = 1;
	return 0;
}

/* First pass: where the closing mark stands, and the smallest indent of a line that is not blank.
 */
static bool find_mark(const struct hcl_lexer *l, const struct heredoc *h, const char **ret_mark,
		      size_t *ret_indent)
{
	size_t smallest = SIZE_MAX;

	for (const char *at = l->at; at < l->end;) {
		size_t len = line_length(at, l->end), indent = indent_of(at, len);

		if (is_mark(h, at, len)) {
			*ret_mark = at;
			*ret_indent = h->indented && smallest != SIZE_MAX ? smallest : 0;
			return true;
		}
		if (indent < len)
			smallest = pw_min(smallest, indent);
		at += len + (at + len < l->end ? 1 : 0);
	}
	return false;
}

int hcl_lex_heredoc(struct hcl_lexer *l, struct hcl_token *t)
{
	pw_cleanup(pw_strbuf_clear) struct pw_strbuf b = { 0 };
	struct heredoc h = { 0 };
	const char *mark;
	size_t indent;
	int r;

	r = take_head(l, &h);
	if (r < 0)
		return r;
	if (!find_mark(l, &h, &mark, &indent))
		return hcl_lex_fail(l, t->line, t->column,
				    "heredoc has no end, put %s alone on a line", h.mark);
	if (memchr(l->at, '\0', (size_t)(mark - l->at)))
		return hcl_lex_fail(l, t->line, t->column, "a zero byte has no place in a string");
	pw_strbuf_add_n(&b, "", 0);
	while (l->at < mark) {
		size_t len = line_length(l->at, l->end),
		       cut = pw_min(indent, indent_of(l->at, len));

		/* With its newline, also on the last line: as Consul's users know it. */
		pw_strbuf_add_n(&b, l->at + cut, len - cut + 1);
		l->at += len + 1;
		l->line++;
	}
	l->at += line_length(mark, l->end);
	l->column = (unsigned)(l->at - mark) + 1;
	t->type = HCL_STRING;
	t->text = TAKE_PTR(b.text);
	return 0;
}
