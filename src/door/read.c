/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* read.c - commands that only look at what is here: GET MGET STRLEN EXISTS TTL TYPE SCAN …
 *
 * What a plain Redis client sees, who has no words for the states of a get:
 *
 *   hit                      the value
 *   stale, expired           the value: how long grace lasts is the namespace's own choice
 *   stale, removed softly    nil: nobody would ever load it anew otherwise
 *   stale or unsure, without a lease
 *                            as the namespace's when_unsure says: nil (load), the value, if
 *                            there is one (stale), or -UNSURE (error)
 *   negative, miss           nil
 *
 * ACCORD.GET tells them apart. For every nil, the token is remembered for the SET that follows.
 */
#include "door/connection.h"
#include "wire/glob.h"

#include <stdio.h>
#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    HEADER_GUESS = 6,  /* "$100\r\n": what most values need */
    ROOM_GUESS = 4096, /* for a value, to begin with */
    SCAN_BUCKETS_MIN = 1024,
    SCAN_BUCKETS_MAX = 10000, /* of one SCAN, whatever its COUNT */
};

uint64_t wall_now_ms(void)
{
    struct timespec t;

    ASSERT(clock_gettime(CLOCK_REALTIME, &t) == 0);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / NS_PER_MS;
}

uint64_t key_hash(const struct resp_door *d, struct bytes key)
{
    return XXH3_64bits_withSeed(key.data, key.size_bytes, d->seed);
}

bool key_fits(struct connection *c, struct bytes key)
{
    if (key.size_bytes > 0 && key.size_bytes <= KEY_BYTES_MAX)
        return true;
    if (key.size_bytes == 0)
        reply_error(c, "ERR a key must have at least 1 byte");
    else
        reply_error(c,
                    "TOOLARGE a key of %zu bytes; at most %d: shorten it, or take a hash of it",
                    key.size_bytes, KEY_BYTES_MAX);
    return false;
}

bool keys_fit(struct connection *c, const struct bytes *keys, size_t count, size_t step)
{
    for (size_t i = 0; i < count; i += step) {
        if (!key_fits(c, keys[i]))
            return false;
    }
    return true;
}

const struct namespace_settings *namespace_of(const struct connection *c, struct bytes key)
{
    const struct door_host *host = c->door->host;
    const uint8_t *colon = memchr(key.data, ':', key.size_bytes);
    struct bytes name = bytes_of(key.data, colon ? (size_t)(colon - key.data) : 0);

    for (size_t i = 1; colon && i < host->namespace_count; i++) {
        if (bytes_equal(name, bytes_of_text(host->namespaces[i].name)))
            return &host->namespaces[i];
    }
    return &host->namespaces[0];
}

enum look look_judge(const struct connection *c, struct bytes key,
                     const struct read_result *result)
{
    if (result->state == ACCORD_HIT)
        return LOOK_VALUE;
    if (result->state == ACCORD_MISS || result->state == ACCORD_NEGATIVE)
        return LOOK_NONE;
    if (result->state == ACCORD_STALE && result->why == ACCORD_WHY_EXPIRED)
        return result->flags & ITEM_NEGATIVE ? LOOK_NONE : LOOK_VALUE;
    if (result->state == ACCORD_STALE && result->why == ACCORD_WHY_REMOVED)
        return LOOK_NONE;
    switch (namespace_of(c, key)->when_unsure) {
    case WHEN_UNSURE_STALE:
        return result->state == ACCORD_STALE && !(result->flags & ITEM_NEGATIVE) ? LOOK_VALUE
                                                                                 : LOOK_NONE;
    case WHEN_UNSURE_ERROR:
        return LOOK_ERROR;
    case WHEN_UNSURE_LOAD:
        break;
    }
    return LOOK_NONE;
}

static void reply_unsure(struct connection *c)
{
    reply_error(c, "UNSURE %s", status_text(ACCORD_E_UNSURE));
}

enum look look(struct connection *c, struct bytes key, struct read_result *result)
{
    reader_get(c->door->host->reader, key, NULL, 0, result);
    enum look seen = look_judge(c, key, result);
    if (seen == LOOK_ERROR)
        reply_unsure(c);
    return seen;
}

