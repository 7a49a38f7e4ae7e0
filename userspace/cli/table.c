// SPDX-License-Identifier: Apache-2.0
#include "cli_private.h"
#include <stdarg.h>
#include <string.h>

char *cli_printable(const char *s)
{
	char *safe = pw_xstrdup(pw_str_or_empty(s));

	for (char *c = safe; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	return safe;
}

/* Columns on a terminal: bytes that go on with a UTF-8 character take none. */
static size_t width_of(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

void cli_table_row(struct cli_table *t, ...)
{
	va_list args;

	va_start(args, t);
	for (size_t i = 0; i < t->n_columns; i++) {
		pw_autofree char *cell = cli_printable(va_arg(args, const char *));

		pw_strv_add(&t->cells, cell);
	}
	va_end(args);
}

void cli_table_print(const struct cli_table *t, FILE *to)
{
	size_t widths[CLI_TABLE_MAX_COLUMNS] = { 0 };

	for (size_t i = 0; i < t->cells.n; i++)
		widths[i % t->n_columns] =
			pw_max(widths[i % t->n_columns], width_of(t->cells.items[i]));
	for (size_t i = 0; i < t->cells.n; i++) {
		const char *cell = t->cells.items[i];
		size_t column = i % t->n_columns;

		if (column + 1 == t->n_columns)
			fprintf(to, "%s\n", cell);
		else
			fprintf(to, "%s%*s", cell, (int)(widths[column] - width_of(cell) + 2), "");
	}
}

void cli_table_clear(struct cli_table *t)
{
	pw_strv_clear(&t->cells);
}
