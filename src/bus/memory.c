/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/memory.h"

#include "net/time.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum {
    NAME_BYTES_MAX = 128,
    BUCKETS = 65536,               /* of the table that finds a message */
    BEATS_RETAIN_MS = 3600 * 1000, /* members' entries, whatever retain_ms says */
};

/* One entry, with the bytes of its change behind it. Shared by the log and by deliveries. */
struct record {
    struct record *same_bucket;
    unsigned references;
    uint64_t added_ms; /* of the monotonic clock */
    struct entry entry;
    uint8_t bytes[];
};

struct log {
    struct log *next;
    char name[NAME_BYTES_MAX];
    pthread_mutex_t mutex; /* guards all below, and the references of its records */
    pthread_cond_t changed;
    struct id128 uuid;
    uint64_t epoch;
    uint64_t max_stale_ms; /* 0: no bus has opened it yet */
    uint64_t max_stale_before_ms;
    struct record **records; /* positions growing */
    size_t count, capacity;
    uint64_t newest;    /* position last given */
    uint64_t pruned_to; /* newest change that was pruned */
    size_t unpruned;    /* records added since the last pruning */
    bool down;
    unsigned answers_to_lose;
    struct memory *open; /* all that have it open, chained */
    struct record *buckets[BUCKETS];
};

struct memory {
    struct bus_base base;
    struct log *log;
    struct bus_settings settings;
    bool woken;          /* guarded by the log's mutex, as is: */
    struct memory *next; /* that has the log open */

    struct id128 log_seen; /* what was attached; guarded by the log's mutex */
    uint64_t epoch_seen;

    /* Of the reading thread: what read() last delivered, and where it stood. */
    struct record *held[DELIVER_BATCH_MAX];
    struct entry delivered[DELIVER_BATCH_MAX];
    size_t held_count;
    uint64_t position_seen;
    struct id128 message_seen;
};

static pthread_mutex_t logs_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct log *logs;

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / NS_PER_MS;
}

/* Out of memory is the end of a test bus, not a case to recover from. */
static void *must(void *memory)
{
    ASSERT(memory);
    return memory;
}

static struct id128 id_random(void)
{
    struct id128 id;

    ASSERT(getrandom(&id, sizeof id, 0) == sizeof id);
    return id;
}

static struct log *log_new(const char *name)
{
    struct log *log = must(calloc(1, sizeof *log));
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&log->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&log->mutex, NULL);
    memcpy(log->name, name, strlen(name) + 1);
    log->uuid = id_random();
    log->epoch = id_random().low;
    return log;
}

static struct log *log_of(const char *name)
{
    struct log *log;

    pthread_mutex_lock(&logs_mutex);
    for (log = logs; log && strcmp(log->name, name) != 0; log = log->next)
        ;
    if (!log) {
        log = log_new(name);
        log->next = logs;
        logs = log;
    }
    pthread_mutex_unlock(&logs_mutex);
    return log;
}

/* Records. */

static struct bytes copied(uint8_t **to, struct bytes b)
{
    if (b.size_bytes == 0)
        return bytes_of(NULL, 0);
    memcpy(*to, b.data, b.size_bytes);
    *to += b.size_bytes;
    return bytes_of(*to - b.size_bytes, b.size_bytes);
}

static struct record *record_new(const struct change *c)
{
    size_t bytes = c->key.size_bytes + c->origin.size_bytes + c->about.size_bytes;
    struct record *r = must(calloc(1, sizeof *r + bytes));
    uint8_t *to = r->bytes;

    r->references = 1;
    r->added_ms = now_ms();
    r->entry.change = *c;
    r->entry.change.key = copied(&to, c->key);
    r->entry.change.origin = copied(&to, c->origin);
    r->entry.change.about = copied(&to, c->about);
    return r;
}

static void record_drop(struct record *r)
{
    if (--r->references == 0)
        free(r);
}

static struct record **bucket_of(struct log *log, struct id128 message)
{
    return &log->buckets[cursor_hash(0, 0, message) % BUCKETS];
}

