// SPDX-License-Identifier: MIT
#include "dm/qmp.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* The QEMU whose answers these are; libxl asks newer ones for other things. */
enum { QEMU_MAJOR = 7, QEMU_MINOR = 2, QEMU_MICRO = 0 };

struct qmp {
	const struct dm_args *args;   /* borrowed */
	struct json_tokener *tokener; /* owned */
	size_t n_begun; /* bytes of an object that has not ended */
	bool ready;     /* capabilities were negotiated */
	char *text;     /* owned; the answer that is being sent */
	size_t n_text, n_sent;
};

typedef struct json_object *json_p;

static void json_free(struct json_object *o)
{
	json_object_put(o);
}
DEFINE_CLEANUP(json_p, json, json_free)

static struct json_object *object(void)
{
	return json_object_new_object();
}

static struct json_object *string(const char *s)
{
	return json_object_new_string(s);
}

/*
 * Adds a member to an object; both are given away. NULL: there was no memory,
 * for this or before.
 */
static struct json_object *with(struct json_object *o, const char *key,
				struct json_object *value)
{
	if (o && value && !json_object_object_add(o, key, value))
		return o;
	json_object_put(o);
	json_object_put(value);
	return NULL;
}

/* The same with the element of an array. */
static struct json_object *with_element(struct json_object *array,
					struct json_object *value)
{
	if (array && value && !json_object_array_add(array, value))
		return array;
	json_object_put(array);
	json_object_put(value);
	return NULL;
}

/*
 * Answers. Each makes the value of "return".
 */

static struct json_object *version(void)
{
	struct json_object *q = object();

	q = with(q, "micro", json_object_new_int(QEMU_MICRO));
	q = with(q, "minor", json_object_new_int(QEMU_MINOR));
	q = with(q, "major", json_object_new_int(QEMU_MAJOR));
	return with(with(object(), "qemu", q), "package", string("xenchan-dm"));
}

static struct json_object *answer_empty(const struct qmp *q)
{
	return object();
}

static struct json_object *answer_none(const struct qmp *q)
{
	return json_object_new_array();
}

static struct json_object *answer_version(const struct qmp *q)
{
	return version();
}

static struct json_object *answer_status(const struct qmp *q)
{
	struct json_object *o = object();

	o = with(o, "status", string("running"));
	o = with(o, "singlestep", json_object_new_boolean(false));
	return with(o, "running", json_object_new_boolean(true));
}

/* A pty is xenchanneld's; its path stands in the frontend's tty, not here. */
static struct json_object *describe(const struct dm_channel *c)
{
	struct json_object *o = object();
	char label[32];
	_cleanup_free_ char *file = NULL;

	snprintf(label, sizeof(label), "libxl-channel%u", c->device);
	if (c->kind == CONSOLE_PTY)
		file = strdup("pty");
	else if (asprintf(&file, "disconnected:unix:%s,server=on", c->path) < 0)
		file = NULL;
	o = with(o, "label", string(label));
	o = with(o, "frontend-open", json_object_new_boolean(false));
	return with(o, "filename", file ? string(file) : NULL);
}

static struct json_object *answer_chardevs(const struct qmp *q)
{
	struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < q->args->n_channels; i++)
		all = with_element(all, describe(&q->args->channels[i]));
	return all;
}

static const struct {
	const char *command;
	struct json_object *(*answer)(const struct qmp *q);
} commands[] = {
	{ "query-chardev", answer_chardevs },
	{ "query-status", answer_status },
	{ "query-version", answer_version },
	/* xenstat asks for these. */
	{ "query-block", answer_none },
	{ "query-blockstats", answer_none },
};

static struct json_object *error(const char *class, const char *text)
{
	struct json_object *e = object();

	e = with(e, "class", string(class));
	e = with(e, "desc", string(text));
	return with(object(), "error", e);
}

static struct json_object *done(struct json_object *value)
{
	return with(object(), "return", value);
}

