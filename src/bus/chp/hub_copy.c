/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/chp/hub_copy.h"

#include "base/limits.h"
#include "bus/url.h"

/* Numbers have 8 bytes, the largest first. */
enum {
    PART_LOG = 'L',   /* its name's length and name, then LOG_NUMBERS */
    PART_ENTRY = 'E', /* ENTRY_NUMBERS, then its uuid and its record; of the log before it */
    LOG_NUMBERS = 8,
    ENTRY_NUMBERS = 4,
    NUMBER_BYTES = 8,
    LOG_BYTES_MAX = 2 + TALK_CLUSTER_BYTES_MAX + LOG_NUMBERS * NUMBER_BYTES,
    ENTRY_BYTES_MIN = 1 + ENTRY_NUMBERS * NUMBER_BYTES,
};

/* ---- packing -------------------------------------------------------------------------- */

static void put_number(uint8_t **to, uint64_t n)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        *(*to)++ = (uint8_t)(n >> shift);
}

static void put_bytes(uint8_t **to, struct bytes b)
{
    if (b.size_bytes > 0)
        memcpy(*to, b.data, b.size_bytes);
    *to += b.size_bytes;
}

static void put_log(uint8_t **to, const struct hub_log *log)
{
    struct bytes name = bytes_of_text(log->name);

    *(*to)++ = PART_LOG;
    *(*to)++ = (uint8_t)name.size_bytes;
    put_bytes(to, name);
    put_number(to, log->uuid.high);
    put_number(to, log->uuid.low);
    put_number(to, log->epoch);
    put_number(to, log->max_stale_ms);
    put_number(to, log->max_stale_before_ms);
    put_number(to, log->retain_ms);
    put_number(to, log->retain_changes);
    put_number(to, log->pruned_to);
}

static void put_entry(uint8_t **to, const struct hub_entry *e, uint64_t now_ms)
{
    *(*to)++ = PART_ENTRY;
    put_number(to, e->position);
    put_number(to, u64_sub_sat(now_ms, e->added_ms));
    put_number(to, e->uuid.size_bytes);
    put_number(to, e->record.size_bytes);
    put_bytes(to, e->uuid);
    put_bytes(to, e->record);
}

static bool log_is_whole(const struct hub_log *log)
{
    return log->copied && log->copied_to == log->newest;
}

void hub_copy_begin(struct hub_logs *logs)
{
    for (size_t i = 0; i < logs->count; i++) {
        logs->log[i]->copied = false;
        logs->log[i]->copied_to = 0;
    }
}

bool hub_copy_is_whole(const struct hub_logs *logs)
{
    for (size_t i = 0; i < logs->count; i++)
        if (!log_is_whole(logs->log[i]))
            return false;
    return true;
}

/* False: there is no room for the next one. */
static bool pack_log(struct hub_log *log, uint8_t **to, const uint8_t *end, uint64_t now_ms)
{
    if ((size_t)(end - *to) < LOG_BYTES_MAX)
        return false;
    put_log(to, log);
    log->copied = true;
    for (size_t i = hub_log_first_after(log, log->copied_to); i < log->count; i++) {
        const struct hub_entry *e = log->entries[i];
        if ((size_t)(end - *to) < ENTRY_BYTES_MIN + e->uuid.size_bytes + e->record.size_bytes)
            return false;
        put_entry(to, e, now_ms);
        log->copied_to = e->position;
    }
    ASSERT(log->count == 0 || log->copied_to == log->newest); /* it is never pruned (B8) */
    return true;
}

size_t hub_copy_pack(struct hub_logs *logs, uint8_t out[HUB_COPY_BYTES_MAX], uint64_t now_ms)
{
    uint8_t *to = out;

    for (size_t i = 0; i < logs->count; i++)
        if (!log_is_whole(logs->log[i]) &&
            !pack_log(logs->log[i], &to, out + HUB_COPY_BYTES_MAX, now_ms))
            break;
    return (size_t)(to - out);
}

/* ---- taking --------------------------------------------------------------------------- */

static bool get_bytes(struct bytes *from, uint64_t bytes, struct bytes *out)
{
    if (bytes > from->size_bytes)
        return false;
    *out = bytes_of(from->data, (size_t)bytes);
    *from = bytes_of(from->data + bytes, from->size_bytes - (size_t)bytes);
    return true;
}

static bool get_numbers(struct bytes *from, uint64_t *out, size_t count)
{
    struct bytes b;

    for (size_t i = 0; i < count; i++) {
        if (!get_bytes(from, NUMBER_BYTES, &b))
            return false;
        out[i] = 0;
        for (size_t at = 0; at < NUMBER_BYTES; at++)
            out[i] = out[i] << 8 | b.data[at];
    }
    return true;
}

static struct hub_log *find_or_make(struct hub_logs *logs, const char *name)
{
    struct hub_log *log = hub_logs_find(logs, name);

    if (log || logs->count == CHP_LOGS_MAX)
        return log;
    log = hub_log_new(name, MAX_STALE_MS_MIN);
    if (log)
        logs->log[logs->count++] = log;
    return log;
}

static struct hub_log *take_log(struct hub_logs *logs, struct bytes *from)
{
    char name[TALK_CLUSTER_BYTES_MAX] = "";
    uint64_t n[LOG_NUMBERS];
    struct bytes size, text;

    if (!get_bytes(from, 1, &size) || size.data[0] == 0 || size.data[0] >= sizeof name ||
        !get_bytes(from, size.data[0], &text) || !get_numbers(from, n, LOG_NUMBERS))
        return NULL;
    memcpy(name, text.data, text.size_bytes);
    if (!bus_cluster_is_valid(name) || n[3] < MAX_STALE_MS_MIN || n[3] > MAX_STALE_MS_MAX)
        return NULL;
    struct hub_log *log = find_or_make(logs, name);
    if (!log)
        return NULL;
    log->uuid = (struct id128){n[0], n[1]};
    log->epoch = n[2];
    log->max_stale_ms = n[3];
    log->max_stale_before_ms = n[4];
    log->retain_ms = n[5];
    log->retain_changes = n[6];
    log->pruned_to = u64_max(log->pruned_to, n[7]);
    return log;
}

static bool take_entry(struct hub_log *log, struct bytes *from, uint64_t now_ms)
{
    uint64_t n[ENTRY_NUMBERS];
    struct bytes uuid, record, namespace = {0};
    struct change c;

    if (!log || !get_numbers(from, n, ENTRY_NUMBERS) || n[0] <= log->newest ||
        (n[2] != 0 && n[2] != CHP_UUID_BYTES) || !get_bytes(from, n[2], &uuid) ||
        n[3] > CHANGE_RECORD_BYTES_MAX || !get_bytes(from, n[3], &record) ||
        change_decode(record, &c, &namespace) == ACCORD_E_FORMAT ||
        hub_log_find(log, c.message) || !hub_log_reserve(log, 1))
        return false;
    struct hub_entry *e = hub_entry_new(log, record, uuid);
    if (e)
        hub_log_append(log, e, n[0], u64_sub_sat(now_ms, n[1]));
    return e != NULL;
}

bool hub_copy_take(struct hub_logs *logs, struct bytes packed, uint64_t now_ms)
{
    struct hub_log *log = NULL;
    struct bytes part;

    while (get_bytes(&packed, 1, &part)) {
        if (part.data[0] == PART_LOG)
            log = take_log(logs, &packed);
        else if (part.data[0] != PART_ENTRY || !take_entry(log, &packed, now_ms))
            return false;
        if (!log)
            return false;
        hub_log_prune(log, now_ms);
    }
    return true;
}
