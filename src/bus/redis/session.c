/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/redis/session.h"

#include <stdio.h>
#include <stdlib.h>

#include "bus/redis/script.h"
#include "net/time.h"

/* Replies to come behind that to CLIENT SETNAME: to INFO, HGET, and of the scripts. */
enum { AFTER_THE_NAME = 2 + REDIS_SCRIPTS };

static const struct {
    const char *begin;
    int status;
    bool closes; /* another server, or the same later, may serve us */
    const char *cure;
} errors[] = {
    {"READONLY", ACCORD_E_DOWN, true, "it is a replica now"},
    {"MASTERDOWN", ACCORD_E_DOWN, true, "it is a replica without its primary"},
    {"LOADING", ACCORD_E_DOWN, true, "it still loads its data"},
    {"NOSCRIPT", ACCORD_E_DOWN, true, "its scripts were flushed"},
    {"UNBLOCKED", ACCORD_E_DOWN, true, "it changed its role"},
    {"MOVED", ACCORD_E_UNSUPPORTED, true, "a partitioned Redis is not supported"},
    {"CLUSTERDOWN", ACCORD_E_UNSUPPORTED, true, "a partitioned Redis is not supported"},
    {"BUSY", ACCORD_E_DOWN, true, "a script holds it up"},
    {"NOAUTH", ACCORD_E_DENIED, true, "give user and password in the URL, or password_file"},
    {"WRONGPASS", ACCORD_E_DENIED, true, "user or password are wrong"},
    {"NOPERM", ACCORD_E_DENIED, false, "docs/operating/bus_redis.md lists the rights it takes"},
    {"ACL failure", ACCORD_E_DENIED, false,
     "docs/operating/bus_redis.md lists the rights it takes"},
    {"DB index is out of range", ACCORD_E_IO, true,
     BUS_NEEDS_OPERATOR "the number in the URL's path is the database's: mend it, or raise "
                        "`databases` of redis.conf"},
    {"OOM", ACCORD_E_IO, false, BUS_NEEDS_OPERATOR "it is out of memory; raise its maxmemory"},
    {"MISCONF", ACCORD_E_IO, false, BUS_NEEDS_OPERATOR "it cannot save to its disk"},
    {"NOREPLICAS", ACCORD_E_DOWN, false, "too few replicas follow it (min-replicas-to-write)"},
};

int redis_session_error(struct redis_link *l, const redisReply *reply, const char *what,
                        char why[BUS_WHY_BYTES_MAX])
{
    const char *text = reply->str ? reply->str : "";
    int length = (int)strcspn(text, "\r\n");
    size_t i = 0;

    /* Errors of a script's commands come as "ERR <theirs>" or as they are. */
    while (i < COUNT_OF(errors) && !strstr(text, errors[i].begin))
        i++;
    if (i == COUNT_OF(errors)) {
        (void)bus_fail(why, 0, "%s refused %s: %.*s", l->peer, what,
                       length > 200 ? 200 : length, text);
        redis_link_close(l);
        return ACCORD_E_IO;
    }
    (void)bus_fail(why, 0, "%s refused %s (%s): %s", l->peer, what, errors[i].begin,
                   errors[i].cure);
    if (errors[i].closes)
        redis_link_close(l);
    return errors[i].status;
}

/* What a server says of itself. */
struct server {
    bool primary;
    uint64_t term; /* how many epochs its log has had; 0: it has none */
};

/* The value of "name:value\r\n" in the text of INFO, copied; "" where there is none. */
static void info_value(const char *info, const char *name, char *out, size_t out_bytes)
{
    size_t length = strlen(name);
    const char *at = info;

    out[0] = 0;
    while (at) {
        if (strncmp(at, name, length) == 0 && at[length] == ':') {
            at += length + 1;
            snprintf(out, out_bytes, "%.*s", (int)strcspn(at, "\r\n"), at);
            return;
        }
        at = strchr(at, '\n');
        at = at ? at + 1 : NULL;
    }
}

static int check_info(struct redis_link *l, const struct redis_place *p, const char *info,
                      struct server *out, char why[BUS_WHY_BYTES_MAX])
{
    char value[64];

    info_value(info, "loading", value, sizeof value);
    if (strcmp(value, "1") == 0)
        return bus_fail(why, ACCORD_E_DOWN, "%s still loads its data", l->peer);
    info_value(info, "redis_version", value, sizeof value);
    if (strtoul(value, NULL, 10) < REDIS_VERSION_MIN)
        return bus_fail(
            why, ACCORD_E_UNSUPPORTED,
            "%s is Redis %.20s; Accord needs %d.0 or later, which counts the entries "
            "that were deleted",
            l->peer, value[0] ? value : "of unknown version", REDIS_VERSION_MIN);
    info_value(info, "cluster_enabled", value, sizeof value);
    if (strcmp(value, "1") == 0)
        return bus_fail(
            why, ACCORD_E_UNSUPPORTED,
            "%s is part of a partitioned Redis (cluster-enabled), which may move the "
            "log; give a Redis of its own",
            l->peer);
    info_value(info, "maxmemory_policy", value, sizeof value);
    if (strncmp(value, "allkeys-", 8) == 0 && !p->allow_evicting)
        return bus_fail(why, ACCORD_E_UNSUPPORTED,
                        "%s may throw the log away (maxmemory-policy %s); set it to noeviction "
                        "or volatile-lru, or write allow-evicting=1 in the URL",
                        l->peer, value);
    info_value(info, "role", value, sizeof value);
    out->primary = strcmp(value, "master") == 0;
    return ACCORD_OK;
}