static struct record *find_message(struct log *log, struct id128 message)
{
    struct record *r = *bucket_of(log, message);

    while (r && !id128_equal(r->entry.change.message, message))
        r = r->same_bucket;
    return r;
}

static void unlink_record(struct log *log, struct record *r)
{
    struct record **at = bucket_of(log, r->entry.change.message);

    while (*at != r)
        at = &(*at)->same_bucket;
    *at = r->same_bucket;
    record_drop(r);
}

static struct record *append(struct log *log, const struct change *c)
{
    struct record *r = record_new(c);
    struct record **bucket = bucket_of(log, c->message);

    if (log->count == log->capacity) {
        log->capacity = log->capacity > 0 ? 2 * log->capacity : 64;
        log->records = must(realloc(log->records, log->capacity * sizeof *log->records));
    }
    r->entry.position = ++log->newest;
    r->same_bucket = *bucket;
    *bucket = r;
    log->records[log->count++] = r;
    log->unpruned++;
    return r;
}

static bool of_member(const struct record *r)
{
    return r->entry.change.op >= CHANGE_JOIN;
}

/* Drops what is old, and changes beyond their count; never the newest entry (B8). */
static void prune(struct log *log, const struct bus_settings *s)
{
    uint64_t now = now_ms(), changes = 0;
    size_t kept = 0;

    for (size_t i = 0; i < log->count; i++)
        changes += !of_member(log->records[i]);
    for (size_t i = 0; i < log->count; i++) {
        struct record *r = log->records[i];
        uint64_t age_ms = now - r->added_ms;
        bool member = of_member(r);
        bool drop = member ? age_ms > BEATS_RETAIN_MS
                           : age_ms > s->retain_ms || changes > s->retain_changes;

        if (drop && i + 1 < log->count) {
            changes -= !member;
            log->pruned_to = member ? log->pruned_to : r->entry.position;
            unlink_record(log, r);
            continue;
        }
        log->records[kept++] = r;
    }
    log->count = kept;
    log->unpruned = 0;
}

