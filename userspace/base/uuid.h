/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_BASE_UUID_H
#define PW_BASE_UUID_H
#include "util.h"
#define PW_UUID_LEN 37
void pw_uuid_new(char ret[PW_UUID_LEN]); /* version 4, getrandom() */
bool pw_uuid_valid(const char *s);	 /* 8-4-4-4-12 hex digits, any case */
void pw_random(void *buf, size_t len);
#endif
