/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* log.h - what one look at the database says of the log, and whether it proves a place (B7). */
#ifndef ACCORD_BUS_POSTGRES_LOG_H
#define ACCORD_BUS_POSTGRES_LOG_H

#include "bus/postgres/link.h"

/* The log that was attached, as publish() must find it again. */
struct pg_target {
    struct id128 log; /* none: not attached yet */
    uint64_t epoch;   /* as it stands in the table */
    struct pg_identity identity;
};

/* The newest entry that this process knows of, read or published. Where it is gone, or another
 * stands there, the log lost its tail: the server itself cannot know. */
struct pg_mark {
    struct pg_target in;
    uint64_t position;
    struct id128 message;
};

/* All from one snapshot. */
struct pg_log {
    struct pg_target target;
    uint64_t epoch; /* as others see it: of table, server and database together */
    uint64_t head, pruned_to;
    uint64_t max_stale_ms, max_stale_before_ms;
    struct id128 message; /* at the position asked for; none: no entry is there */
    bool outbox;          /* rows wait there for their positions */
    bool lost_tail;       /* the mark is not there any more */
    bool standby;         /* the server's commits wait for one, and so do ours */
};

uint64_t pg_epoch(const struct pg_target *t);
bool pg_target_equal(const struct pg_target *a, const struct pg_target *b);

/* ACCORD_E_GONE: there is no log. ACCORD_E_UNSUPPORTED: of another format. */
MUST_CHECK int pg_log_look(struct pg_link *l, uint64_t position, const struct pg_mark *mark,
                           struct pg_log *out, char why[BUS_WHY_BYTES_MAX]);

/* Whether `log`, looked at for this cursor's position, still is what the cursor saw. */
MUST_CHECK int pg_log_prove(const struct pg_link *l, const struct pg_log *log,
                            const struct cursor *at, char why[BUS_WHY_BYTES_MAX]);

/* Gives the rows of the outbox their positions, all that were committed before the call, and
 * wakes those who listen. */
MUST_CHECK int pg_log_move(struct pg_link *l, char why[BUS_WHY_BYTES_MAX]);

/* Whether the server is still the primary that its synchronous standby follows: only then has
 * no other taken changes until now. Waits for the standby. */
MUST_CHECK int pg_log_confirm(struct pg_link *l, char why[BUS_WHY_BYTES_MAX]);

/* Makes schema and log where they are missing, or older than this Accord's. */
MUST_CHECK int pg_log_create(struct pg_link *l, uint64_t max_stale_ms,
                             char why[BUS_WHY_BYTES_MAX]);

/* Makes the functions of a log anew that an older Accord made, where this user owns them; else,
 * or where that fails, they stay, and do. Fails as pg_link_open() does. */
MUST_CHECK int pg_log_update(struct pg_link *l, char why[BUS_WHY_BYTES_MAX]);

/* What the DBA should do about the schema; "": nothing. */
void pg_log_advise(struct pg_link *l, char out[BUS_ADVICE_BYTES_MAX]);

/* A statement's number is its own, for all of this bus. */
enum {
    PG_LOOK,
    PG_MOVE,
    PG_VERSION,
    PG_BEGIN,
    PG_RENEW,
    PG_VIEW,
    PG_LISTEN,
    PG_ELECT,
    PG_READ,
    PG_PUBLISH,
    PG_PRUNE,
    PG_PRESENT,
    PG_CONFIRM
};

#endif