/* The index of the first record after `position`. */
static size_t first_after(const struct log *log, uint64_t position)
{
    size_t low = 0, high = log->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (log->records[middle]->entry.position <= position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct id128 message_at(const struct log *log, uint64_t position)
{
    size_t after = first_after(log, position);

    if (after == 0 || log->records[after - 1]->entry.position != position)
        return (struct id128){0, 0};
    return log->records[after - 1]->entry.change.message;
}

/* Whether the log still proves what a reader at `position` believes (B7). */
static bool proven(const struct log *log, uint64_t position, struct id128 message)
{
    if (position < log->pruned_to || position > log->newest)
        return false;
    return id128_is_none(message) || id128_equal(message, message_at(log, position));
}

/* The methods. */

static int memory_open(struct bus **out, const struct bus_settings *s,
                       char why[BUS_WHY_BYTES_MAX])
{
    const char *name = strchr(s->url, ':') + 1;

    if (!name[0] || strlen(name) >= NAME_BYTES_MAX || strchr(name, '?'))
        return bus_fail(why, ACCORD_E_INVALID,
                        "\"%.100s\": expected memory:NAME, 1 to %d bytes, without options",
                        s->url, NAME_BYTES_MAX - 1);
    struct memory *m = must(calloc(1, sizeof *m));
    m->base.ops = &bus_memory;
    m->settings = *s;
    m->settings.url = NULL;
    m->log = log_of(name);
    pthread_mutex_lock(&m->log->mutex);
    if (m->log->max_stale_ms == 0)
        m->log->max_stale_ms = m->log->max_stale_before_ms = s->max_stale_ms;
    m->next = m->log->open;
    m->log->open = m;
    pthread_mutex_unlock(&m->log->mutex);
    *out = (struct bus *)m;
    return ACCORD_OK;
}

static void release(struct memory *m)
{
    for (size_t i = 0; i < m->held_count; i++)
        record_drop(m->held[i]);
    m->held_count = 0;
}

static void memory_close(struct bus *b)
{
    struct memory *m = (struct memory *)b;

    if (!m)
        return;
    pthread_mutex_lock(&m->log->mutex);
    release(m);
    struct memory **at = &m->log->open;
    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    pthread_mutex_unlock(&m->log->mutex);
    free(m);
}

static int down(const struct log *log, char why[BUS_WHY_BYTES_MAX])
{
    return bus_fail(why, ACCORD_E_DOWN, "memory:%s is down", log->name);
}

/* Before every entry younger than view_ms, and as far back as nothing has been pruned. */
static uint64_t view_begin(const struct log *log, uint64_t view_ms)
{
    uint64_t now = now_ms();
    size_t i = log->count;

    while (i > 0 && now - log->records[i - 1]->added_ms <= view_ms)
        i--;
    return u64_max(i > 0 ? log->records[i - 1]->entry.position : 0, log->pruned_to);
}

static uint64_t begin_at(const struct log *log, const struct cursor *resume, uint64_t view_ms)
{
    if (resume && view_ms == 0)
        return resume->position;
    uint64_t view = view_begin(log, view_ms);

    return resume ? u64_min(view, resume->position) : view;
}

static int attach_locked(struct memory *m, const struct cursor *resume, uint64_t view_ms,
                         struct bus_attached *out, char why[BUS_WHY_BYTES_MAX])
{
    struct log *log = m->log;

    if (log->down)
        return down(log, why);
    if (resume && (!id128_equal(resume->log, log->uuid) || resume->epoch != log->epoch ||
                   !proven(log, resume->position, resume->message)))
        return bus_fail(why, ACCORD_E_GONE, "memory:%s no longer has the entry at the cursor",
                        log->name);
    *out = (struct bus_attached){
        .log = log->uuid,
        .epoch = log->epoch,
        .after = begin_at(log, resume, view_ms),
        .head = log->newest,
        .max_stale_ms = log->max_stale_ms,
        .max_stale_before_ms = log->max_stale_before_ms,
        .resumed = resume != NULL,
    };
    m->log_seen = log->uuid;
    m->epoch_seen = log->epoch;
    m->position_seen = out->after;
    m->message_seen = message_at(log, out->after);
    return ACCORD_OK;
}

static int memory_attach(struct bus *b, const struct cursor *resume, uint64_t view_ms,
                         struct bus_attached *out, char why[BUS_WHY_BYTES_MAX])
{
    struct memory *m = (struct memory *)b;

    pthread_mutex_lock(&m->log->mutex);
    int status = attach_locked(m, resume, view_ms, out, why);
    pthread_mutex_unlock(&m->log->mutex);
    return status;
}

/* What cannot be understood may have meant anything (B14). */
static struct entry understood(const struct memory *m, const struct record *r)
{
    struct entry e = r->entry;

    if (hand_skips(&m->settings.hand, e.position))
        return hand_skipped(e.position, e.change.message);
    if (change_problem(&e.change))
        change_stand_in(&e.change, 0, /* ignorable= */ false);
    return e;
}

static void deliver(struct memory *m, uint64_t after)
{
    struct log *log = m->log;
    size_t first = first_after(log, after);
    size_t count = (size_t)u64_min(log->count - first, DELIVER_BATCH_MAX);

    for (size_t i = 0; i < count; i++) {
        struct record *r = log->records[first + i];

        r->references++;
        m->held[i] = r;
        hand_take(&m->settings.hand, r->entry.position);
        m->delivered[i] = understood(m, r);
        hand_take(&m->settings.hand, 0);
    }
    m->held_count = count;
    if (count > 0) {
        m->position_seen = m->delivered[count - 1].position;
        m->message_seen = m->delivered[count - 1].change.message;
    }
}

/* A reader may have been overtaken while it was away: by pruning, or by a log that lost its
 * tail and grew again. What comes next would then hide a hole. */
static bool may_go_on(const struct memory *m, uint64_t after)
{
    struct id128 message = after == m->position_seen ? m->message_seen : (struct id128){0, 0};

    return id128_equal(m->log_seen, m->log->uuid) && m->epoch_seen == m->log->epoch &&
           proven(m->log, after, message);
}

static int read_locked(struct memory *m, uint64_t after, uint64_t timeout_ms,
                       char why[BUS_WHY_BYTES_MAX])
{
    uint64_t until_ms = u64_add_sat(now_ms(), u64_min(timeout_ms, 1000ull * 86400 * 365));
    struct timespec until = {.tv_sec = (time_t)(until_ms / 1000),
                             .tv_nsec = (long)(until_ms % 1000 * NS_PER_MS)};

    for (int waited = 0;;
         waited = pthread_cond_timedwait(&m->log->changed, &m->log->mutex, &until)) {
        if (m->log->down)
            return down(m->log, why);
        if (!may_go_on(m, after))
            return bus_fail(why, ACCORD_E_GONE, "memory:%s no longer has the entry at %llu",
                            m->log->name, (unsigned long long)after);
        deliver(m, after);
        bool woken = m->woken;
        m->woken = false;
        if (m->held_count > 0 || woken || waited == ETIMEDOUT || timeout_ms == 0)
            return ACCORD_OK;
    }
}

static int memory_read(struct bus *b, uint64_t after, uint64_t timeout_ms,
                       const struct entry **entries, size_t *count, char why[BUS_WHY_BYTES_MAX])
{
    struct memory *m = (struct memory *)b;

    pthread_mutex_lock(&m->log->mutex);
    release(m);
    int status = read_locked(m, after, timeout_ms, why);
    pthread_mutex_unlock(&m->log->mutex);
    if (status == ACCORD_OK) {
        *entries = m->delivered;
        *count = m->held_count;
    }
    return status;
}

static int head_locked(struct memory *m, const struct cursor *at, uint64_t *head,
                       char why[BUS_WHY_BYTES_MAX])
{
    struct log *log = m->log;

    if (log->down)
        return down(log, why);
    if (!id128_equal(at->log, log->uuid) || at->epoch != log->epoch ||
        !proven(log, at->position, at->message))
        return bus_fail(why, ACCORD_E_GONE, "memory:%s no longer has the entry at the cursor",
                        log->name);
    *head = log->newest;
    return ACCORD_OK;
}

static int memory_head(struct bus *b, const struct cursor *at, uint64_t *head,
                       char why[BUS_WHY_BYTES_MAX])
{
    struct memory *m = (struct memory *)b;

    pthread_mutex_lock(&m->log->mutex);
    int status = head_locked(m, at, head, why);
    pthread_mutex_unlock(&m->log->mutex);
    return status;
}

static int publish_locked(struct memory *m, const struct change *changes, size_t count,
                          struct position *last, char why[BUS_WHY_BYTES_MAX])
{
    struct log *log = m->log;
    struct record *r = NULL;

    if (log->down)
        return down(log, why);
    if (!id128_is_none(m->log_seen) &&
        (!id128_equal(m->log_seen, log->uuid) || m->epoch_seen != log->epoch))
        return bus_fail(why, ACCORD_E_DOWN, "memory:%s was replaced; it is being attached anew",
                        log->name);
    for (size_t i = 0; i < count; i++) {
        r = find_message(log, changes[i].message);
        if (r)
            continue;
        r = append(log, &changes[i]);
        if (change_sets_max_stale(&changes[i])) {
            log->max_stale_ms = changes[i].version;
            log->max_stale_before_ms = change_max_stale_before(&changes[i]);
        }
    }
    uint64_t position = r->entry.position;
    if (log->unpruned > 64 + log->count / 8)
        prune(log, &m->settings);
    pthread_cond_broadcast(&log->changed);
    if (log->answers_to_lose > 0) {
        log->answers_to_lose--;
        return bus_fail(why, ACCORD_E_TIMEOUT, "memory:%s did not answer", log->name);
    }
    *last = (struct position){log->epoch, position};
    return ACCORD_OK;
}

static int memory_publish(struct bus *b, const struct change *changes, size_t count,
                          struct position *last, char why[BUS_WHY_BYTES_MAX])
{
    struct memory *m = (struct memory *)b;

    int status = bus_check_changes(changes, count, why);
    if (status != ACCORD_OK)
        return status;
    pthread_mutex_lock(&m->log->mutex);
    status = publish_locked(m, changes, count, last, why);
    pthread_mutex_unlock(&m->log->mutex);
    return status;
}

static void memory_wake(struct bus *b)
{
    struct memory *m = (struct memory *)b;

    pthread_mutex_lock(&m->log->mutex);
    m->woken = true;
    pthread_cond_broadcast(&m->log->changed);
    pthread_mutex_unlock(&m->log->mutex);
}

static bool is_open(const struct log *log, const char *node)
{
    for (const struct memory *m = log->open; m; m = m->next)
        if (m->settings.node && strcmp(m->settings.node, node) == 0)
            return true;
    return false;
}

static int memory_present(struct bus *b, const char *const *names, size_t count, bool *there,
                          char why[BUS_WHY_BYTES_MAX])
{
    struct log *log = ((struct memory *)b)->log;
    int status = ACCORD_OK;

    pthread_mutex_lock(&log->mutex);
    if (log->down)
        status = down(log, why);
    for (size_t i = 0; i < count && status == ACCORD_OK; i++)
        there[i] = is_open(log, names[i]);
    pthread_mutex_unlock(&log->mutex);
    return status;
}

const struct bus_ops bus_memory = {
    .scheme = "memory",
    .caps = {.one_host = true,
             .head_linearizable = true,
             .may_lose_tail = false,
             .durability = "none: the log ends with this process"},
    .open = memory_open,
    .close = memory_close,
    .attach = memory_attach,
    .read = memory_read,
    .head = memory_head,
    .publish = memory_publish,
    .wake = memory_wake,
    .present = memory_present,
};

/* Misfortunes. */

void memory_log_write(const char *name, const char *op, struct bytes key)
{
    struct log *log = log_of(name);
    struct change c = {.key = key, .message = id_random(), .wall_ms = time_wall_ms()};

    if (change_op_parse(bytes_of_text(op), &c.op) != ACCORD_OK)
        c.op = (enum change_op)0;
    pthread_mutex_lock(&log->mutex);
    append(log, &c);
    pthread_cond_broadcast(&log->changed);
    pthread_mutex_unlock(&log->mutex);
}

static void cut(struct log *log, size_t count)
{
    for (size_t i = 0; i < count && log->count > 0; i++)
        unlink_record(log, log->records[--log->count]);
    log->newest = log->count > 0 ? log->records[log->count - 1]->entry.position : 0;
    log->epoch = id_random().low; /* its positions will be given again */
    pthread_cond_broadcast(&log->changed);
}

void memory_log_cut(const char *name, size_t count)
{
    struct log *log = log_of(name);

    pthread_mutex_lock(&log->mutex);
    cut(log, count);
    pthread_mutex_unlock(&log->mutex);
}

void memory_log_replace(const char *name)
{
    struct log *log = log_of(name);

    pthread_mutex_lock(&log->mutex);
    cut(log, log->count);
    log->pruned_to = 0;
    log->uuid = id_random();
    pthread_mutex_unlock(&log->mutex);
}

void memory_log_down(const char *name, bool is_down)
{
    struct log *log = log_of(name);

    pthread_mutex_lock(&log->mutex);
    log->down = is_down;
    pthread_cond_broadcast(&log->changed);
    pthread_mutex_unlock(&log->mutex);
}

void memory_log_lose_answers(const char *name, unsigned count)
{
    struct log *log = log_of(name);

    pthread_mutex_lock(&log->mutex);
    log->answers_to_lose = count;
    pthread_mutex_unlock(&log->mutex);
}
