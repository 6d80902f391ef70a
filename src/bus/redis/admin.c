/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/redis/admin.h"

#include <stdio.h>
#include <stdlib.h>

#include "bus/redis/session.h"
#include "net/time.h"

enum { SCHEMA_BYTES_MAX = 1024 };

/* All commands that this bus sends, itself or in its scripts: the tests run as this user. */
#define RIGHTS                                                                                 \
    "+select +client|setname +client|list +info +time +wait +evalsha +script|load +exists "    \
    "+del +hget +hmget +hset +hdel "                                                           \
    "+hincrby +xadd +xrange +xrevrange +xread +xdel +xtrim +xinfo|stream"

int redis_schema(const struct bus_settings *s, char **out, char why[BUS_WHY_BYTES_MAX])
{
    struct redis_place p;
    char *text = malloc(SCHEMA_BYTES_MAX);

    if (!text)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    int status = redis_place_init(&p, s->url, why);
    if (status != ACCORD_OK) {
        free(text);
        return status;
    }
    snprintf(text, SCHEMA_BYTES_MAX,
             "ACL SETUSER %.64s on >CHANGE-THIS-PASSWORD resetkeys ~accord:{%s}:* "
             "resetchannels -@all " RIGHTS "\n",
             p.url.user ? p.url.user : "accord", p.cluster);
    redis_place_done(&p);
    *out = text;
    return ACCORD_OK;
}

static int drop_at(const struct redis_place *p, struct redis_tls_context *tls,
                   uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    struct redis_link l;
    redisReply *reply = NULL;

    redis_link_init(&l);
    int status = redis_session_open(&l, p, tls, deadline_ns, why);
    if (status == ACCORD_OK)
        status =
            redis_link_say(&l, deadline_ns, why, "DEL", p->changes, p->log, p->messages, NULL);
    if (status == ACCORD_OK)
        status = redis_link_receive(&l, &reply, deadline_ns, why);
    if (status == ACCORD_OK && reply->type == REDIS_REPLY_ERROR)
        status = redis_session_error(&l, reply, "to delete the log", why);
    else if (status == ACCORD_OK && reply->integer == 0)
        status = bus_fail(why, ACCORD_E_GONE, "there is no cluster \"%s\"", p->cluster);
    freeReplyObject(reply);
    redis_link_close(&l);
    return status;
}

int redis_drop(const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX])
{
    struct redis_place p;
    struct redis_tls_context *tls = NULL;

    int status = redis_place_init(&p, s->url, why);
    if (status != ACCORD_OK)
        return status;
    p.allow_evicting = true; /* no reason to leave it there */
    if (p.tls)
        status = redis_tls_context_new(&tls, &p, why);
    if (status == ACCORD_OK)
        status = drop_at(&p, tls, time_monotonic_ns() + s->timeout_ms * NS_PER_MS, why);
    redis_tls_context_free(tls);
    redis_place_done(&p);
    return status;
}
