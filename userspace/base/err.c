// SPDX-License-Identifier: Apache-2.0
#include "err.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A text cut in the middle of a UTF-8 sequence would not be JSON any more. */
static void trim_partial_character(char *text, size_t size)
{
	size_t len = strnlen(text, size), start = len, want;
	unsigned char lead;

	if (len + 1 < size)
		return;
	while (start > 0 && len - start < 4 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
		start--;
	if (start == 0)
		return;
	lead = (unsigned char)text[start - 1];
	want = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
	if (want != len - start)
		text[start - 1] = '\0';
}

int pw_err_set(struct pw_err *err, enum pw_err_class class, int errnum, const char *fmt, ...)
{
	int code = errnum > 0 ? -errnum : errnum;
	char text[sizeof(err->text)];
	va_list args;

	if (code == 0)
		code = -EINVAL;
	if (!err)
		return code;
	/* Into a buffer first: callers may print the text of the very same err. */
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	trim_partial_character(text, sizeof(text));
	err->code = code;
	err->class = class;
	snprintf(err->text, sizeof(err->text), "%s", text[0] ? text : strerror(-code));
	return code;
}

int pw_err_prefix(struct pw_err *err, const char *fmt, ...)
{
	char prefix[512], text[sizeof(err->text) + sizeof(prefix) + 2];
	va_list args;

	if (!err)
		return -EINVAL;
	va_start(args, fmt);
	vsnprintf(prefix, sizeof(prefix), fmt, args);
	va_end(args);
	trim_partial_character(prefix, sizeof(prefix));
	snprintf(text, sizeof(text), "%s: %s", prefix, err->text);
	memcpy(err->text, text, sizeof(err->text) - 1);
	err->text[sizeof(err->text) - 1] = '\0';
	trim_partial_character(err->text, sizeof(err->text));
	return err->code;
}
