// SPDX-License-Identifier: Apache-2.0
/* An object and its stored text. Secrets are wiped wherever a copy of them ends here. */
#include "table_private.h"

#include <openssl/crypto.h>
#include <string.h>

void row_set_keys(const struct pw_table_def *def, struct pw_obj *obj)
{
	free(obj->key);
	free(obj->alt_key);
	obj->key = def->key(obj);
	obj->alt_key = def->alt_key ? def->alt_key(obj) : NULL;
}

static void wipe_hidden(const struct pw_schema *schema, void *obj)
{
	for (size_t i = 0; i < schema->n_fields; i++) {
		const struct pw_field *f = &schema->fields[i];
		char *s;

		if (f->type != PW_F_STR || !(f->flags & PW_F_HIDDEN))
			continue;
		s = *(char **)((char *)obj + f->offset);
		if (s)
			OPENSSL_cleanse(s, strlen(s));
	}
}

void row_free(const struct pw_table_def *def, struct pw_obj *obj)
{
	if (!obj)
		return;
	free(TAKE_PTR(obj->key));
	free(TAKE_PTR(obj->alt_key));
	if (def->secret)
		wipe_hidden(def->schema, obj);
	pw_schema_free(def->schema, obj);
}

/* Only this module holds v, so its strings may be overwritten before they go. */
static void json_free(const struct pw_table_def *def, json_t *v)
{
	const char *key;
	json_t *value;

	if (def->secret)
		json_object_foreach(v, key, value) if (json_is_string(value))
			OPENSSL_cleanse((char *)json_string_value(value),
					json_string_length(value));
	json_decref(v);
}

char *row_encode(const struct pw_table_def *def, const struct pw_obj *obj)
{
	json_t *v = pw_schema_encode(def->schema, obj, PW_ENCODE_ALL);
	char *text = pw_json_dump(v);

	json_free(def, v);
	return text;
}

void row_text_free(const struct pw_table_def *def, char **text)
{
	if (def->secret)
		pw_secret_freep(text);
	else
		free(TAKE_PTR(*text));
}

int row_decode(const struct pw_table_def *def, const char *text, size_t len, struct pw_obj **ret,
	       struct pw_err *err)
{
	json_t *v = NULL;
	struct pw_obj *obj;
	int r;

	r = pw_json_parse(text, len, &v, err);
	if (r < 0)
		return r;
	obj = pw_xcalloc(1, def->schema->size);
	r = pw_schema_decode(def->schema, v, /* flags= */ 0, obj, err);
	json_free(def, v);
	if (r < 0) {
		row_free(def, obj);
		return r;
	}
	row_set_keys(def, obj);
	*ret = obj;
	return 0;
}
