/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/chp/hub_log.h"

#include <stdlib.h>
#include <sys/random.h>

enum {
    PRUNE_AFTER = 64, /* entries, and an eighth of what is there */
    CAPACITY_MIN = 64,
};

static uint64_t random_u64(void)
{
    uint64_t n = 0;

    while (n == 0)
        ASSERT(getrandom(&n, sizeof n, 0) == sizeof n);
    return n;
}

struct hub_log *hub_log_new(const char *name, uint64_t max_stale_ms)
{
    struct hub_log *log = calloc(1, sizeof *log);

    if (!log)
        return NULL;
    ASSERT(strlen(name) < sizeof log->name);
    memcpy(log->name, name, strlen(name) + 1);
    log->uuid = (struct id128){random_u64(), random_u64()};
    log->epoch = random_u64();
    log->max_stale_ms = log->max_stale_before_ms = max_stale_ms;
    log->retain_ms = log->retain_changes = UINT64_MAX;
    return log;
}

void hub_log_free(struct hub_log *log)
{
    if (!log)
        return;
    for (size_t i = 0; i < log->count; i++)
        hub_entry_free(log->entries[i]);
    free(log->entries);
    free(log);
}

struct hub_log *hub_logs_find(const struct hub_logs *logs, const char *name)
{
    for (size_t i = 0; i < logs->count; i++)
        if (strcmp(logs->log[i]->name, name) == 0)
            return logs->log[i];
    return NULL;
}

void hub_logs_free(struct hub_logs *logs)
{
    while (logs->count > 0)
        hub_log_free(logs->log[--logs->count]);
}

/* ---- entries -------------------------------------------------------------------------- */

static struct bytes put(uint8_t **to, struct bytes b)
{
    if (b.size_bytes > 0)
        memcpy(*to, b.data, b.size_bytes);
    *to += b.size_bytes;
    return bytes_of(*to - b.size_bytes, b.size_bytes);
}

/* "/accord/shop/remove/greeble:43"; of a member's, its name in the key's place. */
static struct bytes put_key(uint8_t **to, const struct hub_log *log, const struct change *c)
{
    char prefix[TALK_PREFIX_BYTES_MAX];
    const char *word = change_op_word(c->op);
    uint8_t *begin = *to;

    (void)put(to, bytes_of(prefix, talk_prefix(log->name, prefix)));
    (void)put(to, bytes_of_text(word));
    (void)put(to, bytes_of_text("/"));
    (void)put(to, c->op >= CHANGE_JOIN ? c->origin : c->key);
    return bytes_of(begin, (size_t)(*to - begin));
}

struct hub_entry *hub_entry_new(const struct hub_log *log, struct bytes record,
                                struct bytes uuid)
{
    enum { WORD_BYTES_MAX = 32 };
    struct bytes namespace = {0};
    struct change c;

    int status = change_decode(record, &c, &namespace);
    ASSERT(status == ACCORD_OK || status == ACCORD_E_UNSUPPORTED);
    size_t bytes = sizeof(struct hub_entry) + TALK_PREFIX_BYTES_MAX + WORD_BYTES_MAX +
                   KEY_BYTES_MAX + record.size_bytes + uuid.size_bytes;
    bytes -= KEY_BYTES_MAX - u64_max(c.key.size_bytes, c.origin.size_bytes);
    struct hub_entry *e = calloc(1, bytes);
    if (!e)
        return NULL;
    uint8_t *to = (uint8_t *)(e + 1);
    e->bytes = bytes;
    e->message = c.message;
    e->of_member = c.op >= CHANGE_JOIN;
    e->sets_max_stale = change_sets_max_stale(&c);
    e->max_stale_ms = e->sets_max_stale ? c.version : 0;
    e->max_stale_before_ms = e->sets_max_stale ? change_max_stale_before(&c) : 0;
    e->uuid = put(&to, uuid);
    e->key = put_key(&to, log, &c);
    e->record = put(&to, record);
    size_t origin_at = c.origin.size_bytes > 0 ? (size_t)(c.origin.data - record.data) : 0;
    e->origin = bytes_of(e->record.data + origin_at, c.origin.size_bytes);
    return e;
}

void hub_entry_free(struct hub_entry *e)
{
    free(e);
}

static struct hub_entry **bucket_of(struct hub_log *log, struct id128 message)
{
    return &log->buckets[cursor_hash(0, 0, message) % HUB_BUCKETS];
}

