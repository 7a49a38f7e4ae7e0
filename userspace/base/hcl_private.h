/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_BASE_HCL_PRIVATE_H
#define PW_BASE_HCL_PRIVATE_H
/*
 * Tokens of HCL 1. Private to base. A token owns its text; hcl_token_clear frees it.
 * I1 The lexer never reads at or behind end. I2 Every failure has set err, with position.
 */
#include "err.h"

enum hcl_token_type {
	HCL_END,
	HCL_NEWLINE,
	HCL_WORD, /* true, service-name, a.b */
	HCL_STRING,
	HCL_INTEGER,
	HCL_REAL,
	HCL_EQUAL,
	HCL_COLON,
	HCL_COMMA,
	HCL_LBRACE,
	HCL_RBRACE,
	HCL_LBRACKET,
	HCL_RBRACKET,
	HCL_TOKEN_TYPE_MAX_
};
struct hcl_token {
	enum hcl_token_type type;
	char *text; /* words and strings */
	int64_t integer;
	double real;
	unsigned line;
	unsigned column;
};
struct hcl_lexer {
	const char *at;
	const char *end;
	const char *file;
	unsigned line;
	unsigned column; /* in bytes, from 1 */
	struct pw_err *err;
};

int hcl_lex_next(struct hcl_lexer *l, struct hcl_token *ret); /* -EINVAL */
/* The lexer stands on "<<". */
int hcl_lex_heredoc(struct hcl_lexer *l, struct hcl_token *t);
void hcl_token_clear(struct hcl_token *t);
const char *hcl_token_name(enum hcl_token_type type);
/* Sets "FILE:LINE:COLUMN: …"; returns -EINVAL. */
int hcl_lex_fail(struct hcl_lexer *l, unsigned line, unsigned column, const char *fmt, ...)
	pw_printf(4, 5);
#endif
