/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_BASE_SCHEMA_H
#define PW_BASE_SCHEMA_H
/*
 * C structs described as data, so that one engine decodes, encodes, copies, compares and frees all
 * of them: API bodies, config files, stored rows. A struct lists its fields once:
 *
 *	static const struct pw_field node_fields[] = {
 *		PW_FIELD(struct pw_node, "Node", name, PW_F_STR, 0),
 *		PW_FIELD(struct pw_node, "Meta", meta, PW_F_MAP, PW_F_OMITEMPTY),
 *	};
 *	const struct pw_schema pw_node_schema = PW_SCHEMA("Node", struct pw_node, node_fields);
 *
 * Keys are matched without regard to case and underscores (Consul takes CamelCase and snake_case
 * alike). Fields keep their order when encoded. I1 A zeroed struct is valid. I2 decode writes
 * nothing to *obj on failure. I3 clear leaves a zeroed struct.
 */
#include "err.h"
#include "json.h"
#include "str.h"

enum pw_field_type {
	PW_F_STR,  /* char *               "" and absent are both NULL-or-empty; encodes as "" */
	PW_F_BOOL, /* bool */
	PW_F_INT,  /* int64_t */
	PW_F_UINT, /* uint64_t */
	PW_F_DURATION_MS, /* int64_t ms           Go duration string, or a number of nanoseconds;
			     encodes as "15s" */
	PW_F_TIME_NS, /* int64_t ns, realtime RFC 3339 with nanoseconds; 0 encodes as null (omitted
			 with OMITEMPTY) */
	PW_F_STRV,    /* struct pw_strv       a single string is taken as a list of one */
	PW_F_MAP,     /* struct pw_map        string to string */
	PW_F_OBJECT,  /* struct inline, sub */
	PW_F_POINTER, /* struct pointer, sub; NULL when absent or null */
	PW_F_LIST, /* struct pw_list of heap structs of sub; a single object is taken as a list of
		      one */
	PW_F_JSON, /* json_t *             kept as it came */
	PW_F_TYPE_MAX_
};
enum pw_field_flags {
	PW_F_OMITEMPTY = 1, /* not encoded when zero or empty */
	PW_F_NULL = 2,	    /* an empty list, map or JSON encodes as null instead of [] or {} */
	PW_F_READONLY = 4,  /* encoded, but ignored when decoding */
	PW_F_HIDDEN = 8,    /* decoded, but never encoded by pw_schema_encode (secrets, internals);
			       PW_ENCODE_ALL encodes it */
	PW_F_ALIAS = 16,    /* a second name of a field: decoded only */
};
struct pw_schema;
struct pw_field {
	const char *name;
	enum pw_field_type type;
	unsigned flags;
	size_t offset;
	const struct pw_schema *sub;
};
struct pw_schema {
	const char *name; /* in errors: "json: cannot unmarshal number into field NAME.KEY of type
			     string" */
	size_t size;
	const struct pw_field *fields;
	size_t n_fields;
};
#define PW_FIELD(st, key, member, ftype, fflags)                                                  \
	{                                                                                         \
		.name = (key), .type = (ftype), .flags = (fflags), .offset = offsetof(st, member) \
	}
#define PW_FIELD_SUB(st, key, member, ftype, fflags, schema)                                       \
	{                                                                                          \
		.name = (key), .type = (ftype), .flags = (fflags), .offset = offsetof(st, member), \
		.sub = (schema)                                                                    \
	}
#define PW_SCHEMA(nm, st, arr)                                                                 \
	{                                                                                      \
		.name = (nm), .size = sizeof(st), .fields = (arr), .n_fields = ARRAY_SIZE(arr) \
	}

enum pw_decode_flags {
	PW_DECODE_LOOSE = 1, /* unknown keys are ignored; without it they are refused: json: unknown
				field "Nope" */
	PW_DECODE_STRICT = 2, /* a single value is not taken for a list of one: bodies that Consul
				 decodes with plain JSON */
	PW_DECODE_ALL = 4,    /* PW_F_READONLY fields are decoded too: for the store */
};
enum pw_encode_flags { PW_ENCODE_ALL = 1 /* hidden fields too: for the store */ };

/* obj must be zeroed or hold defaults (fields absent from v keep them). -EINVAL with class
 * BAD_REQUEST. */
int pw_schema_decode(const struct pw_schema *s, const json_t *v, unsigned flags, void *obj,
		     struct pw_err *err);
json_t *pw_schema_encode(const struct pw_schema *s, const void *obj, unsigned flags);
void pw_schema_clear(const struct pw_schema *s, void *obj);
/* dst is cleared first; deep, hidden fields too */
void pw_schema_copy(const struct pw_schema *s, void *dst, const void *src);
/* Fields of src go to dst, whose own are freed first; src is zeroed. Members that are not fields
 * stay as they are in dst. */
void pw_schema_move(const struct pw_schema *s, void *dst, void *src);
bool pw_schema_equal(const struct pw_schema *s, const void *a, const void *b); /* all fields */
void *pw_schema_dup(const struct pw_schema *s, const void *src);
void pw_schema_free(const struct pw_schema *s, void *obj); /* clear + free, NULL-safe */
void pw_schema_list_clear(const struct pw_schema *s, struct pw_list *l);
#endif
