/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/client.h"

#include "cli/reach.h"
#include "cli/verb.h"
#include "wire/change.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int client_fail(int status)
{
    const char *said = accord_last_error();

    if (reach_is_full(bytes_of_text(said)))
        return reach_fail_full(NULL);
    if (strncmp(said, "ERR ", 4) == 0) /* Redis's word for what has no other */
        said += 4;
    return fail(exit_code_of(status), "%s", said[0] ? said : accord_strerror(status));
}

/* A node in this process has no socket to look at. */
static bool is_embedded(const char *socket)
{
    return strncmp(socket, "embed:", 6) == 0;
}

int client_open(struct accord **out, const struct asked *asked,
                const struct accord_options *options)
{
    struct accord_options o = options ? *options : (struct accord_options){0};

    if (asked->timeout_ms > 0) {
        o.request_timeout_ms = (uint32_t)u64_min(asked->timeout_ms, UINT32_MAX);
        o.connect_timeout_ms = o.request_timeout_ms;
    }
    int status = accord_open(out, asked->socket, &o);
    if (status != ACCORD_E_DOWN && status != ACCORD_E_DENIED && status != ACCORD_E_FULL)
        return status == ACCORD_OK ? EXIT_OK : client_fail(status);
    char room[REACH_PATH_BYTES_MAX];
    const char *path = reach_socket(asked->socket, room);
    if (status == ACCORD_E_FULL && !is_embedded(path))
        return reach_fail_full(path);
    return is_embedded(path) ? client_fail(status)
                             : reach_fail(status, path, o.connect_timeout_ms);
}

/* ---- values ---- */

static int read_input(struct owned *out)
{
    size_t room = 64 * 1024, size = 0;
    char *data = malloc(room);

    while (data && size <= VALUE_BYTES_MAX) {
        ssize_t n = read(STDIN_FILENO, data + size, room - size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            free(data);
            return fail(EXIT_FAILED, "standard input: %s", strerror(errno));
        }
        if (n == 0) {
            *out = (struct owned){data, size};
            return EXIT_OK;
        }
        size += (size_t)n;
        if (size == room) {
            char *larger = realloc(data, room * 2);
            room *= 2;
            if (!larger)
                free(data);
            data = larger;
        }
    }
    bool memory = !data;
    free(data);
    return fail(EXIT_FAILED, "%s", memory ? "out of memory" : "the value is over 16 MiB");
}

int value_read(struct owned *out, const char *text)
{
    if (strcmp(text, "-") == 0)
        return read_input(out);
    char *copy = strdup(text);
    if (!copy)
        return fail(EXIT_FAILED, "out of memory");
    *out = (struct owned){copy, strlen(copy)};
    return EXIT_OK;
}

/* ---- printing ---- */

static char *base64(const uint8_t *data, size_t size)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = malloc((size + 2) / 3 * 4 + 1), *to = text;

    if (!text)
        return NULL;
    for (size_t i = 0; i < size; i += 3) {
        uint32_t three = (uint32_t)data[i] << 16;
        if (i + 1 < size)
            three |= (uint32_t)data[i + 1] << 8;
        if (i + 2 < size)
            three |= data[i + 2];
        *to++ = digits[three >> 18];
        *to++ = digits[three >> 12 & 63];
        *to++ = i + 1 < size ? digits[three >> 6 & 63] : '=';
        *to++ = i + 2 < size ? digits[three & 63] : '=';
    }
    *to = 0;
    return text;
}

json_t *json_bytes(const void *data, size_t size_bytes)
{
    json_t *text = json_stringn(data ? data : "", size_bytes);

    if (text)
        return text;
    char *encoded = base64(data, size_bytes);
    json_t *object = encoded ? json_pack("{s:s}", "base64", encoded) : NULL;
    free(encoded);
    return object;
}

int json_print(json_t *object)
{
    if (!object)
        return fail(EXIT_FAILED, "out of memory");
    (void)json_dumpf(object, stdout, JSON_COMPACT);
    json_decref(object);
    putchar('\n');
    return output_done();
}

void print_escaped(const void *data, size_t size_bytes)
{
    const uint8_t *bytes = data;

    for (size_t i = 0; i < size_bytes; i++)
        if (bytes[i] == '\\')
            fputs("\\\\", stdout);
        else if (bytes[i] >= 0x20 && bytes[i] < 0x7f)
            putchar(bytes[i]);
        else
            printf("\\x%02x", bytes[i]);
}

