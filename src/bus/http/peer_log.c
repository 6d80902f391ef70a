/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/http/peer_log.h"

#include <stdlib.h>

/* Whether an entry's stream is still known under its index is told by its incarnation: a parted
 * stream whose changes are all applied is forgotten, and its place given to another. */

static void check(const struct peer_log *log)
{
    ASSERT(log->first + log->count <= log->capacity);
    ASSERT(log->pruned_to <= log->newest);
    ASSERT(log->checkpoint >= log->pruned_to);
    ASSERT(log->checkpoint <= log->newest);
    ASSERT(log->count == 0 ||
           log->entries[log->first + log->count - 1]->position == log->newest);
}

/* ---- entries --------------------------------------------------------------------------- */

struct peer_entry *peer_entry_new(struct bytes record)
{
    struct peer_entry *e = calloc(1, sizeof *e + record.size_bytes);
    struct bytes namespace_name;
    struct change c;

    if (!e)
        return NULL;
    int status = change_decode(record, &c, &namespace_name);
    ASSERT(status == ACCORD_OK || status == ACCORD_E_UNSUPPORTED);
    e->references = 1;
    e->message = c.message;
    e->of_member = c.op >= CHANGE_JOIN;
    e->is_sign = c.op == CHANGE_JOIN || c.op == CHANGE_BEAT;
    e->record_bytes = record.size_bytes;
    memcpy(e->record, record.data, record.size_bytes);
    return e;
}

void peer_entry_drop(struct peer_entry *e)
{
    if (e && --e->references == 0)
        free(e);
}

static size_t memory_of(const struct peer_entry *e)
{
    return sizeof *e + e->record_bytes;
}

static struct peer_entry **bucket_of(struct peer_log *log, struct id128 message)
{
    return &log->buckets[cursor_hash(0, 0, message) % PEER_BUCKETS];
}

const struct peer_entry *peer_log_find(const struct peer_log *log, struct id128 message)
{
    const struct peer_entry *e = log->buckets[cursor_hash(0, 0, message) % PEER_BUCKETS];

    while (e && !id128_equal(e->message, message))
        e = e->same_bucket;
    return e;
}

static void unlink_entry(struct peer_log *log, struct peer_entry *e)
{
    struct peer_entry **at = bucket_of(log, e->message);

    while (*at != e)
        at = &(*at)->same_bucket;
    *at = e->same_bucket;
    log->changes -= !e->of_member;
    log->bytes -= memory_of(e);
    peer_entry_drop(e);
}

/* Positions have no holes. */
struct peer_entry *peer_log_at(const struct peer_log *log, uint64_t position)
{
    uint64_t oldest = log->newest - log->count; /* the position before the first */

    if (position <= oldest || position > log->newest)
        return NULL;
    return log->entries[log->first + (position - oldest - 1)];
}

bool peer_log_reserve(struct peer_log *log, size_t count)
{
    if (log->first > 0 && log->first + log->count + count > log->capacity) {
        memmove(log->entries, log->entries + log->first, log->count * sizeof *log->entries);
        log->first = 0;
    }
    if (log->count + count <= log->capacity - log->first)
        return true;
    size_t capacity = 2 * (log->count + count);
    struct peer_entry **grown = realloc(log->entries, capacity * sizeof *grown);
    if (!grown)
        return false;
    log->entries = grown;
    log->capacity = capacity;
    return true;
}

/* ---- streams --------------------------------------------------------------------------- */

int peer_log_stream(const struct peer_log *log, struct id128 incarnation)
{
    for (int i = 0; i < PEER_STREAMS_MAX; i++)
        if (log->streams[i].used && id128_equal(log->streams[i].incarnation, incarnation))
            return i;
    return -1;
}

static void forget_stream(struct peer_log *log, int stream)
{
    peer_entry_drop(log->streams[stream].sign);
    memset(&log->streams[stream], 0, sizeof log->streams[stream]);
    for (int i = 0; i < PEER_STREAMS_MAX; i++)
        log->streams[i].has_whole[stream] = false;
}

/* Who parted, and of whom all is applied here and wherever beats come from, needs to be named
 * by nobody any more. */
static bool can_be_forgotten(const struct peer_log *log, int stream)
{
    const struct peer_stream *s = &log->streams[stream];

    if (!s->parted || s->at_checkpoint < s->arrived || !s->told_whole)
        return false;
    for (int i = 0; i < PEER_STREAMS_MAX; i++) {
        const struct peer_stream *reader = &log->streams[i];
        if (reader->used && !reader->parted && reader->sign && !reader->has_whole[stream])
            return false;
    }
    return true;
}

static int free_stream(const struct peer_log *log)
{
    for (int i = 0; i < PEER_STREAMS_MAX; i++)
        if (!log->streams[i].used)
            return i;
    for (int i = 0; i < PEER_STREAMS_MAX; i++)
        if (can_be_forgotten(log, i))
            return i;
    return -1;
}

