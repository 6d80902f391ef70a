/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* room.h - the log in the room: every message is counted as it comes, on the link's thread, so
 * that reader and publisher know where it stands (docs/decision/xmpp.md).
 *
 * All of it is guarded by the link's mutex. */
#ifndef ACCORD_BUS_XMPP_ROOM_H
#define ACCORD_BUS_XMPP_ROOM_H

#include "bus/xmpp/item.h"
#include "bus/xmpp/missed.h"

enum {
    XMPP_RECENT_MAX = 8192,       /* messages kept; what is older is read from the archive */
    XMPP_INDEX_MAX = 65536,       /* archived messages of which the number is known */
    XMPP_WAITING_MAX = 8192,      /* that came before the place in the log was known */
    XMPP_ARCHIVE_AT_PLACE = 2048, /* then the next beat is archived, and places begin anew */
    XMPP_MISSED_PLACE_MAX = 4096, /* places up to there are left for beats that were missed */
    XMPP_KNOWN_SETS = 2048,
    XMPP_KNOWN_WAYS = 8,
};
#define XMPP_RECENT_BYTES_MAX (32 * MIB)

/* Where the log ends. */
struct xmpp_mark {
    struct id128 log;
    uint64_t epoch;
    char aid[XMPP_AID_BYTES_MAX]; /* of the newest archived message; "": there is none */
    uint64_t number, place;
    struct id128 last; /* the change `number` */
    uint64_t head;     /* position */
    uint64_t floor;    /* changes up to that number count as forgotten */
    uint64_t max_stale_ms, max_stale_before_ms;
};

/* The number after an archived message. */
struct xmpp_index {
    char aid[XMPP_AID_BYTES_MAX];
    uint64_t end;
    struct id128 last;
    uint64_t came_ms;
};

/* The one batch that is being published, or of which it is not known whether it was taken. */
struct xmpp_pending {
    uint64_t batch; /* 0: none */
    char id[XMPP_ID_BYTES_MAX];
    bool done, refused;
    struct position at;
    char condition[64];
};

struct xmpp_room {
    struct xmpp_link link;
    bool counting; /* mark, index and recent hold */
    struct xmpp_mark mark;
    bool has_seen; /* a mark that held before the seat was lost */
    struct xmpp_mark seen;
    struct xmpp_index *index; /* of XMPP_INDEX_MAX, oldest first */
    size_t index_count;
    struct xmpp_item *recent[XMPP_RECENT_MAX]; /* a ring */
    size_t recent_first, recent_count, recent_bytes;
    uint64_t recent_number;     /* what is archived later than that number is in `recent` */
    struct xmpp_heard *waiting; /* of XMPP_WAITING_MAX */
    size_t waiting_count;
    bool waiting_lost;
    struct xmpp_parts parts;
    struct xmpp_voices voices; /* that were heard live */
    struct xmpp_pending pending;
    bool woken;
    struct xmpp_known {
        struct id128 message;
        uint64_t position;
    } known[XMPP_KNOWN_SETS][XMPP_KNOWN_WAYS];
};

MUST_CHECK int xmpp_room_open(struct xmpp_room *r, const struct xmpp_place *place,
                              const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX]);
void xmpp_room_close(struct xmpp_room *r);

/* From here on what comes is counted: `mark` is where the index ends. What waited, and is not
 * in the index, comes first. False: too much waited; nothing is counted. */
bool xmpp_room_count_from(struct xmpp_room *r, const struct xmpp_mark *mark);

/* Stops counting. */
void xmpp_room_forget(struct xmpp_room *r);

/* Moves the mark over an archived message; fills in where the item stands (NULL: it has no
 * entries). */
void xmpp_mark_over(struct xmpp_mark *m, const struct xmpp_heard *h, struct xmpp_item *item);

/* The number after the archived message; false: it is not in the index. */
bool xmpp_room_indexed(const struct xmpp_room *r, const char *aid, uint64_t *end);
/* Whether the index, where it reaches there, has that message before that number. */
bool xmpp_room_agrees(const struct xmpp_room *r, const char *aid, uint64_t number);
/* The newest in the index after which the number is at most `number`; NULL: none. */
const struct xmpp_index *xmpp_room_before(const struct xmpp_room *r, uint64_t number);

/* An archived message that was not heard live may be what is pending: it is in the log then. */
void xmpp_room_found(struct xmpp_room *r, const struct xmpp_heard *h,
                     const struct xmpp_mark *m);
/* That message has that position. */
void xmpp_room_remember(struct xmpp_room *r, struct id128 message, uint64_t position);

/* The position of a message that this process has seen; 0: none. */
uint64_t xmpp_room_known(struct xmpp_room *r, struct id128 message);

#endif
