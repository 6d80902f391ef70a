/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* reader.h - attach, read, head: what the room has counted, and, for what is older than it
 * keeps, pages of the archive. All on one thread, but for wake(). */
#ifndef ACCORD_BUS_XMPP_READER_H
#define ACCORD_BUS_XMPP_READER_H

#include "bus/xmpp/past.h"

struct xmpp_reader {
    struct xmpp_room *room;
    uint64_t max_stale_ms, timeout_ms;
    struct hand hand;
    bool attached;
    struct id128 log;
    uint64_t epoch;
    struct xmpp_item *pages[XMPP_PAGE_MAX]; /* archived, one behind the other */
    size_t page_count;
    uint64_t page_number, page_end; /* what is archived between these numbers is in them */
    struct xmpp_parts parts;
    struct xmpp_voices voices; /* that were delivered */
    bool fills; /* puts beats where they were missed: not where they would have to be signed */
    struct entry entries[DELIVER_BATCH_MAX];
    struct xmpp_item *held[DELIVER_BATCH_MAX]; /* which the entries point into */
    size_t entry_count, held_count;
};

void xmpp_reader_init(struct xmpp_reader *r, struct xmpp_room *room,
                      const struct bus_settings *s);
void xmpp_reader_done(struct xmpp_reader *r);

/* As in bus.h. */
int xmpp_reader_attach(struct xmpp_reader *r, const struct cursor *resume, uint64_t view_ms,
                       struct bus_attached *out, char why[BUS_WHY_BYTES_MAX]);
int xmpp_reader_read(struct xmpp_reader *r, uint64_t after, uint64_t timeout_ms,
                     const struct entry **entries, size_t *count, char why[BUS_WHY_BYTES_MAX]);
int xmpp_reader_head(struct xmpp_reader *r, const struct cursor *at, uint64_t *head,
                     char why[BUS_WHY_BYTES_MAX]);
void xmpp_reader_wake(struct xmpp_reader *r);
int xmpp_reader_present(struct xmpp_reader *r, const char *const *names, size_t count,
                        bool *there, char why[BUS_WHY_BYTES_MAX]);

#endif