static struct json_object *answer_command(struct qmp *q, const char *command)
{
	if (!strcmp(command, "qmp_capabilities")) {
		q->ready = true;
		return done(answer_empty(q));
	}
	if (!q->ready)
		return error("CommandNotFound", "first: qmp_capabilities");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(command, commands[i].command))
			return done(commands[i].answer(q));
	}
	return error("CommandNotFound", "xenchan-dm does not know this");
}

static struct json_object *answer_object(struct qmp *q, struct json_object *o)
{
	struct json_object *execute, *id, *answer;

	if (!json_object_object_get_ex(o, "execute", &execute) ||
	    !json_object_is_type(execute, json_type_string))
		return error("GenericError", "no \"execute\" in it");
	answer = answer_command(q, json_object_get_string(execute));
	if (json_object_object_get_ex(o, "id", &id) && id)
		answer = with(answer, "id", json_object_get(id));
	return answer;
}

/* Takes the object. */
static int keep_text(struct qmp *q, struct json_object *o)
{
	_cleanup_(cleanup_jsonp) struct json_object *answer = o;
	const char *json = NULL;
	int n;

	if (answer)
		json = json_object_to_json_string_ext(
			answer, JSON_C_TO_STRING_PLAIN |
					JSON_C_TO_STRING_NOSLASHESCAPE);
	if (!json)
		return -ENOMEM;
	n = asprintf(&q->text, "%s\r\n", json);
	if (n < 0) {
		q->text = NULL;
		return -ENOMEM;
	}
	q->n_text = (size_t)n;
	q->n_sent = 0;
	return 0;
}

static struct json_object *greeting(void)
{
	struct json_object *o = with(object(), "version", version());

	o = with(o, "capabilities", json_object_new_array());
	return with(object(), "QMP", o);
}

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && strchr(" \t\r\n", *p) && *p)
		p++;
	return p;
}

int qmp_feed(struct qmp *q, const char *data, size_t n, size_t *taken)
{
	_cleanup_(cleanup_jsonp) struct json_object *o = NULL;
	const char *p = q->n_begun ? data : skip_space(data, data + n);
	enum json_tokener_error e;

	*taken = n;
	n -= (size_t)(p - data);
	if (!n)
		return 0;
	if (n > QMP_COMMAND_MAX)
		n = QMP_COMMAND_MAX;
	/* Only objects: other values need not have an end. */
	if (!q->n_begun && *p != '{')
		return QMP_MALFORMED;
	o = json_tokener_parse_ex(q->tokener, p, (int)n);
	e = json_tokener_get_error(q->tokener);
	n = json_tokener_get_parse_end(q->tokener);
	*taken = (size_t)(p - data) + n;
	q->n_begun += n;
	if (q->n_begun > QMP_COMMAND_MAX)
		return QMP_MALFORMED;
	if (e == json_tokener_continue)
		return 0;
	if (e != json_tokener_success)
		return QMP_MALFORMED;
	q->n_begun = 0;
	return keep_text(q, answer_object(q, o));
}

const char *qmp_answer(const struct qmp *q, size_t *n)
{
	*n = q->text ? q->n_text - q->n_sent : 0;
	return q->text ? q->text + q->n_sent : NULL;
}

void qmp_sent(struct qmp *q, size_t n)
{
	q->n_sent += n;
	if (q->n_sent < q->n_text)
		return;
	free(TAKE_PTR(q->text));
	q->n_text = q->n_sent = 0;
}

void qmp_free(struct qmp *q)
{
	if (!q)
		return;
	if (q->tokener)
		json_tokener_free(q->tokener);
	free(q->text);
	free(q);
}

DEFINE_CLEANUP(struct qmp *, qmp, qmp_free)

int qmp_new(struct qmp **out, const struct dm_args *args)
{
	_cleanup_(cleanup_qmpp) struct qmp *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return -ENOMEM;
	q->args = args;
	q->tokener = json_tokener_new_ex(QMP_DEPTH_MAX);
	if (!q->tokener)
		return -ENOMEM;
	json_tokener_set_flags(q->tokener, JSON_TOKENER_VALIDATE_UTF8);
	r = keep_text(q, greeting());
	if (!r)
		*out = TAKE_PTR(q);
	return r;
}
