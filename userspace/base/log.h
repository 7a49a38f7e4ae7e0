/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_BASE_LOG_H
#define PW_BASE_LOG_H
/*
 * One line per event on stderr: "2026-01-02T03:04:05.678Z INFO event key=value key=\"two words\"".
 * Thread-safe (one write() a line). Values never hold secrets: callers print "(hidden)".
 *
 *	pw_log_info("peering.active", "peer", name, "state", state, NULL);
 *	pw_log_warn("stream.ended", "peer", name, "error", err.text, NULL);
 */
#include "util.h"

enum pw_log_level {
	PW_LOG_TRACE,
	PW_LOG_DEBUG,
	PW_LOG_INFO,
	PW_LOG_WARN,
	PW_LOG_ERROR,
	PW_LOG_LEVEL_MAX_
};

void pw_log_set_level(enum pw_log_level level);
enum pw_log_level pw_log_level(void);
int pw_log_level_parse(const char *name, enum pw_log_level *ret); /* -EINVAL */
/* Pairs of (const char *key, const char *value), ended by NULL; a NULL value prints as "". Values
 * are quoted and escaped where needed. */
void pw_log(enum pw_log_level level, const char *event, ...) __attribute__((sentinel));
#define pw_log_debug(...) pw_log(PW_LOG_DEBUG, __VA_ARGS__)
#define pw_log_info(...)  pw_log(PW_LOG_INFO, __VA_ARGS__)
#define pw_log_warn(...)  pw_log(PW_LOG_WARN, __VA_ARGS__)
#define pw_log_error(...) pw_log(PW_LOG_ERROR, __VA_ARGS__)
/* Numbers as log values: returns one of 16 rotating thread-local buffers. */
const char *pw_log_u64(uint64_t v);
const char *pw_log_i64(int64_t v);
#endif