static void count_get(struct resp_counts *n, enum accord_state state)
{
    n->gets++;
    n->get_hits += state == ACCORD_HIT;
    n->get_stale += state == ACCORD_STALE;
    n->get_negative += state == ACCORD_NEGATIVE;
    n->get_misses += state == ACCORD_MISS;
    n->get_unsure += state == ACCORD_UNSURE;
}

/* The value is copied once, to where it leaves from: behind a header of the usual length, which
 * is known only now. */
bool read_value(struct connection *c, struct bytes key, struct read_result *result,
                enum look *seen)
{
    size_t room = ROOM_GUESS;
    uint8_t header[RESP_HEADER_BYTES_MAX], *at;

    for (;;) {
        at = reply_room(c, room + RESP_HEADER_BYTES_MAX);
        if (!at) {
            *result = (struct read_result){0};
            *seen = LOOK_NONE;
            return false;
        }
        room = c->sink->capacity - c->sink->bytes - RESP_HEADER_BYTES_MAX;
        reader_get(c->door->host->reader, key, at + HEADER_GUESS, room, result);
        if (!result->truncated)
            break;
        room = result->value_bytes;
    }
    *seen = look_judge(c, key, result);
    if (*seen != LOOK_VALUE)
        return false;
    size_t n = resp_put_header(header, '$', result->value_bytes);
    if (n != HEADER_GUESS)
        memmove(at + n, at + HEADER_GUESS, result->value_bytes);
    memcpy(at, header, n);
    n += result->value_bytes;
    at[n] = '\r';
    at[n + 1] = '\n';
    reply_wrote(c, n + 2);
    return true;
}

static void remember_miss(struct connection *c, struct bytes key, const struct token *token)
{
    misses_remember(&c->misses, key_hash(c->door, key), token);
}

bool take_token(struct connection *c, struct bytes key, struct token *out)
{
    return c->misses.live > 0 && misses_take(&c->misses, key_hash(c->door, key),
                                             c->door->host->reader->incarnation, out);
}

/* One GET: a value, or nil. False: unsure, and nothing was written. */
static bool get(struct connection *c, struct bytes key)
{
    struct read_result result;
    enum look seen;

    bool found = read_value(c, key, &result, &seen);
    count_get(&c->door->counts, result.state);
    if (seen == LOOK_ERROR)
        return false;
    if (!found) {
        remember_miss(c, key, &result.token);
        reply_null(c);
    }
    return true;
}

void command_GET(struct connection *c, const struct bytes *args, size_t count)
{
    (void)count;
    if (key_fits(c, args[1]) && !get(c, args[1]))
        reply_unsure(c);
}

/* ---- GETs together -------------------------------------------------------------------- */

bool gets_take(struct connection *c, const uint8_t *data)
{
    struct get_batch *b = c->door->gets;
    const struct resp_argument *a = c->parser.arguments;

    if (!burst_is(c, data, "get", /* count= */ 2) || a[1].bytes == 0 ||
        a[1].bytes > KEY_BYTES_MAX)
        return false;
    sets_run(c);
    if (b->count == GETS_MAX)
        gets_run(c);
    b->requests[b->count].key = bytes_of(data + a[1].offset, a[1].bytes);
    b->count++;
    return true;
}

/* Reads the first `count` keys of the batch. */
static void gets_read(struct connection *c, size_t count)
{
    struct get_batch *b = c->door->gets;

    for (size_t i = 0; i < count; i++) {
        b->requests[i].buffer = b->values[i];
        b->requests[i].buffer_bytes = GETS_VALUE_BYTES;
    }
    reader_get_many(c->door->host->reader, b->requests, count);
}

/* As get(), of what was read. */
static bool got(struct connection *c, const struct read_request *r)
{
    enum look seen = look_judge(c, r->key, &r->result);

    if (r->result.truncated)
        return get(c, r->key);
    count_get(&c->door->counts, r->result.state);
    if (seen == LOOK_VALUE) {
        reply_bulk(c, bytes_of(r->buffer, r->result.value_bytes));
    } else if (seen == LOOK_NONE) {
        remember_miss(c, r->key, &r->result.token);
        reply_null(c);
    }
    return seen != LOOK_ERROR;
}