int peer_log_meet(struct peer_log *log, struct id128 incarnation, uint64_t after)
{
    ASSERT(peer_log_stream(log, incarnation) < 0);
    int i = free_stream(log);
    if (i < 0)
        return -1;
    forget_stream(log, i);
    log->streams[i].used = true;
    log->streams[i].incarnation = incarnation;
    log->streams[i].arrived = log->streams[i].at_checkpoint = log->streams[i].pruned = after;
    return i;
}

void peer_log_joins(struct peer_log *log, int stream)
{
    const struct peer_entry *e = peer_log_at(log, log->newest);

    log->streams[stream].covered_to = log->newest;
    log->streams[stream].covered_hash = e ? entry_hash(e->position, e->message) : 0;
}

void peer_log_part(struct peer_log *log, int stream)
{
    ASSERT(log->streams[stream].used);
    log->streams[stream].parted = true;
}

void peer_log_lose(struct peer_log *log, int stream)
{
    ASSERT(log->streams[stream].used);
    forget_stream(log, stream);
}

static struct peer_stream *stream_of(struct peer_log *log, const struct peer_entry *e)
{
    int i = peer_log_stream(log, e->incarnation);

    return i < 0 ? NULL : &log->streams[i];
}

/* ---- the log --------------------------------------------------------------------------- */

struct peer_log *peer_log_new(void)
{
    return calloc(1, sizeof(struct peer_log));
}

static void drop_entries(struct peer_log *log)
{
    for (size_t i = 0; i < log->count; i++)
        peer_entry_drop(log->entries[log->first + i]);
    memset(log->buckets, 0, sizeof log->buckets);
    log->first = log->count = log->changes = log->bytes = 0;
    log->newest = log->pruned_to = log->checkpoint = 0;
}

void peer_log_free(struct peer_log *log)
{
    if (!log)
        return;
    drop_entries(log);
    for (int i = 0; i < PEER_STREAMS_MAX; i++)
        forget_stream(log, i);
    free(log->entries);
    free(log);
}

static void append(struct peer_log *log, struct peer_entry *e, uint64_t now_ms)
{
    struct peer_entry **bucket = bucket_of(log, e->message);

    ASSERT(log->first + log->count < log->capacity);
    e->position = ++log->newest;
    e->added_ms = now_ms;
    e->same_bucket = *bucket;
    *bucket = e;
    log->entries[log->first + log->count++] = e;
    log->changes += !e->of_member;
    log->bytes += memory_of(e);
}

/* A sign of life of the log before, as it stands in this one: it says of nothing here that it
 * was applied. NULL: no memory, which costs the reader that node's next beat. */
static struct peer_entry *sign_again(const struct peer_stream *s)
{
    struct peer_entry *e = malloc(sizeof *e + s->sign->record_bytes);

    if (!e)
        return NULL;
    memcpy(e, s->sign, sizeof *e + s->sign->record_bytes);
    e->references = 1;
    e->translated = true;
    e->applied = e->applied_hash = 0;
    return e;
}

void peer_log_start(struct peer_log *log, struct id128 uuid, uint64_t epoch, uint64_t now_ms)
{
    drop_entries(log);
    log->uuid = uuid;
    log->epoch = epoch;
    for (size_t i = 0; i < PEER_STREAMS_MAX; i++) {
        struct peer_stream *s = &log->streams[i];
        /* The cache began empty after all that had arrived. */
        s->at_checkpoint = s->pruned = s->arrived;
        s->covered_to = s->covered_hash = 0;
        struct peer_entry *e = s->sign && peer_log_reserve(log, 1) ? sign_again(s) : NULL;
        if (!e)
            continue;
        append(log, e, now_ms);
        e->references++;
        peer_entry_drop(s->sign);
        s->sign = e;
    }
    check(log);
}

void peer_log_append(struct peer_log *log, int stream, struct peer_entry *e, uint64_t now_ms)
{
    struct peer_stream *s = &log->streams[stream];

    ASSERT(s->used);
    ASSERT(!s->parted);
    e->incarnation = s->incarnation;
    e->number = ++s->arrived;
    append(log, e, now_ms);
    if (e->of_member) {
        peer_entry_drop(s->sign);
        s->sign = e->is_sign ? e : NULL;
        e->references += e->is_sign;
    }
    check(log);
}

uint64_t peer_log_view(const struct peer_log *log, uint64_t view_ms, uint64_t now_ms)
{
    uint64_t position = log->newest;
    const struct peer_entry *e;

    while ((e = peer_log_at(log, position)) && now_ms - e->added_ms <= view_ms)
        position--;
    return position;
}

/* ---- vectors --------------------------------------------------------------------------- */

