/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_BASE_TIME_H
#define PW_BASE_TIME_H
#include "err.h"
int64_t pw_now_mono_ms(void);
int64_t pw_now_real_ns(void);
/* Go durations: "1h2m3.5s", "250ms", "0", "1us", "1ns"; negative allowed. -EINVAL, -ERANGE. */
int pw_duration_parse_ms(const char *s, int64_t *ret_ms);
int pw_duration_parse_ns(const char *s, int64_t *ret_ns);
/* as Go prints it: "15s", "2m0s", "72h0m0s", "1.5s", "250ms", "0s" */
char *pw_duration_format_ms(int64_t ms);
char *pw_time_rfc3339(int64_t real_ns); /* "2024-05-01T10:00:15.120931Z", trailing zeroes cut */
int pw_time_parse_rfc3339(const char *s, int64_t *ret_ns); /* -EINVAL */
#endif
