// SPDX-License-Identifier: Apache-2.0
#include "log.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

/* One line is one write() of at most this: longer lines are cut and say so. No allocation, for out
 * of memory is logged too. */
#define LINE_MAX_BYTES 8192

struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
	bool cut;
};

static _Atomic int level_now = PW_LOG_INFO;

static const char *const level_names[] = {
	[PW_LOG_TRACE] = "TRACE", [PW_LOG_DEBUG] = "DEBUG", [PW_LOG_INFO] = "INFO",
	[PW_LOG_WARN] = "WARN",	  [PW_LOG_ERROR] = "ERROR",
};
_Static_assert(ARRAY_SIZE(level_names) == PW_LOG_LEVEL_MAX_, "a name for each level");

void pw_log_set_level(enum pw_log_level level)
{
	atomic_store_explicit(&level_now, level, memory_order_relaxed);
}

enum pw_log_level pw_log_level(void)
{
	return (enum pw_log_level)atomic_load_explicit(&level_now, memory_order_relaxed);
}

int pw_log_level_parse(const char *name, enum pw_log_level *ret)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(level_names); i++) {
		if (strcasecmp(name, level_names[i]) == 0) {
			*ret = (enum pw_log_level)i;
			return 0;
		}
	}
	/* Consul's second word for it. */
	if (name && strcasecmp(name, "err") == 0) {
		*ret = PW_LOG_ERROR;
		return 0;
	}
	return -EINVAL;
}

static void add(struct line *l, const char *s, size_t n)
{
	/* Room is kept for "…" spelled in ASCII and the newline. */
	if (l->len + n > sizeof(l->text) - 5) {
		l->cut = true;
		n = sizeof(l->text) - 5 - l->len;
	}
	memcpy(l->text + l->len, s, n);
	l->len += n;
}

static void add_text(struct line *l, const char *s)
{
	add(l, s, strlen(s));
}

static bool needs_quotes(const char *s)
{
	if (!*s)
		return true;
	for (; *s; s++)
		if ((unsigned char)*s <= ' ' || *s == '"' || *s == '=' || *s == '\\' || *s == 0x7f)
			return true;
	return false;
}

static void add_value(struct line *l, const char *s)
{
	char hex[8];

	if (!needs_quotes(s)) {
		add_text(l, s);
		return;
	}
	add_text(l, "\"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\') {
			add_text(l, "\\");
			add(l, s, 1);
		} else if (*s == '\n') {
			add_text(l, "\\n");
		} else if ((unsigned char)*s < ' ' || *s == 0x7f) {
			snprintf(hex, sizeof(hex), "\\x%02x", (unsigned char)*s);
			add_text(l, hex);
		} else {
			add(l, s, 1);
		}
	}
	add_text(l, "\"");
}

static void add_head(struct line *l, enum pw_log_level level, const char *event)
{
	struct timespec now;
	struct tm tm;
	char stamp[96];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	snprintf(stamp, sizeof(stamp), "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s ",
		 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		 now.tv_nsec / 1000000, level_names[level]);
	add_text(l, stamp);
	add_text(l, event);
}

static void write_line(struct line *l)
{
	ssize_t n;

	if (l->cut) {
		memcpy(l->text + l->len, "...", 3);
		l->len += 3;
	}
	l->text[l->len++] = '\n';
	do
		n = write(STDERR_FILENO, l->text, l->len);
	while (n < 0 && errno == EINTR);
}

void pw_log(enum pw_log_level level, const char *event, ...)
{
	int saved = errno;
	const char *key, *value;
	struct line l;
	va_list args;

	if (level < pw_log_level() || level >= PW_LOG_LEVEL_MAX_)
		return;
	l.len = 0;
	l.cut = false;
	add_head(&l, level, event);
	va_start(args, event);
	while ((key = va_arg(args, const char *))) {
		value = va_arg(args, const char *);
		add_text(&l, " ");
		add_text(&l, key);
		add_text(&l, "=");
		add_value(&l, value ? value : "");
	}
	va_end(args);
	write_line(&l);
	errno = saved;
}

static char *number_buffer(void)
{
	static _Thread_local char buffers[16][24];
	static _Thread_local unsigned next;

	return buffers[next++ % ARRAY_SIZE(buffers)];
}

const char *pw_log_u64(uint64_t v)
{
	char *b = number_buffer();

	snprintf(b, 24, "%llu", (unsigned long long)v);
	return b;
}

const char *pw_log_i64(int64_t v)
{
	char *b = number_buffer();

	snprintf(b, 24, "%lld", (long long)v);
	return b;
}