struct hub_entry *hub_log_find(const struct hub_log *log, struct id128 message)
{
    struct hub_entry *e = log->buckets[cursor_hash(0, 0, message) % HUB_BUCKETS];

    while (e && !id128_equal(e->message, message))
        e = e->same_bucket;
    return e;
}

bool hub_log_reserve(struct hub_log *log, size_t count)
{
    size_t capacity = log->capacity > 0 ? log->capacity : CAPACITY_MIN;

    while (capacity < log->count + count)
        capacity *= 2;
    if (capacity == log->capacity)
        return true;
    struct hub_entry **entries = realloc(log->entries, capacity * sizeof *entries);
    if (!entries)
        return false;
    log->entries = entries;
    log->capacity = capacity;
    return true;
}

void hub_log_append(struct hub_log *log, struct hub_entry *e, uint64_t position,
                    uint64_t now_ms)
{
    struct hub_entry **bucket = bucket_of(log, e->message);

    ASSERT(log->count < log->capacity);
    ASSERT(position > log->newest);
    e->position = position;
    e->after = log->newest;
    e->added_ms = now_ms;
    e->same_bucket = *bucket;
    *bucket = e;
    log->entries[log->count++] = e;
    log->bytes += e->bytes;
    log->newest = position;
    log->unpruned++;
    if (e->sets_max_stale) {
        log->max_stale_ms = e->max_stale_ms;
        log->max_stale_before_ms = e->max_stale_before_ms;
    }
}

static void drop(struct hub_log *log, struct hub_entry *e)
{
    struct hub_entry **at = bucket_of(log, e->message);

    while (*at != e)
        at = &(*at)->same_bucket;
    *at = e->same_bucket;
    log->bytes -= e->bytes;
    hub_entry_free(e);
}

/* ---- places --------------------------------------------------------------------------- */

size_t hub_log_first_after(const struct hub_log *log, uint64_t position)
{
    size_t low = 0, high = log->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (log->entries[middle]->position <= position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct id128 hub_log_message_at(const struct hub_log *log, uint64_t position)
{
    size_t after = hub_log_first_after(log, position);

    if (after == 0 || log->entries[after - 1]->position != position)
        return (struct id128){0, 0};
    return log->entries[after - 1]->message;
}

uint64_t hub_log_view(const struct hub_log *log, uint64_t view_ms, uint64_t now_ms)
{
    size_t i = log->count;

    while (i > 0 && now_ms - log->entries[i - 1]->added_ms <= view_ms)
        i--;
    return u64_max(i > 0 ? log->entries[i - 1]->position : 0, log->pruned_to);
}

/* ---- what goes ------------------------------------------------------------------------ */

struct pruning {
    uint64_t now_ms;
    size_t changes, beats; /* still there */
};

static bool is_due(const struct hub_log *log, const struct hub_entry *e,
                   const struct pruning *p)
{
    uint64_t age_ms = p->now_ms - e->added_ms;

    if (e->of_member)
        return age_ms > HUB_BEATS_RETAIN_MS || p->beats > HUB_BEATS_MAX;
    return age_ms > log->retain_ms || p->changes > log->retain_changes ||
           log->bytes > CHP_LOG_BYTES_MAX;
}

static void prune(struct hub_log *log, struct pruning p)
{
    size_t kept = 0;

    for (size_t i = 0; i < log->count; i++) {
        struct hub_entry *e = log->entries[i];
        if (i + 1 == log->count || !is_due(log, e, &p)) {
            log->entries[kept++] = e;
            continue;
        }
        p.changes -= !e->of_member;
        p.beats -= e->of_member;
        log->pruned_to = e->of_member ? log->pruned_to : e->position;
        drop(log, e);
    }
    log->count = kept;
    log->unpruned = 0;
}

void hub_log_prune(struct hub_log *log, uint64_t now_ms)
{
    struct pruning p = {.now_ms = now_ms};

    if (log->unpruned <= PRUNE_AFTER + log->count / 8)
        return;
    for (size_t i = 0; i < log->count; i++)
        p.changes += !log->entries[i]->of_member;
    p.beats = log->count - p.changes;
    prune(log, p);
}

void hub_log_renew(struct hub_log *log)
{
    log->epoch = random_u64();
}

void hub_log_cut(struct hub_log *log, size_t count)
{
    for (size_t i = 0; i < count && log->count > 0; i++)
        drop(log, log->entries[--log->count]);
    log->newest = log->count > 0 ? log->entries[log->count - 1]->position : 0;
    hub_log_renew(log);
}
