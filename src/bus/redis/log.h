/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* log.h - what one look at the server says of the log, and whether it proves a place (B7). */
#ifndef ACCORD_BUS_REDIS_LOG_H
#define ACCORD_BUS_REDIS_LOG_H

#include "bus/redis/row.h"
#include "bus/redis/script.h"

/* The newest entry that somebody here has seen: no log of that epoch may end before it. */
struct redis_mark {
    struct id128 log;
    uint64_t epoch;
    uint64_t position;
    struct id128 message;
};

struct redis_log {
    struct id128 log;
    uint64_t epoch;
    uint64_t head;
    uint64_t pruned_to; /* newest change that was pruned */
    uint64_t max_stale_ms, max_stale_before_ms;
    uint64_t time_ms;     /* the server's, as in new entries' ids */
    struct id128 message; /* at the position asked for; none: no entry is there */
    bool lost; /* entries may be missing that were there: the epoch is to be renewed */
};

/* Sends the question; the reply is for redis_log_read(). `call` is used for a moment. */
MUST_CHECK int redis_log_ask(struct redis_link *l, const struct redis_place *p,
                             struct redis_words *call, uint64_t position,
                             const struct redis_mark *mark, uint64_t deadline_ns,
                             char why[BUS_WHY_BYTES_MAX]);
/* ACCORD_E_GONE: there is no log. ACCORD_E_FORMAT, ACCORD_E_UNSUPPORTED. */
MUST_CHECK int redis_log_read(struct redis_link *l, const redisReply *reply,
                              const struct redis_place *p, const struct redis_mark *mark,
                              struct redis_log *out, char why[BUS_WHY_BYTES_MAX]);

/* Whether `log`, looked at for this cursor's position, still is what the cursor saw. */
MUST_CHECK int redis_log_prove(const struct redis_log *log, const struct redis_place *p,
                               const struct cursor *at, char why[BUS_WHY_BYTES_MAX]);

#endif