static void move_checkpoint(struct peer_log *log, uint64_t to)
{
    while (log->checkpoint < to) {
        const struct peer_entry *e = peer_log_at(log, ++log->checkpoint);
        struct peer_stream *s = e ? stream_of(log, e) : NULL;
        if (s)
            s->at_checkpoint = u64_max(s->at_checkpoint, e->number);
    }
}

size_t peer_log_vector(struct peer_log *log, uint64_t applied,
                       struct peer_place out[PEER_VECTOR_MAX])
{
    size_t count = 0;

    if (applied < log->checkpoint || applied > log->newest)
        return 0;
    move_checkpoint(log, applied);
    for (size_t i = 0; i < PEER_STREAMS_MAX; i++) {
        struct peer_stream *s = &log->streams[i];
        s->told_whole |= s->parted && s->at_checkpoint >= s->arrived;
        if (s->used)
            out[count++] = (struct peer_place){s->incarnation, s->at_checkpoint};
    }
    check(log);
    return count;
}

static const struct peer_place *place_in(const struct peer_place *vector, size_t count,
                                         struct id128 incarnation)
{
    for (size_t i = 0; i < count; i++)
        if (id128_equal(vector[i].incarnation, incarnation))
            return &vector[i];
    return NULL;
}

/* Whom it does not name, its sender has not met yet; or has parted from, has applied all of,
 * and said so before. An entry of whom nobody knows here any more is of one of whom all have.
 */
static bool covers(const struct peer_log *log, int by, const struct peer_place *vector,
                   size_t count, struct id128 incarnation, uint64_t number)
{
    const struct peer_place *p = place_in(vector, count, incarnation);
    int stream = peer_log_stream(log, incarnation);

    if (p)
        return p->number >= number;
    return stream < 0 || log->streams[by].has_whole[stream];
}

static bool covers_what_was_pruned(const struct peer_log *log, int by,
                                   const struct peer_place *vector, size_t count)
{
    for (size_t i = 0; i < PEER_STREAMS_MAX; i++) {
        const struct peer_stream *s = &log->streams[i];
        if (s->used && !covers(log, by, vector, count, s->incarnation, s->pruned))
            return false;
    }
    return true;
}

static void note_wholes(struct peer_log *log, int by, const struct peer_place *vector,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int stream = peer_log_stream(log, vector[i].incarnation);
        if (stream >= 0 && log->streams[stream].parted &&
            vector[i].number >= log->streams[stream].arrived)
            log->streams[by].has_whole[stream] = true;
    }
}

uint64_t peer_log_place(struct peer_log *log, int stream, const struct peer_place *vector,
                        size_t count, uint64_t *hash)
{
    struct peer_stream *s = &log->streams[stream];
    const struct peer_entry *e;

    *hash = s->covered_hash;
    note_wholes(log, stream, vector, count);
    if (count == 0 ||
        (s->covered_to < log->pruned_to && !covers_what_was_pruned(log, stream, vector, count)))
        return s->covered_to;
    uint64_t at = u64_max(s->covered_to, log->pruned_to);
    while ((e = peer_log_at(log, at + 1)) &&
           (e->of_member || covers(log, stream, vector, count, e->incarnation, e->number)))
        at++;
    e = peer_log_at(log, at);
    if (e) { /* else nothing is known of what stood there */
        s->covered_to = at;
        *hash = s->covered_hash = entry_hash(at, e->message);
    }
    return s->covered_to;
}

void peer_log_translate(struct peer_log *log, int stream, struct peer_entry *e,
                        const struct peer_place *vector, size_t count)
{
    e->translated = true;
    e->applied = peer_log_place(log, stream, vector, count, &e->applied_hash);
}

/* ---- pruning --------------------------------------------------------------------------- */

static bool is_to_go(const struct peer_log *log, const struct peer_entry *e, uint64_t retain_ms,
                     uint64_t retain_changes, size_t bytes_max, uint64_t now_ms)
{
    if (log->bytes > bytes_max)
        return true;
    if (e->of_member)
        return now_ms - e->added_ms > PEER_BEATS_RETAIN_MS;
    return now_ms - e->added_ms > retain_ms || log->changes > retain_changes;
}

/* From the oldest on, and not beyond the first that is to stay: positions have no holes. So a
 * sign of life holds what came after it for an hour, and bytes_max is what bounds the memory.
 */
void peer_log_prune(struct peer_log *log, uint64_t retain_ms, uint64_t retain_changes,
                    size_t bytes_max, uint64_t now_ms)
{
    while (log->count > 1) {
        struct peer_entry *e = log->entries[log->first];
        if (!is_to_go(log, e, retain_ms, retain_changes, bytes_max, now_ms))
            break;
        move_checkpoint(log, u64_max(log->checkpoint, e->position));
        struct peer_stream *s = stream_of(log, e);
        if (s)
            s->pruned = u64_max(s->pruned, e->number);
        log->pruned_to = e->position;
        log->first++;
        log->count--;
        unlink_entry(log, e);
    }
    check(log);
}
