/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_BASE_HCL_H
#define PW_BASE_HCL_H
/*
 * HCL 1, as Consul's users write it (no C library exists), into the same json_t that JSON gives.
 * Text that starts with '{' is parsed as JSON. key = value, key { block }, key "label" { block }
 * (nested objects), lists, objects (separators , or newline), heredocs (<<EOT, <<-EOT), comments #
 * // and C style, numbers, booleans, strings with escapes. A block that appears once becomes an
 * object, several become a list of objects. A value key that appears twice is refused. Depth is
 * limited to 32, input to 1 MiB. Errors: "FILE:LINE:COLUMN: what, what to do", class BAD_REQUEST.
 */
#include "err.h"
#include "json.h"

int pw_hcl_parse(const char *text, size_t len, const char *file, json_t **ret, struct pw_err *err);
#endif