static int say_all(struct redis_link *l, const struct redis_place *p, uint64_t deadline_ns,
                   char why[BUS_WHY_BYTES_MAX])
{
    char database[12];
    int status = ACCORD_OK;

    snprintf(database, sizeof database, "%u", p->database);
    if (p->url.password && p->url.user)
        status =
            redis_link_say(l, deadline_ns, why, "AUTH", p->url.user, p->url.password, NULL);
    else if (p->url.password)
        status = redis_link_say(l, deadline_ns, why, "AUTH", p->url.password, NULL);
    if (status == ACCORD_OK && p->database > 0)
        status = redis_link_say(l, deadline_ns, why, "SELECT", database, NULL);
    if (status == ACCORD_OK)
        status = redis_link_say(l, deadline_ns, why, "CLIENT", "SETNAME", p->client, NULL);
    if (status == ACCORD_OK)
        status = redis_link_say(l, deadline_ns, why, "INFO", NULL);
    if (status == ACCORD_OK)
        status = redis_link_say(l, deadline_ns, why, "HGET", p->log, "term", NULL);
    if (status == ACCORD_OK)
        status = redis_script_load(l, deadline_ns, why);
    return status;
}

static int take(struct redis_link *l, const struct redis_place *p, const redisReply *r,
                struct server *out, char why[BUS_WHY_BYTES_MAX])
{
    if (r->type == REDIS_REPLY_ERROR && l->expected == AFTER_THE_NAME)
        return ACCORD_OK; /* a user without that right goes without a name */
    if (r->type == REDIS_REPLY_ERROR)
        return redis_session_error(l, r, "to log in", why);
    if (r->type == REDIS_REPLY_STRING && strstr(r->str, "redis_version:"))
        return check_info(l, p, r->str, out, why);
    if (r->type == REDIS_REPLY_STRING && l->expected == REDIS_SCRIPTS)
        out->term = strtoull(r->str, NULL, 10);
    return ACCORD_OK;
}

/* One that expects TLS takes our first word for none, and closes. */
static int not_answered(char why[BUS_WHY_BYTES_MAX])
{
    char said[BUS_WHY_BYTES_MAX];

    snprintf(said, sizeof said, "%s", why);
    return bus_fail(why, ACCORD_E_DOWN, "%.300s; does it want rediss://?", said);
}

static int open_one(struct redis_link *l, const struct redis_place *p,
                    const struct bus_url_server *server, struct redis_tls_context *tls,
                    uint64_t deadline_ns, struct server *out, char why[BUS_WHY_BYTES_MAX])
{
    *out = (struct server){.term = 0};
    bool answered = false;

    int status = redis_link_connect(l, server, tls, deadline_ns, why);
    if (status != ACCORD_OK) {
        redis_link_close(l);
        return status;
    }
    status = say_all(l, p, deadline_ns, why);
    while (status == ACCORD_OK && l->expected > 0) {
        redisReply *r = NULL;
        status = redis_link_receive(l, &r, deadline_ns, why);
        answered = answered || status == ACCORD_OK;
        if (status == ACCORD_OK)
            status = take(l, p, r, out, why);
        freeReplyObject(r);
    }
    if (status == ACCORD_E_DOWN && !answered && !tls && time_monotonic_ns() < deadline_ns)
        status = not_answered(why);
    if (status == ACCORD_OK && !out->primary)
        status = bus_fail(why, ACCORD_E_DOWN, "%s is a replica; no primary was found", l->peer);
    if (status != ACCORD_OK)
        redis_link_close(l);
    return status;
}

int redis_session_open(struct redis_link *l, const struct redis_place *p,
                       struct redis_tls_context *tls, uint64_t deadline_ns,
                       char why[BUS_WHY_BYTES_MAX])
{
    uint64_t began_ns = time_monotonic_ns(), best_term = 0;
    uint64_t share_ns = u64_sub_sat(deadline_ns, began_ns) / p->url.server_count;
    int worst = ACCORD_E_DOWN;
    bool found = false;

    redis_link_close(l);
    for (size_t i = 0; i < p->url.server_count; i++) {
        struct redis_link one;
        struct server is;
        char said[BUS_WHY_BYTES_MAX] = "";

        redis_link_init(&one);
        uint64_t until_ns = u64_min(deadline_ns, began_ns + (i + 1) * share_ns);
        int status = open_one(&one, p, &p->url.servers[i], tls, until_ns, &is, said);
        if (status == ACCORD_OK && (!found || is.term > best_term)) {
            redis_link_close(l);
            *l = one;
            best_term = is.term;
            found = true;
        } else if (status == ACCORD_OK) {
            redis_link_close(&one);
        } else if (i == 0 || worst == ACCORD_E_DOWN) { /* a refusal says more than silence */
            worst = status;
            memcpy(why, said, sizeof said);
        }
    }
    return found ? ACCORD_OK : worst;
}
