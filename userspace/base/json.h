/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_BASE_JSON_H
#define PW_BASE_JSON_H
/* Jansson behind one door. Depth and size of what is parsed are limited; texts of errors name line
 * and column. */
#include "err.h"
#include <jansson.h>

#define PW_JSON_MAX_BYTES (16 * 1024 * 1024)
/* len may cover trailing white space only; duplicate keys are refused; any JSON value is accepted.
 * Error class BAD_REQUEST. Errors: "EOF" for empty input, "unexpected EOF" when cut, otherwise
 * "line L, column C: …". */
int pw_json_parse(const char *text, size_t len, json_t **ret, struct pw_err *err);
char *pw_json_dump(const json_t *v);   /* compact, key order kept */
char *pw_json_pretty(const json_t *v); /* 4 spaces, no newline at the end */
void pw_json_decrefp(json_t **v);
#define pw_autojson pw_cleanup(pw_json_decrefp)
/* Readers for loose documents: NULL object, missing key or other type give the fallback. */
const char *pw_json_str(const json_t *o, const char *key); /* NULL */
int64_t pw_json_int(const json_t *o, const char *key, int64_t fallback);
bool pw_json_bool(const json_t *o, const char *key, bool fallback);
#endif
