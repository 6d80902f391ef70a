/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* hub_log.h - one cluster's log, as a hub keeps it: in memory, bounded, and gone with it.
 *
 * Positions are the hub's sequences: they grow, with holes. An entry is kept as the record that
 * came (docs/format/change.txt), so that one of a later version goes on to those who can read
 * it. Nothing is dropped but by hub_log_prune().
 *
 * One thread. Times are of the monotonic clock.
 */
#ifndef ACCORD_BUS_CHP_HUB_LOG_H
#define ACCORD_BUS_CHP_HUB_LOG_H

#include "bus/chp/hub.h"
#include "bus/chp/talk.h"

enum {
    HUB_BUCKETS = 65536,               /* of the table that finds a message */
    HUB_BEATS_RETAIN_MS = 3600 * 1000, /* members' entries, whatever retain_ms says */
    HUB_BEATS_MAX = 65536,             /* of them at most */
};

struct hub_entry {
    struct hub_entry *same_bucket;
    uint64_t position, after; /* the one before it, when it came */
    uint64_t added_ms;
    struct id128 message;
    struct bytes uuid;   /* of who set it by hand; empty: of a node */
    struct bytes key;    /* as it is told: "/accord/shop/remove/greeble:43" */
    struct bytes origin; /* a part of the record */
    struct bytes record;
    size_t bytes; /* of memory */
    bool of_member;
    bool sets_max_stale;
    uint64_t max_stale_ms, max_stale_before_ms;
};

struct hub_log {
    char name[TALK_CLUSTER_BYTES_MAX];
    struct id128 uuid;
    uint64_t epoch;
    uint64_t max_stale_ms, max_stale_before_ms;
    uint64_t retain_ms, retain_changes; /* as the node said that published last */
    struct hub_entry **entries;         /* positions growing */
    size_t count, capacity;
    size_t bytes;       /* of all entries */
    uint64_t newest;    /* position of the newest entry; 0: none yet */
    uint64_t pruned_to; /* newest change that was pruned */
    size_t unpruned;    /* entries added since the last pruning */
    bool copied;        /* the other server of a pair has been told of the log (hub_copy.h), */
    uint64_t copied_to; /* and of its entries up to this position */
    struct hub_entry *buckets[HUB_BUCKETS];
};

/* All that a hub has. */
struct hub_logs {
    struct hub_log *log[CHP_LOGS_MAX];
    size_t count;
};
struct hub_log *hub_logs_find(const struct hub_logs *logs, const char *name); /* or NULL */
void hub_logs_free(struct hub_logs *logs);                                    /* none is left */

/* NULL: no memory. */
struct hub_log *hub_log_new(const char *name, uint64_t max_stale_ms);
void hub_log_free(struct hub_log *log); /* NULL is fine */

/* An entry of that record, not in the log yet. NULL: no memory. The record must be one, of any
 * version (ACCORD_OK or _E_UNSUPPORTED of change_decode()). */
struct hub_entry *hub_entry_new(const struct hub_log *log, struct bytes record,
                                struct bytes uuid);
void hub_entry_free(struct hub_entry *e);
/* Room for so many more; false: no memory. After it hub_log_append() cannot fail. */
bool hub_log_reserve(struct hub_log *log, size_t count);
/* The log has it from now on. */
void hub_log_append(struct hub_log *log, struct hub_entry *e, uint64_t position,
                    uint64_t now_ms);

struct hub_entry *hub_log_find(const struct hub_log *log, struct id128 message); /* or NULL */
/* The index of the first entry after `position`. */
size_t hub_log_first_after(const struct hub_log *log, uint64_t position);
/* Of the entry there; none: there is none. */
struct id128 hub_log_message_at(const struct hub_log *log, uint64_t position);
/* Before every entry younger than view_ms, and as far back as nothing has been pruned. */
uint64_t hub_log_view(const struct hub_log *log, uint64_t view_ms, uint64_t now_ms);

/* What is old, and changes beyond their count or the memory; never the newest entry. Looks only
 * where much was added. */
void hub_log_prune(struct hub_log *log, uint64_t now_ms);

/* As if entries were lost: whoever is attached begins anew (bus.h, B15). */
void hub_log_renew(struct hub_log *log);

/* The last `count` entries vanish, which is another epoch. For tests. */
void hub_log_cut(struct hub_log *log, size_t count);

#endif
