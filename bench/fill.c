/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "fill.h"

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH = 500, /* a node's connection remembers the tokens of more missed GETs than that */
    COMMAND_BYTES_MAX = 256,
    NIL_BYTES = 5, /* "$-1\r\n", "_\r\n" is not asked for */
    OK_BYTES = 5,  /* "+OK\r\n" */
    BULK_BYTES_MAX = 1 << 20,
};

void fill_key(uint64_t number, char key[FILL_KEY_BYTES + 1])
{
    snprintf(key, FILL_KEY_BYTES + 1, "f:%014llu", (unsigned long long)number);
}

static void expect(int fd, size_t replies, const char *reply, size_t reply_bytes)
{
    char got[16 + 1] = "";

    for (size_t i = 0; i < replies; i++) {
        bench_read(fd, got, reply_bytes);
        if (memcmp(got, reply, reply_bytes) != 0) {
            fprintf(stderr, "bench: expected %s, got %s\n", reply, got);
            exit(1);
        }
    }
}

static void fill_batch(int fd, uint64_t first, size_t count)
{
    static char gets[BATCH * COMMAND_BYTES_MAX], sets[BATCH * COMMAND_BYTES_MAX];
    char value[FILL_VALUE_BYTES + 1], key[FILL_KEY_BYTES + 1];
    size_t get_bytes = 0, set_bytes = 0;

    memset(value, 'v', FILL_VALUE_BYTES);
    value[FILL_VALUE_BYTES] = 0;
    for (size_t i = 0; i < count; i++) {
        fill_key(first + i, key);
        get_bytes += (size_t)snprintf(gets + get_bytes, COMMAND_BYTES_MAX,
                                      "*2\r\n$3\r\nGET\r\n$16\r\n%s\r\n", key);
        set_bytes +=
            (size_t)snprintf(sets + set_bytes, COMMAND_BYTES_MAX,
                             "*3\r\n$3\r\nSET\r\n$16\r\n%s\r\n$100\r\n%s\r\n", key, value);
    }
    bench_write(fd, gets, get_bytes);
    expect(fd, count, "$-1\r\n", NIL_BYTES);
    bench_write(fd, sets, set_bytes);
    expect(fd, count, "+OK\r\n", OK_BYTES);
}

void fill_items(int fd, uint64_t count)
{
    for (uint64_t i = 0; i < count; i += BATCH)
        fill_batch(fd, i, count - i < BATCH ? (size_t)(count - i) : BATCH);
}

const char *fill_bulk(int fd, const char *command)
{
    static char text[BULK_BYTES_MAX];
    const char *head = bench_command(fd, command);
    size_t bytes = strtoul(head + 1, NULL, 10);

    if (head[0] != '$' || bytes + 2 >= sizeof text) {
        fprintf(stderr, "bench: %s answered %s\n", command, head);
        exit(1);
    }
    bench_read(fd, text, bytes + 2);
    text[bytes] = 0;
    return text;
}

const char *fill_info_text(int fd, const char *field)
{
    static char value[200];
    char name[80];
    const char *text = fill_bulk(fd, "INFO");

    snprintf(name, sizeof name, "\n%s:", field);
    const char *at = strstr(text, name);
    if (!at) {
        fprintf(stderr, "bench: INFO has no %s\n", field);
        exit(1);
    }
    at += strlen(name);
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r\n"), at);
    return value;
}

uint64_t fill_info(int fd, const char *field)
{
    return strtoull(fill_info_text(fd, field), NULL, 10);
}

uint64_t fill_integer(int fd, const char *command)
{
    const char *reply = bench_command(fd, command);

    if (reply[0] != ':') {
        fprintf(stderr, "bench: %s answered %s\n", command, reply);
        exit(1);
    }
    return strtoull(reply + 1, NULL, 10);
}
