/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* reader.h - the reading side of the sqlite bus: attach, read, head. One thread. */
#ifndef ACCORD_BUS_SQLITE_READER_H
#define ACCORD_BUS_SQLITE_READER_H

#include "bus/sqlite/log.h"
#include "bus/sqlite/wait.h"

/* Looking again and again after a write to the WAL, until its rows are visible. */
struct sqlite_chase {
    uint64_t until_ns; /* 0: none */
    uint64_t step_ns;
    uint64_t next_ns; /* the next look */
    uint64_t last_ns; /* the last one, also without a chase */
    uint64_t idle_ns; /* between two looks that nothing asked for */
};

struct sqlite_reader {
    const struct sqlite_place *place;
    const struct bus_settings *settings;
    struct sqlite_db db; /* never writes */
    sqlite3_stmt *look, *rows;
    struct sqlite_wait wait;
    struct sqlite_lock lock;
    struct sqlite_wake wake;

    /* What was attached, and the entry last delivered: read() goes on only after just that. */
    struct cursor seen;
    struct sqlite_chase chase; /* outlives read(): what it runs after may come next time */

    uint8_t *room; /* the bytes of what was delivered */
    struct entry delivered[DELIVER_BATCH_MAX];
};

/* Opens the log, and makes it where it is missing. On failure nothing is held. */
MUST_CHECK int sqlite_reader_init(struct sqlite_reader *r, const struct sqlite_place *place,
                                  const struct bus_settings *settings,
                                  char why[BUS_WHY_BYTES_MAX]);
void sqlite_reader_done(struct sqlite_reader *r); /* fine on zeroed memory, and twice */

/* As bus.h says. */
MUST_CHECK int sqlite_reader_attach(struct sqlite_reader *r, const struct cursor *resume,
                                    uint64_t view_ms, struct bus_attached *out,
                                    char why[BUS_WHY_BYTES_MAX]);
MUST_CHECK int sqlite_reader_read(struct sqlite_reader *r, uint64_t after, uint64_t timeout_ms,
                                  const struct entry **entries, size_t *count,
                                  char why[BUS_WHY_BYTES_MAX]);
MUST_CHECK int sqlite_reader_head(struct sqlite_reader *r, const struct cursor *at,
                                  uint64_t *head, char why[BUS_WHY_BYTES_MAX]);

#endif
