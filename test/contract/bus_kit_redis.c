/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus_kit.h"

#include <stdio.h>
#include <stdlib.h>

#include "redis_server.h"
#include "test.h"

/* One server for all that a test opens; a test is a process of its own. */
static struct redis_server server;

static void url(char out[KIT_URL_BYTES_MAX], const char *cluster)
{
    if (server.pid == 0)
        redis_server_begin(&server, "redis", NULL);
    snprintf(out, KIT_URL_BYTES_MAX, "redis://127.0.0.1:%u/0?cluster=%s", server.port, cluster);
}

static const char *key_of(const char *url_text, const char *what)
{
    static char key[128];

    snprintf(key, sizeof key, "accord:{%s}:%s", strchr(url_text, '=') + 1, what);
    return key;
}

static void write_row(const char *url_text, const char *op, struct bytes key)
{
    const char *stream = key_of(url_text, "changes");
    const char *words[] = {"XADD", stream, "*", "op", op, "key", (const char *)key.data};
    size_t sizes[] = {4, strlen(stream), 1, 2, strlen(op), 3, key.size_bytes};
    char answer[256];

    CHECK(redis_server_ask(server.port, answer, sizeof answer, key.data ? 7 : 5, words, sizes));
}

/* As a replica that is promoted before it has the newest entries: it knows nothing of them, and
 * begins a history of its own. */
static void cut(const char *url_text, unsigned count)
{
    char changes[128], log[128], number[16];

    snprintf(changes, sizeof changes, "%s", key_of(url_text, "changes"));
    snprintf(log, sizeof log, "%s", key_of(url_text, "log"));
    snprintf(number, sizeof number, "%u", count);
    redis_server_say(
        server.port, "EVAL",
        "local e = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[1]) "
        "local x = redis.call('XINFO', 'STREAM', KEYS[1]) local added = 0 "
        "for i = 1, #x - 1, 2 do if x[i] == 'entries-added' then added = x[i + 1] end end "
        "for i = 1, #e do redis.call('XDEL', KEYS[1], e[i][1]) end "
        "local l = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1) "
        "local last = #l == 1 and l[1][1] or '0-0' "
        "redis.call('XSETID', KEYS[1], last, 'ENTRIESADDED', added - #e, 'MAXDELETEDID', "
        "'0-0') "
        "redis.call('HSET', KEYS[2], 'last', last)",
        "2", changes, log, number, NULL);
    redis_server_say(server.port, "DEBUG", "CHANGE-REPL-ID", NULL);
}

static void replace(const char *url_text)
{
    char changes[128], log[128];

    snprintf(changes, sizeof changes, "%s", key_of(url_text, "changes"));
    snprintf(log, sizeof log, "%s", key_of(url_text, "log"));
    redis_server_say(server.port, "DEL", changes, log, key_of(url_text, "messages"), NULL);
}

const struct bus_kit bus_kit_redis = {"redis", url, write_row, cut, replace, 0};