void gets_run(struct connection *c)
{
    struct get_batch *b = c->door->gets;
    size_t count = b->count;

    if (count == 0)
        return;
    b->count = 0;
    c->commands += count;
    c->door->counts.commands += count;
    c->last_command = "get";
    size_t start = sink_begin(c);
    if (count > 1)
        gets_read(c, count);
    for (size_t i = 0; i < count && !c->doomed; i++) {
        if (!(count > 1 ? got(c, &b->requests[i]) : get(c, b->requests[i].key)))
            reply_unsure(c);
    }
    sink_end(c, start);
}

/* ---- MGET ----------------------------------------------------------------------------- */

/* Several values are one reply, and a reply is bounded: it takes memory until it is read. */
static bool mget_goes_on(struct connection *c, size_t start, bool sure)
{
    if (sure && c->sink->bytes - start <= OUTPUT_BYTES_MAX / 2)
        return !c->doomed;
    c->sink->bytes = start;
    if (sure)
        reply_error(c, "TOOLARGE a reply of more than %zu bytes; ask for fewer keys",
                    OUTPUT_BYTES_MAX / 2);
    else
        reply_unsure(c);
    return false;
}

void command_MGET(struct connection *c, const struct bytes *args, size_t count)
{
    struct get_batch *b = c->door->gets;
    size_t start = c->sink->bytes;

    if (count - 1 > SPREAD_KEYS_MAX) {
        reply_error(c, "TOOLARGE at most %d keys at once", SPREAD_KEYS_MAX);
        return;
    }
    if (!keys_fit(c, args + 1, count - 1, 1))
        return;
    reply_array(c, count - 1);
    for (size_t i = 1; i < count;) {
        size_t n = u64_min(GETS_MAX, count - i);
        for (size_t j = 0; j < n; j++)
            b->requests[j].key = args[i + j];
        gets_read(c, n);
        for (size_t j = 0; j < n; j++) {
            if (!mget_goes_on(c, start, got(c, &b->requests[j])))
                return;
        }
        i += n;
    }
}

void command_STRLEN(struct connection *c, const struct bytes *args, size_t count)
{
    struct read_result result;

    (void)count;
    if (!key_fits(c, args[1]))
        return;
    enum look seen = look(c, args[1], &result);
    if (seen != LOOK_ERROR)
        reply_unsigned(c, seen == LOOK_VALUE ? result.value_bytes : 0);
}

void command_EXISTS(struct connection *c, const struct bytes *args, size_t count)
{
    struct read_result result;
    int64_t found = 0;

    if (!keys_fit(c, args + 1, count - 1, 1))
        return;
    for (size_t i = 1; i < count; i++) {
        enum look seen = look(c, args[i], &result);
        if (seen == LOOK_ERROR)
            return;
        found += seen == LOOK_VALUE;
    }
    reply_integer(c, found);
}

void command_TOUCH(struct connection *c, const struct bytes *args, size_t count)
{
    command_EXISTS(c, args, count);
}

void command_TYPE(struct connection *c, const struct bytes *args, size_t count)
{
    struct read_result result;

    (void)count;
    if (!key_fits(c, args[1]))
        return;
    enum look seen = look(c, args[1], &result);
    if (seen != LOOK_ERROR)
        reply_line(c, seen == LOOK_VALUE ? "string" : "none");
}

/* ---- when does it expire? ------------------------------------------------------------- */

/* Seconds are rounded as Redis does. */
static void ttl(struct connection *c, struct bytes key, bool seconds, bool absolute)
{
    struct read_result result;

    if (!key_fits(c, key))
        return;
    enum look seen = look(c, key, &result);
    if (seen == LOOK_ERROR)
        return;
    if (seen == LOOK_NONE || result.ttl_ns == UINT64_MAX) {
        reply_integer(c, seen == LOOK_NONE ? -2 : -1);
        return;
    }
    uint64_t ms = (result.ttl_ns + NS_PER_MS / 2) / NS_PER_MS + (absolute ? wall_now_ms() : 0);
    reply_unsigned(c, seconds ? (ms + 500) / 1000 : ms);
}

void command_TTL(struct connection *c, const struct bytes *args, size_t count)
{
    (void)count;
    ttl(c, args[1], /* seconds= */ true, /* absolute= */ false);
}

