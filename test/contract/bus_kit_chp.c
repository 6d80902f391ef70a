/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* bus_kit_chp.c - a hub of the running test's own, in another process; or two, each in one,
 * that serve the same logs. */
#include "bus_kit.h"
#include "chp_server.h"

#include <stdio.h>
#include <unistd.h>

#include "test.h"

static struct chp_server server, pair[2];

static void url(char out[KIT_URL_BYTES_MAX], const char *cluster)
{
    if (server.pid == 0)
        chp_server_start(&server);
    snprintf(out, KIT_URL_BYTES_MAX, "chp://127.0.0.1:%u/%s", server.port, cluster);
}

static void pair_url(char out[KIT_URL_BYTES_MAX], const char *cluster)
{
    if (pair[0].pid == 0)
        chp_pair_choose(pair);
    for (unsigned i = 0; i < 2 && pair[i].pid == 0; i++)
        chp_server_start(&pair[i]);
    snprintf(out, KIT_URL_BYTES_MAX, "chp://127.0.0.1:%u,127.0.0.1:%u/%s", pair[0].port,
             pair[1].port, cluster);
}

/* Of a pair the one that answers, once the other follows. */
static struct chp_server *active(void)
{
    unsigned i = 0;

    if (pair[0].pid == 0)
        return &server;
    for (; !chp_server_is_whole(&pair[i % 2]); i++) {
        CHECK(i < 6000);
        usleep(10000);
    }
    return &pair[i % 2];
}

static const char *cluster_of(const char *url_text)
{
    return strrchr(url_text, '/') + 1;
}

static void write_key(const char *url_text, const char *op, struct bytes key)
{
    static uint8_t path[2 * KEY_BYTES_MAX];
    int bytes = snprintf((char *)path, sizeof path, "/accord/%s/%s/", cluster_of(url_text), op);

    if (key.size_bytes > 0)
        memcpy(path + bytes, key.data, key.size_bytes);
    chp_server_set(active(), bytes_of(path, (size_t)bytes + key.size_bytes));
}

/* As a server that takes over without the newest entries. */
static void cut(const char *url_text, unsigned count)
{
    chp_server_cut(active(), cluster_of(url_text), count);
}

/* As `accord bus drop` does. */
static void replace(const char *url_text)
{
    char why[BUS_WHY_BYTES_MAX] = "";
    const struct bus_ops *ops = bus_find(url_text, why);
    struct bus_settings s = {
        .url = url_text, .max_stale_ms = MAX_STALE_MS_MIN, .timeout_ms = 30000};

    CHECK(ops && ops->tools.drop(&s, why) == ACCORD_OK);
}

const struct bus_kit bus_kit_chp_pair = {"chp_pair", pair_url, write_key, cut, replace, 0};
const struct bus_kit bus_kit_chp = {"chp", url, write_key, cut, replace, 0};