const char *position_text(const struct accord_position *p, char text[POSITION_BYTES_MAX])
{
    _Static_assert((int)POSITION_BYTES_MAX == (int)POSITION_TEXT_BYTES_MAX, "one limit");

    position_print((struct position){p->epoch, p->value}, text);
    return text;
}

/* ---- strict removals ---- */

static void told(void *context, const char *node, int standing)
{
    struct standings *s = context;

    if (!s->lists[standing])
        s->lists[standing] = json_array();
    (void)json_array_append_new(s->lists[standing], json_string(node));
}

int removal_id_check(const char *verb, const char *id)
{
    if (!id || (id[0] && strlen(id) <= RETRY_ID_BYTES_MAX))
        return EXIT_OK;
    return usage_error(verb, "--id: an id has 1 to %d bytes", RETRY_ID_BYTES_MAX);
}

void removal_options(struct accord_remove_options *o, bool soft, uint64_t wait_ms,
                     struct standings *s)
{
    bool wait = wait_ms != WAIT_NOT_ASKED;

    o->flags = (soft ? ACCORD_SOFT : 0u) | (wait ? ACCORD_WAIT : 0u);
    o->wait_ms = wait ? wait_ms : 0;
    o->standing = told;
    o->context = s;
    *s = (struct standings){.asked = wait};
}

static void print_names(const char *before, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        printf("%s%s", i > 0 ? ", " : before, json_string_value(json_array_get(list, i)));
    if (json_array_size(list) > 0)
        putchar('\n');
}

static json_t *list_or_empty(json_t *list)
{
    return list ? json_incref(list) : json_array();
}

static int strict_json(const char *word, bool unknown, const struct accord_position *position,
                       struct standings *s)
{
    char text[POSITION_BYTES_MAX];
    json_t *object = json_pack("{s:s}", "done", unknown ? "unknown" : word);

    if (!unknown)
        (void)json_object_set_new(object, "position",
                                  json_string(position_text(position, text)));
    else
        (void)json_object_set_new(object, "unknown", list_or_empty(s->lists[ACCORD_UNKNOWN]));
    (void)json_object_set_new(object, "confirmed", list_or_empty(s->lists[ACCORD_CONFIRMED]));
    (void)json_object_set_new(object, "lapsed", list_or_empty(s->lists[ACCORD_LAPSED]));
    return json_print(object);
}

int removal_done(const struct asked *asked, const char *word, int status,
                 const struct accord_position *position, struct standings *s)
{
    bool unknown = s->asked && status == ACCORD_E_TIMEOUT;
    int code;

    if (s->asked && asked->json && (unknown || status == ACCORD_OK)) {
        code = strict_json(word, unknown, position, s);
    } else {
        code = change_done(asked, word, status, position);
        print_names("confirmed by ", s->lists[ACCORD_CONFIRMED]);
        print_names("lapsed: ", s->lists[ACCORD_LAPSED]);
        print_names("not confirmed by ", s->lists[ACCORD_UNKNOWN]);
    }
    if (code == EXIT_OK)
        code = status == ACCORD_OK ? output_done() : client_fail(status);
    for (size_t i = 0; i < COUNT_OF(s->lists); i++)
        json_decref(s->lists[i]);
    *s = (struct standings){.asked = false};
    return code;
}

/* Said twice: to who reads the object, and to who reads messages, as of a timeout. */
static int unpublished_json(void)
{
    const char *said = accord_last_error();
    char why[1024];

    snprintf(why, sizeof why, "%s", said[0] ? said : accord_strerror(ACCORD_E_UNPUBLISHED));
    int code = json_print(
        json_pack("{s:s,s:o}", "done", "unpublished", "why", json_bytes(why, strlen(why))));
    return code == EXIT_OK ? fail(EXIT_UNPUBLISHED, "%s", why) : code;
}

int change_done(const struct asked *asked, const char *word, int status,
                const struct accord_position *position)
{
    char text[POSITION_BYTES_MAX];

    if (status == ACCORD_E_UNPUBLISHED && asked->json)
        return unpublished_json();
    if (status != ACCORD_OK)
        return client_fail(status);
    bool none = position->epoch == 0 && position->value == 0; /* ack = local */
    if (asked->json)
        return json_print(json_pack("{s:s,s:s?}", "done", word, "position",
                                    none ? NULL : position_text(position, text)));
    printf("%s %s\n", word,
           none ? "(kept on this host's disk; the bus gets it from there)"
                : position_text(position, text));
    return output_done();
}
