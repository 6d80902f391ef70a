/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/ask.h"

#include "cli/verb.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SYSTEM_SOCKET "/run/accord/accord.sock"

enum field_type { FIELD_TEXT, FIELD_NUMBER, FIELD_FLAG, FIELD_UNKNOWN };

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
    memset(o, 0, sizeof *o);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            o->json = true;
        else if (strncmp(argv[i], "--socket=", 9) == 0)
            o->socket = argv[i] + 9;
        else if (strcmp(argv[i], "--socket") == 0 && i + 1 < argc)
            o->socket = argv[++i];
        else
            return usage_error(argv[0], "\"%.64s\" is not expected here", argv[i]);
    }
    return EXIT_OK;
}

/* As accord_open() looks for it. */
static const char *default_socket(char path[256])
{
    const char *given = getenv("ACCORD_SOCKET"), *runtime = getenv("XDG_RUNTIME_DIR");

    if (given && *given)
        return given;
    if (!runtime || !*runtime || access(SYSTEM_SOCKET, F_OK) == 0)
        return SYSTEM_SOCKET;
    snprintf(path, 256, "%s/accord.sock", runtime);
    return path;
}

static int say(int status, const char *path)
{
    switch (status) {
    case ACCORD_E_DOWN:
        return fail(EXIT_DOWN,
                    "no daemon answers at %s; start one with accord serve --socket %s, or name "
                    "its socket with --socket or ACCORD_SOCKET",
                    path, path);
    case ACCORD_E_DENIED:
        return fail(EXIT_DOWN,
                    "permission denied at %s: its owner can let you in by making you a member "
                    "of its group, or by --mode of accord serve",
                    path);
    case ACCORD_E_TIMEOUT:
        return fail(EXIT_TIMEOUT, "the daemon at %s did not answer within %d s", path,
                    ASK_MS / 1000);
    default:
        return fail(exit_code_of(status), "%s: %s", path, status_text(status));
    }
}

int ask_view(struct link *link, const struct view_options *o, const char *command,
             const struct reply_node **reply)
{
    char found[256];
    const char *path = o->socket ? o->socket : default_socket(found);
    struct bytes arguments[] = {bytes_of_text(command)};
    uint64_t deadline = monotonic_ns() + ASK_MS * NS_PER_MS;

    link_init(link);
    int status = link_socket(link);
    if (status == ACCORD_OK)
        status = link_connect(link, path, deadline);
    if (status == ACCORD_OK)
        status = link_send(link, arguments, 1, deadline);
    if (status == ACCORD_OK)
        status = link_receive(link, deadline, reply);
    if (status == ACCORD_OK && (*reply)->type == REPLY_ERROR)
        status = fail(EXIT_FAILED, "%.*s", (int)(*reply)->text.size_bytes,
                      (const char *)(*reply)->text.data);
    else if (status != ACCORD_OK)
        status = say(status, path);
    if (status != EXIT_OK)
        link_done(link);
    return status;
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

static json_t *to_json(const struct reply_node *value, enum field_type type)
{
    uint64_t number;

    if (type != FIELD_TEXT && reply_u64(value, &number) == ACCORD_OK)
        return type == FIELD_FLAG ? json_boolean(number != 0)
                                  : json_integer((json_int_t)number);
    if (value->type == REPLY_TEXT)
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
