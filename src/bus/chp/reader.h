/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* reader.h - follows a hub's log: attach, read, head.
 *
 * What is published is heard as it comes; each entry names the position before it, so that one
 * that was missed shows by the next. Then, and where nothing was heard for a while, or the head
 * is further than what was heard, the hub is asked for what follows: subscribe first, ask, and
 * discard what is older.
 *
 * All on one thread, but for wake(). */
#ifndef ACCORD_BUS_CHP_READER_H
#define ACCORD_BUS_CHP_READER_H

#include "bus/chp/link.h"

struct chp_reader {
    struct chp_link link;
    struct hand hand;
    int wake;

    bool attached;
    struct cursor at;  /* delivered up to here; its message is none where it is not known */
    bool behind;       /* the hub is to be asked for what follows */
    bool other_log;    /* what was heard is of another log */
    uint64_t heard_ns; /* when the hub last said anything */

    uint8_t *records; /* that the entries point into; DELIVER_BATCH_MAX of the largest */
    size_t record_bytes;
    struct entry entries[DELIVER_BATCH_MAX];
    size_t count;
};

/* ACCORD_E_NOMEM, ACCORD_E_IO: no descriptor is left. */
MUST_CHECK int chp_reader_init(struct chp_reader *r, const struct chp_place *p, void *context,
                               const struct hand *hand, char why[BUS_WHY_BYTES_MAX]);
void chp_reader_done(struct chp_reader *r);

/* As in bus.h. */
int chp_reader_attach(struct chp_reader *r, const struct cursor *resume, uint64_t view_ms,
                      struct bus_attached *out, char why[BUS_WHY_BYTES_MAX]);
int chp_reader_read(struct chp_reader *r, uint64_t after, uint64_t timeout_ms,
                    const struct entry **entries, size_t *count, char why[BUS_WHY_BYTES_MAX]);
int chp_reader_head(struct chp_reader *r, const struct cursor *at, uint64_t *head,
                    char why[BUS_WHY_BYTES_MAX]);
int chp_reader_present(struct chp_reader *r, const char *const *names, size_t count,
                       bool *there, char why[BUS_WHY_BYTES_MAX]);
void chp_reader_wake(struct chp_reader *r);

#endif
