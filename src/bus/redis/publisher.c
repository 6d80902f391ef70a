/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/redis/publisher.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hex.h"
#include "bus/redis/session.h"
#include "net/time.h"

enum {
    HEAD_WORDS_MAX = 16,
    ROW_HEAD_WORDS_MAX = 5, /* message, kind, two numbers, how many words */
    ROW_TEXT_BYTES_MAX = REDIS_ROW_TEXT_BYTES + 48,
    MESSAGE_BYTES = 16,
    MEMBERS_RETAIN_MS = 3600 * 1000,
    PUBLISHED_MIN = 64,
    /* More than one publish appends, so that pruning keeps up; a few milliseconds. */
    PRUNE_ENTRIES = PUBLISH_BATCH_MAX + 76,
};
#define PRUNE_STEP_NS (10 * NS_PER_S) /* between steps when there was nothing to do */

int redis_publisher_init(struct redis_publisher *p, struct redis_shared *shared,
                         char why[BUS_WHY_BYTES_MAX])
{
    *p = (struct redis_publisher){.shared = shared};
    redis_link_init(&p->link);
    p->ids = malloc((size_t)PUBLISH_BATCH_MAX * MESSAGE_BYTES);
    int status = redis_words_init(
        &p->call,
        HEAD_WORDS_MAX + (size_t)PUBLISH_BATCH_MAX * (ROW_HEAD_WORDS_MAX + REDIS_ROW_WORDS_MAX),
        1024 + (size_t)PUBLISH_BATCH_MAX * ROW_TEXT_BYTES_MAX);
    if (status == ACCORD_OK && p->ids)
        return ACCORD_OK;
    redis_publisher_done(p);
    return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
}

void redis_publisher_done(struct redis_publisher *p)
{
    if (!p->shared)
        return;
    redis_link_close(&p->link);
    redis_words_done(&p->call);
    free(p->ids);
    p->ids = NULL;
    p->shared = NULL;
}

static int send_call(struct redis_publisher *p, uint64_t deadline_ns,
                     char why[BUS_WHY_BYTES_MAX])
{
    return redis_link_send(&p->link, p->call.count, p->call.words, p->call.sizes, deadline_ns,
                           why);
}

/* Forgetting. */

/* Asks for a step; its answer is taken before the next publish, which it does not hold up. */
static void prune(struct redis_publisher *p, const struct redis_mark *target, uint64_t now_ns)
{
    const struct bus_settings *s = p->shared->settings;
    char why[BUS_WHY_BYTES_MAX];

    if (now_ns < p->prune_due_ns &&
        p->published < u64_max(s->retain_changes / 8, PUBLISHED_MIN))
        return;
    redis_script_begin(&p->call, REDIS_SCRIPT_PRUNE, p->shared->place);
    redis_words_add_hex(&p->call, target->log.high, &target->log.low);
    redis_words_add_hex(&p->call, target->epoch, NULL);
    redis_words_add_number(&p->call, u64_min(s->retain_ms, INT64_MAX));
    redis_words_add_number(&p->call, u64_min(s->retain_changes, INT64_MAX));
    redis_words_add_number(
        &p->call, u64_max(MEMBERS_RETAIN_MS, 8 * u64_min(s->max_stale_ms, UINT32_MAX)));
    redis_words_add_number(&p->call, PRUNE_ENTRIES);
    p->published = 0;
    p->prune_due_ns = now_ns + PRUNE_STEP_NS;
    p->pruning = send_call(p, redis_deadline(p->shared), why) == ACCORD_OK;
}

/* That it failed is of no consequence: it is tried again later. */
static void end_pruning(struct redis_publisher *p, uint64_t deadline_ns)
{
    char why[BUS_WHY_BYTES_MAX];
    redisReply *reply = NULL;

    if (p->pruning && redis_link_is_open(&p->link) &&
        redis_link_receive(&p->link, &reply, deadline_ns, why) == ACCORD_OK &&
        reply->type == REDIS_REPLY_INTEGER && reply->integer == 1)
        p->prune_due_ns = 0;
    freeReplyObject(reply);
    p->pruning = false;
}

/* Publishing. */

