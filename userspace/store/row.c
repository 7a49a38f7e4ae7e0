// SPDX-License-Identifier: Apache-2.0
/* An object and its stored text. Secrets are wiped wherever a copy of them ends here. */
#include "table_private.h"

#include <openssl/crypto.h>
#include <string.h>

/* Absent and {} show alike, so they are stored alike: otherwise a row would differ from itself
 * after a restart. */
static void normalise(const struct pw_schema *schema, void *obj)
{
	for (size_t i = 0; i < schema->n_fields; i++) {
		const struct pw_field *f = &schema->fields[i];
		void *at = (char *)obj + f->offset;
		struct pw_list *list = at;
		json_t **json = at;

		if (f->flags & PW_F_ALIAS)
			continue;
		if (f->type == PW_F_JSON && json_is_object(*json) && !json_object_size(*json))
			pw_json_decrefp(json);
		else if (f->type == PW_F_OBJECT)
			normalise(f->sub, at);
		else if (f->type == PW_F_POINTER && *(void **)at)
			normalise(f->sub, *(void **)at);
		else if (f->type == PW_F_LIST)
			for (size_t j = 0; j < list->n; j++)
				normalise(f->sub, list->items[j]);
	}
}

void row_prepare(const struct pw_table_def *def, struct pw_obj *obj)
{
	normalise(def->schema, obj);
	free(obj->key);
	free(obj->alt_key);
	obj->key = def->key(obj);
	obj->alt_key = def->alt_key ? def->alt_key(obj) : NULL;
}

void row_free(const struct pw_table_def *def, struct pw_obj *obj)
{
	if (!obj)
		return;
	free(TAKE_PTR(obj->key));
	free(TAKE_PTR(obj->alt_key));
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
	json_error_t e;
	json_t *v;
	struct pw_obj *obj;
	int r;

	/* Not pw_json_parse: a row is a little deeper and larger than the document that was let in.
	 */
	v = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
	if (!v)
		return pw_err_set(err, PW_ERR_INTERNAL, EBADMSG, "it is not JSON (byte %d)",
				  e.position);
	obj = pw_xcalloc(1, def->schema->size);
	r = pw_schema_decode(def->schema, v, PW_DECODE_ALL, obj, err);
	json_free(def, v);
	if (r < 0) {
		row_free(def, obj);
		return r;
	}
	row_prepare(def, obj);
	*ret = obj;
	return 0;
}
