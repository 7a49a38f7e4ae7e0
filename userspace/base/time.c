// SPDX-License-Identifier: Apache-2.0
#include "time.h"
#include "str.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_MS 1000000LL
#define NS_PER_S  1000000000LL

static int64_t clock_ns(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t pw_now_mono_ms(void)
{
	return clock_ns(CLOCK_MONOTONIC) / NS_PER_MS;
}

int64_t pw_now_real_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

/* The micro sign has two code points, and Go takes both. Longer names come before their prefixes.
 */
static const struct {
	const char *name;
	int64_t ns;
} units[] = {
	{ "ns", 1 },	     { "us", 1000 },	{ "\xc2\xb5s", 1000 },	{ "\xce\xbcs", 1000 },
	{ "ms", NS_PER_MS }, { "s", NS_PER_S }, { "m", 60 * NS_PER_S }, { "h", 3600 * NS_PER_S },
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int take_unit(const char **s, int64_t *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (!pw_str_starts(*s, units[i].name))
			continue;
		*s += strlen(units[i].name);
		*ret = units[i].ns;
		return 0;
	}
	return -EINVAL;
}

/* One "12.5s" of a duration, added to *total_ns. */
static int take_term(const char **s, int64_t *total_ns)
{
	int64_t whole = 0, fraction = 0, scale = 1, unit;
	const char *start = *s;
	size_t digits = 0;
	int r;

	for (; is_digit(**s); (*s)++, digits++)
		if (__builtin_mul_overflow(whole, (int64_t)10, &whole) ||
		    __builtin_add_overflow(whole, (int64_t)(**s - '0'), &whole))
			return -ERANGE;
	if (**s == '.') {
		for ((*s)++; is_digit(**s); (*s)++, digits++) {
			/* Behind a billionth no unit has nanoseconds to give, but for hours: 12
			 * digits suffice. */
			if (scale < 1000000000000LL) {
				fraction = fraction * 10 + (**s - '0');
				scale *= 10;
			}
		}
	}
	if (digits == 0 || *s == start)
		return -EINVAL;
	r = take_unit(s, &unit);
	if (r < 0)
		return r;
	if (__builtin_mul_overflow(whole, unit, &whole))
		return -ERANGE;
	whole += (int64_t)((__int128)fraction * unit / scale);
	return whole < 0 || __builtin_add_overflow(*total_ns, whole, total_ns) ? -ERANGE : 0;
}

int pw_duration_parse_ns(const char *s, int64_t *ret_ns)
{
	bool negative = false;
	int64_t total = 0;
	int r;

	if (pw_str_empty(s))
		return -EINVAL;
	if (*s == '-' || *s == '+')
		negative = *s++ == '-';
	if (strcmp(s, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	if (!*s)
		return -EINVAL;
	while (*s) {
		r = take_term(&s, &total);
		if (r < 0)
			return r;
	}
	*ret_ns = negative ? -total : total;
	return 0;
}

int pw_duration_parse_ms(const char *s, int64_t *ret_ms)
{
	int64_t ns;
	int r;

	r = pw_duration_parse_ns(s, &ns);
	if (r < 0)
		return r;
	*ret_ms = ns / NS_PER_MS;
	/* Zero means "not set" to most readers: the shortest durations become the shortest we can
	 * say. */
	if (*ret_ms == 0 && ns != 0)
		*ret_ms = ns > 0 ? 1 : -1;
	return 0;
}

/* "15", "1.5": seconds from milliseconds, without trailing zeroes. */
static void add_seconds(struct pw_strbuf *b, uint64_t ms)
{
	unsigned fraction = (unsigned)(ms % 1000);
	int width = 3;

	pw_strbuf_add(b, "%" PRIu64, ms / 1000);
	if (fraction == 0)
		return;
	for (; fraction % 10 == 0; fraction /= 10)
		width--;
	pw_strbuf_add(b, ".%0*u", width, fraction);
}

char *pw_duration_format_ms(int64_t ms)
{
	uint64_t left = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
	uint64_t hours = left / 3600000, minutes = left / 60000 % 60;
	struct pw_strbuf b = { 0 };

	if (ms == 0)
		return pw_xstrdup("0s");
	if (ms < 0)
		pw_strbuf_add(&b, "-");
	if (left < 1000) {
		pw_strbuf_add(&b, "%" PRIu64 "ms", left);
		return TAKE_PTR(b.text);
	}
	if (hours)
		pw_strbuf_add(&b, "%" PRIu64 "h", hours);
	if (hours || minutes)
		pw_strbuf_add(&b, "%" PRIu64 "m", minutes);
	add_seconds(&b, left % 60000);
	pw_strbuf_add(&b, "s");
	return TAKE_PTR(b.text);
}

char *pw_time_rfc3339(int64_t real_ns)
{
	int64_t seconds = real_ns / NS_PER_S, fraction = real_ns % NS_PER_S;
	struct pw_strbuf b = { 0 };
	struct tm tm;
	time_t t;
	int width = 9;

	if (fraction < 0) {
		fraction += NS_PER_S;
		seconds--;
	}
	t = (time_t)seconds;
	gmtime_r(&t, &tm);
	pw_strbuf_add(&b, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
		      tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	if (fraction) {
		for (; fraction % 10 == 0; fraction /= 10)
			width--;
		pw_strbuf_add(&b, ".%0*" PRId64, width, fraction);
	}
	pw_strbuf_add(&b, "Z");
	return TAKE_PTR(b.text);
}

/* n digits at s, -1 when they are not there. */
static int digits(const char *s, int n)
{
	int v = 0;

	for (int i = 0; i < n; i++) {
		if (!is_digit(s[i]))
			return -1;
		v = v * 10 + (s[i] - '0');
	}
	return v;
}

/* "2024-05-01T10:00:15" */
static int parse_date_time(const char *s, struct tm *ret)
{
	static const int month_days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int year, mon, day, hour, min, sec;
	bool leap;

	if (strnlen(s, 19) < 19 || s[4] != '-' || s[7] != '-' || (s[10] != 'T' && s[10] != 't') ||
	    s[13] != ':' || s[16] != ':')
		return -EINVAL;
	year = digits(s, 4);
	mon = digits(s + 5, 2);
	day = digits(s + 8, 2);
	hour = digits(s + 11, 2);
	min = digits(s + 14, 2);
	sec = digits(s + 17, 2);
	if (year < 0 || mon < 1 || mon > 12 || day < 1 || day > month_days[mon - 1] || hour < 0 ||
	    hour > 23 || min < 0 || min > 59 || sec < 0 || sec > 60)
		return -EINVAL;
	leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	if (mon == 2 && day == 29 && !leap)
		return -EINVAL;
	*ret = (struct tm){ .tm_year = year - 1900,
			    .tm_mon = mon - 1,
			    .tm_mday = day,
			    .tm_hour = hour,
			    .tm_min = min,
			    .tm_sec = sec };
	return 0;
}

/* "Z", "+02:00": seconds east of Greenwich. */
static int parse_zone(const char *s, int *ret_seconds)
{
	int hours, minutes;

	if ((s[0] == 'Z' || s[0] == 'z') && !s[1]) {
		*ret_seconds = 0;
		return 0;
	}
	if ((s[0] != '+' && s[0] != '-') || strlen(s) != 6 || s[3] != ':')
		return -EINVAL;
	hours = digits(s + 1, 2);
	minutes = digits(s + 4, 2);
	if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
		return -EINVAL;
	*ret_seconds = (hours * 60 + minutes) * (s[0] == '-' ? -60 : 60);
	return 0;
}

int pw_time_parse_rfc3339(const char *s, int64_t *ret_ns)
{
	int64_t fraction = 0, scale = NS_PER_S, ns;
	struct tm tm;
	int zone, r;

	if (pw_str_empty(s))
		return -EINVAL;
	r = parse_date_time(s, &tm);
	if (r < 0)
		return r;
	s += 19;
	if (*s == '.') {
		if (!is_digit(*++s))
			return -EINVAL;
		for (; is_digit(*s); s++) {
			scale /= 10;
			fraction += (*s - '0') * scale;
		}
	}
	r = parse_zone(s, &zone);
	if (r < 0)
		return r;
	/* Go's zero time, year 1, does not fit into 64 bits of nanoseconds; it means "not set". */
	if (tm.tm_year + 1900 == 1) {
		*ret_ns = 0;
		return 0;
	}
	if (__builtin_mul_overflow((int64_t)timegm(&tm) - zone, NS_PER_S, &ns) ||
	    __builtin_add_overflow(ns, fraction, &ns))
		return -EINVAL;
	*ret_ns = ns;
	return 0;
}
