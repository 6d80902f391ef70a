/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/redis/log.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/hex.h"
#include "bus/redis/session.h"

int redis_log_ask(struct redis_link *l, const struct redis_place *p, struct redis_words *call,
                  uint64_t position, const struct redis_mark *mark, uint64_t deadline_ns,
                  char why[BUS_WHY_BYTES_MAX])
{
    char at[REDIS_ID_BYTES_MAX], marked[REDIS_ID_BYTES_MAX];

    redis_id_print(position, at);
    redis_id_print(mark->position, marked);
    redis_script_begin(call, REDIS_SCRIPT_LOOK, p);
    redis_words_add_text(call, at);
    redis_words_add_text(call, marked);
    return redis_link_send(l, call->count, call->words, call->sizes, deadline_ns, why);
}

static struct bytes text_at(const redisReply *reply, enum redis_look i)
{
    const redisReply *r = reply->element[i];

    return r->type == REDIS_REPLY_STRING ? bytes_of(r->str, r->len) : bytes_of(NULL, 0);
}

static uint64_t number_at(const redisReply *reply, enum redis_look i)
{
    const redisReply *r = reply->element[i];

    return r->type == REDIS_REPLY_STRING ? strtoull(r->str, NULL, 10) : 0;
}

/* The message of the entry, if one was found. */
static struct id128 message_at(const redisReply *reply, enum redis_look i)
{
    const redisReply *r = reply->element[i];
    struct entry e = {.position = 0};

    if (r->type != REDIS_REPLY_ARRAY || r->elements != 1 || !redis_row_read(r->element[0], &e))
        return (struct id128){0, 0};
    return e.change.message;
}

/* An entry that is absent, with newer ones there, was pruned. Of a head that was only heard of,
 * the message is not known. */
static bool lacks_mark(const struct redis_log *log, struct id128 marked,
                       const struct redis_mark *mark)
{
    if (!id128_equal(mark->log, log->log) || mark->epoch != log->epoch)
        return false;
    bool known = !id128_is_none(marked) && !id128_is_none(mark->message);
    return mark->position > log->head || (known && !id128_equal(marked, mark->message));
}

static int damaged(const struct redis_place *p, char why[BUS_WHY_BYTES_MAX])
{
    return bus_fail(why, ACCORD_E_FORMAT,
                    "the log %s is damaged; to begin it anew: redis-cli del %s %s %s", p->log,
                    p->changes, p->log, p->messages);
}

int redis_log_read(struct redis_link *l, const redisReply *reply, const struct redis_place *p,
                   const struct redis_mark *mark, struct redis_log *out,
                   char why[BUS_WHY_BYTES_MAX])
{
    struct redis_log log = {.epoch = 0};

    if (reply->type == REDIS_REPLY_ERROR)
        return redis_session_error(l, reply, "to look at the log", why);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != LOOK_FIELDS)
        return damaged(p, why);
    struct bytes format = text_at(reply, LOOK_FORMAT);
    if (format.size_bytes == 0)
        return bus_fail(why, ACCORD_E_GONE, "%s has no log %s: it was deleted or flushed",
                        l->peer, p->log);
    if (!bytes_equal(format, bytes_of_text("1")))
        return bus_fail(why, ACCORD_E_UNSUPPORTED,
                        "%s has a log of format %.20s, this Accord knows 1; update it", l->peer,
                        (const char *)format.data);
    log.max_stale_ms = number_at(reply, LOOK_MAX_STALE_MS);
    log.max_stale_before_ms =
        u64_max(log.max_stale_ms, number_at(reply, LOOK_MAX_STALE_BEFORE_MS));
    log.time_ms = number_at(reply, LOOK_TIME_MS);
    if (!hex_parse(text_at(reply, LOOK_LOG), &log.log.high, &log.log.low) ||
        !hex_parse(text_at(reply, LOOK_EPOCH), &log.epoch, NULL) || log.max_stale_ms == 0 ||
        !redis_id_parse(text_at(reply, LOOK_HEAD), &log.head) ||
        !redis_id_parse(text_at(reply, LOOK_PRUNED_TO), &log.pruned_to))
        return damaged(p, why);
    log.message = message_at(reply, LOOK_ENTRIES);
    log.lost = bytes_equal(text_at(reply, LOOK_LOST), bytes_of_text("1")) ||
               lacks_mark(&log, message_at(reply, LOOK_MARKED), mark);
    *out = log;
    return ACCORD_OK;
}

int redis_log_prove(const struct redis_log *log, const struct redis_place *p,
                    const struct cursor *at, char why[BUS_WHY_BYTES_MAX])
{
    char id[REDIS_ID_BYTES_MAX];

    redis_id_print(at->position, id);
    if (!id128_equal(log->log, at->log))
        return bus_fail(why, ACCORD_E_GONE, "%s is another log now", p->changes);
    if (log->lost || log->epoch != at->epoch || at->position > log->head)
        return bus_fail(why, ACCORD_E_GONE,
                        "the server of %s was restarted, restored or replaced, or entries were "
                        "deleted: some may be missing",
                        p->changes);
    if (at->position < log->pruned_to)
        return bus_fail(why, ACCORD_E_GONE, "%s: changes after %s were pruned", p->changes, id);
    if (!id128_is_none(at->message) && !id128_equal(at->message, log->message))
        return bus_fail(why, ACCORD_E_GONE, "%s has %s entry at %s: pruned, or another history",
                        p->changes, id128_is_none(log->message) ? "no" : "another", id);
    return ACCORD_OK;
}