void command_PTTL(struct connection *c, const struct bytes *args, size_t count)
{
    (void)count;
    ttl(c, args[1], /* seconds= */ false, /* absolute= */ false);
}

void command_EXPIRETIME(struct connection *c, const struct bytes *args, size_t count)
{
    (void)count;
    ttl(c, args[1], /* seconds= */ true, /* absolute= */ true);
}

void command_PEXPIRETIME(struct connection *c, const struct bytes *args, size_t count)
{
    (void)count;
    ttl(c, args[1], /* seconds= */ false, /* absolute= */ true);
}

/* ---- SCAN ----------------------------------------------------------------------------- */

struct scan {
    struct connection *c;
    uint64_t cursor;
    struct bytes match;
    bool has_match, none; /* TYPE something else */
    int64_t count;
    int64_t found;
};

static void scan_each(void *context, struct bytes key, const struct read_result *item)
{
    struct scan *s = context;

    if (look_judge(s->c, key, item) != LOOK_VALUE)
        return;
    if (s->none || (s->has_match && !glob_match(s->match, key)))
        return;
    s->found++;
    reply_bulk(s->c, key);
}

static bool scan_options(struct connection *c, const struct bytes *args, size_t count,
                         struct scan *s)
{
    for (size_t i = 2; i < count; i += 2) {
        bool more = i + 1 < count;
        if (more && word_is(args[i], "count")) {
            if (!integer_argument(c, args[i + 1], &s->count))
                return false;
            if (s->count < 1)
                break;
        } else if (more && word_is(args[i], "match")) {
            s->match = args[i + 1];
            s->has_match = !(s->match.size_bytes == 1 && s->match.data[0] == '*');
        } else if (more && word_is(args[i], "type")) {
            s->none = !word_is(args[i + 1], "string");
        } else {
            s->count = 0;
            break;
        }
    }
    if (s->count < 1)
        reply_error(c, "ERR syntax error");
    return s->count >= 1;
}

/* As in Redis, COUNT is a hint: ten times as many buckets are looked at, however few match; a
 * few more where it is small, or an index that is almost empty would take many round trips. */
static void scan_some(struct scan *s)
{
    struct connection *c = s->c;
    uint64_t buckets = 0;
    uint64_t most = s->count > SCAN_BUCKETS_MAX / 10
                        ? SCAN_BUCKETS_MAX
                        : u64_max(10 * (uint64_t)s->count, SCAN_BUCKETS_MIN);

    do
        s->cursor = reader_scan(c->door->host->reader, s->cursor, c->door->key,
                                sizeof c->door->key, scan_each, s);
    while (s->cursor != 0 && s->found < s->count && ++buckets < most && !c->doomed);
}

void command_SCAN(struct connection *c, const struct bytes *args, size_t count)
{
    struct scan s = {.c = c, .count = 10};
    struct buffer *sink = c->sink;
    char cursor[24];

    if (resp_unsigned(args[1], &s.cursor) != ACCORD_OK) {
        reply_error(c, "ERR invalid cursor");
        return;
    }
    if (!scan_options(c, args, count, &s))
        return;
    c->sink = &c->door->temporary; /* how many there are is known last */
    c->sink->bytes = 0;
    scan_some(&s);
    c->sink = sink;
    snprintf(cursor, sizeof cursor, "%llu", (unsigned long long)s.cursor);
    reply_array(c, 2);
    reply_text(c, cursor);
    reply_array(c, (size_t)s.found);
    reply_raw(c, bytes_of(c->door->temporary.data, c->door->temporary.bytes));
    buffer_release(c->door, &c->door->temporary);
}

static void count_each(void *context, struct bytes key, const struct read_result *item)
{
    (void)key;
    *(uint64_t *)context += item->state == ACCORD_HIT || item->state == ACCORD_STALE;
}

void command_DBSIZE(struct connection *c, const struct bytes *args, size_t count)
{
    const struct door_host *host = c->door->host;
    uint64_t cursor = 0, items = 0;

    (void)args;
    (void)count;
    if (host->item_count) {
        reply_unsigned(c, host->item_count(host->node));
        return;
    }
    do
        cursor = reader_scan(host->reader, cursor, c->door->key, sizeof c->door->key,
                             count_each, &items);
    while (cursor != 0);
    reply_unsigned(c, items);
}