static void put_message(uint8_t *to, struct id128 id)
{
    for (int i = 0; i < 8; i++) {
        to[i] = (uint8_t)(id.high >> (56 - 8 * i));
        to[8 + i] = (uint8_t)(id.low >> (56 - 8 * i));
    }
}

/* A removal of one key by the batch's node, as nearly all are: the script knows its other
 * words. Just what redis_row_write() would write. */
static bool is_plain(const struct change *c, const struct change *first)
{
    return c->op == CHANGE_REMOVE && !c->soft && !c->has_version && !c->has_fingerprint &&
           c->nonce == 0 && c->applied == 0 && c->applied_hash == 0 && c->lease_epoch == 0 &&
           c->about.size_bytes == 0 && c->key.size_bytes > 0 && c->wall_ms > 0 &&
           c->sequence > 0 && !id128_is_none(c->message) && c->origin.size_bytes > 0 &&
           bytes_equal(c->origin, first->origin) && !id128_is_none(c->incarnation) &&
           id128_equal(c->incarnation, first->incarnation);
}

static void write_plain(struct redis_words *w, const struct change *c)
{
    redis_words_add_text(w, "r");
    redis_words_add_hex(w, c->message.high, &c->message.low);
    redis_words_add(w, c->key.data, c->key.size_bytes);
    redis_words_add_number(w, c->wall_ms);
    redis_words_add_number(w, c->sequence);
}

static void write_call(struct redis_publisher *p, const struct redis_mark *target,
                       const char *marked, const struct change *changes, size_t count)
{
    struct redis_words *w = &p->call;

    redis_script_begin(w, REDIS_SCRIPT_PUBLISH, p->shared->place);
    if (id128_is_none(target->log)) {
        redis_words_add_text(w, "");
        redis_words_add_text(w, "");
    } else {
        redis_words_add_hex(w, target->log.high, &target->log.low);
        redis_words_add_hex(w, target->epoch, NULL);
    }
    redis_words_add_text(w, marked);
    if (id128_is_none(target->message))
        redis_words_add_text(w, "");
    else
        redis_words_add_hex(w, target->message.high, &target->message.low);
    redis_words_add(w, changes[0].origin.data, changes[0].origin.size_bytes);
    redis_words_add_hex(w, changes[0].incarnation.high, &changes[0].incarnation.low);
    for (size_t i = 0; i < count; i++) {
        const struct change *c = &changes[i];
        bool sets = change_sets_max_stale(c);
        put_message(p->ids + i * MESSAGE_BYTES, c->message);
        redis_words_add(w, p->ids + i * MESSAGE_BYTES, MESSAGE_BYTES);
        if (is_plain(c, &changes[0])) {
            write_plain(w, c);
            continue;
        }
        redis_words_add_text(w, sets ? "s" : c->op >= CHANGE_JOIN ? "m" : "c");
        if (sets) {
            redis_words_add_number(w, c->version);
            redis_words_add_number(w, change_max_stale_before(c));
        }
        redis_row_write(w, c);
    }
}

static struct bytes word_of(const redisReply *reply, size_t i)
{
    if (reply->type != REDIS_REPLY_ARRAY || i >= reply->elements ||
        reply->element[i]->type != REDIS_REPLY_STRING)
        return bytes_of(NULL, 0);
    return bytes_of(reply->element[i]->str, reply->element[i]->len);
}

static int read_reply(struct redis_publisher *p, const redisReply *reply, struct position *last,
                      uint64_t *newest, char why[BUS_WHY_BYTES_MAX])
{
    const char *changes = p->shared->place->changes;
    struct bytes word = word_of(reply, 0);
    struct position at;

    if (reply->type == REDIS_REPLY_ERROR)
        return redis_session_error(&p->link, reply, "to append", why);
    if (bytes_equal(word, bytes_of_text("none")))
        return bus_fail(why, ACCORD_E_DOWN, "%s was deleted; it is being attached anew",
                        changes);
    if (bytes_equal(word, bytes_of_text("broken")))
        return bus_fail(why, ACCORD_E_DOWN, "%s has an entry of the far future", changes);
    if (!bytes_equal(word, bytes_of_text("ok")))
        return bus_fail(why, ACCORD_E_DOWN,
                        "the server of %s was restarted, restored or replaced; it is being "
                        "attached anew",
                        changes);
    if (!hex_parse(word_of(reply, 1), &at.epoch, NULL) ||
        !redis_id_parse(word_of(reply, 2), &at.value) ||
        !redis_id_parse(word_of(reply, 3), newest))
        return bus_fail(why, ACCORD_E_TIMEOUT, "%s: the answer was not understood", changes);
    *last = at;
    return ACCORD_OK;
}

