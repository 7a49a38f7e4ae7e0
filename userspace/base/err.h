/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_BASE_ERR_H
#define PW_BASE_ERR_H
/*
 * An explanation for the user that travels beside a -errno: what failed, on which object, what to
 * do. The same text becomes the HTTP body and the CLI line. Lives on the caller's stack; no
 * ownership.
 */
#include "util.h"

/* What kind of failure it is, for the edges (HTTP status, gRPC code). */
enum pw_err_class {
	PW_ERR_INTERNAL = 0, /* HTTP 500: also Consul's answer to most failed validations */
	PW_ERR_BAD_REQUEST,  /* 400 */
	PW_ERR_DENIED,	     /* 403 */
	PW_ERR_NOT_FOUND,    /* 404 */
	PW_ERR_LIMIT,	     /* 429 */
	PW_ERR_UNAVAILABLE,  /* 503 */
	PW_ERR_CLASS_MAX_
};

struct pw_err {
	int code; /* 0 or -errno */
	enum pw_err_class class;
	char text[1024]; /* cut at a character, never empty when code is not 0 */
};
#define PW_ERR_INIT \
	{           \
		0   \
	}

/* Sets *err (NULL allowed) and returns -errnum (errnum may be given positive or negative). */
int pw_err_set(struct pw_err *err, enum pw_err_class class, int errnum, const char *fmt, ...)
	pw_printf(4, 5);
/* Puts "text: " in front of what is there; returns err's code. */
int pw_err_prefix(struct pw_err *err, const char *fmt, ...) pw_printf(2, 3);
#endif
