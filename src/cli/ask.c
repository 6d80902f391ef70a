/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/flags.h" /* first: it brings the public statuses */

#include "cli/ask.h"
#include "cli/reach.h"
#include "cli/verb.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The daemon asks the bus's server who is connected once somebody wants to know. */
enum { ASKING_TRIES = 40, ASKING_US = 25000 };

enum field_type { FIELD_TEXT, FIELD_NUMBER, FIELD_FLAG, FIELD_UNKNOWN, FIELD_MAYBE };

struct field {
    const char *view, *name;
    enum field_type type;
};

static const struct field fields[] = {
#define FIELD(view, name, type, help) {#view, #name, FIELD_##type},
#include "defs/view.def"
};

int view_options_read(struct view_options *o, int argc, char **argv)
{
    struct asked asked;
    int code = flags_read(&asked, NULL, 0, argc, argv);

    if (code != EXIT_OK)
        return code;
    if (asked.word_count > 0)
        return usage_error(argv[0], "\"%.64s\" is not expected here", asked.words[0]);
    *o = (struct view_options){asked.socket, asked.json, asked.timeout_ms};
    return EXIT_OK;
}

/* A Redis answers so, and a daemon from before there was such a command. */
static int refused(const struct reply_node *reply, struct bytes command, const char *path)
{
    static const char unknown[] = "ERR unknown command";
    const char *text = (const char *)reply->text.data;

    if (reach_is_full(reply->text))
        return reach_fail_full(path);
    if (reply->text.size_bytes >= sizeof unknown - 1 &&
        memcmp(text, unknown, sizeof unknown - 1) == 0)
        return fail(EXIT_FAILED,
                    "what listens at %s is not an Accord daemon, or one of a version before "
                    "there was %.*s",
                    path, (int)command.size_bytes, (const char *)command.data);
    int skip = reply->text.size_bytes > 4 && memcmp(text, "ERR ", 4) == 0 ? 4 : 0;
    return fail(EXIT_FAILED, "%.*s", (int)reply->text.size_bytes - skip, text + skip);
}

int ask_daemon(struct link *link, const char *socket, const struct bytes *words, size_t count,
               uint64_t within_ms, const struct reply_node **reply)
{
    char found[REACH_PATH_BYTES_MAX];
    const char *path = reach_socket(socket, found);
    uint64_t deadline = monotonic_ns() + within_ms * NS_PER_MS;

    link_init(link);
    int status = link_socket(link);
    if (status == ACCORD_OK)
        status = link_connect(link, path, deadline);
    if (status == ACCORD_OK)
        status = link_send(link, words, count, deadline);
    if (status == ACCORD_OK)
        status = link_receive(link, deadline, reply);
    if (status == ACCORD_OK && (*reply)->type == REPLY_ERROR)
        status = refused(*reply, words[0], path);
    else if (status != ACCORD_OK)
        status = reach_fail(status, path, within_ms);
    if (status != EXIT_OK)
        link_done(link);
    return status;
}

int ask_view(struct link *link, const struct view_options *o, const char *command,
             const struct reply_node **reply)
{
    struct bytes words[] = {bytes_of_text(command)};

    return ask_daemon(link, o->socket, words, 1, o->timeout_ms ? o->timeout_ms : ASK_MS, reply);
}

static bool is_asking(const struct reply_node *list)
{
    char connected[16] = "";

    for (uint32_t i = 1, row = 0; row < list->count; row++, i = list[i].next) {
        ask_text((struct ask_row){list, i}, "connected", connected, sizeof connected);
        if (strcmp(connected, "asking") == 0)
            return true;
    }
    return false;
}

int ask_nodes(struct link *link, const struct view_options *o, const struct reply_node **list)
{
    int code = ask_view(link, o, "ACCORD.NODES", list);

    for (int i = 0; i < ASKING_TRIES && code == EXIT_OK && is_asking(*list); i++) {
        link_done(link);
        usleep(ASKING_US);
        code = ask_view(link, o, "ACCORD.NODES", list);
    }
    return code;
}

/* Names and values in turn, below the row's own node. */
static const struct reply_node *field_of(struct ask_row row, const char *name)
{
    const struct reply_node *map = &row.nodes[row.index];
    struct bytes wanted = bytes_of_text(name);
    uint32_t i = row.index + 1;

    if (map->type != REPLY_MAP && map->type != REPLY_LIST)
        return NULL;
    for (uint32_t pair = 0; pair + 1 < map->count; pair += 2) {
        const struct reply_node *key = &row.nodes[i], *value = &row.nodes[key->next];
        if (key->type == REPLY_TEXT && bytes_equal(key->text, wanted))
            return value;
        i = value->next;
    }
    return NULL;
}

void ask_text(struct ask_row row, const char *field, char *out, size_t out_bytes)
{
    const struct reply_node *value = field_of(row, field);

    out[0] = 0;
    if (value && value->type == REPLY_TEXT)
        snprintf(out, out_bytes, "%.*s", (int)value->text.size_bytes,
                 (const char *)value->text.data);
    else if (value && value->type == REPLY_INTEGER)
        snprintf(out, out_bytes, "%lld", (long long)value->integer);
}

uint64_t ask_number(struct ask_row row, const char *field)
{
    const struct reply_node *value = field_of(row, field);
    uint64_t number = 0;

    if (value && reply_u64(value, &number) != ACCORD_OK)
        return 0;
    return number;
}

/* What nobody knows is null, whatever its type. */
static bool is_unknown(const struct reply_node *value, enum field_type type)
{
    return type == FIELD_UNKNOWN ||
           (type == FIELD_MAYBE && (value->text.size_bytes == 0 ||
                                    bytes_equal(value->text, bytes_of_text("unknown"))));
}

static json_t *to_json(const struct reply_node *value, enum field_type type)
{
    bool is_text = type == FIELD_TEXT || type == FIELD_MAYBE;
    uint64_t number;

    if (!is_text && reply_u64(value, &number) == ACCORD_OK)
        return type == FIELD_FLAG ? json_boolean(number != 0)
                                  : json_integer((json_int_t)number);
    if (value->type == REPLY_TEXT && !is_unknown(value, type))
        return json_stringn((const char *)value->text.data, value->text.size_bytes);
    return json_null();
}

struct json_t *ask_json(struct ask_row row, const char *view)
{
    json_t *object = json_object();

    for (size_t i = 0; object && i < COUNT_OF(fields); i++) {
        const struct reply_node *value;
        if (strcmp(fields[i].view, view) != 0 || !(value = field_of(row, fields[i].name)))
            continue;
        json_object_set_new(object, fields[i].name, to_json(value, fields[i].type));
    }
    return object;
}

void ask_print_json(const struct reply_node *list, const char *view)
{
    json_t *array = json_array();

    for (uint32_t i = 1, row = 0; array && row < list->count; row++, i = list[i].next)
        json_array_append_new(array, ask_json((struct ask_row){list, i}, view));
    char *text = array ? json_dumps(array, JSON_COMPACT) : NULL;
    printf("%s\n", text ? text : "[]");
    free(text);
    json_decref(array);
}