/* An answer that is missing leaves it open whether the server has taken the changes. */
static int hear(struct redis_publisher *p, redisReply **out, uint64_t deadline_ns,
                char why[BUS_WHY_BYTES_MAX])
{
    int status = redis_link_receive(&p->link, out, deadline_ns, why);

    return status == ACCORD_OK ? ACCORD_OK : ACCORD_E_TIMEOUT;
}

static int hear_replicas(struct redis_publisher *p, uint64_t deadline_ns,
                         char why[BUS_WHY_BYTES_MAX])
{
    uint64_t wanted = p->shared->place->replicas;
    redisReply *reply = NULL;

    int status = hear(p, &reply, deadline_ns, why);
    if (status == ACCORD_OK && reply->type != REDIS_REPLY_INTEGER)
        status = redis_session_error(&p->link, reply, "to wait for its replicas", why);
    else if (status == ACCORD_OK && (uint64_t)reply->integer < wanted)
        status = bus_fail(why, ACCORD_E_TIMEOUT, "%s: %lld of %" PRIu64 " replicas have it yet",
                          p->link.peer, reply->integer, wanted);
    freeReplyObject(reply);
    return status == ACCORD_OK ? ACCORD_OK : ACCORD_E_TIMEOUT;
}

/* The publish, and behind it the question whether the replicas have it. What was not sent whole
 * is not in the log: a server runs whole commands only. */
static int exchange(struct redis_publisher *p, struct position *last, uint64_t *newest,
                    uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    uint64_t replicas = p->shared->place->replicas;
    redisReply *reply = NULL;
    char text[24], wait_ms[24];

    int status = send_call(p, deadline_ns, why);
    if (status != ACCORD_OK)
        return status;
    if (replicas > 0) {
        snprintf(text, sizeof text, "%" PRIu64, replicas);
        snprintf(wait_ms, sizeof wait_ms, "%" PRIu64,
                 p->shared->settings->timeout_ms * 3 / 4 + 1);
        if (redis_link_say(&p->link, deadline_ns, why, "WAIT", text, wait_ms, NULL) !=
            ACCORD_OK)
            return ACCORD_E_TIMEOUT;
    }
    status = hear(p, &reply, deadline_ns, why);
    if (status == ACCORD_OK)
        status = read_reply(p, reply, last, newest, why);
    freeReplyObject(reply);
    if (replicas > 0 && redis_link_is_open(&p->link)) {
        char said[BUS_WHY_BYTES_MAX] = "";
        int waited = hear_replicas(p, deadline_ns, said);
        if (status == ACCORD_OK && waited != ACCORD_OK) {
            memcpy(why, said, sizeof said);
            status = waited;
        }
    }
    return status;
}

int redis_publisher_publish(struct redis_publisher *p, const struct change *changes,
                            size_t count, struct position *last, char why[BUS_WHY_BYTES_MAX])
{
    uint64_t deadline_ns = redis_deadline(p->shared), newest = 0;
    struct redis_mark target = redis_mark_of(p->shared);
    char marked[REDIS_ID_BYTES_MAX];
    struct position at = {0, 0};
    int status = ACCORD_OK;

    end_pruning(p, deadline_ns);
    if (redis_link_is_stale(&p->link))
        status =
            redis_session_open(&p->link, p->shared->place, p->shared->tls, deadline_ns, why);
    if (status != ACCORD_OK)
        return status;
    redis_id_print(target.position, marked);
    write_call(p, &target, marked, changes, count);
    status = exchange(p, &at, &newest, deadline_ns, why);
    if (status != ACCORD_OK)
        return status;
    /* Its message, where the newest entry is the last of ours and not one that was there. */
    redis_mark_move(p->shared, at.epoch, newest,
                    newest == at.value ? changes[count - 1].message : (struct id128){0, 0});
    *last = at;
    p->published += count;
    prune(p, &target, time_monotonic_ns());
    return ACCORD_OK;
}
