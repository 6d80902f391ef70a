/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* inside.h - the CHP door within: what its files ask of each other.
 *
 *     chp.c        life; the loop's turns
 *     tell.c       updates: what changed, and what is gone
 *     snapshot.c   snapshots
 *     take.c       what clients set
 */
#ifndef ACCORD_DOOR_CHP_INSIDE_H
#define ACCORD_DOOR_CHP_INSIDE_H

#include "door/chp/chp.h"
#include "door/chp/map.h"
#include "door/chp/names.h"
#include "net/chp_sockets.h"

enum { CHP_CLIENT_BYTES_MAX = 255 };

/* One question under way. It is begun a moment after it came, for the subscriptions that were
 * made before it come over another connection; `sequence` is that of the moment it began. */
struct chp_snapshot {
    uint8_t client[CHP_CLIENT_BYTES_MAX];
    size_t client_bytes;
    uint8_t *subtree; /* ours; NULL: all */
    size_t subtree_bytes;
    bool begun;
    uint32_t place; /* of the map: the next to look at */
    uint64_t sequence;
    uint64_t due_ms, moved_ms; /* when it begins; when the client last took anything */
};

/* What a client sets, while the core has it. */
struct chp_setting {
    struct bytes key; /* none: nothing is being set */
    struct bytes uuid, properties;
};

struct chp_door {
    const struct door_host *host;
    struct reader reader; /* the host's, but reading keeps nothing alive */
    struct chp_sockets *sockets;
    const struct chp_beside *beside; /* NULL: none */
    struct chp_address address;
    struct chp_map map;
    uint64_t client, request_id; /* our number at the core; ids given */
    uint64_t sets_open;          /* handed over, not answered */
    uint64_t sequence;           /* given last */
    struct chp_setting setting;

    bool fresh;          /* as of the last tick */
    uint32_t look_at;    /* place of the map that is looked at next */
    uint32_t looks_left; /* places that are to be looked at now, one after the other */
    bool walking;        /* the whole index is walked for keys not told of */
    uint64_t walk_cursor;
    uint8_t walk_key[KEY_BYTES_MAX];

    struct chp_snapshot *snapshots[CHP_SNAPSHOTS_MAX];
    size_t snapshot_count;

    uv_poll_t questions, collector;
    uv_idle_t busy; /* active while there is work left that waits for nobody */
    uv_timer_t tick, pace;
    unsigned handles; /* still open */
    bool ending;
    uint64_t hugz_ms; /* when it was sent last */

    const char *said; /* the complaint noted last, and when */
    uint64_t said_ms;
    struct chp_counts counts;
};

/* ---- chp.c ---------------------------------------------------------------------------- */

/* There is work: the loop's next turn comes at once. */
void chp_busy(struct chp_door *d);
/* One log line; the same `why` (static) again only after a minute. `about` may be empty. */
void chp_complain(struct chp_door *d, const char *what, const char *why, struct bytes about);
bool chp_is_fresh(const struct chp_door *d);

/* ---- tell.c --------------------------------------------------------------------------- */

enum chp_tell {
    CHP_IF_CHANGED, /* only what clients do not know yet */
    CHP_ALWAYS
};
void chp_tell(struct chp_door *d, struct bytes key, enum chp_tell how);
/* Looks at up to `count` keys that clients know: are they still there? */
void chp_look(struct chp_door *d, uint32_t count);
/* What is to be looked at now: true while some is left. */
bool chp_look_on(struct chp_door *d);
void chp_look_at_all(struct chp_door *d);
void chp_hugz(struct chp_door *d);
/* What is here of the key, if a client may have it. Valid until the segment changes. */
bool chp_live(const struct chp_door *d, struct bytes key, struct bytes *value,
              uint64_t *ttl_ms);
/* "ttl=…" and the entry's own properties. */
#define CHP_LINES_BYTES_MAX (CHP_TTL_BYTES_MAX + CHP_PROPERTIES_BYTES_MAX)
struct bytes chp_lines(uint64_t ttl_ms, struct bytes properties,
                       uint8_t room[CHP_LINES_BYTES_MAX]);

/* ---- snapshot.c ----------------------------------------------------------------------- */

void chp_ask(struct chp_door *d, const struct bytes *frames, size_t count);
/* Sends what can be sent. True: there is more, and nobody to wait for. */
bool chp_snapshots_go_on(struct chp_door *d);
void chp_snapshots_drop(struct chp_door *d);

/* ---- take.c --------------------------------------------------------------------------- */

void chp_take(struct chp_door *d, const struct bytes *frames, size_t count);

#endif
